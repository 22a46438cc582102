//! A vocabulary's table of vectors: the base's rows as they are in their file, a tuned model's rows over them.

use std::collections::HashMap;
use std::sync::Arc;

use tch::Tensor;

use crate::ml::memory::MappedMatrix;

/// `(V, E)`: one row for each piece of the vocabulary.
#[derive(Debug)]
pub struct EmbeddingTable {
    base: MappedMatrix,
    tuned: Option<TunedRows>,
}

#[derive(Debug)]
struct TunedRows {
    /// Piece id to place in `rows`.
    places: Arc<HashMap<i64, i64>>,
    /// `(R, E)`
    rows: Tensor,
}

impl EmbeddingTable {
    pub(crate) fn new(base: MappedMatrix) -> Self {
        Self { base, tuned: None }
    }

    /// The same table, in which the rows of `ids` are `rows` `(R, E)`. Rows that were tuned before
    /// and are not among `ids` stay.
    #[must_use]
    pub fn with_rows(&self, ids: &[i64], rows: Tensor) -> Self {
        let mut places: HashMap<i64, i64> = ids.iter().copied().zip(0..).collect();
        let earlier: Vec<i64> = self.tuned_ids().into_iter().filter(|id| !places.contains_key(id)).collect();
        places.extend(earlier.iter().copied().zip(ids.len() as i64..));
        let rows = if earlier.is_empty() { rows } else { Tensor::cat(&[rows, self.lookup(&earlier)], 0) };
        Self { base: self.base.shallow_clone(), tuned: Some(TunedRows { places: Arc::new(places), rows }) }
    }

    /// The ids of the rows that training changed, ascending; with [`EmbeddingTable::lookup`] this is
    /// what a tuned model stores of its table.
    pub fn tuned_ids(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.tuned.iter().flat_map(|tuned| tuned.places.keys().copied()).collect();
        ids.sort_unstable();
        ids
    }

    /// Rows V and columns E.
    pub fn size(&self) -> (i64, i64) {
        self.base.size()
    }

    /// The rows of the given pieces: `(N,)` to `(N, E)`, a copy.
    pub fn lookup(&self, ids: &[i64]) -> Tensor {
        let mut rows = self.base.rows(&Tensor::from_slice(ids));
        if let Some(tuned) = &self.tuned {
            // (where in the batch, which tuned row) for each token that training changed
            let (at, from): (Vec<i64>, Vec<i64>) =
                (0..).zip(ids).filter_map(|(at, id)| Some((at, *tuned.places.get(id)?))).unzip();
            if !at.is_empty() {
                let changed = tuned.rows.index_select(0, &Tensor::from_slice(&from));
                let _ = rows.index_copy_(0, &Tensor::from_slice(&at), &changed);
            }
        }
        rows
    }

    pub(crate) fn shallow_clone(&self) -> Self {
        let tuned = self
            .tuned
            .as_ref()
            .map(|tuned| TunedRows { places: Arc::clone(&tuned.places), rows: tuned.rows.shallow_clone() });
        Self { base: self.base.shallow_clone(), tuned }
    }
}
