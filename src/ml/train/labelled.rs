//! Labelled texts become pairs: for each text another of its label, or one of another label, drawn anew each epoch.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tables::TableKind;
use tables::draws::{draw, shuffle};

use super::loss::LossKind;
use crate::ml::pairs::{Labels, TokenPair, share_label};

/// Streams from here on draw pairs of an epoch, after those that order epochs and replay steps.
const STREAMS: u64 = 1 << 33;

/// The validation rows are paired once for the run: no epoch has this number.
pub(super) const VALIDATION: usize = 0;

/// Draws that are tried for a text that shares no label; where most share one, whatever comes first is looked for.
const TRIES: usize = 32;

/// A table's rows as a loss reads them in an epoch; labelled texts as pairs, as many as there are texts.
pub(super) fn paired<'a>(
    rows: &'a [TokenPair],
    kind: TableKind,
    loss: LossKind,
    seed: u64,
    epoch: usize,
) -> Cow<'a, [TokenPair]> {
    if kind != TableKind::Labelled {
        return Cow::Borrowed(rows);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(STREAMS + epoch as u64);
    Cow::Owned(Texts::of(rows).map(|texts| texts.pairs(loss, &mut rng)).unwrap_or_default())
}

/// Why nothing can be learnt from such texts.
pub(super) fn objection(rows: &[TokenPair]) -> Option<&'static str> {
    let labels: BTreeSet<u32> = rows.iter().filter_map(|row| Some(row.labels.as_ref()?.own)).collect();
    if labels.len() < 2 {
        return Some("all training texts have one label: what it is not cannot be learnt. Add texts with other labels");
    }
    Texts::of(rows)
        .is_none()
        .then_some("no label has two different training texts: none can be drawn to go with another")
}

struct Texts<'a> {
    rows: &'a [TokenPair],
    /// The rows of each label.
    of_label: Vec<Vec<usize>>,
    /// The labels that have two different texts.
    paired: Vec<usize>,
}

impl<'a> Texts<'a> {
    /// `None` where no label has two different texts.
    fn of(rows: &'a [TokenPair]) -> Option<Self> {
        let mut of_label: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (row, labels) in rows.iter().enumerate().filter_map(|(row, pair)| Some((row, pair.labels.as_ref()?))) {
            of_label.entry(labels.own).or_default().push(row);
        }
        let of_label: Vec<Vec<usize>> = of_label.into_values().collect();
        let differ =
            |label: &usize| of_label[*label].iter().any(|&row| rows[row].left != rows[of_label[*label][0]].left);
        let paired: Vec<usize> = (0..of_label.len()).filter(differ).collect();
        (!paired.is_empty()).then_some(Self { rows, of_label, paired })
    }

    /// As many pairs as there are texts. Labels come in turn, so that a rare one counts as much as another and those of
    /// a batch differ; the texts of a label come in turn as well.
    fn pairs(&self, loss: LossKind, rng: &mut ChaCha8Rng) -> Vec<TokenPair> {
        let mut decks: Vec<(Vec<usize>, usize)> = self.of_label.iter().map(|rows| (rows.clone(), rows.len())).collect();
        let mut round = self.paired.clone();
        let mut pairs = Vec::with_capacity(self.rows.len());
        for place in 0..self.rows.len() {
            let turn = place % round.len();
            if turn == 0 {
                shuffle(&mut round, rng);
            }
            let (deck, next) = &mut decks[round[turn]];
            if *next >= deck.len() {
                shuffle(deck, rng);
                *next = 0;
            }
            let row = deck[*next];
            *next += 1;
            let same = self.same(row, round[turn], rng);
            // Of losses that compare scores, every second pair is one that does not belong together.
            let apart = match loss {
                LossKind::Mnrl => None,
                LossKind::Triplet => self.apart(row, rng),
                _ if place % 2 == 1 => self.apart(row, rng),
                _ => None,
            };
            pairs.push(match (loss, apart) {
                (LossKind::Triplet, Some(apart)) => self.triplet(row, same, apart),
                (LossKind::Triplet, None) => continue,
                (_, Some(apart)) => self.pair(row, apart, 0.0),
                (_, None) => self.pair(row, same, 1.0),
            });
        }
        pairs
    }

    /// A different text of the label, which has one.
    fn same(&self, row: usize, label: usize, rng: &mut ChaCha8Rng) -> usize {
        let rows = &self.of_label[label];
        let first = draw(rows.len(), rng);
        let from_there = (0..rows.len()).map(|step| rows[(first + step) % rows.len()]);
        from_there.into_iter().find(|&other| self.rows[other].left != self.rows[row].left).unwrap_or(row)
    }

    /// A text that has none of the labels, of any label as likely as of another.
    fn apart(&self, row: usize, rng: &mut ChaCha8Rng) -> Option<usize> {
        let shared = |other: usize| match (&self.rows[row].labels, &self.rows[other].labels) {
            (Some(one), Some(other)) => share_label(&one.left, &other.left),
            _ => true,
        };
        for _ in 0..TRIES {
            let rows = &self.of_label[draw(self.of_label.len(), rng)];
            let other = rows[draw(rows.len(), rng)];
            if !shared(other) {
                return Some(other);
            }
        }
        let first = draw(self.rows.len(), rng);
        (0..self.rows.len()).map(|step| (first + step) % self.rows.len()).find(|&other| !shared(other))
    }

    fn pair(&self, left: usize, right: usize, score: f64) -> TokenPair {
        let (left, right) = (&self.rows[left], &self.rows[right]);
        let of = |row: &TokenPair| row.labels.clone().unwrap_or_default();
        let labels = Labels { right: of(right).left, right_row: right.row, ..of(left) };
        TokenPair { right: right.left.clone(), score, labels: Some(labels), ..left.clone() }
    }

    fn triplet(&self, left: usize, right: usize, apart: usize) -> TokenPair {
        let mut pair = self.pair(left, right, 1.0);
        pair.negative = Some(self.rows[apart].left.clone());
        if let (Some(labels), Some(other)) = (&mut pair.labels, &self.rows[apart].labels) {
            labels.negative = other.left.clone();
        }
        pair
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::train::{SamplerKind, TrainConfig};

    /// Texts of labels by their sizes; the numbers of the texts ascend.
    fn texts(sizes: &[usize]) -> Vec<TokenPair> {
        let labels = sizes.iter().enumerate().flat_map(|(label, &size)| std::iter::repeat_n(label as u32, size));
        let row = |(number, own): (usize, u32)| {
            let labels =
                Labels { own, left: [own].into(), right: [own].into(), right_row: number, ..Labels::default() };
            let text = vec![number as u32];
            TokenPair { left: text.clone(), right: text, negative: None, score: 1.0, row: number, labels: Some(labels) }
        };
        labels.enumerate().map(row).collect()
    }

    fn drawn(rows: &[TokenPair], loss: LossKind, epoch: usize) -> Vec<TokenPair> {
        paired(rows, TableKind::Labelled, loss, 42, epoch).into_owned()
    }

    fn labels(pair: &TokenPair) -> &Labels {
        pair.labels.as_ref().unwrap()
    }

    #[test]
    fn pairs_are_drawn_by_seed_and_epoch_and_labels_have_equal_shares() {
        let rows = texts(&[50, 2, 8, 1]);
        let first = drawn(&rows, LossKind::Mnrl, 1);
        assert_eq!(first, drawn(&rows, LossKind::Mnrl, 1));
        assert_ne!(first, drawn(&rows, LossKind::Mnrl, 2));
        assert_ne!(first, paired(&rows, TableKind::Labelled, LossKind::Mnrl, 43, 1).into_owned());
        assert_eq!(first.len(), rows.len());
        for label in 0..3 {
            let share = first.iter().filter(|pair| labels(pair).own == label).count();
            assert!((20..=21).contains(&share), "{share}");
        }
        for pair in &first {
            assert!(pair.left != pair.right && labels(pair).left == labels(pair).right && pair.score == 1.0);
            assert_eq!(labels(pair).right_row as u32, pair.right[0]);
        }
    }

    #[test]
    fn each_loss_gets_the_pairs_that_it_reads() {
        let rows = texts(&[9, 9, 9, 1]);
        let scored = drawn(&rows, LossKind::CosineMse, 1);
        assert_eq!(scored.iter().filter(|pair| pair.score == 0.0).count(), 14);
        for pair in &scored {
            assert_eq!(labels(pair).left == labels(pair).right, pair.score == 1.0);
        }
        for triplet in drawn(&rows, LossKind::Triplet, 1) {
            let labels = labels(&triplet);
            assert!(labels.left == labels.right && !share_label(&labels.left, &labels.negative));
            assert!(triplet.negative.is_some());
        }
    }

    #[test]
    fn a_text_with_the_labels_of_others_is_never_drawn_apart_from_them() {
        let mut rows = texts(&[3, 3, 3]);
        // The first text of label 0 has label 1 as well.
        let labels_of_both: std::sync::Arc<[u32]> = [0, 1].into();
        rows[0].labels.as_mut().unwrap().left = labels_of_both;
        for epoch in 1..20 {
            for pair in drawn(&rows, LossKind::Triplet, epoch) {
                assert!(!share_label(&labels(&pair).left, &labels(&pair).negative), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_batch_has_as_many_labels_as_there_are() {
        let config = TrainConfig { batch_size: 8, sampler: SamplerKind::Plain, ..TrainConfig::default() };
        let pairs = drawn(&texts(&[20; 10]), LossKind::Mnrl, 1);
        let batches = super::super::sampler::batches(&pairs, &config, 1);
        for batch in &batches[..5] {
            let labels: BTreeSet<u32> = batch.iter().map(|&row| labels(&pairs[row]).own).collect();
            assert!(labels.len() >= 5, "{labels:?}");
        }
    }

    #[test]
    fn what_teaches_nothing_is_named() {
        assert!(objection(&texts(&[5])).unwrap().contains("one label"));
        assert!(objection(&texts(&[1, 1, 1])).unwrap().contains("two different"));
        assert_eq!(objection(&texts(&[2, 1])), None);
    }
}
