//! What one step does to one tensor.

use tch::Tensor;

use crate::ml::train::config::TrainConfig;
use crate::ml::train::options::{EpsilonMode, OptimizerKind};
use crate::ml::train::schedule::LearningRate;

/// What `adamw` takes off a kernel where the settings do not say; PyTorch's.
const WEIGHT_DECAY: f64 = 0.01;

#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    kind: OptimizerKind,
    betas: [f64; 2],
    pub(super) epsilon: f64,
    epsilon_mode: EpsilonMode,
    weight_decay: f64,
    learning_rate: LearningRate,
}

/// A step's factors: `w -= rate * m / (sqrt(v) * scale + epsilon)`; for sgd `w -= rate * m`.
#[derive(Clone, Copy, Debug)]
pub(super) struct StepSize {
    pub(super) rate: f64,
    pub(super) scale: f64,
    /// What a kernel loses before: `w *= 1 - decay`.
    pub(super) decay: f64,
}

impl Rule {
    pub(super) fn new(config: &TrainConfig, learning_rate: LearningRate) -> Self {
        let weight_decay = match config.optimizer {
            OptimizerKind::AdamW => config.weight_decay.unwrap_or(WEIGHT_DECAY),
            OptimizerKind::Adam | OptimizerKind::Sgd => 0.0,
        };
        Self {
            kind: config.optimizer,
            betas: [config.beta_1, config.beta_2],
            epsilon: config.epsilon,
            epsilon_mode: config.epsilon_mode,
            weight_decay,
            learning_rate,
        }
    }

    /// How each moment decays in a step. Adam's: the means of gradients and of their squares. Sgd's: the
    /// momentum.
    pub(super) fn betas(&self) -> &[f64] {
        if self.kind == OptimizerKind::Sgd { &self.betas[..1] } else { &self.betas }
    }

    pub(super) fn new_moments(&self, weights: &Tensor) -> Vec<Tensor> {
        self.betas().iter().map(|_| weights.detach().zeros_like()).collect()
    }

    /// The factors of a step, counted from 1, at `share` of the learning rate.
    pub(super) fn size(&self, step: i32, share: f64) -> StepSize {
        let learning_rate = self.learning_rate.at(step) * share;
        let decay = learning_rate * self.weight_decay;
        if self.kind == OptimizerKind::Sgd {
            return StepSize { rate: learning_rate, scale: 1.0, decay };
        }
        let correction_1 = 1.0 - self.betas[0].powi(step);
        let correction_2 = (1.0 - self.betas[1].powi(step)).sqrt();
        match self.epsilon_mode {
            // lr_t = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t);  w -= lr_t * m / (sqrt(v) + epsilon)
            EpsilonMode::Keras => StepSize { rate: learning_rate * correction_2 / correction_1, scale: 1.0, decay },
            // w -= lr / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)
            EpsilonMode::Torch => StepSize { rate: learning_rate / correction_1, scale: 1.0 / correction_2, decay },
        }
    }

    /// One step with a gradient; a kernel decays before it. In tensor operations: any device, any kind
    /// of number. [`super::fused`] has the same for the CPU in one pass.
    pub(super) fn step(
        &self,
        weights: &mut Tensor,
        moments: &mut [Tensor],
        gradient: &Tensor,
        size: StepSize,
        is_kernel: bool,
    ) {
        if is_kernel && size.decay > 0.0 {
            let _ = weights.g_mul_scalar_(1.0 - size.decay);
        }
        match moments {
            [m] => {
                let _ = m.g_mul_scalar_(self.betas[0]).g_add_(gradient);
            }
            [m, v] => {
                let _ = m.g_mul_scalar_(self.betas[0]).g_add_(&(gradient * (1.0 - self.betas[0])));
                let _ = v.g_mul_scalar_(self.betas[1]).g_add_(&(gradient.square() * (1.0 - self.betas[1])));
            }
            _ => unreachable!("one moment for each beta"),
        }
        self.update(weights, moments, size);
    }

    /// One step without a gradient: the moments decay, and still move the weights.
    pub(super) fn rest(&self, weights: &mut Tensor, moments: &mut [Tensor], size: StepSize) {
        for (moment, beta) in moments.iter_mut().zip(self.betas()) {
            let _ = moment.g_mul_scalar_(*beta);
        }
        self.update(weights, moments, size);
    }

    fn update(&self, weights: &mut Tensor, moments: &[Tensor], size: StepSize) {
        let change = match moments {
            [m] => m * size.rate,
            [m, v] => {
                let denominator = v.sqrt().g_mul_scalar_(size.scale).g_add_scalar_(self.epsilon);
                (m / denominator).g_mul_scalar_(size.rate)
            }
            _ => unreachable!("one moment for each beta"),
        };
        let _ = weights.g_sub_(&change);
    }

    /// Steps without a gradient after which a row's momentum no longer moves a float32. Sgd's update
    /// shrinks by `beta_1` a step; Adam's, at most `lr * |m| / sqrt(v)`, by `beta_1 / sqrt(beta_2)`.
    pub(super) fn momentum_lasts(&self) -> i32 {
        let ratio = match self.betas() {
            [beta_1, beta_2] => beta_1 / beta_2.sqrt(),
            _ => self.betas[0],
        };
        if ratio <= 0.0 {
            1
        } else if ratio < 1.0 {
            (1e-12_f64.ln() / ratio.ln()).ceil().min(1e9) as i32
        } else {
            i32::MAX
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn zeros() -> Tensor {
        Tensor::zeros([1], (Kind::Double, tch::Device::Cpu))
    }

    /// How far the first step goes from zero weights.
    fn first_step(config: &TrainConfig, gradient: f64) -> f64 {
        let rule = Rule::new(config, LearningRate::new(config, 100));
        let (mut weights, mut moments) = (zeros(), rule.new_moments(&zeros()));
        rule.step(&mut weights, &mut moments, &Tensor::from_slice(&[gradient]), rule.size(1, 1.0), true);
        -weights.double_value(&[0])
    }

    #[test]
    fn the_first_step_is_kerass_and_torchs() {
        let keras = [(1e-2, 9.99000999e-6), (1e-4, 9.09090909e-6), (1e-5, 5.0e-6), (1e-6, 9.09090909e-7)];
        let torch = [(1e-2, 9.9999e-6), (1e-4, 9.99001e-6), (1e-5, 9.90099e-6), (1e-6, 9.0909e-6)];
        for (epsilon_mode, expected) in [(EpsilonMode::Keras, keras), (EpsilonMode::Torch, torch)] {
            for (gradient, step) in expected {
                let moved = first_step(&TrainConfig { epsilon_mode, ..TrainConfig::default() }, gradient);
                assert!((moved / step - 1.0).abs() < 1e-5, "{epsilon_mode:?} {gradient}: {moved} is not {step}");
            }
        }
    }

    #[test]
    fn sgd_gathers_momentum_and_adamw_takes_off_kernels_alone() {
        let config = TrainConfig { optimizer: OptimizerKind::Sgd, learning_rate: 0.1, ..TrainConfig::default() };
        let rule = Rule::new(&config, LearningRate::new(&config, 100));
        let (mut weights, mut moments) = (zeros(), rule.new_moments(&zeros()));
        for step in 1..=3 {
            rule.step(&mut weights, &mut moments, &Tensor::from_slice(&[1.0]), rule.size(step, 1.0), true);
        }
        // 1, 1.9 and 2.71 times the rate.
        assert!((weights.double_value(&[0]) + 0.561).abs() < 1e-12);

        let config = TrainConfig { optimizer: OptimizerKind::AdamW, weight_decay: Some(0.5), ..config };
        let rule = Rule::new(&config, LearningRate::new(&config, 100));
        for (is_kernel, left) in [(true, 0.95), (false, 1.0)] {
            let (mut weights, mut moments) = (zeros() + 1.0, rule.new_moments(&zeros()));
            rule.step(&mut weights, &mut moments, &zeros(), rule.size(1, 1.0), is_kernel);
            assert!((weights.double_value(&[0]) - left).abs() < 1e-12);
        }
    }
}
