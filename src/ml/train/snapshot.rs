//! An encoder's weights at one point of a run.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::ml::encoder::{Adapters, EmbeddingTable, Encoder};
use crate::ml::{Error, Result};

/// What a checkpoint calls a snapshot's parts.
const KEPT: &str = "kept/";
const ROWS: &str = "kept-rows";
const IDS: &str = "kept-ids";

/// The weights after an epoch; 0 is the base.
pub(super) struct Snapshot {
    pub(super) epoch: usize,
    /// By name, in the order of [`Encoder::variables`]. What does not learn is shared with the encoder.
    variables: Vec<(String, Tensor)>,
    /// The places of those that learn.
    learnt: Vec<usize>,
    /// Where kernels learn through factors, what makes `variables` out of the base's.
    pub(super) adapters: Option<Adapters>,
    embeddings: EmbeddingTable,
}

impl Snapshot {
    /// Of the encoder as it is, whose kernels the factors made, if any.
    pub(super) fn of(encoder: &dyn Encoder, epoch: usize, adapters: Option<Adapters>) -> Self {
        let mut learnt = Vec::new();
        let mut variables = encoder.variables();
        for (place, (_, weights)) in variables.iter_mut().enumerate() {
            if weights.requires_grad() {
                learnt.push(place);
                *weights = weights.detach().copy();
            }
        }
        // An epoch's table is made anew, so a shallow clone of it stays as it is.
        Self { epoch, variables, learnt, adapters, embeddings: encoder.word_embeddings().shallow_clone() }
    }

    pub(super) fn shallow_clone(&self) -> Self {
        let variables = self.variables.iter().map(|(name, weights)| (name.clone(), weights.shallow_clone())).collect();
        let (learnt, adapters) = (self.learnt.clone(), self.adapters.clone());
        Self { epoch: self.epoch, variables, learnt, adapters, embeddings: self.embeddings.shallow_clone() }
    }

    pub(super) fn put_into(&self, encoder: &mut dyn Encoder) {
        encoder.set_variables(self.variables.iter().map(|(_, weights)| weights.shallow_clone()).collect());
        encoder.set_word_embeddings(self.embeddings.shallow_clone());
    }

    /// Puts `base + part (self - base)` into the encoder.
    pub(super) fn mix(&self, base: &Self, part: f64, encoder: &mut dyn Encoder) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let adapters = self.adapters.as_ref().map(|adapters| adapters.scaled(part));
        let variables = match &adapters {
            Some(adapters) => {
                adapted(&base.variables, adapters, encoder)?.into_iter().map(|(_, mixed)| mixed).collect()
            }
            None => {
                let pairs = base.variables.iter().zip(&self.variables);
                pairs.map(|((_, base), (_, tuned))| base.lerp(tuned, part)).collect()
            }
        };
        encoder.set_variables(variables);
        let ids = self.embeddings.tuned_ids();
        let rows = base.embeddings.lookup(&ids).lerp(&self.embeddings.lookup(&ids), part);
        encoder.set_word_embeddings(self.embeddings.with_rows(&ids, rows));
        Ok(())
    }

    /// For a checkpoint; nothing that the base has, which the run finds again.
    pub(super) fn tensors(&self) -> BTreeMap<String, Tensor> {
        if self.epoch == 0 {
            return BTreeMap::new();
        }
        let learnt = self.learnt.iter().map(|&place| &self.variables[place]);
        let stored: BTreeMap<String, Tensor> = match &self.adapters {
            Some(adapters) => adapters.tensors(),
            None => learnt.map(|(name, weights)| (name.clone(), weights.shallow_clone())).collect(),
        };
        let kept = stored.into_iter().map(|(name, tensor)| (format!("{KEPT}{name}"), tensor));
        let mut tensors: BTreeMap<String, Tensor> = kept.collect();
        let ids = self.embeddings.tuned_ids();
        tensors.insert(ROWS.to_owned(), self.embeddings.lookup(&ids));
        tensors.insert(IDS.to_owned(), Tensor::from_slice(&ids));
        tensors
    }

    /// What [`Snapshot::tensors`] stored.
    pub(super) fn restore(
        epoch: usize,
        base: &Self,
        tensors: &BTreeMap<String, Tensor>,
        encoder: &dyn Encoder,
    ) -> Result<Self> {
        if epoch == 0 {
            return Ok(base.shallow_clone());
        }
        let damaged = |reason: &str| Error::Checkpoint { reason: format!("of the kept epoch {reason}") };
        let kept =
            |(name, tensor): (&String, &Tensor)| Some((name.strip_prefix(KEPT)?.to_owned(), tensor.shallow_clone()));
        let mut stored: BTreeMap<String, Tensor> = tensors.iter().filter_map(kept).collect();
        let adapters = Adapters::take(&mut stored)?.ok_or_else(|| damaged("a factor is missing"))?;
        let mut variables = adapted(&base.variables, &adapters, encoder)?;
        let mut learnt = Vec::new();
        for (place, (name, weights)) in variables.iter_mut().enumerate() {
            if let Some(tensor) = stored.remove(name) {
                learnt.push(place);
                *weights = tensor;
            }
        }
        let adapters = (!adapters.is_empty()).then_some(adapters);
        let (Some(rows), Some(ids)) = (tensors.get(ROWS), tensors.get(IDS)) else {
            return Err(damaged("the table's rows are missing"));
        };
        let embeddings = base.embeddings.with_rows(&Vec::<i64>::try_from(ids)?, rows.shallow_clone());
        Ok(Self { epoch, variables, learnt, adapters, embeddings })
    }
}

fn adapted(
    variables: &[(String, Tensor)],
    adapters: &Adapters,
    encoder: &dyn Encoder,
) -> Result<Vec<(String, Tensor)>> {
    let apply = |(name, weights): &(String, Tensor)| {
        let changed = adapters.apply(name, weights, encoder.inputs_first());
        let misfit = || Error::Checkpoint { reason: format!("the factors of {name:?} have another shape") };
        Ok((name.clone(), changed.ok_or_else(misfit)?))
    };
    variables.iter().map(apply).collect()
}
