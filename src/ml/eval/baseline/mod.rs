//! Whether pairs need a tuned model at all: what a model says of them before it has learned anything.
//!
//! The answer is one of three, and rests on figures that are told with it. Gaps are between the cosine that a score
//! asks for and the model's; where nobody said what the lowest score means, scores are laid over the cosines by the
//! straight line of least squares, and a gap is the distance from it.

mod report;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};

use tables::TableKind;
use tables::checks::text_key;
use tables::choices::LowestMeans;
use tables::similarity::Similarity;
use tables::stored::StoredPair;

pub use report::{Agreement, Baseline, BaselineReason, BaselineVerdict, Gap, MeasuredBy, Separation};

use super::correlation::{line, pearson, spearman};
use super::strangers;
use crate::ml::pairs::partners;
use crate::ml::target::ScoreTarget;
use words::{facts, hint, message};

/// From this correlation on, a model agrees with the scores as well as people do with each other.
const AGREES: f64 = 0.9;
/// A mean gap up to this is small, where all pairs are on their sides of the threshold.
const SMALL_GAP: f64 = 0.15;
/// A pair on the wrong side of the cut whose gap is at least this may be a mistake.
const MISTAKE: f64 = 0.5;
/// Mistakes are told as such where they are at most one pair in so many.
const ONE_MISTAKE_IN: usize = 20;
/// A correlation below this says that the scores are upside down.
const REVERSED: f64 = -0.3;
/// Fewer pairs tell nothing.
const FEWEST: usize = 10;
/// How many gaps are told.
pub const MOST_GAPS: usize = 10;

/// A pair that the model is asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredPair {
    /// The row and the line of the user's file; `None` for strangers that no row holds.
    pub place: Option<(usize, usize)>,
    /// The left text.
    pub left: String,
    /// The right text.
    pub right: String,
    /// How alike they should be, on the table's scale.
    pub score: f64,
}

/// Pairs as questions to a model: a triplet asks two. Pairs that belong together are joined by as many
/// strangers, each left text with the right text of a row further on; a labelled text asks for one of its label and
/// for one of another.
pub fn scored_pairs(pairs: &[StoredPair], kind: TableKind) -> Vec<ScoredPair> {
    let question = |row: &StoredPair, right: &str, score, told: bool| ScoredPair {
        place: told.then_some((row.pair.row, row.line)),
        left: row.pair.left.clone(),
        right: right.to_owned(),
        score,
    };
    let together = pairs.iter().map(|row| question(row, &row.pair.right, row.pair.score, true));
    let apart: Vec<ScoredPair> = match kind {
        TableKind::PairScore | TableKind::PairClass => Vec::new(),
        TableKind::Triplet => {
            pairs.iter().filter_map(|row| Some(question(row, row.pair.negative.as_deref()?, 0.0, true))).collect()
        }
        TableKind::PairPositive => {
            let strange = strangers(pairs, |row| (&row.pair.left, &row.pair.right));
            strange.map(|(row, other)| question(row, &other.pair.right, 0.0, false)).collect()
        }
        TableKind::Labelled => return of_labels(pairs),
    };
    together.chain(apart).collect()
}

/// Labelled texts, each with another of its label and with one of another label.
fn of_labels(rows: &[StoredPair]) -> Vec<ScoredPair> {
    let own: Vec<u64> = rows.iter().map(|row| text_key(&row.pair.right)).collect();
    let texts: Vec<u64> = rows.iter().map(|row| text_key(&row.pair.left)).collect();
    let mut of_text: HashMap<u64, HashSet<u64>> = HashMap::new();
    for (text, label) in texts.iter().zip(&own) {
        of_text.entry(*text).or_default().insert(*label);
    }
    let labels = |row: usize| &of_text[&texts[row]];
    let shared = |one: usize, other: usize| !labels(one).is_disjoint(labels(other));
    let found = partners(&own, |one, other| texts[one] == texts[other], shared);
    let pair = |row: usize, right: usize, score| ScoredPair {
        place: Some((rows[row].pair.row, rows[row].line)),
        left: rows[row].pair.left.clone(),
        right: rows[right].pair.left.clone(),
        score,
    };
    let all = |place: usize, score: f64| {
        found.iter().enumerate().filter_map(move |(row, partners)| Some((row, partners[place]?, score)))
    };
    all(0, 1.0).chain(all(1, 0.0)).map(|(row, right, score)| pair(row, right, score)).collect()
}

/// The cosine that a score from 0 to 1 asks for.
fn wanted_cosine(score: f64, meaning: LowestMeans) -> f64 {
    ScoreTarget { measure: Similarity::Cosine, lowest_means: Some(meaning) }.similarity(score)
}

/// Which cosine each score asks for.
fn wanted(pairs: &[ScoredPair], base: &[f64], meaning: Option<LowestMeans>) -> Vec<f64> {
    if let Some(meaning) = meaning {
        return pairs.iter().map(|pair| wanted_cosine(pair.score, meaning)).collect();
    }
    let scores: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
    let (slope, [mean_score, mean_base]) = line(&scores, base);
    pairs.iter().map(|pair| mean_base + slope * (pair.score - mean_score)).collect()
}

/// What the scores ask for, on the scale on which the middle tells related from unrelated.
fn levels(pairs: &[ScoredPair], meaning: Option<LowestMeans>) -> Vec<f64> {
    // A straight line that falls would turn the piles over, so scores without a meaning stand for themselves.
    pairs.iter().map(|pair| meaning.map_or(pair.score, |meaning| wanted_cosine(pair.score, meaning))).collect()
}

/// Related or unrelated; `None` in the very middle.
fn sides(levels: &[f64]) -> Vec<Option<bool>> {
    let lowest = levels.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = levels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let middle = f64::midpoint(lowest, highest);
    let near = 1e-9 * (1.0 + highest.abs());
    levels.iter().map(|level| ((level - middle).abs() > near).then_some(*level > middle)).collect()
}

/// The best threshold between two piles; `None` where one is empty.
fn separation(sides: &[Option<bool>], base: &[f64]) -> Option<Separation> {
    let mut pairs: Vec<(f64, bool)> =
        sides.iter().zip(base).filter_map(|(side, base)| side.map(|related| (*base, related))).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let related = pairs.iter().filter(|pair| pair.1).count();
    let unrelated = pairs.len() - related;
    if related == 0 || unrelated == 0 {
        return None;
    }
    // From the lowest cosine up; a threshold lies in the middle between two different ones, or below all.
    let (mut related_below, mut below, mut beaten) = (0, 0, 0.0);
    let (mut best, mut best_room, mut best_at) = (f64::NEG_INFINITY, 0.0, (0.0, 0, 0));
    for ties in pairs.chunk_by(|a, b| a.0 == b.0) {
        let (threshold, room) = match below {
            0 => (ties[0].0, 0.0),
            below => (f64::midpoint(pairs[below - 1].0, ties[0].0), ties[0].0 - pairs[below - 1].0),
        };
        let unrelated_below = below - related_below;
        let found = (related - related_below) as f64 / related as f64;
        let refused = unrelated_below as f64 / unrelated as f64;
        let better = found + refused - best;
        if better > 1e-12 || better > -1e-12 && room > best_room {
            (best, best_room, best_at) = (found + refused, room, (threshold, related - related_below, unrelated_below));
        }
        let related_here = ties.iter().filter(|pair| pair.1).count();
        let unrelated_here = ties.len() - related_here;
        beaten += related_here as f64 * (unrelated_below as f64 + unrelated_here as f64 / 2.0);
        related_below += related_here;
        below += ties.len();
    }
    let (threshold, found, refused) = best_at;
    Some(Separation {
        related,
        unrelated,
        threshold,
        right: found + refused,
        of: pairs.len(),
        found,
        wrongly: unrelated - refused,
        auc: beaten / (related * unrelated) as f64,
    })
}

/// The cosine that parts a table's related and unrelated pairs best; `None` where there are not both.
pub fn best_threshold(pairs: &[ScoredPair], base: &[f64], meaning: Option<LowestMeans>) -> Option<f64> {
    separation(&sides(&levels(pairs, meaning)), base).map(|separation| separation.threshold)
}

/// Which pairs belong together, scores being from 0 to 1; `None` in the very middle. A score of more than one half says
/// so also in a table that has no low ones.
pub fn related(pairs: &[ScoredPair], meaning: Option<LowestMeans>) -> Vec<Option<bool>> {
    let levels = levels(pairs, meaning);
    let side = |(side, level): (Option<bool>, &f64)| if *level > 0.5 { Some(true) } else { side };
    sides(&levels).into_iter().zip(&levels).map(side).collect()
}

/// Asks whether pairs need training, given the model's cosine of each. `meaning` is that of scores from 0 to 1;
/// without it they may have any scale.
pub fn check(pairs: &[ScoredPair], base: &[f64], meaning: Option<LowestMeans>) -> Baseline {
    let wanted = wanted(pairs, base, meaning);
    let levels = levels(pairs, meaning);
    let sides = sides(&levels);
    let agreement = Agreement { pearson: pearson(&levels, base), spearman: spearman(&levels, base) };
    let separation = separation(&sides, base);
    let gap = |place: usize| (wanted[place] - base[place]).abs();
    let mean_gap = (0..pairs.len()).map(gap).sum::<f64>() / pairs.len().max(1) as f64;
    let mut order: Vec<usize> = (0..pairs.len()).filter(|&place| pairs[place].place.is_some()).collect();
    // Of equal gaps the first row of the file.
    order.sort_by(|&i, &j| gap(j).total_cmp(&gap(i)).then(pairs[i].place.cmp(&pairs[j].place)));
    let told = |&place: &usize| {
        let pair = &pairs[place];
        let (row, line) = pair.place?;
        let (left, right) = (pair.left.clone(), pair.right.clone());
        let (score, wanted, base) = (pair.score, wanted[place], base[place]);
        Some(Gap { row, line, left, right, score, wanted, base, gap: gap(place) })
    };
    let gaps: Vec<Gap> = order.iter().filter_map(told).take(MOST_GAPS).collect();
    let mistakes = mistakes(&order, &sides, separation.as_ref(), base, &gap);
    let figures = Figures { levels: &levels, base, sides: &sides, mean_gap };
    let (verdict, reason) = figures.verdict(&agreement, separation.as_ref(), &mistakes);
    let rows = |places: &[usize]| {
        let rows = places.iter().filter_map(|&place| pairs[place].place).map(|place| place.0);
        let mut rows: Vec<usize> = rows.take(MOST_GAPS).collect();
        rows.sort_unstable();
        rows
    };
    let far: Vec<usize> = order.iter().copied().take(MOST_GAPS).filter(|&place| gap(place) >= MISTAKE).collect();
    let facts = facts(&agreement, separation.as_ref(), mean_gap, pairs.len(), (rows(&mistakes), rows(&far)));
    let measured_by = if meaning.is_some() { MeasuredBy::LowestMeans } else { MeasuredBy::StraightLine };
    let (message, hint) = (message(reason, &facts, &gaps), hint(reason, &facts, measured_by));
    Baseline { agreement, separation, measured_by, mean_gap, gaps, verdict, reason, message, hint, facts }
}

/// Pairs of the file far from what their scores ask for and on the wrong side of the threshold, the farthest first.
fn mistakes(
    order: &[usize],
    sides: &[Option<bool>],
    separation: Option<&Separation>,
    base: &[f64],
    gap: &dyn Fn(usize) -> f64,
) -> Vec<usize> {
    let Some(separation) = separation else { return Vec::new() };
    let wrong = |place: usize| sides[place].is_some_and(|related| related != (base[place] >= separation.threshold));
    order.iter().copied().filter(|&place| wrong(place) && gap(place) >= MISTAKE).collect()
}

struct Figures<'a> {
    levels: &'a [f64],
    base: &'a [f64],
    sides: &'a [Option<bool>],
    mean_gap: f64,
}

impl Figures<'_> {
    fn verdict(
        &self,
        agreement: &Agreement,
        separation: Option<&Separation>,
        mistakes: &[usize],
    ) -> (BaselineVerdict, BaselineReason) {
        use BaselineReason as Because;
        use BaselineVerdict::{LookAtData, ProbablyNot, WorthIt};
        if self.base.len() < FEWEST {
            return (LookAtData, Because::FewPairs);
        }
        if self.levels.iter().all(|level| *level == self.levels[0]) {
            return (LookAtData, Because::OneScore);
        }
        if agreement.pearson.is_some_and(|pearson| pearson < REVERSED) {
            return (LookAtData, Because::Reversed);
        }
        let few = !mistakes.is_empty() && mistakes.len() * ONE_MISTAKE_IN <= self.base.len().max(ONE_MISTAKE_IN);
        if few && self.agrees_without(mistakes) {
            return (LookAtData, Because::FewMistakes);
        }
        if agrees(agreement) {
            return (ProbablyNot, Because::Agrees);
        }
        match separation {
            Some(separation) if separation.right == separation.of => {
                let small = self.mean_gap <= SMALL_GAP;
                if small { (ProbablyNot, Because::Separates) } else { (WorthIt, Because::SeparatesWithGaps) }
            }
            _ => (WorthIt, Because::Gaps),
        }
    }

    /// Whether the model would agree with the pairs that are left, or tell them all apart.
    fn agrees_without(&self, mistakes: &[usize]) -> bool {
        let left: Vec<usize> = (0..self.base.len()).filter(|place| !mistakes.contains(place)).collect();
        let of = |values: &[f64]| left.iter().map(|&place| values[place]).collect::<Vec<f64>>();
        let (levels, base) = (of(self.levels), of(self.base));
        let sides: Vec<Option<bool>> = left.iter().map(|&place| self.sides[place]).collect();
        let whole = separation(&sides, &base).is_some_and(|separation| separation.right == separation.of);
        whole || agrees(&Agreement { pearson: pearson(&levels, &base), spearman: spearman(&levels, &base) })
    }
}

fn agrees(agreement: &Agreement) -> bool {
    let high = |correlation: Option<f64>| correlation.is_some_and(|correlation| correlation >= AGREES);
    high(agreement.pearson) || high(agreement.spearman)
}
