//! One forward pass: the texts' lengths, and what chance has to do with it.

use std::cell::OnceCell;

use tch::{Device, Tensor};

use super::arrangement::Arrangement;

/// What the parts of a forward pass have in common.
#[derive(Debug, Default)]
pub struct Pass {
    /// Tokens of each text, `(B,)`.
    pub lengths: Vec<i64>,
    /// Dropout, in training.
    pub dropout: Option<Dropout>,
    /// How a transformer puts the texts in order; made once, by the first layer that asks.
    pub(super) arrangement: OnceCell<Arrangement>,
}

impl Pass {
    /// Without dropout.
    pub fn new(lengths: &[i64]) -> Self {
        Self { lengths: lengths.to_vec(), ..Self::default() }
    }

    /// The same with dropout.
    #[must_use]
    pub fn with_dropout(self, dropout: Option<Dropout>) -> Self {
        Self { dropout, ..self }
    }
}

/// Dropout (Srivastava et al. 2014) as a function of a number: a mask depends on it and on the mask's place
/// in the network, and on nothing else. A pass that is done again drops the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// Of the run's seed and the step.
    pub seed: u64,
    /// The rate in place of the model's own ones.
    pub rate: Option<f64>,
}

impl Dropout {
    /// For one of the parts that a batch is cut into.
    #[must_use]
    pub(crate) fn part(self, number: u64) -> Self {
        Self { seed: split_mix(self.seed.wrapping_add(number)), ..self }
    }

    /// Drops numbers of `x` at `rate` and scales the others up by as much. `place` tells masks of one pass
    /// apart.
    pub(super) fn apply(self, x: &Tensor, rate: f64, place: u64) -> Tensor {
        let rate = self.rate.unwrap_or(rate);
        if rate == 0.0 {
            return x.shallow_clone();
        }
        x * self.mask(rate, place, x.numel()).view_(x.size()).to_device(x.device())
    }

    /// 0 or 1 / (1 - rate), `(count,)`.
    fn mask(self, rate: f64, place: u64, count: usize) -> Tensor {
        // Of 65,536 values the lowest are dropped: the rate is met within 1e-5.
        let dropped = (rate * 65_536.0).round() as u64;
        let kept = (1.0 / (1.0 - dropped as f64 / 65_536.0)) as f32;
        let start = split_mix(self.seed ^ split_mix(place));
        let mut mask = vec![0.0_f32; count];
        for (number, four) in (0_u64..).zip(mask.chunks_mut(4)) {
            let draws = split_mix(start.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
            for (element, shift) in four.iter_mut().zip([0, 16, 32, 48]) {
                *element = if (draws >> shift) & 0xffff < dropped { 0.0 } else { kept };
            }
        }
        Tensor::from_slice(&mask).to_device(Device::Cpu)
    }
}

/// A number's well-mixed counterpart (Steele et al. 2014, SplitMix).
pub(crate) fn split_mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn a_mask_is_a_function_of_seed_and_place_and_keeps_the_mean() {
        let x = Tensor::ones([1001, 37], (Kind::Float, Device::Cpu));
        let of = |seed, place| Dropout { seed, rate: None }.apply(&x, 0.1, place);
        assert_eq!(of(1, 2), of(1, 2));
        assert_ne!(of(1, 2), of(1, 3));
        assert_ne!(of(1, 2), of(2, 2));
        let dropped = of(1, 2).eq(0.0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]);
        assert!((dropped - 0.1).abs() < 0.005, "{dropped}");
        assert!((of(1, 2).mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.005);
        assert_eq!(Dropout { seed: 1, rate: Some(0.0) }.apply(&x, 0.1, 1), x);
    }
}
