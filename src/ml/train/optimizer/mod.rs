//! Adam and its kin, exact and sparse in the vocabulary's table.
//!
//! The table has 65 million weights and a batch touches a few hundred of its rows. Dense Adam moves
//! *every* row at every step, since a row's momentum outlives its gradient. Here a row that was not
//! touched owes those updates, and they are applied when it is next read: the same numbers at the
//! cost of the batch. Rows that no training text uses have no momentum and owe nothing.

mod clip;
mod fused;
mod lora;
mod rows;
mod rule;

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::config::TrainConfig;
use super::layers::LayerShares;
use super::options::{ClipKind, ClipTable};
use super::schedule::LearningRate;
use crate::ml::encoder::{Adapters, EmbeddingTable, Encoder};
use crate::ml::{Error, Result};
use clip::{clip, clip_rows, clip_together};
use fused::Part;
pub(super) use lora::Lora;
use rows::Rows;
use rule::Rule;

struct Variable {
    name: String,
    weights: Tensor,
    moments: Vec<Tensor>,
    /// The part of the learning rate that its layer gets.
    share: f64,
    is_kernel: bool,
}

/// The factors `[A, B]` of each kernel, where such are what learns.
fn factors(variables: &[Variable]) -> impl Iterator<Item = [&Tensor; 2]> {
    variables.as_chunks().0.iter().map(|[a, b]| [&a.weights, &b.weights])
}

/// A step's rows of the table, gathered so that they can be differentiated.
pub(super) struct Gathered {
    /// Piece ids, ascending, `(U,)`.
    ids: Vec<i64>,
    /// Places among the training rows, `(U,)`; nothing where the table is frozen.
    places: Vec<i64>,
    /// `(U, E)`, the leaf whose gradient is taken unless the table is frozen.
    leaf: Tensor,
}

impl Gathered {
    /// The leaf, and where among its rows the tokens' stand, `(N,)`. Every id must be among the gathered.
    pub(super) fn places(&self, ids: &[i64]) -> (Tensor, Vec<i64>) {
        let place = |id: &i64| self.ids.partition_point(|known| known < id) as i64;
        (self.leaf.shallow_clone(), ids.iter().map(place).collect())
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
    /// What learns: weights of the encoder, or the factors `A` and `B` of each kernel of `lora` in turn.
    variables: Vec<Variable>,
    lora: Option<Lora>,
    /// The table as training found it.
    embeddings: EmbeddingTable,
    /// What learns of it; nothing where it is frozen.
    rows: Option<Rows>,
}

impl Optimizer {
    /// Gives the encoder weights of its own in the place of those that learn, which then require gradients,
    /// and takes them over with the rows of `ids`. What is frozen stays shared, and costs nothing.
    pub(super) fn new(
        encoder: &mut dyn Encoder,
        mut ids: Vec<i64>,
        config: &TrainConfig,
        shares: &LayerShares,
        learning_rate: LearningRate,
    ) -> Result<Self> {
        let rule = Rule::new(config, learning_rate);
        let variable = |name: String, weights: Tensor, share, is_kernel| Variable {
            name,
            moments: rule.new_moments(&weights),
            weights,
            share,
            is_kernel,
        };
        let lora = config.lora.as_ref().map(|lora| Lora::new(encoder, lora, shares)).transpose()?;
        let (mut variables, mut weights) = (Vec::new(), Vec::new());
        for (name, frozen) in encoder.variables() {
            let share = shares.of(encoder.layer_of(&name)).filter(|_| lora.is_none());
            weights.push(match share {
                Some(share) => {
                    let own = frozen.detach().copy().set_requires_grad(true);
                    let is_kernel = own.size().iter().filter(|&&size| size > 1).count() > 1;
                    variables.push(variable(name, own.shallow_clone(), share, is_kernel));
                    own
                }
                None => frozen.detach(),
            });
        }
        encoder.set_variables(weights);
        if let Some(lora) = &lora {
            for adapted in &lora.adapted {
                let [a, b] = lora.factors(adapted, config.seed);
                variables.push(variable(format!("{}.lora_A", adapted.name), a, adapted.share, true));
                variables.push(variable(format!("{}.lora_B", adapted.name), b, adapted.share, true));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        let embeddings = encoder.word_embeddings().shallow_clone();
        let rows = shares.of_embeddings().map(|share| {
            let weights = embeddings.lookup(&ids);
            Rows::new(ids, weights, &rule, share)
        });
        let clip_shards = if config.clip_table == ClipTable::Shards { encoder.embedding_shards() } else { 1 };
        let (clip, clipnorm) = (config.clip, config.clipnorm);
        Ok(Self { rule, clip, clipnorm, clip_shards, step: 0, variables, lora, embeddings, rows })
    }

    /// Puts the kernels that learn through factors into the encoder, where such do. Other weights are in it
    /// at all times.
    pub(super) fn merge(&mut self, encoder: &mut dyn Encoder) {
        if let Some(lora) = &mut self.lora {
            lora.merge(factors(&self.variables), encoder);
        }
    }

    /// The factors as they are, where such learn.
    pub(super) fn adapters(&self) -> Result<Option<Adapters>> {
        self.lora.as_ref().map(|lora| lora.adapters(factors(&self.variables))).transpose()
    }

    /// The rows of the next step's texts, as its gradient sees them.
    pub(super) fn gather(&mut self, mut ids: Vec<i64>) -> Gathered {
        ids.sort_unstable();
        ids.dedup();
        let Some(rows) = &mut self.rows else {
            let leaf = self.embeddings.lookup(&ids);
            return Gathered { ids, places: Vec::new(), leaf };
        };
        let places = rows.places(&ids);
        rows.catch_up(&self.rule, &places, self.step);
        let leaf = rows.weights.index_select(0, &Tensor::from_slice(&places));
        Gathered { ids, places, leaf: leaf.set_requires_grad(true) }
    }

    /// What a step's losses are differentiated by: the variables, or the kernels that factors make; then the
    /// gathered rows unless the table is frozen.
    pub(super) fn leaves(&self, gathered: &Gathered) -> Vec<Tensor> {
        let mut leaves: Vec<Tensor> = match &self.lora {
            Some(lora) => lora.leaves().map(Tensor::shallow_clone).collect(),
            None => self.variables.iter().map(|variable| variable.weights.shallow_clone()).collect(),
        };
        leaves.extend(self.rows.is_some().then(|| gathered.leaf.shallow_clone()));
        leaves
    }

    /// Clips the gradients of [`Optimizer::leaves`], and takes the step.
    pub(super) fn step(&mut self, gathered: &Gathered, mut gradients: Vec<Tensor>) {
        let _guard = tch::no_grad_guard();
        self.step += 1;
        let of_rows = if self.rows.is_some() { gradients.pop() } else { None };
        if let Some(lora) = &self.lora {
            gradients = lora.chain(&gradients, factors(&self.variables));
        }
        let (factors, of_rows) = self.clip(&mut gradients, of_rows, &gathered.ids);
        let (rule, step) = (&self.rule, self.step);
        let parts = self.variables.iter_mut().zip(&mut gradients).zip(factors).map(|((variable, gradient), factor)| {
            let Variable { weights, moments, share, is_kernel, .. } = variable;
            Part { weights, moments, gradient, factor, size: rule.size(step, *share), is_kernel: *is_kernel }
        });
        fused::step(rule, parts.collect());
        if let (Some(rows), Some(of_rows)) = (&mut self.rows, of_rows) {
            rows.step(&self.rule, &gathered.places, &of_rows, self.step);
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
    pub(super) fn word_embeddings(&mut self) -> EmbeddingTable {
        let Some(rows) = &mut self.rows else { return self.embeddings.shallow_clone() };
        let all: Vec<i64> = (0..rows.ids.len() as i64).collect();
        rows.catch_up(&self.rule, &all, self.step);
        self.embeddings.with_rows(&rows.ids, rows.weights.copy())
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
        if let Some(rows) = &self.rows {
            state.insert("rows/ids".to_owned(), Tensor::from_slice(&rows.ids));
            state.insert("rows/weights".to_owned(), rows.weights.copy());
            for (place, moment) in rows.moments.iter().enumerate() {
                state.insert(format!("rows/moments/{place}"), moment.copy());
            }
            let current: Vec<i64> = rows.current.iter().map(|&step| i64::from(step)).collect();
            state.insert("rows/current".to_owned(), Tensor::from_slice(&current));
        }
        state
    }

    /// Goes on where [`Optimizer::state`] was taken, after `step` steps. Where that was in another run, nothing can be said
    /// of the weights.
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
        if let Some(rows) = &mut self.rows {
            let mut ids = Tensor::from_slice(&rows.ids);
            put("rows/ids".to_owned(), &mut ids)?;
            if Vec::<i64>::try_from(&ids)? != rows.ids {
                return Err(Error::Checkpoint { reason: "its texts use other rows of the table".to_owned() });
            }
            put("rows/weights".to_owned(), &mut rows.weights)?;
            for (place, moment) in rows.moments.iter_mut().enumerate() {
                put(format!("rows/moments/{place}"), moment)?;
            }
            let mut current = Tensor::zeros([rows.current.len() as i64], (Kind::Int64, tch::Device::Cpu));
            put("rows/current".to_owned(), &mut current)?;
            rows.current = Vec::<i64>::try_from(&current)?.into_iter().map(|step| step as i32).collect();
        }
        self.step = step;
        Ok(())
    }
}
