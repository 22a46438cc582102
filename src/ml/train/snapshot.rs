//! An encoder's weights at one point of a run.

use std::collections::BTreeMap;

use tch::Tensor;

use crate::ml::encoder::{Encoder, TokenTable};
use crate::ml::{Error, Result};

/// The weights after an epoch; 0 is the base.
pub(super) struct Snapshot {
    pub(super) epoch: usize,
    /// In the order of [`Encoder::variables`].
    pub(super) variables: Vec<Tensor>,
    pub(super) table: TokenTable,
}

impl Snapshot {
    pub(super) fn of(encoder: &dyn Encoder, epoch: usize) -> Self {
        let variables = encoder.variables().iter().map(|(_, weights)| weights.detach().copy()).collect();
        // An epoch's table is made anew, so a shallow clone of it stays as it is.
        Self { epoch, variables, table: encoder.table().shallow_clone() }
    }

    pub(super) fn shallow_clone(&self) -> Self {
        let variables = self.variables.iter().map(Tensor::shallow_clone).collect();
        Self { epoch: self.epoch, variables, table: self.table.shallow_clone() }
    }

    pub(super) fn put_into(self, encoder: &mut dyn Encoder) {
        encoder.set_variables(self.variables);
        encoder.set_table(self.table);
    }

    /// For a checkpoint; nothing of the base, which the run finds again.
    pub(super) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut tensors = BTreeMap::new();
        if self.epoch > 0 {
            for (place, weights) in self.variables.iter().enumerate() {
                tensors.insert(format!("kept/{place}"), weights.shallow_clone());
            }
            let ids = self.table.tuned_ids();
            tensors.insert("kept/rows".to_owned(), self.table.lookup(&ids));
            tensors.insert("kept/ids".to_owned(), Tensor::from_slice(&ids));
        }
        tensors
    }

    /// What [`Snapshot::tensors`] stored.
    ///
    /// # Errors
    /// Where it is not there.
    pub(super) fn restore(epoch: usize, base: &Self, tensors: &BTreeMap<String, Tensor>) -> Result<Self> {
        if epoch == 0 {
            return Ok(base.shallow_clone());
        }
        let find = |name: &str| {
            let missing = || Error::Checkpoint { reason: format!("{name:?} is missing") };
            tensors.get(name).map(Tensor::shallow_clone).ok_or_else(missing)
        };
        let variables = (0..base.variables.len()).map(|place| find(&format!("kept/{place}"))).collect::<Result<_>>()?;
        let ids = Vec::<i64>::try_from(&find("kept/ids")?)?;
        Ok(Self { epoch, variables, table: base.table.with_rows(&ids, find("kept/rows")?) })
    }
}
