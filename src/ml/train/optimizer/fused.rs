//! A step of Adam in one pass over the numbers.
//!
//! In tensor operations the same step reads and writes each number ten times, which for a batch of eight
//! pairs takes a third of the whole training step.

use tch::Tensor;

use super::rule::{Rule, StepSize};
use crate::ml::memory::numbers_mut;

/// A variable's part of a step.
pub(super) struct Part<'a> {
    pub(super) weights: &'a mut Tensor,
    pub(super) moments: &'a mut [Tensor],
    pub(super) gradient: &'a mut Tensor,
    /// What the gradient is multiplied by, to be within its bound.
    pub(super) factor: f64,
    pub(super) size: StepSize,
    pub(super) is_kernel: bool,
}

/// The numbers of a part, or of a piece of one.
struct Piece<'a> {
    weights: &'a mut [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
    gradient: &'a [f32],
    constants: Constants,
}

#[derive(Clone, Copy)]
struct Constants {
    factor: f32,
    beta_1: f32,
    beta_2: f32,
    /// `1 - beta`, of which a float32 beta near 1 would lose digits.
    gain_1: f32,
    gain_2: f32,
    rate: f32,
    scale: f32,
    epsilon: f32,
    /// What is left of a kernel.
    left: f32,
}

/// One step of all parts, on as many threads as libtorch has.
pub(super) fn step(rule: &Rule, parts: Vec<Part<'_>>) {
    let mut pieces = Vec::new();
    for part in parts {
        let Part { weights, moments, gradient, factor, size, is_kernel } = part;
        let plain = match &mut *moments {
            [m, v] => numbers_mut([&mut *weights, m, v, &mut *gradient]).is_some(),
            _ => false,
        };
        if !plain {
            let _ = gradient.g_mul_scalar_(factor);
            rule.step(weights, moments, gradient, size, is_kernel);
            continue;
        }
        if let ([m, v], [beta_1, beta_2]) = (moments, rule.betas())
            && let Some([weights, m, v, gradient]) = numbers_mut([weights, m, v, gradient])
        {
            let constants = Constants {
                factor: factor as f32,
                beta_1: *beta_1 as f32,
                beta_2: *beta_2 as f32,
                gain_1: (1.0 - beta_1) as f32,
                gain_2: (1.0 - beta_2) as f32,
                rate: size.rate as f32,
                scale: size.scale as f32,
                epsilon: rule.epsilon as f32,
                left: if is_kernel { (1.0 - size.decay) as f32 } else { 1.0 },
            };
            pieces.push(Piece { weights, m, v, gradient, constants });
        }
    }
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
    let shares = shares(pieces, threads);
    std::thread::scope(|scope| {
        let mut shares = shares.into_iter();
        let own = shares.next();
        for share in shares {
            scope.spawn(|| share.into_iter().for_each(Piece::step));
        }
        own.into_iter().flatten().for_each(Piece::step);
    });
}

/// The pieces in shares of equal size, cut where a share ends. Each number's arithmetic is its own, so
/// that the cuts change no bit.
fn shares(pieces: Vec<Piece<'_>>, count: usize) -> Vec<Vec<Piece<'_>>> {
    let total: usize = pieces.iter().map(|piece| piece.weights.len()).sum();
    let share = total.div_ceil(count).max(1);
    let mut shares: Vec<Vec<Piece<'_>>> = vec![Vec::new()];
    let mut room = share;
    for mut piece in pieces {
        while piece.weights.len() > room {
            let (head, tail) = piece.split_at(room);
            shares.last_mut().expect("there is always one").push(head);
            shares.push(Vec::new());
            (piece, room) = (tail, share);
        }
        room -= piece.weights.len();
        shares.last_mut().expect("there is always one").push(piece);
    }
    shares
}

impl<'a> Piece<'a> {
    fn split_at(self, at: usize) -> (Self, Self) {
        let Self { weights, m, v, gradient, constants } = self;
        let ((weights, weights_tail), (m, m_tail)) = (weights.split_at_mut(at), m.split_at_mut(at));
        let ((v, v_tail), (gradient, gradient_tail)) = (v.split_at_mut(at), gradient.split_at(at));
        let tail = Self { weights: weights_tail, m: m_tail, v: v_tail, gradient: gradient_tail, constants };
        (Self { weights, m, v, gradient, constants }, tail)
    }

    fn step(self) {
        let Constants { factor, beta_1, beta_2, gain_1, gain_2, rate, scale, epsilon, left } = self.constants;
        let numbers = self.weights.iter_mut().zip(self.m).zip(self.v).zip(self.gradient);
        for (((weight, m), v), gradient) in numbers {
            let gradient = gradient * factor;
            *m = *m * beta_1 + gradient * gain_1;
            *v = *v * beta_2 + gradient * gradient * gain_2;
            *weight = *weight * left - rate * *m / (v.sqrt() * scale + epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::ml::train::config::TrainConfig;
    use crate::ml::train::options::{EpsilonMode, OptimizerKind};
    use crate::ml::train::schedule::LearningRate;

    #[test]
    fn one_pass_is_the_step_in_tensor_operations() {
        let numbers = |seed: f64| -> Tensor {
            let numbers: Vec<f32> = (0..1001).map(|i| ((seed + f64::from(i)) * 0.7).sin() as f32).collect();
            Tensor::from_slice(&numbers)
        };
        for (optimizer, epsilon_mode) in [
            (OptimizerKind::Adam, EpsilonMode::Keras),
            (OptimizerKind::AdamW, EpsilonMode::Torch),
            (OptimizerKind::Sgd, EpsilonMode::Keras),
        ] {
            let config = TrainConfig { optimizer, epsilon_mode, learning_rate: 1e-2, ..TrainConfig::default() };
            let rule = Rule::new(&config, LearningRate::new(&config, 100));
            let (mut fused, mut plain) = (numbers(0.1), numbers(0.1));
            let (mut of_fused, mut of_plain) = (rule.new_moments(&fused), rule.new_moments(&plain));
            for step_number in 1..=5 {
                let (size, gradient) = (rule.size(step_number, 1.0), numbers(f64::from(step_number)));
                rule.step(&mut plain, &mut of_plain, &(&gradient * 0.5), size, true);
                let part = Part {
                    weights: &mut fused,
                    moments: &mut of_fused,
                    gradient: &mut gradient.copy(),
                    factor: 0.5,
                    size,
                    is_kernel: true,
                };
                step(&rule, vec![part]);
            }
            let furthest = (&fused - &plain).abs().max().double_value(&[]);
            assert!(furthest < 1e-6, "{optimizer:?}: {furthest}");
            assert_eq!(fused.kind(), Kind::Float);
        }
    }
}
