//! Adam and its kin, exact and sparse in the vocabulary's table.
//!
//! The table has 65 million weights and a batch touches a few hundred of its rows. Dense Adam moves
//! *every* row at every step, since a row's momentum outlives its gradient. Here a row that was not
//! touched owes those updates, and they are applied when it is next read: the same numbers at the
//! cost of the batch. Rows that no training text uses have no momentum and owe nothing.

mod clip;
mod fused;
mod rows;
mod rule;

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::config::TrainConfig;
use super::options::{ClipKind, ClipTable};
use super::schedule::LearningRate;
use crate::ml::encoder::{Encoder, TokenTable};
use crate::ml::{Error, Result};
use clip::{clip, clip_rows, clip_together};
use fused::Part;
use rows::Rows;
use rule::Rule;

/// A weight tensor with its moments.
struct Variable {
    name: String,
    weights: Tensor,
    moments: Vec<Tensor>,
    /// The part of the learning rate that its layer gets.
    share: f64,
    is_kernel: bool,
}

/// A step's rows of the table, gathered so that they can be differentiated.
pub(super) struct Gathered {
    /// Piece ids, ascending, `(U,)`.
    ids: Vec<i64>,
    /// Places among the training rows, `(U,)`.
    places: Vec<i64>,
    /// `(U, E)`, the leaf whose gradient is taken.
    leaf: Tensor,
}

impl Gathered {
    /// The tokens' vectors `(N, E)`. Every id must be among the gathered.
    pub(super) fn tokens(&self, ids: &[i64]) -> Tensor {
        let places: Vec<i64> = ids.iter().map(|id| self.ids.partition_point(|known| known < id) as i64).collect();
        self.leaf.index_select(0, &Tensor::from_slice(&places))
    }
}

/// An optimizer over an encoder's variables and the rows of its table that training uses.
pub(super) struct Optimizer {
    rule: Rule,
    clip: ClipKind,
    clipnorm: Option<f64>,
    /// How many variables the table counts as when gradients are clipped.
    clip_shards: i64,
    step: i32,
    variables: Vec<Variable>,
    rows: Rows,
    table_learns: bool,
}

impl Optimizer {
    /// Takes over the encoder's variables, which then require gradients unless their layer is frozen,
    /// and the rows of `ids`.
    ///
    /// # Errors
    /// Where a layer to freeze does not exist, or none is left to learn.
    pub(super) fn new(
        encoder: &dyn Encoder,
        mut ids: Vec<i64>,
        config: &TrainConfig,
        learning_rate: LearningRate,
    ) -> Result<Self> {
        let layers = encoder.layers();
        let known = |name: &String| layers.contains(name);
        let wrong = |reason: String| Error::Config { field: "freeze", reason };
        if let Some(unknown) = config.freeze.iter().find(|name| !known(name)) {
            return Err(wrong(format!("this model has no layer {unknown:?}; its layers are {}", layers.join(", "))));
        }
        let frozen = |layer: usize| config.freeze.iter().any(|name| *name == layers[layer]);
        if (0..layers.len()).all(frozen) {
            return Err(wrong("leaves no layer that learns".to_owned()));
        }
        let share = |layer: usize| config.layer_decay.powi((layers.len() - 1 - layer) as i32);
        let rule = Rule::new(config, learning_rate);

        ids.sort_unstable();
        ids.dedup();
        let mut variables = Vec::new();
        for (name, weights) in encoder.variables() {
            let layer = encoder.layer_of(&name);
            let weights = weights.set_requires_grad(!frozen(layer));
            if !frozen(layer) {
                let is_kernel = weights.size().iter().filter(|&&size| size > 1).count() > 1;
                let moments = rule.new_moments(&weights);
                variables.push(Variable { name, weights, moments, share: share(layer), is_kernel });
            }
        }
        let weights = encoder.table().lookup(&ids);
        let rows = Rows::new(ids, weights, &rule, share(0));
        let clip_shards = if config.clip_table == ClipTable::Shards { encoder.table_shards() } else { 1 };
        let (clip, clipnorm) = (config.clip, config.clipnorm);
        Ok(Self { rule, clip, clipnorm, clip_shards, step: 0, variables, rows, table_learns: !frozen(0) })
    }

    /// The rows of the next step's texts, as its gradient sees them.
    pub(super) fn gather(&mut self, mut ids: Vec<i64>) -> Gathered {
        ids.sort_unstable();
        ids.dedup();
        let places = self.rows.places(&ids);
        self.rows.catch_up(&self.rule, &places, self.step);
        let leaf = self.rows.weights.index_select(0, &Tensor::from_slice(&places));
        Gathered { ids, places, leaf: leaf.set_requires_grad(self.table_learns) }
    }

    /// What a step's losses are differentiated by: the variables, then the gathered rows unless the table
    /// is frozen.
    pub(super) fn leaves(&self, gathered: &Gathered) -> Vec<Tensor> {
        let rows = self.table_learns.then_some(&gathered.leaf);
        self.variables.iter().map(|variable| &variable.weights).chain(rows).map(Tensor::shallow_clone).collect()
    }

    /// Clips the gradients of [`Optimizer::leaves`], and takes the step.
    pub(super) fn step(&mut self, gathered: &Gathered, mut gradients: Vec<Tensor>) {
        let _guard = tch::no_grad_guard();
        self.step += 1;
        let of_rows = if self.table_learns { gradients.pop() } else { None };
        let (factors, of_rows) = self.clip(&mut gradients, of_rows, &gathered.ids);
        let (rule, step) = (&self.rule, self.step);
        let parts = self.variables.iter_mut().zip(&mut gradients).zip(factors).map(|((variable, gradient), factor)| {
            let Variable { weights, moments, share, is_kernel, .. } = variable;
            Part { weights, moments, gradient, factor, size: rule.size(step, *share), is_kernel: *is_kernel }
        });
        fused::step(rule, parts.collect());
        if let Some(of_rows) = of_rows {
            self.rows.step(&self.rule, &gathered.places, &of_rows, self.step);
        }
    }

    /// Keeps the gradients to the bound: what scales each variable's, and those of the table's rows
    /// `(U, E)` of `ids`, scaled.
    fn clip(&self, gradients: &mut [Tensor], of_rows: Option<Tensor>, ids: &[i64]) -> (Vec<f64>, Option<Tensor>) {
        let free = vec![1.0; gradients.len()];
        let Some(bound) = self.clipnorm else { return (free, of_rows) };
        match self.clip {
            ClipKind::PerVariable => {
                let shards: Vec<i64> = ids.iter().map(|id| id % self.clip_shards).collect();
                let of_rows = of_rows.map(|mut of_rows| {
                    clip_rows(&mut of_rows, &shards, self.clip_shards, bound);
                    of_rows
                });
                (gradients.iter().map(|gradient| clip(gradient, bound)).collect(), of_rows)
            }
            ClipKind::Global => {
                let factor = clip_together(gradients.iter().chain(&of_rows), bound);
                (vec![factor; gradients.len()], of_rows.map(|of_rows| of_rows * factor))
            }
            ClipKind::Value => {
                for gradient in gradients {
                    let _ = gradient.clamp_(-bound, bound);
                }
                (free, of_rows.map(|of_rows| of_rows.clamp(-bound, bound)))
            }
        }
    }

    /// The table with the trained rows in it, every update that they owe applied.
    pub(super) fn table(&mut self, table: &TokenTable) -> TokenTable {
        if !self.table_learns {
            return table.shallow_clone();
        }
        let all: Vec<i64> = (0..self.rows.ids.len() as i64).collect();
        self.rows.catch_up(&self.rule, &all, self.step);
        table.with_rows(&self.rows.ids, self.rows.weights.copy())
    }

    /// All that the next step depends on, as copies: weights, moments, rows, and what each row owes.
    pub(super) fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for Variable { name, weights, moments, .. } in &self.variables {
            state.insert(format!("weights/{name}"), weights.detach().copy());
            for (place, moment) in moments.iter().enumerate() {
                state.insert(format!("moments/{place}/{name}"), moment.copy());
            }
        }
        state.insert("rows/ids".to_owned(), Tensor::from_slice(&self.rows.ids));
        state.insert("rows/weights".to_owned(), self.rows.weights.copy());
        for (place, moment) in self.rows.moments.iter().enumerate() {
            state.insert(format!("rows/moments/{place}"), moment.copy());
        }
        let current: Vec<i64> = self.rows.current.iter().map(|&step| i64::from(step)).collect();
        state.insert("rows/current".to_owned(), Tensor::from_slice(&current));
        state
    }

    /// Goes on where [`Optimizer::state`] was taken, after `step` steps.
    ///
    /// # Errors
    /// Where the state is of another run. Then nothing can be said of the weights.
    pub(super) fn restore(&mut self, step: i32, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let put = |name: String, place: &mut Tensor| match state.get(&name) {
            Some(tensor) if tensor.size() == place.size() => {
                place.copy_(tensor);
                Ok(())
            }
            _ => Err(Error::Checkpoint { reason: format!("{name:?} is missing or has another shape") }),
        };
        for Variable { name, weights, moments, .. } in &mut self.variables {
            put(format!("weights/{name}"), weights)?;
            for (place, moment) in moments.iter_mut().enumerate() {
                put(format!("moments/{place}/{name}"), moment)?;
            }
        }
        let mut ids = Tensor::from_slice(&self.rows.ids);
        put("rows/ids".to_owned(), &mut ids)?;
        if Vec::<i64>::try_from(&ids)? != self.rows.ids {
            return Err(Error::Checkpoint { reason: "its texts use other rows of the table".to_owned() });
        }
        put("rows/weights".to_owned(), &mut self.rows.weights)?;
        for (place, moment) in self.rows.moments.iter_mut().enumerate() {
            put(format!("rows/moments/{place}"), moment)?;
        }
        let mut current = Tensor::zeros([self.rows.current.len() as i64], (Kind::Int64, tch::Device::Cpu));
        put("rows/current".to_owned(), &mut current)?;
        self.rows.current = Vec::<i64>::try_from(&current)?.into_iter().map(|step| step as i32).collect();
        self.step = step;
        Ok(())
    }
}
