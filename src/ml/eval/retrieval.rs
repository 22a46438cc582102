//! How well texts that belong together find each other.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::ml::encoder::{Encoder, encode_all};
use crate::ml::pairs::TokenPair;

/// A pair of at least this score belongs together: halfway between unrelated and the same on the angular
/// scale, where unrelated is 0.5, lies 0.75; cosine 0.6 is 0.7.
const BELONGS_FROM: f64 = 0.7;
/// Queries and candidates that are looked at, at most; the first ones.
const MOST_QUERIES: usize = 2000;
const MOST_CANDIDATES: usize = 10_000;
/// Rows of the matrix of similarities that are in memory at a time.
const ROWS: usize = 256;

/// Ranks of the texts that belong, by cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Retrieval {
    /// Texts that were looked for.
    pub queries: usize,
    /// Different texts among which they were.
    pub candidates: usize,
    /// Mean reciprocal rank of the first text that belongs.
    pub mrr: f64,
    /// The part of queries whose first text belongs.
    pub accuracy_at_1: f64,
}

/// Each query's text among the corpus, which holds all targets. A candidate that is the query itself does
/// not count. `None` without queries.
pub fn retrieval(encoder: &dyn Encoder, queries: &[(&[u32], &[u32])], corpus: &[&[u32]]) -> Option<Retrieval> {
    let mut targets: HashMap<&[u32], HashSet<&[u32]>> = HashMap::new();
    for &(query, target) in queries {
        targets.entry(query).or_default().insert(target);
    }
    let mut seen = HashSet::new();
    let corpus: Vec<&[u32]> = corpus.iter().copied().filter(|text| seen.insert(*text)).collect();
    let texts: Vec<&[u32]> = queries.iter().map(|&(query, _)| query).collect();
    let (queries_of, candidates) = (encode_all(encoder, &texts), encode_all(encoder, &corpus));
    rank(&texts, &queries_of, &corpus, &candidates, &|query, text| targets[query].contains(text))
}

/// The same of pairs with scores whose vectors are known: each left text looks for its right text among
/// the right texts of all pairs.
pub(super) fn of_pairs(pairs: &[TokenPair], left: &Tensor, right: &Tensor) -> Option<Retrieval> {
    let mut targets: HashMap<&[u32], HashSet<&[u32]>> = HashMap::new();
    let (mut queries, mut query_rows) = (Vec::new(), Vec::new());
    let (mut corpus, mut corpus_rows, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (row, pair) in (0_i64..).zip(pairs) {
        if seen.insert(pair.right.as_slice()) && corpus.len() < MOST_CANDIDATES {
            corpus.push(pair.right.as_slice());
            corpus_rows.push(row);
        }
        if pair.score >= BELONGS_FROM && pair.left != pair.right {
            let of_query = targets.entry(&pair.left).or_default();
            if of_query.is_empty() && queries.len() < MOST_QUERIES {
                queries.push(pair.left.as_slice());
                query_rows.push(row);
            }
            of_query.insert(&pair.right);
        }
    }
    if queries.len() < 2 {
        return None;
    }
    let rows = |vectors: &Tensor, rows: &[i64]| vectors.index_select(0, &Tensor::from_slice(rows));
    let (queries_of, candidates) = (rows(left, &query_rows), rows(right, &corpus_rows));
    rank(&queries, &queries_of, &corpus, &candidates, &|query, text| targets[query].contains(text))
}

/// Ranks all candidates for each query, `(Q, D)` and `(C, D)`.
fn rank(
    queries: &[&[u32]],
    queries_of: &Tensor,
    corpus: &[&[u32]],
    candidates: &Tensor,
    belongs: &dyn Fn(&[u32], &[u32]) -> bool,
) -> Option<Retrieval> {
    let (mut reciprocal, mut first) = (0.0, 0);
    for (chunk, start) in queries.chunks(ROWS).zip((0_i64..).step_by(ROWS)) {
        let similarities = queries_of.narrow(0, start, chunk.len() as i64).matmul(&candidates.tr());
        let similarities = Vec::<Vec<f32>>::try_from(&similarities).ok()?;
        for (query, row) in chunk.iter().zip(similarities) {
            let others = || row.iter().zip(corpus).filter(|(_, text)| *text != query);
            let best = others().filter(|(_, text)| belongs(query, text)).map(|(similarity, _)| *similarity);
            let best = best.fold(f32::NEG_INFINITY, f32::max);
            // A target beyond the most candidates is not found.
            let rank = match best.is_finite() {
                true => 1 + others().filter(|(similarity, text)| **similarity > best && !belongs(query, text)).count(),
                false => usize::MAX,
            };
            reciprocal += 1.0 / rank as f64;
            first += usize::from(rank == 1);
        }
    }
    let count = queries.len() as f64;
    let (mrr, accuracy_at_1) = (reciprocal / count, first as f64 / count);
    (!queries.is_empty()).then_some(Retrieval { queries: queries.len(), candidates: corpus.len(), mrr, accuracy_at_1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_counted_among_the_other_texts() {
        let pair =
            |left, right, score| TokenPair { left: vec![left], right: vec![right], score, ..TokenPair::default() };
        // Query 1 finds 11 first; query 2 finds 11 before 12, which is its own; 3 and 13 do not belong.
        let pairs = [pair(1, 11, 1.0), pair(2, 12, 0.8), pair(3, 13, 0.5)];
        let matrix = |numbers: [f32; 6]| Tensor::from_slice(&numbers).reshape([3, 2]);
        let (left, right) = (matrix([1.0, 0.0, 0.8, 0.6, 0.0, 1.0]), matrix([1.0, 0.0, 0.6, 0.8, -1.0, 0.0]));
        let found = of_pairs(&pairs, &left, &right).unwrap();
        assert_eq!((found.queries, found.candidates), (2, 3));
        // 0.8 x 1 = 0.8 to text 11, 0.48 + 0.48 = 0.96 to its own 12.
        assert_eq!((found.mrr, found.accuracy_at_1), (1.0, 1.0));
        let swapped = of_pairs(&pairs, &matrix([0.0, 1.0, 1.0, 0.0, 0.0, 1.0]), &right);
        assert_eq!((swapped.unwrap().mrr, swapped.unwrap().accuracy_at_1), (0.5, 0.0));
        assert_eq!(of_pairs(&pairs[1..], &left.narrow(0, 1, 2), &right.narrow(0, 1, 2)), None);
    }
}
