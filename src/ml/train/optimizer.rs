//! Adam, exact and sparse in the vocabulary's table.
//!
//! The table has 65 million weights and a batch touches a few hundred of its rows. Dense Adam moves
//! *every* row at every step, since a row's momentum outlives its gradient. Here a row that was not
//! touched owes those updates, and they are applied when it is next read: the same numbers at the
//! cost of the batch. Rows that no training text uses have no momentum and owe nothing.

use std::collections::HashMap;

use tch::{Kind, Tensor};

use super::config::{ClipKind, ClipTable, EpsilonMode, TrainConfig};
use super::schedule::LearningRate;
use crate::ml::encoder::{Encoder, TokenTable};

/// A step's two factors: `w -= rate * m / (sqrt(v) * scale + epsilon)`.
#[derive(Clone, Copy)]
struct StepSize {
    rate: f64,
    scale: f64,
}

/// Adam's constants, and what one step does to one tensor.
struct Adam {
    beta_1: f64,
    beta_2: f64,
    epsilon: f64,
    epsilon_mode: EpsilonMode,
    learning_rate: LearningRate,
}

impl Adam {
    /// The step's factors, `step` from 1.
    fn size(&self, step: i32) -> StepSize {
        let correction_1 = 1.0 - self.beta_1.powi(step);
        let correction_2 = (1.0 - self.beta_2.powi(step)).sqrt();
        let learning_rate = self.learning_rate.at(step);
        match self.epsilon_mode {
            // lr_t = lr * sqrt(1 - beta_2^t) / (1 - beta_1^t);  w -= lr_t * m / (sqrt(v) + epsilon)
            EpsilonMode::Keras => StepSize { rate: learning_rate * correction_2 / correction_1, scale: 1.0 },
            // w -= lr / (1 - beta_1^t) * m / (sqrt(v) / sqrt(1 - beta_2^t) + epsilon)
            EpsilonMode::Torch => StepSize { rate: learning_rate / correction_1, scale: 1.0 / correction_2 },
        }
    }

    fn update(&self, weights: &mut Tensor, m: &Tensor, v: &Tensor, size: StepSize) {
        let denominator = v.sqrt().g_mul_scalar_(size.scale).g_add_scalar_(self.epsilon);
        let _ = weights.g_sub_(&(m / denominator).g_mul_scalar_(size.rate));
    }

    /// One step with a gradient.
    fn step(&self, weights: &mut Tensor, m: &mut Tensor, v: &mut Tensor, gradient: &Tensor, size: StepSize) {
        let _ = m.g_mul_scalar_(self.beta_1).g_add_(&(gradient * (1.0 - self.beta_1)));
        let _ = v.g_mul_scalar_(self.beta_2).g_add_(&(gradient.square() * (1.0 - self.beta_2)));
        self.update(weights, m, v, size);
    }

    /// Steps without a gradient after which a row's momentum no longer moves a float32: an update is
    /// at most `lr * |m| / sqrt(v)`, which shrinks by `beta_1 / sqrt(beta_2)` a step.
    fn momentum_lasts(&self) -> i32 {
        let ratio = self.beta_1 / self.beta_2.sqrt();
        if ratio <= 0.0 {
            1
        } else if ratio < 1.0 {
            (1e-12_f64.ln() / ratio.ln()).ceil().min(1e9) as i32
        } else {
            i32::MAX
        }
    }
}

/// A weight tensor with its moments.
struct Variable {
    weights: Tensor,
    m: Tensor,
    v: Tensor,
}

/// The rows of the table that the training texts use, with their moments.
struct Rows {
    /// Piece ids, ascending, `(R,)`.
    ids: Vec<i64>,
    places: HashMap<i64, i64>,
    /// `(R, E)` each.
    weights: Tensor,
    m: Tensor,
    v: Tensor,
    /// The step up to which each row is current.
    current: Vec<i32>,
}

/// A batch's rows of the table, gathered so that they can be differentiated.
pub(super) struct Gathered {
    /// Places among the training rows, ascending, `(U,)`.
    places: Vec<i64>,
    /// `(U, E)`, the leaf whose gradient is taken.
    leaf: Tensor,
    /// `(N, E)`: the batch's tokens.
    pub(super) tokens: Tensor,
}

/// Adam over an encoder's variables and the rows of its table that training uses.
pub(super) struct Optimizer {
    adam: Adam,
    clip: ClipKind,
    clipnorm: Option<f64>,
    /// How many variables the table counts as when gradients are clipped.
    clip_shards: i64,
    step: i32,
    variables: Vec<Variable>,
    rows: Rows,
}

impl Optimizer {
    /// Takes over the encoder's variables, which then require gradients, and the rows of `ids`.
    pub(super) fn new(
        encoder: &dyn Encoder,
        mut ids: Vec<i64>,
        config: &TrainConfig,
        learning_rate: LearningRate,
    ) -> Self {
        ids.sort_unstable();
        ids.dedup();
        let variables = encoder
            .variables()
            .into_iter()
            .map(|(_, weights)| {
                let (m, v) = (weights.zeros_like(), weights.zeros_like());
                Variable { weights: weights.set_requires_grad(true), m, v }
            })
            .collect();
        let weights = encoder.table().lookup(&ids);
        let rows = Rows {
            places: ids.iter().copied().zip(0..).collect(),
            current: vec![0; ids.len()],
            m: weights.zeros_like(),
            v: weights.zeros_like(),
            weights,
            ids,
        };
        let adam = Adam {
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            epsilon: config.epsilon,
            epsilon_mode: config.epsilon_mode,
            learning_rate,
        };
        let clip_shards = if config.clip_table == ClipTable::Shards { encoder.table_shards() } else { 1 };
        Self { adam, clip: config.clip, clipnorm: config.clipnorm, clip_shards, step: 0, variables, rows }
    }

    /// The tokens' rows as the next step's gradient sees them. Every id must be among the training ids.
    pub(super) fn gather(&mut self, ids: &[i64]) -> Gathered {
        let of_tokens: Vec<i64> = ids.iter().map(|id| self.rows.places[id]).collect();
        let mut places = of_tokens.clone();
        places.sort_unstable();
        places.dedup();
        self.rows.catch_up(&self.adam, &places, self.step);
        let inverse: Vec<i64> =
            of_tokens.iter().map(|place| places.partition_point(|known| known < place) as i64).collect();
        let leaf = self.rows.weights.index_select(0, &Tensor::from_slice(&places)).set_requires_grad(true);
        let tokens = leaf.index_select(0, &Tensor::from_slice(&inverse));
        Gathered { places, leaf, tokens }
    }

    /// Differentiates the loss, clips the gradients, and takes one step.
    pub(super) fn backward_step(&mut self, loss: &Tensor, gathered: &Gathered) {
        loss.backward();
        let _guard = tch::no_grad_guard();
        self.step += 1;
        let mut gradients: Vec<Tensor> = self.variables.iter().map(|variable| variable.weights.grad()).collect();
        let mut of_rows = gathered.leaf.grad();
        self.clip(&mut gradients, &mut of_rows, &gathered.places);
        let size = self.adam.size(self.step);
        for (Variable { weights, m, v }, gradient) in self.variables.iter_mut().zip(&gradients) {
            self.adam.step(weights, m, v, gradient, size);
            weights.zero_grad();
        }
        self.rows.step(&self.adam, &gathered.places, &of_rows, self.step, size);
    }

    /// Keeps the variables' gradients, and the table's rows `(U, E)` at `places`, to the bound.
    fn clip(&self, gradients: &mut [Tensor], of_rows: &mut Tensor, places: &[i64]) {
        let Some(bound) = self.clipnorm else { return };
        match self.clip {
            ClipKind::PerVariable => {
                gradients.iter_mut().for_each(|gradient| clip(gradient, bound));
                let shards: Vec<i64> =
                    places.iter().map(|&place| self.rows.ids[place as usize] % self.clip_shards).collect();
                clip_rows(of_rows, &shards, self.clip_shards, bound);
            }
            ClipKind::Global => {
                let all = || gradients.iter().chain(std::iter::once(&*of_rows));
                let squares: Vec<Tensor> = all().map(|gradient| gradient.square().sum(Kind::Float)).collect();
                let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt();
                let factor = bound / norm.clamp_min(bound);
                for gradient in gradients.iter_mut().chain(std::iter::once(of_rows)) {
                    let _ = gradient.g_mul_(&factor);
                }
            }
            ClipKind::Value => {
                for gradient in gradients.iter_mut().chain(std::iter::once(of_rows)) {
                    let _ = gradient.clamp_(-bound, bound);
                }
            }
        }
    }

    /// The table with the trained rows in it, every update that they owe applied.
    pub(super) fn table(&mut self, table: &TokenTable) -> TokenTable {
        let all: Vec<i64> = (0..self.rows.ids.len() as i64).collect();
        self.rows.catch_up(&self.adam, &all, self.step);
        table.with_rows(&self.rows.ids, self.rows.weights.copy())
    }
}

impl Rows {
    /// Brings the rows at `places` to `step`: the updates without a gradient that each still owes.
    fn catch_up(&mut self, adam: &Adam, places: &[i64], step: i32) {
        let mut behind: Vec<(i32, i64)> = places
            .iter()
            .map(|&place| (self.current[place as usize], place))
            .filter(|&(current, _)| current < step)
            .collect();
        if behind.is_empty() {
            return;
        }
        let _guard = tch::no_grad_guard();
        // Ascending by the step that a row is current with: the rows that owe step s are a prefix.
        behind.sort_unstable();
        let index = Tensor::from_slice(&behind.iter().map(|&(_, place)| place).collect::<Vec<_>>());
        let [weights, mut m, mut v] = [&self.weights, &self.m, &self.v].map(|tensor| tensor.index_select(0, &index));

        let lasts = adam.momentum_lasts();
        for s in behind[0].0 + 1..=step {
            // Rows that owe s and whose momentum still moves them: a range.
            let from = behind.partition_point(|&(current, _)| s - current > lasts);
            let to = behind.partition_point(|&(current, _)| current < s);
            if from < to {
                let range = |tensor: &Tensor| tensor.narrow(0, from as i64, (to - from) as i64);
                let (mut weights, mut m, mut v) = (range(&weights), range(&m), range(&v));
                let _ = m.g_mul_scalar_(adam.beta_1);
                let _ = v.g_mul_scalar_(adam.beta_2);
                adam.update(&mut weights, &m, &v, adam.size(s));
            }
        }
        // What is left of the decay of rows whose momentum was worn out before.
        let left = |beta: f64| {
            let factors: Vec<f32> = behind
                .iter()
                .map(|&(current, _)| beta.powi((step - current).saturating_sub(lasts).max(0)) as f32)
                .collect();
            Tensor::from_slice(&factors).unsqueeze(1)
        };
        if step - behind[0].0 > lasts {
            let _ = m.g_mul_(&left(adam.beta_1));
            let _ = v.g_mul_(&left(adam.beta_2));
        }
        let _ = self.weights.index_copy_(0, &index, &weights);
        let _ = self.m.index_copy_(0, &index, &m);
        let _ = self.v.index_copy_(0, &index, &v);
        for (_, place) in behind {
            self.current[place as usize] = step;
        }
    }

    /// One step of the rows at `places`, which are current, with their gradient `(U, E)`.
    fn step(&mut self, adam: &Adam, places: &[i64], gradient: &Tensor, step: i32, size: StepSize) {
        let index = Tensor::from_slice(places);
        let [mut weights, mut m, mut v] =
            [&self.weights, &self.m, &self.v].map(|tensor| tensor.index_select(0, &index));
        adam.step(&mut weights, &mut m, &mut v, gradient, size);
        let _ = self.weights.index_copy_(0, &index, &weights);
        let _ = self.m.index_copy_(0, &index, &m);
        let _ = self.v.index_copy_(0, &index, &v);
        for &place in places {
            self.current[place as usize] = step;
        }
    }
}

/// `tf.clip_by_norm`: the gradient is scaled so that its norm is at most `clipnorm`.
fn clip(gradient: &mut Tensor, clipnorm: f64) {
    let norm = gradient.square().sum(Kind::Float).sqrt();
    let _ = gradient.g_mul_(&(clipnorm / norm.clamp_min(clipnorm)));
}

/// The same for a table in shards: each shard's rows are scaled by their own norm.
fn clip_rows(gradient: &mut Tensor, shard_of_row: &[i64], shards: i64, clipnorm: f64) {
    let shard_of_row = Tensor::from_slice(shard_of_row);
    let squares = gradient.square().sum_dim_intlist([1].as_slice(), false, Kind::Float); // (U,)
    let norms = Tensor::zeros([shards], (Kind::Float, gradient.device())).index_add(0, &shard_of_row, &squares).sqrt();
    let factors = clipnorm / norms.clamp_min(clipnorm);
    let _ = gradient.g_mul_(&factors.index_select(0, &shard_of_row).unsqueeze(1));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::config::Schedule;
    use super::*;

    fn adam(beta_1: f64, beta_2: f64, epsilon_mode: EpsilonMode) -> Adam {
        Adam { beta_1, beta_2, epsilon: 1e-7, epsilon_mode, learning_rate: rate(1e-2, Schedule::Constant) }
    }

    fn rate(learning_rate: f64, schedule: Schedule) -> LearningRate {
        LearningRate::new(&TrainConfig { learning_rate, schedule, ..TrainConfig::default() }, 520)
    }

    #[test]
    fn the_first_step_is_kerass_and_torchs() {
        let keras = [(1e-2, 9.99000999e-6), (1e-4, 9.09090909e-6), (1e-5, 5.0e-6), (1e-6, 9.09090909e-7)];
        let torch = [(1e-2, 9.9999e-6), (1e-4, 9.99001e-6), (1e-5, 9.90099e-6), (1e-6, 9.0909e-6)];
        for (mode, expected) in [(EpsilonMode::Keras, keras), (EpsilonMode::Torch, torch)] {
            let adam = Adam { learning_rate: rate(1e-5, Schedule::Constant), ..adam(0.9, 0.9999, mode) };
            for (gradient, step) in expected {
                let zeros = || Tensor::zeros([1], (Kind::Double, tch::Device::Cpu));
                let (mut weights, mut m, mut v) = (zeros(), zeros(), zeros());
                adam.step(&mut weights, &mut m, &mut v, &Tensor::from_slice(&[gradient]), adam.size(1));
                let moved = -weights.double_value(&[0]);
                assert!((moved / step - 1.0).abs() < 1e-5, "{mode:?} {gradient}: {moved} is not {step}");
            }
        }
    }

    #[test]
    fn a_long_gradient_is_scaled_to_the_norm_and_a_short_one_left_alone() {
        let mut long = Tensor::from_slice(&[3.0_f32, 4.0]);
        clip(&mut long, 1.0);
        assert_eq!(Vec::<f32>::try_from(&long).unwrap(), [0.6, 0.8]);
        let mut short = Tensor::from_slice(&[0.3_f32, 0.4]);
        clip(&mut short, 1.0);
        assert_eq!(Vec::<f32>::try_from(&short).unwrap(), [0.3, 0.4]);
    }

    #[test]
    fn a_tables_shards_are_clipped_each_by_its_own_norm() {
        let mut gradient = Tensor::from_slice(&[3.0_f32, 0.3, 4.0]).unsqueeze(1);
        clip_rows(&mut gradient, &[0, 1, 0], 2, 1.0);
        assert_eq!(Vec::<f32>::try_from(gradient.reshape(-1)).unwrap(), [0.6, 0.3, 0.8]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Random batches over 12 rows, with long pauses: the sparse table is the dense one.
        #[test]
        fn rows_that_rest_owe_their_momentum_and_pay_it_exactly(
            batches in prop::collection::vec(prop::collection::btree_set(0_i64..12, 0..4), 1..60),
            pause in 0_i32..400,
            keras in any::<bool>(),
            schedule in prop::sample::select(vec![Schedule::Constant, Schedule::Linear, Schedule::Cosine]),
            beta_2 in prop::sample::select(vec![0.9, 0.999, 0.9999]),
        ) {
            let mode = if keras { EpsilonMode::Keras } else { EpsilonMode::Torch };
            let adam = Adam { learning_rate: rate(1e-2, schedule), ..adam(0.9, beta_2, mode) };
            let start = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).reshape([12, 2]) * 0.1;
            let (mut weights, mut m, mut v) = (start.copy(), start.zeros_like(), start.zeros_like());
            let mut rows = Rows {
                ids: (0..12).collect(),
                places: (0..12).map(|id| (id, id)).collect(),
                weights: start.copy(),
                m: start.zeros_like(),
                v: start.zeros_like(),
                current: vec![0; 12],
            };
            let mut step = 0;
            let pauses = std::iter::repeat_n(std::collections::BTreeSet::new(), pause as usize);
            for batch in batches.iter().cloned().chain(pauses).chain(batches.iter().cloned()) {
                step += 1;
                let places: Vec<i64> = batch.into_iter().collect();
                let gradient = Tensor::full([places.len() as i64, 2], (f64::from(step) * 0.7).sin(), (Kind::Float, tch::Device::Cpu));
                let mut dense = start.zeros_like();
                if !places.is_empty() {
                    let _ = dense.index_copy_(0, &Tensor::from_slice(&places), &gradient);
                }
                adam.step(&mut weights, &mut m, &mut v, &dense, adam.size(step));
                rows.catch_up(&adam, &places, step - 1);
                if !places.is_empty() {
                    rows.step(&adam, &places, &gradient, step, adam.size(step));
                }
            }
            rows.catch_up(&adam, &(0..12).collect::<Vec<_>>(), step);
            let furthest = (rows.weights - weights).abs().max().double_value(&[]);
            prop_assert!(furthest < 2e-6, "{furthest}");
        }
    }
}
