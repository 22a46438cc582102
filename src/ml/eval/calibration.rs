//! From a tuned model's similarity to the user's own scale, and where to cut it.
//!
//! Isotonic regression: of all curves that never fall, the one nearest to the scores in the squared
//! sense, found by pooling adjacent violators (Barlow et al. 1972, "Statistical Inference under Order
//! Restrictions"). Zadrozny and Elkan 2002 use it to calibrate classifiers.

use serde::{Deserialize, Serialize};
use tables::similarity::Similarity;

use super::verdict::FEWEST_PAIRS;

/// The precision of a cut that is to be trusted.
pub const PRECISE: f64 = 0.9;
/// Up to so many different scores, each but the lowest is a cut of its own.
const MOST_GRADES: usize = 5;

/// A curve from similarities to scores, and thresholds on it. `calibration.json` of a tuned model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Calibration {
    /// Validation pairs that it was fitted on.
    pub pairs: usize,
    /// The measure of the similarities.
    pub measure: Similarity,
    /// `[similarity, score]`, both ascending: straight lines between, level beyond the ends.
    pub knots: Vec<[f64; 2]>,
    /// Where to cut, for each cut of the scores.
    #[serde(rename = "cuts")]
    pub thresholds: Vec<ScoreThresholds>,
}

/// Why there is no calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uncalibrated {
    /// Fewer than [`FEWEST_PAIRS`] validation pairs.
    FewPairs,
    /// All their scores are the same.
    OneScore,
    /// All their similarities are the same.
    OneSimilarity,
}

/// Pairs whose score is at least `score` count as alike; the similarities that find them.
///
/// With at most five different scores each but the lowest is a cut: 1 for the labels 0 and 1, and "at
/// least near" and "the same" for graded ones. With more, only the middle between the lowest and the
/// highest is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = ScoreCut)]
pub struct ScoreThresholds {
    /// The least score that counts as alike.
    pub score: f64,
    /// Pairs with at least that score.
    pub alike: usize,
    /// The similarity with the best F1; of equal ones the highest.
    pub best_f1: Threshold,
    /// The lowest similarity at which at least nine of ten found pairs are alike ([`PRECISE`]); `null`
    /// where there is none.
    pub precise: Option<Threshold>,
}

/// What is found when all pairs of at least a similarity count as alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Threshold {
    /// The least similarity: the middle between two neighbours, so that rounding moves no pair.
    pub similarity: f64,
    /// The calibrated score there.
    pub score: f64,
    /// Pairs that are found.
    pub n: usize,
    /// Of the found pairs, the part that is alike.
    pub precision: f64,
    /// Of the alike pairs, the part that is found.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

/// Pairs of one similarity, and more where they were pooled.
#[derive(Clone, Copy, Debug)]
struct Block {
    first: f64,
    last: f64,
    sum: f64,
    pairs: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.pairs
    }
}

impl Calibration {
    /// Fits the scores `(N,)` on the similarities `(N,)` of the same pairs.
    ///
    /// # Errors
    /// Why the pairs do not suffice.
    pub fn fit(measure: Similarity, similarities: &[f64], scores: &[f64]) -> Result<Self, Uncalibrated> {
        let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
        if scores.len() < FEWEST_PAIRS {
            return Err(Uncalibrated::FewPairs);
        }
        if !varies(scores) {
            return Err(Uncalibrated::OneScore);
        }
        if !varies(similarities) {
            return Err(Uncalibrated::OneSimilarity);
        }
        let mut pairs: Vec<(f64, f64)> = similarities.iter().copied().zip(scores.iter().copied()).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut fitted = Self { pairs: pairs.len(), measure, knots: knots(&pairs), thresholds: Vec::new() };
        fitted.thresholds =
            least_scores(scores).into_iter().map(|score| fitted.thresholds_from(score, &pairs)).collect();
        Ok(fitted)
    }

    /// The score that a similarity stands for.
    pub fn score(&self, similarity: f64) -> f64 {
        let above = self.knots.partition_point(|knot| knot[0] < similarity);
        match (above.checked_sub(1).map(|below| self.knots[below]), self.knots.get(above)) {
            (None, Some(first)) => first[1],
            (Some(last), None) => last[1],
            (Some(low), Some(high)) => {
                let part = (similarity - low[0]) / (high[0] - low[0]);
                low[1] + (high[1] - low[1]) * part
            }
            (None, None) => similarity,
        }
    }

    /// What tells alike from not alike where one score is needed: the one nearest to the middle of the scale,
    /// of two the higher.
    pub fn middle(&self) -> Option<&ScoreThresholds> {
        let (low, high) = (self.knots.first()?[1], self.knots.last()?[1]);
        let far = |known: &ScoreThresholds| (known.score - f64::midpoint(low, high)).abs();
        self.thresholds.iter().rev().min_by(|a, b| far(a).total_cmp(&far(b)))
    }

    /// The thresholds that find pairs of at least a score, over pairs `(similarity, score)` sorted by similarity.
    fn thresholds_from(&self, score: f64, pairs: &[(f64, f64)]) -> ScoreThresholds {
        let alike = pairs.iter().filter(|pair| pair.1 >= score).count();
        let (mut start, mut alike_below) = (0, 0);
        // From the lowest similarity up; pairs of one similarity are found together.
        let mut thresholds = Vec::new();
        for ties in pairs.chunk_by(|a, b| a.0 == b.0) {
            let similarity = if start == 0 { ties[0].0 } else { f64::midpoint(pairs[start - 1].0, ties[0].0) };
            let (n, found) = (pairs.len() - start, alike - alike_below);
            let (precision, recall) = (found as f64 / n as f64, found as f64 / alike as f64);
            let f1 = 2.0 * found as f64 / (n + alike) as f64;
            thresholds.push(Threshold { similarity, score: self.score(similarity), n, precision, recall, f1 });
            start += ties.len();
            alike_below += ties.iter().filter(|pair| pair.1 >= score).count();
        }
        let best = thresholds.iter().copied().reduce(|best, next| if next.f1 >= best.f1 { next } else { best });
        ScoreThresholds {
            score,
            alike,
            best_f1: best.expect("there are pairs"),
            precise: thresholds.iter().find(|threshold| threshold.precision >= PRECISE).copied(),
        }
    }
}

/// Pools adjacent violators over pairs `(similarity, score)` sorted by similarity, and keeps both ends of
/// each level stretch.
fn knots(pairs: &[(f64, f64)]) -> Vec<[f64; 2]> {
    let mut blocks: Vec<Block> = Vec::new();
    for ties in pairs.chunk_by(|a, b| a.0 == b.0) {
        let sum = ties.iter().map(|pair| pair.1).sum();
        let mut block = Block { first: ties[0].0, last: ties[0].0, sum, pairs: ties.len() as f64 };
        while let Some(below) = blocks.pop_if(|below| below.mean() >= block.mean()) {
            block = Block {
                first: below.first,
                last: block.last,
                sum: below.sum + block.sum,
                pairs: below.pairs + block.pairs,
            };
        }
        blocks.push(block);
    }
    let mut knots: Vec<[f64; 2]> =
        blocks.iter().flat_map(|block| [[block.first, block.mean()], [block.last, block.mean()]]).collect();
    knots.dedup();
    knots
}

/// The least scores that count as alike. See [`ScoreThresholds`].
fn least_scores(scores: &[f64]) -> Vec<f64> {
    let mut distinct = scores.to_vec();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup();
    match distinct.as_slice() {
        [lowest, .., highest] if distinct.len() > MOST_GRADES => vec![f64::midpoint(*lowest, *highest)],
        _ => distinct.split_off(1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fit(pairs: &[(f64, f64)]) -> Result<Calibration, Uncalibrated> {
        let (similarities, scores): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
        Calibration::fit(Similarity::Cosine, &similarities, &scores)
    }

    /// The same pairs ten times, in any order.
    fn ten_times(pairs: &[(f64, f64)]) -> Vec<(f64, f64)> {
        pairs.iter().copied().cycle().take(10 * pairs.len()).collect()
    }

    #[test]
    fn violators_are_pooled_and_ties_are_one_point() {
        // scikit-learn's IsotonicRegression gives 1, 8/3 (three times), 4 for 1, 4, 2, 2, 4.
        let pairs = ten_times(&[(0.5, 4.0), (0.1, 1.0), (0.3, 2.0), (0.2, 4.0), (0.4, 2.0)]);
        let fitted = fit(&pairs).unwrap();
        let expected = [[0.1, 1.0], [0.2, 8.0 / 3.0], [0.4, 8.0 / 3.0], [0.5, 4.0]];
        assert_eq!(fitted.knots.len(), expected.len(), "{:?}", fitted.knots);
        for (found, expected) in fitted.knots.iter().flatten().zip(expected.iter().flatten()) {
            assert!((found - expected).abs() < 1e-12, "{:?}", fitted.knots);
        }
        assert_eq!((fitted.score(-1.0), fitted.score(0.1), fitted.score(0.9)), (1.0, 1.0, 4.0));
        assert!((fitted.score(0.3) - 8.0 / 3.0).abs() < 1e-12);
        assert!((fitted.score(0.45) - 10.0 / 3.0).abs() < 1e-12);
        assert_eq!(fitted.pairs, 50);
    }

    #[test]
    fn labels_are_cut_between_and_few_grades_at_each() {
        assert_eq!(least_scores(&[1.0, 0.0, 1.0]), [1.0]);
        assert_eq!(least_scores(&[0.5, 1.0, 0.7, 0.5]), [0.7, 1.0]);
        assert_eq!(least_scores(&[0.0, 0.1, 0.2, 0.3, 0.4, 1.0]), [0.5]);
    }

    #[test]
    fn thresholds_of_a_worked_example() {
        // Ten times: 0 and 1 alternate in the middle; two pairs tie at 0.6.
        let pairs = ten_times(&[(0.2, 0.0), (0.4, 1.0), (0.6, 0.0), (0.6, 1.0), (0.8, 1.0), (0.9, 1.0)]);
        let found = &fit(&pairs).unwrap().thresholds[0];
        assert_eq!((found.score, found.alike), (1.0, 40));
        // From 0.4 up 40 of 50 are alike and all are found: F1 8/9. From 0.8 up: precision 1, recall 1/2.
        let best = found.best_f1;
        assert!((best.similarity - 0.3).abs() < 1e-12);
        assert_eq!((best.n, best.precision, best.recall), (50, 0.8, 1.0));
        assert!((best.f1 - 8.0 / 9.0).abs() < 1e-12);
        let precise = found.precise.unwrap();
        assert!((precise.similarity - 0.7).abs() < 1e-12);
        assert_eq!((precise.n, precise.precision, precise.recall), (20, 1.0, 0.5));
        // From 0.4 to 0.6 the curve is level at 2/3; 0.7 is half of the way to 1 at 0.8.
        assert!((precise.score - 5.0 / 6.0).abs() < 1e-12, "{precise:?}");
    }

    #[test]
    fn where_no_similarity_is_precise_there_is_no_threshold() {
        let fitted = fit(&ten_times(&[(0.2, 1.0), (0.4, 0.0), (0.6, 1.0), (0.6, 0.0)])).unwrap();
        assert_eq!(fitted.thresholds[0].precise, None);
    }

    #[test]
    fn too_little_is_not_calibrated_and_the_reason_is_told() {
        assert_eq!(fit(&[(0.1, 0.0), (0.9, 1.0)]), Err(Uncalibrated::FewPairs));
        assert_eq!(fit(&ten_times(&[(0.1, 0.5), (0.5, 0.5), (0.9, 0.5)])), Err(Uncalibrated::OneScore));
        assert_eq!(fit(&ten_times(&[(0.5, 0.0), (0.5, 0.5), (0.5, 1.0)])), Err(Uncalibrated::OneSimilarity));
        assert_eq!(fit(&[]), Err(Uncalibrated::FewPairs));
    }

    proptest! {
        /// Whatever the pairs: the curve rises, stays within the scores, and keeps their mean.
        #[test]
        fn a_fitted_curve_rises_and_keeps_the_mean(
            pairs in prop::collection::vec((0_u8..40, 0_u8..12), 30..80),
        ) {
            let pairs: Vec<(f64, f64)> =
                pairs.iter().map(|&(x, y)| (f64::from(x) / 40.0, f64::from(y) / 11.0)).collect();
            if let Ok(fitted) = fit(&pairs) {
                prop_assert!(fitted.knots.windows(2).all(|two| two[0][0] < two[1][0] && two[0][1] <= two[1][1]));
                let mean = |of: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
                prop_assert!((mean(&|pair| fitted.score(pair.0)) - mean(&|pair| pair.1)).abs() < 1e-9);
                for found in &fitted.thresholds {
                    let at_least = |threshold: &Threshold| {
                        pairs.iter().filter(|pair| pair.0 >= threshold.similarity).count() == threshold.n
                    };
                    prop_assert!(at_least(&found.best_f1) && found.precise.as_ref().is_none_or(at_least));
                }
            }
        }
    }
}
