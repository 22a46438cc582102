//! Pearson's and Spearman's correlation.

/// How two columns vary.
struct Moments {
    means: [f64; 2],
    /// Sums of products of the distances from the means.
    covariance: f64,
    variances: [f64; 2],
}

impl Moments {
    fn of(a: &[f64], b: &[f64]) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (mean_a, mean_b) = (mean(a), mean(b));
        let (mut covariance, mut variance_a, mut variance_b) = (0.0, 0.0, 0.0);
        for (a, b) in a.iter().zip(b) {
            covariance += (a - mean_a) * (b - mean_b);
            variance_a += (a - mean_a).powi(2);
            variance_b += (b - mean_b).powi(2);
        }
        Self { means: [mean_a, mean_b], covariance, variances: [variance_a, variance_b] }
    }
}

/// The straight line of least squares from `a` to `b`: its slope, and the means that it goes through.
pub(super) fn line(a: &[f64], b: &[f64]) -> (f64, [f64; 2]) {
    let Moments { means, covariance, variances: [variance, _] } = Moments::of(a, b);
    // Equal numbers have a variance of rounding errors.
    (if variance > 1e-12 { covariance / variance } else { 0.0 }, means)
}

/// Pearson's correlation; `None` where one side does not vary or fewer than two pairs are given.
pub fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let Moments { covariance, variances: [variance_a, variance_b], .. } = Moments::of(a, b);
    // Equal numbers have a variance of rounding errors, not of exactly zero.
    let varies = |values: &[f64]| values.iter().any(|value| *value != values[0]);
    (a.len() > 1 && varies(a) && varies(b)).then(|| covariance / (variance_a * variance_b).sqrt())
}

/// Spearman's correlation: Pearson's of the ranks, ties sharing their mean rank.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for ties in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = start as f64 + (ties.len() - 1) as f64 / 2.0;
        for &index in ties {
            ranks[index] = rank;
        }
        start += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_of_a_worked_example() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 1.0, 4.0, 3.0, 50.0]);
        assert!((pearson(&a, &b).unwrap() - 0.7284282633222229).abs() < 1e-12);
        assert!((spearman(&a, &b).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    #[test]
    fn what_does_not_vary_has_no_correlation() {
        assert_eq!(pearson(&[0.7468; 20], &[0.1; 20]), None);
        assert_eq!(spearman(&[1.0], &[1.0]), None);
        assert_eq!(pearson(&[], &[]), None);
    }
}
