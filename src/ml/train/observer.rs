//! Progress out of a run, cancellation into it.

use serde::{Deserialize, Serialize};

use crate::ml::Result;

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// After each step.
    ///
    /// # Errors
    /// To end the run.
    fn step(&mut self, step: Step) -> Result<()>;

    /// After each epoch.
    ///
    /// # Errors
    /// To end the run.
    fn epoch(&mut self, record: &EpochRecord, encoder: &dyn crate::ml::encoder::Encoder) -> Result<()>;
}
