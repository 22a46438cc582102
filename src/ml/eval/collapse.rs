//! Whether an encoder still tells texts apart.
//!
//! A loss that only pulls texts together can end with all of them at one place: the training loss looks
//! fine then, and every text is like every other.

use std::collections::BTreeSet;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use tables::similarity::COSINE_LIMIT;
use tch::{Kind, Tensor};

use super::bootstrap::below;
use crate::ml::encoder::{Encoder, encode_all};
use crate::ml::vectors::numbers;

/// Texts that are looked at, at most.
const MOST_TEXTS: usize = 1000;
/// Pairs of them, at most.
const MOST_PAIRS: usize = 2000;
/// Of fewer texts nothing is concluded.
const FEWEST_TEXTS: usize = 10;
/// A mean cosine of random texts that is no longer a domain's narrowness.
pub const ALIKE: f64 = 0.9;
/// The part of the base's effective rank below which too little is left.
pub const LEAST_RANK: f64 = 0.25;

/// How the vectors of texts that have nothing to do with each other lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Spread)]
pub struct EmbeddingStats {
    /// Different texts that were looked at.
    pub texts: usize,
    /// Random pairs of them; 0 where there is only one text, and then all that follows is 0 too.
    pub pairs: usize,
    /// The mean of the pairs' cosines.
    pub cosine_mean: f64,
    /// Their standard deviation.
    pub cosine_std: f64,
    /// How many directions the vectors use, at most the smaller of the number of texts and D: the
    /// exponential of the entropy of the singular values' shares. Roy and Vetterli 2007, "The effective
    /// rank: a measure of effective dimensionality". The mean is not taken off: vectors that all point one
    /// way use one direction.
    pub effective_rank: f64,
    /// Pairs whose cosine lies beyond [`COSINE_LIMIT`]: the angular loss has no slope there, so training
    /// cannot part them again.
    pub clipped: usize,
}

/// How an encoder has collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Collapse {
    /// Random texts are nearly the same to it.
    TextsAlike,
    /// Its vectors use few directions.
    FewDirections,
}

/// How texts' vectors lie. The seed draws the texts, where they are many, and the pairs; the same
/// texts and seed give the same pairs, so that two encoders can be compared.
pub fn embedding_stats(encoder: &dyn Encoder, texts: &[&[u32]], seed: u64) -> EmbeddingStats {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut texts: Vec<&[u32]> = texts.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    // The first places of Fisher and Yates' shuffle.
    let kept = texts.len().min(MOST_TEXTS);
    for place in 0..kept {
        let other = place + below(texts.len() - place, &mut rng);
        texts.swap(place, other);
    }
    texts.truncate(kept);
    stats_of(&encode_all(encoder, &texts), &mut rng)
}

/// The same of vectors of length 1, `(T, D)`.
fn stats_of(vectors: &Tensor, rng: &mut ChaCha8Rng) -> EmbeddingStats {
    let vectors = vectors.to_kind(Kind::Double);
    let texts = vectors.size()[0] as usize;
    let (left, right): (Vec<i64>, Vec<i64>) =
        pairs(texts, rng).into_iter().map(|(left, right)| (left as i64, right as i64)).unzip();
    if left.is_empty() {
        return EmbeddingStats { texts, pairs: 0, cosine_mean: 0.0, cosine_std: 0.0, effective_rank: 0.0, clipped: 0 };
    }
    let side = |places: &[i64]| vectors.index_select(0, &Tensor::from_slice(places));
    let cosines: Vec<f64> = numbers(&(side(&left) * side(&right)).sum_dim_intlist([1].as_slice(), false, Kind::Double));
    let mean = |of: &dyn Fn(f64) -> f64| cosines.iter().map(|cosine| of(*cosine)).sum::<f64>() / cosines.len() as f64;
    let cosine_mean = mean(&|cosine| cosine);
    EmbeddingStats {
        texts,
        pairs: cosines.len(),
        cosine_mean,
        cosine_std: mean(&|cosine| (cosine - cosine_mean).powi(2)).sqrt(),
        effective_rank: effective_rank(&vectors),
        clipped: cosines.iter().filter(|cosine| cosine.abs() > COSINE_LIMIT).count(),
    }
}

/// All pairs of texts where they are few, drawn ones where they are many.
fn pairs(texts: usize, rng: &mut ChaCha8Rng) -> Vec<(usize, usize)> {
    if texts * texts.saturating_sub(1) / 2 <= MOST_PAIRS {
        return (0..texts).flat_map(|right| (0..right).map(move |left| (left, right))).collect();
    }
    let draw = |_| {
        let left = below(texts, rng);
        // Any but the left one.
        (left, (left + 1 + below(texts - 1, rng)) % texts)
    };
    (0..MOST_PAIRS).map(draw).collect()
}

/// See [`EmbeddingStats::effective_rank`]; 0 for vectors that have no singular values, since they are not finite.
fn effective_rank(vectors: &Tensor) -> f64 {
    // Singular values are the roots of the eigenvalues of the smaller of both products.
    let transposed = vectors.transpose(0, 1);
    let wide = vectors.size()[0] < vectors.size()[1];
    let product = if wide { vectors.matmul(&transposed) } else { transposed.matmul(vectors) };
    let Ok(eigenvalues) = product.f_linalg_eigvalsh("L") else { return 0.0 };
    let singular: Vec<f64> = numbers::<f64>(&eigenvalues).iter().map(|value| value.max(0.0).sqrt()).collect();
    let sum: f64 = singular.iter().sum();
    let shares = singular.iter().map(|value| value / sum).filter(|share| *share > 0.0);
    shares.map(|share| -share * share.ln()).sum::<f64>().exp()
}

impl EmbeddingStats {
    /// How the encoder has collapsed since `before`, if it has.
    ///
    /// Texts are alike when the mean cosine of random ones lies above 0.9 and the distance that is left,
    /// `1 - cosine`, is less than half of the base's: a narrow domain may begin with a high mean, and that
    /// is no collapse. Directions are few when the effective rank is below a quarter of the base's.
    /// Tuning may lower it a little, since a domain's texts need not be told apart in every way; a model
    /// that puts all texts at one place is left with a few.
    pub fn collapsed(&self, before: &Self) -> Option<Collapse> {
        if self.texts < FEWEST_TEXTS {
            None
        } else if self.cosine_mean > ALIKE && 1.0 - self.cosine_mean < 0.5 * (1.0 - before.cosine_mean) {
            Some(Collapse::TextsAlike)
        } else if self.effective_rank < LEAST_RANK * before.effective_rank {
            Some(Collapse::FewDirections)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vectors: &Tensor) -> EmbeddingStats {
        let lengths = vectors.square().sum_dim_intlist([1].as_slice(), true, Kind::Double).sqrt();
        stats_of(&(vectors / lengths), &mut ChaCha8Rng::seed_from_u64(42))
    }

    /// Texts that point each in its own direction: `(T, T)`.
    fn apart(texts: i64) -> Tensor {
        Tensor::eye(texts, (Kind::Double, tch::Device::Cpu))
    }

    #[test]
    fn vectors_at_right_angles_use_every_direction() {
        let found = of(&apart(20));
        assert_eq!((found.texts, found.pairs, found.cosine_mean, found.clipped), (20, 190, 0.0, 0));
        assert!((found.effective_rank - 20.0).abs() < 1e-9);
        assert_eq!(of(&apart(200)).pairs, MOST_PAIRS);
    }

    #[test]
    fn a_worked_example_of_the_effective_rank() {
        // Singular values 3 and 1: shares 3/4 and 1/4.
        let vectors = Tensor::from_slice(&[3.0_f64, 0.0, 0.0, 1.0]).reshape([2, 2]);
        let expected = (-(0.75_f64 * 0.75_f64.ln() + 0.25 * 0.25_f64.ln())).exp();
        assert!((effective_rank(&vectors) - expected).abs() < 1e-12);
    }

    #[test]
    fn texts_at_one_place_have_collapsed() {
        let base = of(&apart(40));
        let same = of(&(apart(40) * 0.001 + 1.0));
        assert_eq!((same.clipped, same.pairs), (780, 780));
        assert_eq!(same.collapsed(&base), Some(Collapse::TextsAlike));
        // Half of them at one place, half opposite: no mean tells it, the directions do.
        let two = of(&(Tensor::from_slice(&[1.0_f64, -1.0]).repeat([20]).reshape([40, 1]) + apart(40) * 0.001));
        assert!(two.cosine_mean < 0.1);
        assert_eq!(two.collapsed(&base), Some(Collapse::FewDirections));
        assert_eq!(base.collapsed(&base), None);
    }

    #[test]
    fn a_narrow_domain_that_stays_as_it_was_has_not_collapsed() {
        let narrow = of(&(apart(40) + 0.6));
        assert!(narrow.cosine_mean > ALIKE, "{narrow:?}");
        assert_eq!(narrow.collapsed(&narrow), None);
        assert_eq!(of(&(apart(40) + 0.7)).collapsed(&narrow), None);
    }

    #[test]
    fn one_text_or_none_is_no_pair() {
        assert_eq!(of(&apart(1)).pairs, 0);
        assert_eq!(of(&apart(5)).collapsed(&of(&apart(5))), None);
        let none = Tensor::zeros([0, 8], (Kind::Double, tch::Device::Cpu));
        assert_eq!(stats_of(&none, &mut ChaCha8Rng::seed_from_u64(42)).texts, 0);
    }

    #[test]
    fn drawn_pairs_are_never_a_text_with_itself() {
        let pairs = pairs(100, &mut ChaCha8Rng::seed_from_u64(42));
        assert!(pairs.iter().all(|&(left, right)| left != right && left < 100 && right < 100));
        assert!(pairs.iter().map(|pair| pair.0).collect::<BTreeSet<_>>().len() > 90);
    }
}
