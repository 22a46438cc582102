//! Progress out of a run, cancellation into it.

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::ml::Result;
use crate::ml::eval::Spread;

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Mean training loss over the epoch's rows while they were trained on, as Keras reports it.
    pub loss: f64,
    /// The loss over all validation pairs; the mean squared error, for a loss that is one.
    pub val_loss: f64,
    /// Validation mean absolute error.
    pub val_mae: f64,
    /// Validation mean absolute percentage error.
    pub val_mape: f64,
    /// Pearson's correlation on the validation rows; `null` where all their scores are the same.
    pub val_pearson: Option<f64>,
    /// Spearman's correlation on the validation rows; `null` likewise.
    pub val_spearman: Option<f64>,
    /// Mean reciprocal rank of the validation rows' texts among each other; `null` where fewer than two
    /// belong together.
    #[serde(default)]
    pub val_mrr: Option<f64>,
    /// General ability, where there is a budget of it.
    #[serde(default)]
    pub general: Option<f64>,
    /// How the training texts' vectors lie, where the collapse alarm is on.
    #[serde(default)]
    pub spread: Option<Spread>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds that the epoch took, its validation included.
    pub seconds: f64,
}

/// Where a run stands after a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// From 1.
    pub epoch: usize,
    /// Over the whole run, from 1.
    pub step: usize,
    /// Steps of the whole run if it does not stop early.
    pub total_steps: usize,
    /// This step's loss, before its update.
    pub loss: f64,
}

/// Watches a run. An error that it returns ends the run.
pub trait Observer {
    /// After each step. `state` gives the run as it stands, to go on from later.
    ///
    /// # Errors
    /// To end the run.
    fn step(&mut self, step: Step, state: &dyn Fn() -> Checkpoint) -> Result<()>;

    /// After each epoch.
    ///
    /// # Errors
    /// To end the run.
    fn epoch(&mut self, record: &EpochRecord, encoder: &dyn crate::ml::encoder::Encoder) -> Result<()>;
}
