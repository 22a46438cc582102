//! Which rows train, which validate, and in what order.
//!
//! A validation row whose text was trained on measures memory. [`SplitKind::Grouped`] keeps all rows
//! that share a text, directly or through others, on one side.

use std::collections::{BTreeMap, HashMap, HashSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tables::draws::shuffle;
use tables::ties::tie;

use super::config::TrainConfig;
use super::options::SplitKind;
use crate::ml::pairs::TokenPair;
use crate::ml::{Error, Result};

/// A table split in two. Rows keep the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The rows that train.
    pub training: Vec<TokenPair>,
    /// The rows that validate.
    pub validation: Vec<TokenPair>,
    /// Validation rows of which at least one text is trained on too.
    pub leaking: usize,
    /// Texts in so many rows that they would tie most of the table into one group. A grouped split
    /// lets them stand on both sides.
    pub hubs: usize,
}

/// Keras' `validation_split`: the first `floor(rows * (1 - split))` rows train, the rest validate.
pub fn training_rows(rows: usize, validation_split: f64) -> usize {
    (rows as f64 * (1.0 - validation_split)).floor() as usize
}

/// Splits a table as the settings say.
///
/// # Errors
/// Where one side would be empty.
pub fn split(pairs: Vec<TokenPair>, config: &TrainConfig) -> Result<Split> {
    let rows = pairs.len();
    let wanted = rows - training_rows(rows, config.validation_split);
    let labelled = pairs.first().is_some_and(|pair| pair.labels.is_some());
    let (validates, hubs) = match config.split {
        SplitKind::Tail => ((rows - wanted..rows).collect(), 0),
        SplitKind::Random => (draw(&pairs, (0..rows).map(|row| vec![row]).collect(), wanted, config.seed), 0),
        SplitKind::Grouped if labelled => (of_labels(&pairs, wanted, config.seed), 0),
        SplitKind::Grouped => grouped(&pairs, wanted, config.seed),
    };
    if validates.is_empty() || validates.len() == rows {
        let reason = "leaves no rows to train on or none to validate with; choose \"random\", or add rows";
        return Err(Error::config("split", reason));
    }
    let (mut training, mut validation) = (Vec::new(), Vec::new());
    for (row, pair) in pairs.into_iter().enumerate() {
        if validates.contains(&row) { validation.push(pair) } else { training.push(pair) }
    }
    Ok(Split { hubs, ..Split::of(training, validation) })
}

impl Split {
    /// Two tables: one trains, the other validates.
    pub fn of(training: Vec<TokenPair>, validation: Vec<TokenPair>) -> Self {
        let trained: HashSet<&[u32]> = training.iter().flat_map(TokenPair::texts).collect();
        let leaking = validation.iter().filter(|pair| pair.texts().any(|text| trained.contains(text))).count();
        drop(trained);
        Self { training, validation, leaking, hubs: 0 }
    }
}

/// Draws about `wanted` rows, whole groups, so that each score has its share.
fn draw(pairs: &[TokenPair], mut groups: Vec<Vec<usize>>, wanted: usize, seed: u64) -> HashSet<usize> {
    let stratum = strata(pairs);
    let mut open: BTreeMap<usize, f64> = BTreeMap::new();
    for &stratum in &stratum {
        *open.entry(stratum).or_default() += wanted as f64 / pairs.len() as f64;
    }
    shuffle(&mut groups, &mut ChaCha8Rng::seed_from_u64(seed));
    let mut drawn = HashSet::new();
    // First the groups that fit into what their scores still lack, then the smallest that are left.
    let mut left = Vec::new();
    for group in groups {
        let lack: f64 = group.iter().map(|&row| open[&stratum[row]].clamp(-1.0, 1.0)).sum();
        if drawn.len() + group.len() <= wanted && lack > 0.5 * group.len() as f64 {
            group.iter().for_each(|&row| *open.entry(stratum[row]).or_default() -= 1.0);
            drawn.extend(group);
        } else {
            left.push(group);
        }
    }
    left.sort_by_key(Vec::len);
    for group in left {
        if drawn.len() + group.len() <= wanted {
            drawn.extend(group);
        }
    }
    drawn
}

/// From so many labels on whole labels validate: what was learnt has to hold for labels that nobody has seen.
const ENOUGH_LABELS: usize = 10;
/// Fewer labels that validate are told apart too easily.
const FEWEST_HELD_OUT: usize = 3;

/// Draws about `wanted` rows of labelled texts: whole labels where there are enough, else texts, of each label its share.
fn of_labels(pairs: &[TokenPair], wanted: usize, seed: u64) -> HashSet<usize> {
    let (mut of_label, mut of_text) = (BTreeMap::<u32, Vec<usize>>::new(), HashMap::<&[u32], Vec<usize>>::new());
    for (row, pair) in pairs.iter().enumerate() {
        of_text.entry(&pair.left).or_default().push(row);
        pair.labels.iter().for_each(|labels| of_label.entry(labels.own).or_default().push(row));
    }
    let labels = of_label.len();
    // Labels that share a text stay together.
    let tied = tie(pairs.len(), of_label.values().chain(of_text.values()).map(Vec::as_slice));
    let label_of = |row: &usize| pairs[*row].labels.as_ref().map(|labels| labels.own);
    let labels_of = |rows: &[usize]| rows.iter().map(label_of).collect::<HashSet<_>>().len();
    let differ = |rows: &&Vec<usize>| rows.iter().any(|&row| pairs[row].left != pairs[rows[0]].left);
    let mut groups: Vec<&Vec<usize>> = tied.iter().filter(differ).collect();
    shuffle(&mut groups, &mut ChaCha8Rng::seed_from_u64(seed));
    let (mut drawn, mut held_out) = (HashSet::new(), 0);
    for group in groups.into_iter().filter(|_| labels >= ENOUGH_LABELS) {
        let enough = drawn.len() >= wanted && held_out >= FEWEST_HELD_OUT;
        if !enough && (drawn.len() + group.len()) * 2 <= pairs.len() {
            held_out += labels_of(group);
            drawn.extend(group.iter().copied());
        }
    }
    if held_out >= FEWEST_HELD_OUT && labels - held_out >= 2 {
        return drawn;
    }
    let mut texts: Vec<Vec<usize>> = of_text.into_values().collect();
    texts.sort_unstable();
    draw(pairs, texts, wanted, seed)
}

/// Rows of one label; rows with like scores: each score by itself where there are few, tenths of the range where many.
pub(super) fn strata(pairs: &[TokenPair]) -> Vec<usize> {
    if let Some(labels) = pairs.iter().map(|pair| Some(pair.labels.as_ref()?.own as usize)).collect() {
        return labels;
    }
    let scores: Vec<u64> = pairs.iter().map(|pair| pair.score.to_bits()).collect();
    let mut distinct: Vec<u64> = scores.iter().copied().collect::<HashSet<_>>().into_iter().collect();
    distinct.sort_unstable();
    if distinct.len() <= 10 {
        return scores.iter().map(|score| distinct.partition_point(|known| known < score)).collect();
    }
    pairs.iter().map(|pair| (pair.score * 10.0).clamp(0.0, 9.0) as usize).collect()
}

/// Draws whole groups of rows that are tied by shared texts, and counts the hub texts that were left out
/// of account: the texts of the most rows, one after another, until no group holds more than half of the
/// rows and at least half of the wanted rows were drawn.
fn grouped(pairs: &[TokenPair], wanted: usize, seed: u64) -> (HashSet<usize>, usize) {
    let mut rows_of: HashMap<&[u32], Vec<usize>> = HashMap::new();
    for (row, pair) in pairs.iter().enumerate() {
        for text in pair.texts() {
            rows_of.entry(text).or_default().push(row);
        }
    }
    let mut texts: Vec<(&[u32], Vec<usize>)> = rows_of.into_iter().collect();
    texts.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.0.cmp(b.0)));
    let mut hubs = 0;
    loop {
        let groups = tie(pairs.len(), texts[hubs..].iter().map(|(_, rows)| rows.as_slice()));
        let largest = groups.iter().map(Vec::len).max().unwrap_or_default();
        let shared = |least: usize| texts[hubs..].first().is_some_and(|(_, rows)| rows.len() >= least);
        if largest * 2 <= pairs.len() || !shared(3) {
            let drawn = draw(pairs, groups, wanted, seed);
            if drawn.len() * 2 >= wanted || !shared(2) {
                return (drawn, hubs);
            }
        }
        hubs += 1 + hubs / 4;
        hubs = hubs.min(texts.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ml::pairs::Labels;

    fn pair(left: u32, right: u32, score: f64) -> TokenPair {
        TokenPair { left: vec![left], right: vec![right], score, ..TokenPair::default() }
    }

    fn config(kind: SplitKind) -> TrainConfig {
        TrainConfig { split: kind, ..TrainConfig::default() }
    }

    #[test]
    fn the_tutorials_98_rows_train_on_78() {
        assert_eq!(training_rows(98, 0.2), 78);
        assert_eq!(training_rows(10, 0.2), 8);
        let pairs: Vec<TokenPair> = (0..98).map(|row| pair(row, row + 1000, 0.5)).collect();
        let split = split(pairs.clone(), &config(SplitKind::Tail)).unwrap();
        assert_eq!((split.training.as_slice(), split.validation.as_slice()), pairs.split_at(78));
    }

    #[test]
    fn a_random_split_gives_each_score_its_share() {
        // Sorted by score, as spreadsheets often are: 60 unrelated, 40 the same.
        let pairs: Vec<TokenPair> =
            (0..100).map(|row| pair(row, row + 1000, if row < 60 { 0.5 } else { 1.0 })).collect();
        for seed in 0..5 {
            let config = TrainConfig { seed, ..config(SplitKind::Random) };
            let split = split(pairs.clone(), &config).unwrap();
            assert_eq!(split.validation.len(), 20);
            let same = split.validation.iter().filter(|pair| pair.score == 1.0).count();
            assert!((7..=9).contains(&same), "{same} of 20");
        }
    }

    #[test]
    fn a_text_that_ties_everything_is_told_as_a_hub() {
        let pairs: Vec<TokenPair> = (0..100).map(|row| pair(7, row + 1000, 0.5)).collect();
        let split = split(pairs, &config(SplitKind::Grouped)).unwrap();
        assert_eq!((split.hubs, split.validation.len(), split.leaking), (1, 20, 20));
    }

    /// Rows of labels `0..labels`, `texts` each, one label after another.
    fn labelled(labels: u32, texts: u32) -> Vec<TokenPair> {
        let row = |(own, text): (u32, u32)| {
            let labels = Labels { own, left: [own].into(), right: [own].into(), ..Labels::default() };
            TokenPair { labels: Some(labels), ..pair(1000 * own + text, 1000 * own + text, 1.0) }
        };
        (0..labels).flat_map(|own| (0..texts).map(move |text| (own, text))).map(row).collect()
    }

    fn labels_of(rows: &[TokenPair]) -> HashSet<u32> {
        rows.iter().map(|row| row.labels.as_ref().unwrap().own).collect()
    }

    #[test]
    fn whole_labels_validate_where_there_are_enough_else_texts_of_each() {
        let of_many = split(labelled(20, 10), &config(SplitKind::Grouped)).unwrap();
        let (trained, held_out) = (labels_of(&of_many.training), labels_of(&of_many.validation));
        assert!(trained.is_disjoint(&held_out));
        assert_eq!((held_out.len(), of_many.validation.len(), of_many.leaking), (4, 40, 0));
        let of_few = split(labelled(4, 10), &config(SplitKind::Grouped)).unwrap();
        assert_eq!((labels_of(&of_few.validation).len(), of_few.validation.len(), of_few.leaking), (4, 8, 0));
        // Who wants every label to be learnt says so.
        let random = split(labelled(20, 10), &config(SplitKind::Random)).unwrap();
        assert_eq!((labels_of(&random.training).len(), labels_of(&random.validation).len()), (20, 20));
    }

    #[test]
    fn labels_that_share_a_text_are_held_out_together() {
        let mut rows = labelled(20, 5);
        // The first texts of labels 0 and 1 are the same.
        rows[5].left = rows[0].left.clone();
        rows[5].right = rows[0].left.clone();
        for seed in 0..20 {
            let parts = split(rows.clone(), &TrainConfig { seed, ..config(SplitKind::Grouped) }).unwrap();
            let held_out = labels_of(&parts.validation);
            assert_eq!((parts.leaking, held_out.contains(&0)), (0, held_out.contains(&1)));
        }
    }

    proptest! {
        /// Whatever the table: no text on both sides but the hubs, no row lost, about a fifth validates.
        #[test]
        fn a_grouped_split_leaks_through_hubs_alone(
            rows in prop::collection::vec((0_u32..60, 60_u32..120, 0_u8..4), 20..80),
            seed in 0_u64..100,
        ) {
            let pairs: Vec<TokenPair> =
                rows.iter().map(|&(left, right, score)| pair(left, right, f64::from(score) / 3.0)).collect();
            let config = TrainConfig { seed, ..config(SplitKind::Grouped) };
            {
                let split = split(pairs.clone(), &config).unwrap();
                prop_assert_eq!(split.training.len() + split.validation.len(), pairs.len());
                prop_assert!(split.validation.len() <= pairs.len() - training_rows(pairs.len(), 0.2));
                prop_assert!(split.hubs > 0 || split.leaking == 0);
                prop_assert!(!split.validation.is_empty(), "a usual table always has rows to validate with");
                prop_assert_eq!(&split, &super::split(pairs, &config).unwrap());
            }
        }
    }
}
