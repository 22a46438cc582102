//! Which texts of a batch are negatives of which.

use std::collections::{HashMap, HashSet};

use crate::ml::pairs::{TokenPair, share_label};

/// Which rows are positive, and which texts are their negatives.
///
/// A text that equals the positive, or that another row of the batch pairs with the same text as
/// positive, is no negative; nor is a text that shares a label with the positive's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Candidates {
    /// The positive rows, `(P,)`.
    pub(crate) positives: Vec<i64>,
    /// For each positive row, which right texts and then which negatives do not count: `(P, B)` or
    /// `(P, 2B)` in rows, 1 where left out.
    pub(crate) right_out: Vec<bool>,
    /// The same of the left texts: `(P, B)`.
    pub(crate) left_out: Vec<bool>,
    /// Whether the left text is looked for, too.
    pub(crate) symmetric: bool,
}

/// A text that may be a negative, as a guide judges it: is it nearer than the positive?
pub(crate) enum Rival {
    Right(usize),
    Negative(usize),
    /// The left text of a row, for the right text of the positive.
    Left(usize),
}

impl Candidates {
    /// The candidates of a batch. `too_near(row, rival)` says that the guide takes a rival of a positive
    /// row for a positive.
    pub(crate) fn of(
        pairs: &[&TokenPair],
        positive_from: f64,
        symmetric: bool,
        too_near: &dyn Fn(usize, Rival) -> bool,
    ) -> Self {
        let positive = |pair: &TokenPair| pair.score >= positive_from;
        let mut rights_of: HashMap<&[u32], HashSet<&[u32]>> = HashMap::new();
        let mut lefts_of: HashMap<&[u32], HashSet<&[u32]>> = HashMap::new();
        for pair in pairs.iter().filter(|pair| positive(pair)) {
            rights_of.entry(&pair.left).or_default().insert(&pair.right);
            lefts_of.entry(&pair.right).or_default().insert(&pair.left);
        }
        let triplets = pairs.first().is_some_and(|pair| pair.negative.is_some());
        let mut found = Self { positives: Vec::new(), right_out: Vec::new(), left_out: Vec::new(), symmetric };
        for (row, pair) in pairs.iter().enumerate().filter(|(_, pair)| positive(pair)) {
            found.positives.push(row as i64);
            let (rights, lefts) = (&rights_of[pair.left.as_slice()], &lefts_of[pair.right.as_slice()]);
            // The positive itself is counted apart, so its own place is out as well.
            let out = |text: &[u32], same: &HashSet<&[u32]>, rival| {
                text == pair.left.as_slice()
                    || text == pair.right.as_slice()
                    || same.contains(text)
                    || shares_label(pair, pairs, &rival)
                    || too_near(row, rival)
            };
            let right = pairs.iter().enumerate().map(|(at, other)| out(&other.right, rights, Rival::Right(at)));
            found.right_out.extend(right);
            if triplets {
                let negatives = pairs.iter().enumerate();
                found.right_out.extend(negatives.map(|(at, other)| {
                    other.negative.as_ref().is_none_or(|text| out(text, rights, Rival::Negative(at)))
                }));
            }
            let left = pairs.iter().enumerate().map(|(at, other)| out(&other.left, lefts, Rival::Left(at)));
            found.left_out.extend(left);
        }
        found
    }
}

/// Whether a rival has a label of one of a row's texts.
fn shares_label(pair: &TokenPair, pairs: &[&TokenPair], rival: &Rival) -> bool {
    let Some(own) = &pair.labels else { return false };
    let shared = |labels: &[u32]| share_label(&own.left, labels) || share_label(&own.right, labels);
    match *rival {
        Rival::Right(at) => pairs[at].labels.as_ref().is_some_and(|other| shared(&other.right)),
        Rival::Negative(at) => pairs[at].labels.as_ref().is_some_and(|other| shared(&other.negative)),
        Rival::Left(at) => pairs[at].labels.as_ref().is_some_and(|other| shared(&other.left)),
    }
}
