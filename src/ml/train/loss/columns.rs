//! A batch as a loss reads it.

use tch::Tensor;

use super::candidates::Candidates;

#[derive(Debug)]
pub(crate) struct Columns {
    /// `(B, D)`
    pub(crate) left: Tensor,
    /// `(B, D)`
    pub(crate) right: Tensor,
    /// `(B, D)`, of triplets.
    pub(crate) negative: Option<Tensor>,
    /// `(B,)`
    pub(crate) scores: Tensor,
    /// Which texts are negatives of which, for in-batch contrast.
    pub(crate) candidates: Option<Candidates>,
}

impl Columns {
    /// The same over the first `dimensions` of each vector, renormalised.
    pub(crate) fn truncate(&self, dimensions: i64) -> Self {
        let cut = |vectors: &Tensor| {
            let cut = vectors.narrow(1, 0, dimensions.min(vectors.size()[1]));
            let norms = cut.square().sum_dim_intlist([1].as_slice(), true, cut.kind()).sqrt().clamp_min(1e-12);
            cut / norms
        };
        Self {
            left: cut(&self.left),
            right: cut(&self.right),
            negative: self.negative.as_ref().map(cut),
            scores: self.scores.shallow_clone(),
            candidates: self.candidates.clone(),
        }
    }
}
