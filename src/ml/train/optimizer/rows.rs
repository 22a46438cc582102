//! The rows of the vocabulary's table that the training texts use, and what each still owes.

use std::collections::HashMap;

use tch::Tensor;

use super::rule::Rule;

pub(super) struct Rows {
    /// Piece ids, ascending, `(R,)`.
    pub(super) ids: Vec<i64>,
    places: HashMap<i64, i64>,
    /// `(R, E)`
    pub(super) weights: Tensor,
    /// `(R, E)` each.
    pub(super) moments: Vec<Tensor>,
    /// The step up to which each row is current.
    pub(super) current: Vec<i32>,
    /// The part of the learning rate that rows get.
    share: f64,
}

impl Rows {
    /// Rows of the ascending `ids`, at step 0.
    pub(super) fn new(ids: Vec<i64>, weights: Tensor, rule: &Rule, share: f64) -> Self {
        Self {
            places: ids.iter().copied().zip(0..).collect(),
            current: vec![0; ids.len()],
            moments: rule.new_moments(&weights),
            weights,
            ids,
            share,
        }
    }

    /// Where the rows of `ids` stand. Every id must be among the training texts'.
    pub(super) fn places(&self, ids: &[i64]) -> Vec<i64> {
        ids.iter().map(|id| self.places[id]).collect()
    }

    /// Brings the rows at `places` to `step`: the updates without a gradient that each still owes.
    pub(super) fn catch_up(&mut self, rule: &Rule, places: &[i64], step: i32) {
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
        let (weights, mut moments) = self.taken(&index);
        let lasts = rule.momentum_lasts();
        for s in behind[0].0 + 1..=step {
            // Rows that owe s and whose momentum still moves them: a range.
            let from = behind.partition_point(|&(current, _)| s - current > lasts);
            let to = behind.partition_point(|&(current, _)| current < s);
            if from < to {
                let range = |tensor: &Tensor| tensor.narrow(0, from as i64, (to - from) as i64);
                let mut moments: Vec<Tensor> = moments.iter().map(range).collect();
                rule.rest(&mut range(&weights), &mut moments, rule.size(s, self.share));
            }
        }
        // What is left of the decay of rows whose momentum was worn out before.
        if step - behind[0].0 > lasts {
            for (moment, beta) in moments.iter_mut().zip(rule.betas()) {
                let left = behind.iter().map(|&(current, _)| (step - current).saturating_sub(lasts).max(0));
                let factors: Vec<f32> = left.map(|steps| beta.powi(steps) as f32).collect();
                let _ = moment.g_mul_(&Tensor::from_slice(&factors).unsqueeze(1));
            }
        }
        self.put(&index, &weights, &moments);
        for (_, place) in behind {
            self.current[place as usize] = step;
        }
    }

    /// One step of the rows at `places`, which are current, with their gradient `(U, E)`.
    pub(super) fn step(&mut self, rule: &Rule, places: &[i64], gradient: &Tensor, step: i32) {
        let index = Tensor::from_slice(places);
        let (mut weights, mut moments) = self.taken(&index);
        rule.step(&mut weights, &mut moments, gradient, rule.size(step, self.share), false);
        self.put(&index, &weights, &moments);
        for &place in places {
            self.current[place as usize] = step;
        }
    }

    fn taken(&self, index: &Tensor) -> (Tensor, Vec<Tensor>) {
        let moments = self.moments.iter().map(|moment| moment.index_select(0, index)).collect();
        (self.weights.index_select(0, index), moments)
    }

    fn put(&mut self, index: &Tensor, weights: &Tensor, moments: &[Tensor]) {
        let _ = self.weights.index_copy_(0, index, weights);
        for (moment, changed) in self.moments.iter_mut().zip(moments) {
            let _ = moment.index_copy_(0, index, changed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tch::Kind;

    use super::*;
    use crate::ml::train::config::TrainConfig;
    use crate::ml::train::options::{EpsilonMode, OptimizerKind, Schedule};
    use crate::ml::train::schedule::LearningRate;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Random batches over 12 rows, with long pauses: the sparse table is the dense one.
        #[test]
        fn rows_that_rest_owe_their_momentum_and_pay_it_exactly(
            batches in prop::collection::vec(prop::collection::btree_set(0_i64..12, 0..4), 1..60),
            pause in 0_i32..400,
            epsilon_mode in prop::sample::select(vec![EpsilonMode::Keras, EpsilonMode::Torch]),
            optimizer in prop::sample::select(vec![OptimizerKind::Adam, OptimizerKind::AdamW, OptimizerKind::Sgd]),
            schedule in prop::sample::select(vec![Schedule::Constant, Schedule::Linear, Schedule::Cosine]),
            beta_2 in prop::sample::select(vec![0.9, 0.999, 0.9999]),
            share in prop::sample::select(vec![1.0, 0.5]),
        ) {
            let config = TrainConfig { learning_rate: 1e-2, epsilon_mode, optimizer, schedule, beta_2, ..TrainConfig::default() };
            let rule = Rule::new(&config, LearningRate::new(&config, 520));
            let start = Tensor::arange(24, (Kind::Float, tch::Device::Cpu)).reshape([12, 2]) * 0.1;
            let (mut weights, mut moments) = (start.copy(), rule.new_moments(&start));
            let mut rows = Rows::new((0..12).collect(), start.copy(), &rule, share);
            let mut step = 0;
            let pauses = std::iter::repeat_n(BTreeSet::new(), pause as usize);
            for batch in batches.iter().cloned().chain(pauses).chain(batches.iter().cloned()) {
                step += 1;
                let places: Vec<i64> = batch.into_iter().collect();
                let gradient = Tensor::full([places.len() as i64, 2], (f64::from(step) * 0.7).sin(), (Kind::Float, tch::Device::Cpu));
                let mut dense = start.zeros_like();
                if !places.is_empty() {
                    let _ = dense.index_copy_(0, &Tensor::from_slice(&places), &gradient);
                }
                rule.step(&mut weights, &mut moments, &dense, rule.size(step, share), false);
                rows.catch_up(&rule, &places, step - 1);
                if !places.is_empty() {
                    rows.step(&rule, &places, &gradient, step);
                }
            }
            rows.catch_up(&rule, &(0..12).collect::<Vec<_>>(), step);
            let furthest = (rows.weights - &weights).abs().max().double_value(&[]);
            let largest = weights.abs().max().double_value(&[]).max(1.0);
            prop_assert!(furthest < 2e-6 * largest, "{furthest}");
        }
    }
}
