//! What training makes small.
//!
//! Every loss compares two columns of vectors of length 1, `u` and `v` `(B, D)`, with the pairs' scores
//! `(B,)`, and gives a scalar. The cosine of a pair is then the product of its vectors.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::ml::similarity::{COSINE_LIMIT, Similarity};

/// A loss by its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean squared error of the angular similarity.
    #[default]
    AngularMse,
    /// Mean squared error of the cosine.
    CosineMse,
    /// The order of the cosines follows the order of the scores.
    Cosent,
    /// The same of the angle in complex space.
    Angle,
    /// Same pairs together, different pairs apart.
    Contrastive,
    /// The same over the pairs of a batch that are hardest.
    OnlineContrastive,
}

/// What a loss is and what data it needs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LossInfo {
    /// As `config.loss` names it.
    pub name: LossKind,
    /// `s` is the pair's cosine, `y` its score.
    pub formula: &'static str,
    /// What the scores must be, in words.
    pub scores: &'static str,
    /// When to prefer it.
    pub use_when: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The default of `config.scale`, where the loss has one.
    pub scale: Option<f64>,
    /// The default of `config.margin`, where the loss has one.
    pub margin: Option<f64>,
}

/// All losses.
pub const LOSSES: [LossInfo; 6] = [
    LossInfo {
        name: LossKind::AngularMse,
        formula: "mean (1 - acos(s) / pi - y)^2",
        scores: "angular similarities, 0 to 1: 0.5 is unrelated",
        use_when: "the scores say how alike the texts are on the angular scale; the tutorial's loss",
        source: "Cer et al. 2018, Universal Sentence Encoder",
        scale: None,
        margin: None,
    },
    LossInfo {
        name: LossKind::CosineMse,
        formula: "mean (s - y)^2",
        scores: "cosines, 0 to 1: 0 is unrelated",
        use_when: "the scores say how alike the texts are and 0 means unrelated",
        source: "Reimers and Gurevych 2019, Sentence-BERT",
        scale: None,
        margin: None,
    },
    LossInfo {
        name: LossKind::Cosent,
        formula: "log(1 + sum over y_i < y_j of exp(scale (s_i - s_j)))",
        scores: "any that differ: only their order counts",
        use_when: "the scores rank pairs well but their distances mean little",
        source: "Su 2022, CoSENT",
        scale: Some(20.0),
        margin: None,
    },
    LossInfo {
        name: LossKind::Angle,
        formula: "the same with s = |sum of re and im of u / v| over the halves as complex numbers",
        scores: "any that differ: only their order counts",
        use_when: "cosent stalls because many cosines are near 1",
        source: "Li and Li 2023, AnglE-optimized Text Embeddings",
        scale: Some(20.0),
        margin: None,
    },
    LossInfo {
        name: LossKind::Contrastive,
        formula: "mean 1/2 (y d^2 + (1 - y) max(0, margin - d)^2), d = 1 - s",
        scores: "0 (different) or 1 (the same)",
        use_when: "pairs are labelled yes or no",
        source: "Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping",
        scale: None,
        margin: Some(0.5),
    },
    LossInfo {
        name: LossKind::OnlineContrastive,
        formula: "sum d^2 over positives farther than the nearest negative + sum max(0, margin - d)^2 over negatives nearer than the farthest positive",
        scores: "0 (different) or 1 (the same)",
        use_when: "pairs are labelled yes or no and most are easy",
        source: "the sentence-transformers library",
        scale: None,
        margin: Some(0.5),
    },
];

impl LossKind {
    /// What the loss is and needs.
    pub fn info(self) -> &'static LossInfo {
        LOSSES.iter().find(|info| info.name == self).expect("every loss is in the table")
    }

    /// The measure that the scores are on.
    pub fn measure(self) -> Similarity {
        if self == Self::AngularMse { Similarity::Angular } else { Similarity::Cosine }
    }

    /// Why these scores teach nothing under this loss, if they do not: a loss without signal is an
    /// error, not a zero.
    pub fn objection(self, lowest: f64, highest: f64, distinct: usize) -> Option<String> {
        let binary = |score: f64| score == 0.0 || score == 1.0;
        match self {
            Self::Cosent | Self::Angle if distinct < 2 => {
                Some("this loss learns from the order of the scores, and all training scores are the same".to_owned())
            }
            Self::Contrastive | Self::OnlineContrastive if distinct > 2 || !binary(lowest) || !binary(highest) => {
                Some(format!(
                    "this loss needs the scores 0 and 1; the table has {distinct} different ones from {lowest} to {highest}"
                ))
            }
            _ => None,
        }
    }
}

/// A loss with its constants.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Which.
    pub kind: LossKind,
    /// Multiplies the similarities of an ordering loss.
    pub scale: f64,
    /// How far apart different pairs should be.
    pub margin: f64,
}

impl Loss {
    /// The loss, with its own defaults where no constant is given.
    pub fn new(kind: LossKind, scale: Option<f64>, margin: Option<f64>) -> Self {
        let info = kind.info();
        Self { kind, scale: scale.or(info.scale).unwrap_or(1.0), margin: margin.or(info.margin).unwrap_or(0.0) }
    }

    /// `(B, D)`, `(B, D)`, `(B,)` to a scalar.
    pub fn compute(&self, u: &Tensor, v: &Tensor, scores: &Tensor) -> Tensor {
        match self.kind {
            LossKind::AngularMse => (angular_similarity(u, v) - scores).square().mean(u.kind()),
            LossKind::CosineMse => (cosine(u, v) - scores).square().mean(u.kind()),
            LossKind::Cosent => ordering(&cosine(u, v), scores, self.scale),
            LossKind::Angle => ordering(&angle(u, v), scores, self.scale),
            LossKind::Contrastive => {
                let d: Tensor = 1.0 - cosine(u, v);
                let different: Tensor = 1.0 - scores;
                let apart = (d.neg() + self.margin).relu().square() * different;
                (d.square() * scores + apart).mean(u.kind()) * 0.5
            }
            LossKind::OnlineContrastive => online_contrastive(&(1.0 - cosine(u, v)), scores, self.margin),
        }
    }
}

/// The cosine of each pair of rows of length 1: `(B,)`.
pub fn cosine(u: &Tensor, v: &Tensor) -> Tensor {
    (u * v).sum_dim_intlist([1].as_slice(), false, u.kind())
}

/// The angular similarity of each pair of rows: `1 - acos(cos(u, v)) / pi`, `(B,)`.
///
/// The cosine is kept within +-0.99999 as in the tutorial: beyond it the slope is zero.
pub fn angular_similarity(u: &Tensor, v: &Tensor) -> Tensor {
    let angle = cosine(u, v).clamp(-COSINE_LIMIT, COSINE_LIMIT).arccos();
    angle * (-1.0 / std::f64::consts::PI) + 1.0
}

/// `log(1 + sum over y_i < y_j of exp(scale (s_i - s_j)))` in O(B log B).
///
/// Sorted by score, the inner sum over all lower pairs is a running one: each pair needs the sum up to
/// where its own score begins.
fn ordering(similarities: &Tensor, scores: &Tensor, scale: f64) -> Tensor {
    let scores: Vec<f64> = Vec::try_from(scores.to_kind(tch::Kind::Double)).expect("one dimension");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    // (place in the order, last place with a lower score)
    let (mut places, mut below) = (Vec::new(), Vec::new());
    let mut start = 0_i64;
    for ties in order.chunk_by(|&i, &j| scores[i] == scores[j]) {
        let end = start + ties.len() as i64;
        if start > 0 {
            places.extend(start..end);
            below.extend(std::iter::repeat_n(start - 1, ties.len()));
        }
        start = end;
    }
    let order: Vec<i64> = order.into_iter().map(|place| place as i64).collect();
    let sorted = similarities.index_select(0, &Tensor::from_slice(&order)) * scale;
    let zero = Tensor::zeros([1], (sorted.kind(), sorted.device()));
    if places.is_empty() {
        // All scores are the same: nothing to order, and no slope.
        return sorted.sum(sorted.kind()) * 0.0;
    }
    let lower = sorted.logcumsumexp(0).index_select(0, &Tensor::from_slice(&below));
    let terms = lower - sorted.index_select(0, &Tensor::from_slice(&places));
    Tensor::cat(&[zero, terms], 0).logsumexp([0].as_slice(), false)
}

/// AnglE's similarity: the halves of a vector are the real and imaginary parts of complex numbers.
fn angle(u: &Tensor, v: &Tensor) -> Tensor {
    let (u, v) = (u.chunk(2, 1), v.chunk(2, 1));
    let ([a, b], [c, d]) = ([&u[0], &u[1]], [&v[0], &v[1]]);
    let sum = |x: &Tensor| x.sum_dim_intlist([1].as_slice(), true, x.kind());
    let squares = sum(&(c.square() + d.square()));
    let lengths = sum(&(a.square() + b.square())).sqrt() / squares.sqrt();
    let re = (a * c + b * d) / &squares / &lengths;
    let im = (b * c - a * d) / &squares / &lengths;
    sum(&(re + im)).squeeze_dim(1).abs()
}

/// Only pairs on the wrong side of a pair of the other kind count. Where the other kind has fewer than
/// two pairs in the batch, the mean of the own kind is the border.
fn online_contrastive(distances: &Tensor, scores: &Tensor, margin: f64) -> Tensor {
    let values: Vec<f64> = Vec::try_from(distances.detach().to_kind(tch::Kind::Double)).expect("one dimension");
    let labels: Vec<f64> = Vec::try_from(scores.to_kind(tch::Kind::Double)).expect("one dimension");
    let of = |label: f64| -> Vec<f64> {
        values.iter().zip(&labels).filter(|(_, other)| **other == label).map(|(value, _)| *value).collect()
    };
    let (positives, negatives) = (of(1.0), of(0.0));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let farthest = positives.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let nearest = negatives.iter().copied().fold(f64::INFINITY, f64::min);
    let far = if negatives.len() > 1 { nearest } else { mean(&positives) };
    let near = if positives.len() > 1 { farthest } else { mean(&negatives) };
    let mask = |hard: &dyn Fn(f64, f64) -> bool| {
        let mask: Vec<f64> = values.iter().zip(&labels).map(|(&d, &y)| f64::from(u8::from(hard(d, y)))).collect();
        Tensor::from_slice(&mask).to_kind(distances.kind())
    };
    let together = distances.square() * mask(&|d, y| y == 1.0 && d > far);
    let apart = (distances.neg() + margin).relu().square() * mask(&|d, y| y == 0.0 && d < near);
    (together + apart).sum(distances.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [LossKind; 6] = [
        LossKind::AngularMse,
        LossKind::CosineMse,
        LossKind::Cosent,
        LossKind::Angle,
        LossKind::Contrastive,
        LossKind::OnlineContrastive,
    ];

    /// Unit vectors with the given cosines: `u` and `v` `(B, 2)`.
    fn pairs(cosines: &[f64]) -> (Tensor, Tensor) {
        let u: Vec<f64> = cosines.iter().flat_map(|_| [1.0, 0.0]).collect();
        let v: Vec<f64> = cosines.iter().flat_map(|&cosine| [cosine, (1.0 - cosine * cosine).sqrt()]).collect();
        let shape = [cosines.len() as i64, 2];
        (Tensor::from_slice(&u).reshape(shape), Tensor::from_slice(&v).reshape(shape))
    }

    fn value(kind: LossKind, cosines: &[f64], scores: &[f64]) -> f64 {
        let (u, v) = pairs(cosines);
        Loss::new(kind, None, None).compute(&u, &v, &Tensor::from_slice(scores)).double_value(&[])
    }

    #[test]
    fn angular_similarity_of_known_cosines() {
        let known = [(-1.0, 0.001424), (-0.5, 0.333333), (0.0, 0.5), (0.5, 0.666667), (0.7, 0.746817), (1.0, 0.998576)];
        for (cosine, similarity) in known {
            let (u, v) = pairs(&[cosine]);
            assert!((angular_similarity(&u, &v).double_value(&[0]) - similarity).abs() < 1e-6, "{cosine}");
        }
    }

    #[test]
    fn losses_have_their_known_values() {
        let known: [(LossKind, &[f64], &[f64], f64); 11] = [
            (LossKind::AngularMse, &[0.0], &[1.0], 0.25),
            (LossKind::AngularMse, &[0.5], &[0.5], 0.0277777778),
            (LossKind::CosineMse, &[0.5, 0.0], &[1.0, 0.5], 0.25),
            (LossKind::Cosent, &[0.2, 0.8], &[1.0, 0.0], 12.0000061442),
            (LossKind::Cosent, &[0.9, 0.5, 0.1], &[1.0, 0.5, 0.0], 0.0006708127),
            (LossKind::Cosent, &[0.1, 0.5, 0.9], &[1.0, 0.5, 0.0], 16.0006708127),
            (LossKind::Cosent, &[0.4, 0.4, 0.4], &[1.0, 0.5, 0.0], 1.3862943611),
            (LossKind::Cosent, &[0.4, 0.1], &[0.5, 0.5], 0.0),
            (LossKind::Contrastive, &[0.8], &[1.0], 0.02),
            (LossKind::Contrastive, &[0.8], &[0.0], 0.045),
            (LossKind::Contrastive, &[0.3], &[0.0], 0.0),
        ];
        for (kind, cosines, scores, expected) in known {
            let found = value(kind, cosines, scores);
            assert!((found - expected).abs() < 1e-8, "{kind:?} {cosines:?}: {found} is not {expected}");
        }
    }

    #[test]
    fn online_contrastive_counts_only_the_hard_pairs() {
        // Distances: positives 0.1 and 0.6, negatives 0.3 and 0.9. Hard: 0.6 > 0.3 and 0.3 < 0.6.
        let found = value(LossKind::OnlineContrastive, &[0.9, 0.4, 0.7, 0.1], &[1.0, 1.0, 0.0, 0.0]);
        assert!((found - (0.36 + 0.04)).abs() < 1e-12, "{found}");
    }

    #[test]
    fn cosent_in_sorted_order_is_the_sum_over_all_ordered_pairs() {
        let cosines: Vec<f64> = (0..40).map(|i| (f64::from(i) * 0.7).sin() * 0.9).collect();
        let scores: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 5) / 4.0).collect();
        let mut sum = 1.0;
        for i in 0..40 {
            for j in 0..40 {
                if scores[i] < scores[j] {
                    sum += (20.0 * (cosines[i] - cosines[j])).exp();
                }
            }
        }
        assert!((value(LossKind::Cosent, &cosines, &scores) - sum.ln()).abs() < 1e-9);
    }

    #[test]
    fn angles_similarity_of_equal_vectors_is_the_sum_of_the_halves() {
        // u = v: re = |u_k|^2 / |u|^2 for each k, im = 0, so the sum is 1.
        let u = Tensor::from_slice(&[0.5, 0.5, 0.5, 0.5]).reshape([1, 4]);
        assert!((angle(&u, &u).double_value(&[0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn every_loss_has_the_slope_of_its_finite_differences() {
        let unit = |seed: f64| {
            let values: Vec<f64> = (0..30).map(|i| (seed + f64::from(i) * 1.3).sin()).collect();
            let x = Tensor::from_slice(&values).reshape([5, 6]);
            &x / x.square().sum_dim_intlist([1].as_slice(), true, x.kind()).sqrt()
        };
        for kind in ALL {
            let loss = Loss::new(kind, None, None);
            let binary = loss.kind.info().margin.is_some();
            let scores =
                Tensor::from_slice(if binary { &[1.0, 0.0, 1.0, 0.0, 0.0] } else { &[0.9, 0.1, 0.5, 0.5, 0.2] });
            let (u, v) = (unit(0.2).set_requires_grad(true), unit(1.1));
            loss.compute(&u, &v, &scores).backward();
            let slope = u.grad();
            assert!(slope.abs().max().double_value(&[]) > 1e-4, "{kind:?} has no slope to compare");
            for at in 0..30 {
                let moved = |step: f64| {
                    let x = u.detach().copy();
                    let _ = x.view([-1]).get(at).g_add_scalar_(step);
                    loss.compute(&x, &v, &scores).double_value(&[])
                };
                let difference = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                let found = slope.double_value(&[at / 6, at % 6]);
                assert!((found - difference).abs() < 1e-6, "{kind:?} at {at}: {found} is not {difference}");
            }
        }
    }

    #[test]
    fn scores_that_teach_nothing_are_refused() {
        assert!(LossKind::Cosent.objection(0.5, 0.5, 1).is_some());
        assert!(LossKind::Cosent.objection(0.4, 0.5, 2).is_none());
        assert!(LossKind::Contrastive.objection(0.0, 1.0, 2).is_none());
        assert!(LossKind::Contrastive.objection(0.0, 1.0, 3).is_some());
        assert!(LossKind::OnlineContrastive.objection(0.5, 1.0, 2).is_some());
        assert!(LossKind::AngularMse.objection(0.5, 0.5, 1).is_none());
    }
}
