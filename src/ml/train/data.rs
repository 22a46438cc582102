//! The rows of a run.

use tables::TableKind;
use tables::choices::LowestMeans;

use crate::ml::pairs::TokenPair;

/// The rows of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainData<'a> {
    /// What the rows are.
    pub kind: TableKind,
    /// What their lowest score says, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
    /// What is learnt. With `validation` from [`split()`](super::split()).
    pub training: &'a [TokenPair],
    /// What each epoch is judged by.
    pub validation: &'a [TokenPair],
    /// Rows from elsewhere, learnt beside against forgetting.
    pub replay: &'a [TokenPair],
    /// What general ability is measured with, where there is a budget of it.
    pub general: &'a [TokenPair],
}
