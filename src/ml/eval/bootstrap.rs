//! How sure a difference between two models is: the paired bootstrap.
//!
//! Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13: rows are drawn with
//! replacement, both models are measured on the same drawn rows, and the interval holds the middle 95 %
//! of the differences. It tells how the difference would move with other rows of the same kind, not with
//! another seed of the training. Rows are drawn one by one also where rows share texts: the interval of
//! such a table is too narrow.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::ml::pulse;

/// How often the rows are drawn.
pub const RESAMPLES: usize = 1000;
/// The part of the differences that lies within the interval.
const CONFIDENCE: f64 = 0.95;
/// The part of the resamples in which a correlation may be missing; beyond, no interval is given.
const MOST_MISSING: f64 = 0.05;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Pearson's correlation of the similarities with the scores.
    Pearson,
    /// Spearman's.
    Spearman,
    /// Mean squared error of the similarities; lower is better.
    Mse,
    /// The part of labelled texts whose nearest other text has their label.
    NearestNeighbour,
    /// The part of labelled texts that are nearest to their own label's mean.
    NearestCentre,
    /// Mean average precision of labelled texts.
    MeanAveragePrecision,
}

/// A metric of two models on the same pairs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Difference {
    /// Which.
    pub metric: Metric,
    /// How many pairs; of labelled texts, how many texts.
    pub n: usize,
    /// The base's. `null` where all scores are the same and a correlation does not exist.
    pub before: Option<f64>,
    /// The tuned model's; `null` likewise.
    pub after: Option<f64>,
    /// `after - before`, so that an error that falls has a negative one.
    pub delta: Option<f64>,
    /// The lower end of the difference's 95 % interval; `null` where there is none.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
}

/// Compares the similarities of two models `(N,)`, `(N,)` with the scores `(N,)` of the same pairs. Metrics of labelled
/// texts are means of what each text comes to, and read no scores.
///
/// Similarities that are all equal follow no score: their correlation counts as 0, so that a model that
/// no longer tells texts apart has lost and is not merely unmeasured. Resamples in which all scores are
/// the same have no correlation and are left out; where that befalls more than a twentieth of them,
/// there is no interval.
pub fn difference(metric: Metric, before: &[f64], after: &[f64], scores: &[f64], seed: u64) -> Difference {
    let n = scores.len();
    let (before, after, scores) = (Column::new(before), Column::new(after), Column::new(scores));
    let once = vec![1; n];
    let (first, second) = (metric.of(&before, &scores, &once), metric.of(&after, &scores, &once));
    let mut deltas = Vec::with_capacity(RESAMPLES);
    if let (Some(_), Some(_), 2..) = (first, second, n) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut counts = vec![0; n];
        for _ in 0..RESAMPLES {
            pulse::beat();
            counts.fill(0);
            (0..n).for_each(|_| counts[below(n, &mut rng)] += 1);
            let both = (metric.of(&before, &scores, &counts), metric.of(&after, &scores, &counts));
            if let (Some(before), Some(after)) = both {
                deltas.push(after - before);
            }
        }
    }
    deltas.sort_unstable_by(f64::total_cmp);
    let enough = deltas.len() as f64 >= (1.0 - MOST_MISSING) * RESAMPLES as f64;
    let end = |part| enough.then(|| quantile(&deltas, part));
    Difference {
        metric,
        n,
        before: first,
        after: second,
        delta: first.zip(second).map(|(before, after)| after - before),
        low: end((1.0 - CONFIDENCE) / 2.0),
        high: end((1.0 + CONFIDENCE) / 2.0),
    }
}

/// An even draw from `0..n` but for a bias of 2^-32 a place.
pub(super) fn below(n: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u64::from(rng.next_u32()) * n as u64) >> 32) as usize
}

/// A quantile of sorted numbers, linear between neighbours.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

/// A column of numbers that are grouped by value once, so that no resample needs sorting.
struct Column {
    values: Vec<f64>,
    /// Each row's group of equal values; groups ascend with the value.
    group: Vec<usize>,
    groups: usize,
}

impl Column {
    fn new(values: &[f64]) -> Self {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        let mut group = vec![0; values.len()];
        let mut groups = 0;
        for ties in order.chunk_by(|&i, &j| values[i] == values[j]) {
            ties.iter().for_each(|&row| group[row] = groups);
            groups += 1;
        }
        Self { values: values.to_vec(), group, groups }
    }

    /// Whether the rows that were drawn hold more than one value.
    fn varies(&self, counts: &[u32]) -> bool {
        let mut drawn = counts.iter().zip(&self.group).filter(|(count, _)| **count > 0).map(|(_, group)| group);
        let first = drawn.next();
        drawn.any(|group| Some(group) != first)
    }

    /// Each group's rank among the rows that were drawn, ties sharing their mean rank: a running sum of
    /// how many rows each group has.
    fn ranks(&self, counts: &[u32]) -> Vec<f64> {
        let mut ranks = vec![0.0; self.groups];
        for (count, &group) in counts.iter().zip(&self.group) {
            ranks[group] += f64::from(*count);
        }
        let mut below = 0.0;
        for rank in &mut ranks {
            let ties = *rank;
            *rank = below + (ties - 1.0) / 2.0;
            below += ties;
        }
        ranks
    }
}

impl Metric {
    /// The metric over rows that count as often as they were drawn.
    fn of(self, similarities: &Column, scores: &Column, counts: &[u32]) -> Option<f64> {
        match self {
            Self::Mse => Some(mean(counts, |row| (similarities.values[row] - scores.values[row]).powi(2))),
            Self::NearestNeighbour | Self::NearestCentre | Self::MeanAveragePrecision => {
                (!counts.is_empty()).then(|| mean(counts, |row| similarities.values[row]))
            }
            _ if !scores.varies(counts) => None,
            _ if !similarities.varies(counts) => Some(0.0),
            Self::Pearson => Some(correlation(counts, |row| similarities.values[row], |row| scores.values[row])),
            Self::Spearman => {
                let (a, b) = (similarities.ranks(counts), scores.ranks(counts));
                Some(correlation(counts, |row| a[similarities.group[row]], |row| b[scores.group[row]]))
            }
        }
    }
}

fn mean(counts: &[u32], of: impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut rows) = (0.0, 0.0);
    for (row, &count) in counts.iter().enumerate() {
        sum += f64::from(count) * of(row);
        rows += f64::from(count);
    }
    sum / rows
}

/// Pearson's correlation of what varies.
fn correlation(counts: &[u32], a: impl Fn(usize) -> f64, b: impl Fn(usize) -> f64) -> f64 {
    let (mean_a, mean_b) = (mean(counts, &a), mean(counts, &b));
    let (mut covariance, mut variance_a, mut variance_b) = (0.0, 0.0, 0.0);
    for (row, &count) in counts.iter().enumerate() {
        let (weight, a, b) = (f64::from(count), a(row) - mean_a, b(row) - mean_b);
        covariance += weight * a * b;
        variance_a += weight * a * a;
        variance_b += weight * b * b;
    }
    covariance / (variance_a * variance_b).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ml::eval::{pearson, spearman};

    /// Scores of three kinds, and similarities that follow them with noise of the given size.
    fn noisy(n: usize, noise: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scores: Vec<f64> = (0..n).map(|row| (row % 3) as f64 / 2.0).collect();
        let mut even = || below(1 << 20, &mut rng) as f64 / f64::from(1 << 20) - 0.5;
        let similarities = scores.iter().map(|score| score + noise * even()).collect();
        (similarities, scores)
    }

    #[test]
    fn the_interval_of_a_mean_is_the_one_that_statistics_gives() {
        // The difference of errors is a mean: its interval is delta +- 1.96 standard errors.
        let n = 400;
        let scores = vec![0.0; n];
        let (noise, _) = noisy(n, 1.0, 7);
        let (before, after): (Vec<f64>, Vec<f64>) = noise.iter().map(|x| ((x * x + 1.0).sqrt(), 0.5)).unzip();
        let found = difference(Metric::Mse, &before, &after, &scores, 42);
        let each: Vec<f64> = before.iter().map(|before| 0.25 - before * before).collect();
        let mean = each.iter().sum::<f64>() / n as f64;
        let error = (each.iter().map(|x| (x - mean).powi(2)).sum::<f64>()).sqrt() / n as f64;
        assert!((found.delta.unwrap() - mean).abs() < 1e-12);
        for (end, expected) in [(found.low, mean - 1.96 * error), (found.high, mean + 1.96 * error)] {
            assert!((end.unwrap() - expected).abs() < 0.15 * error, "{end:?} is not {expected}");
        }
    }

    #[test]
    fn a_real_gain_is_told_from_chance_and_no_gain_is_not() {
        let (before, scores) = noisy(300, 2.0, 1);
        let (after, _) = noisy(300, 1.0, 2);
        let (other, _) = noisy(300, 2.0, 3);
        for metric in [Metric::Pearson, Metric::Spearman] {
            let gain = difference(metric, &before, &after, &scores, 42);
            assert!(gain.low.unwrap() > 0.0, "{gain:?}");
            let none = difference(metric, &before, &other, &scores, 42);
            assert!(none.low.unwrap() < 0.0 && none.high.unwrap() > 0.0, "{none:?}");
            let same = difference(metric, &before, &before, &scores, 42);
            assert_eq!((same.delta, same.low, same.high), (Some(0.0), Some(0.0), Some(0.0)));
        }
        let error = difference(Metric::Mse, &before, &after, &scores, 42);
        assert!(error.high.unwrap() < 0.0, "{error:?}");
    }

    #[test]
    fn equal_scores_have_no_correlation_and_equal_similarities_have_none_left() {
        let (before, scores) = noisy(60, 1.0, 1);
        let none = difference(Metric::Spearman, &before, &before, &[0.7; 60], 42);
        assert_eq!((none.n, none.before, none.delta, none.low), (60, None, None, None));
        let collapsed = difference(Metric::Spearman, &before, &[0.9; 60], &scores, 42);
        assert_eq!(collapsed.after, Some(0.0));
        assert!(collapsed.high.unwrap() < 0.0);
        assert_eq!(difference(Metric::Pearson, &[], &[], &[], 42).n, 0);
        assert_eq!(difference(Metric::Mse, &[0.1], &[0.2], &[0.3], 42).low, None);
    }

    #[test]
    fn where_most_draws_hold_one_score_there_is_no_interval() {
        // One row of 40 has another score: about a third of the draws miss it.
        let (before, _) = noisy(40, 1.0, 1);
        let mut scores = vec![0.5; 40];
        scores[0] = 1.0;
        let found = difference(Metric::Pearson, &before, &before, &scores, 42);
        assert!(found.delta.is_some());
        assert_eq!((found.low, found.high), (None, None));
    }

    #[test]
    fn a_benchmark_of_1500_pairs_takes_less_than_a_second_and_a_half() {
        let (before, scores) = noisy(1500, 2.0, 1);
        let (after, _) = noisy(1500, 1.0, 2);
        let started = std::time::Instant::now();
        difference(Metric::Spearman, &before, &after, &scores, 42);
        let seconds = started.elapsed().as_secs_f64();
        assert!(seconds < 1.5, "{seconds} s");
    }

    proptest! {
        /// Counting ranks gives what sorting the drawn rows anew gives.
        #[test]
        fn counted_ranks_equal_sorted_ones(
            rows in prop::collection::vec((0_u8..6, 0_u8..6, 0_u32..4), 2..40),
        ) {
            let drawn = |column: fn(&(u8, u8, u32)) -> u8| -> Vec<f64> {
                rows.iter().flat_map(|row| std::iter::repeat_n(f64::from(column(row)), row.2 as usize)).collect()
            };
            let (a, b) = (drawn(|row| row.0), drawn(|row| row.1));
            let all = |column: fn(&(u8, u8, u32)) -> u8| {
                Column::new(&rows.iter().map(|row| f64::from(column(row))).collect::<Vec<f64>>())
            };
            let counts: Vec<u32> = rows.iter().map(|row| row.2).collect();
            for (metric, expected) in [(Metric::Spearman, spearman(&a, &b)), (Metric::Pearson, pearson(&a, &b))] {
                let found = metric.of(&all(|row| row.0), &all(|row| row.1), &counts);
                match expected {
                    Some(expected) => prop_assert!((found.unwrap() - expected).abs() < 1e-9),
                    None => prop_assert!(found.is_none_or(|found| found == 0.0)),
                }
            }
        }
    }
}
