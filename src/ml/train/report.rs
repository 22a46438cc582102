//! What a run came to.

use serde::{Deserialize, Serialize};

use crate::ml::encoder::Adapters;
use crate::ml::eval::EmbeddingStats;

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs were done.
    MaxEpochs,
    /// The watched metric no longer got better.
    EarlyStopping,
    /// General ability fell below the budget.
    Forgetting,
    /// All texts became alike.
    Collapse,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TrainReport {
    /// Each epoch.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// The epoch whose weights the encoder has now; 0 for the base's.
    pub kept_epoch: usize,
    /// Mixes of base and tuned weights, where the budget of forgetting asked for them.
    pub sweep: Vec<SweepPoint>,
    /// How much of the tuned weights is in the encoder now, where they were mixed.
    pub alpha: Option<f64>,
    /// Where kernels learnt through factors, those that make the encoder's kernels out of the base's. They
    /// are saved with the model, and stand in no report.
    #[serde(skip)]
    pub adapters: Option<Adapters>,
}

/// What an epoch came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Of labelled texts: the part of the validation rows' texts whose nearest other text has their label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub val_nearest_neighbour: Option<f64>,
    /// Of labelled texts: the validation rows' mean average precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub val_map: Option<f64>,
    /// General ability, where there is a budget of it.
    #[serde(default)]
    pub general: Option<f64>,
    /// How the training texts' vectors lie, where the collapse alarm is on.
    #[serde(default)]
    pub spread: Option<EmbeddingStats>,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds that the epoch took, its validation included.
    pub seconds: f64,
}

/// A mix of base and tuned weights, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SweepPoint {
    /// How much of the tuned weights is in it, 0 to 1.
    pub alpha: f64,
    /// Spearman's correlation on the validation rows; `null` where it cannot be measured.
    pub val_spearman: Option<f64>,
    /// The validation loss.
    pub val_loss: f64,
    /// General ability, by the budget's metric.
    pub general: f64,
}
