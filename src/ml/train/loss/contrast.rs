//! In-batch contrast: a text's positive against the other texts of its batch.

use std::collections::{HashMap, HashSet};

use tch::Tensor;

use super::Columns;
use crate::ml::pairs::TokenPair;
use crate::ml::vectors::cosine;

/// Stands for a similarity that does not count: its exponential is zero, and unlike minus infinity it
/// has a slope.
const OUT: f64 = -1e4;

/// Which rows are positive, and which texts are their negatives.
///
/// A text that equals the positive, or that another row of the batch pairs with the same text as
/// positive, is no negative.
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
    /// The right text of a row.
    Right(usize),
    /// The negative of a row.
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

/// `mean over positives i of log(1 + sum over candidates j of exp(scale (s_ij - s_ii)))`, which is the
/// cross entropy of finding the positive, written so that small values keep their digits.
pub(super) fn mnrl(batch: &Columns, scale: f64) -> Tensor {
    let Columns { left, right, negative, candidates, .. } = batch;
    let Some(candidates) = candidates.as_ref().filter(|candidates| !candidates.positives.is_empty()) else {
        return left.sum(left.kind()) * 0.0;
    };
    let positives = Tensor::from_slice(&candidates.positives);
    let (u, v) = (left.index_select(0, &positives), right.index_select(0, &positives)); // (P, D)
    let own = cosine(&u, &v).unsqueeze(1); // (P, 1)
    let find = |from: &Tensor, among: &Tensor, out: &[bool]| {
        let similarities = (from.matmul(&among.tr()) - &own) * scale; // (P, C)
        let out = Tensor::from_slice(out).reshape(similarities.size());
        similarities.masked_fill(&out, OUT).logsumexp([1].as_slice(), false).softplus().mean(u.kind())
    };
    let rivals = match negative {
        Some(negative) => Tensor::cat(&[right, negative], 0),
        None => right.shallow_clone(),
    };
    let forward = find(&u, &rivals, &candidates.right_out);
    if candidates.symmetric { (forward + find(&v, left, &candidates.left_out)) * 0.5 } else { forward }
}

/// `mean max(0, |u - p| - |u - n| + margin)`
pub(super) fn triplet(batch: &Columns, margin: f64) -> Tensor {
    let Columns { left, right, negative, .. } = batch;
    let Some(negative) = negative else { return left.sum(left.kind()) * 0.0 };
    // The square root has no slope at zero.
    let distance =
        |a: &Tensor, b: &Tensor| ((a - b).square().sum_dim_intlist([1].as_slice(), false, a.kind()) + 1e-12).sqrt();
    (distance(left, right) - distance(left, negative) + margin).relu().mean(left.kind())
}
