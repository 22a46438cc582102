//! The settings that are one of a few, and those that have parts.

use serde::{Deserialize, Serialize};

/// When a run ends before its last epoch, and which epoch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStoppingConfig {
    /// Epochs without an improvement before the run ends. 3: the tutorial's.
    pub patience: usize,
    /// An epoch is better when the metric is better by more than this. 0.001: the tutorial's.
    pub min_delta: f64,
    /// What is watched. `loss`: the tutorial's.
    pub monitor: Monitor,
    /// Keep the weights of the best epoch and not of the last. `false`: the tutorial's.
    pub restore_best: bool,
}

/// Where Adam's epsilon stands: `keras`, outside the bias correction; `torch`, inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EpsilonMode {
    /// Outside the bias correction (Kingma and Ba 2015, section 2, "epsilon hat"): Keras.
    Keras,
    /// Inside it (the same paper, algorithm 1): PyTorch.
    Torch,
}

/// How the learning rate changes over a run, after the warm-up: it stays (`constant`), or falls to zero in a
/// line (`linear`) or along half a cosine (`cosine`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls to zero in a line.
    Linear,
    /// It falls to zero along half a cosine.
    Cosine,
}

/// What is kept to the bound `clipnorm`: the norm of each variable's gradient (`per_variable`), that of all
/// together (`global`), or each number (`value`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClipKind {
    /// The norm of each variable's gradient: Keras' `clipnorm`.
    PerVariable,
    /// The norm of all gradients together: PyTorch's `clip_grad_norm_`, Keras' `global_clipnorm`.
    Global,
    /// Each number of a gradient: Keras' `clipvalue`.
    Value,
}

/// The metric of an epoch that early stopping watches: the training loss (`loss`), or of the validation rows
/// the loss (`val_loss`), mean absolute error (`val_mae`), correlations (`val_pearson`, `val_spearman`) or how
/// well their texts find each other (`val_mrr`), or labelled texts their like (`val_map`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// The training loss, as in the tutorial.
    Loss,
    /// The validation loss.
    ValLoss,
    /// The validation mean absolute error.
    ValMae,
    /// Pearson's correlation on the validation rows; higher is better.
    ValPearson,
    /// Spearman's correlation on the validation rows; higher is better.
    ValSpearman,
    /// How well the validation rows' texts find each other; higher is better.
    ValMrr,
    /// Mean average precision of labelled texts; higher is better.
    ValMap,
}

/// What counts as a variable of the vocabulary's table when gradients are clipped: each of the checkpoint's
/// `shards`, or the `whole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClipTable {
    /// Each of the checkpoint's shards.
    Shards,
    /// The table as a whole.
    Whole,
}

/// What puts rows together into batches: `plain`, the epoch's order; `balanced`, every score has the same
/// share; `no_duplicates`, no text twice in a batch; `by_length`, texts of like length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// The epoch's order, cut into batches.
    Plain,
    /// Every score has the same share of an epoch: rows with rare scores come more than once, of those
    /// with common ones some rest until another epoch.
    Balanced,
    /// No text stands twice in a batch, so that in-batch contrast sees no false negative.
    NoDuplicates,
    /// Texts of like length together.
    ByLength,
}

/// How rows are split: the last ones validate (`tail`), or those that the seed draws (`random`), or the same
/// with rows that share a text on one side (`grouped`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// The last rows of the file validate, as with Keras' `validation_split`.
    #[default]
    Tail,
    /// Rows drawn by the seed validate, each score in its share.
    Random,
    /// The same, and rows that share a text stay together.
    Grouped,
}

/// What makes a step of gradients: `adam`, `adamw` (with decoupled weight decay) or `sgd` (with momentum).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Kingma and Ba 2015.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    AdamW,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// In-batch contrast beside the loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContrastConfig {
    /// How much it counts beside the loss. 1.
    pub weight: f64,
    /// Multiplies the cosines. 20.
    pub scale: f64,
}

/// Kernels that learn through factors of low rank (Hu et al. 2021, LoRA).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoraConfig {
    /// Columns of the one factor and rows of the other. 8.
    pub rank: usize,
    /// The factors' product is multiplied by `alpha / rank`. 16.
    pub alpha: f64,
    /// Parts of the names of kernels that learn; `null` for attention's queries and values where the model
    /// has such, and else for all kernels.
    pub targets: Option<Vec<String>>,
}

impl LoraConfig {
    /// `alpha / rank`.
    pub(crate) fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }
}

/// How much general ability a run may cost. It is measured after each epoch on the job's benchmark, or
/// on the built-in pairs where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ForgettingConfig {
    /// What is measured. `pearson`.
    pub metric: GeneralMetric,
    /// How far it may fall below the base's. 0.01.
    pub max_drop: f64,
    /// What happens beyond. `interpolate`.
    pub action: ForgettingAction,
}

/// A measure of general ability: the correlation `pearson` or `spearman`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GeneralMetric {
    /// Pearson's correlation of the cosine.
    Pearson,
    /// Spearman's.
    Spearman,
}

/// What happens when a run costs more general ability than it may: it ends (`stop`), also goes back to the
/// last epoch within the budget (`rollback`), or goes on, and base and tuned weights are mixed in the end
/// (`interpolate`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgettingAction {
    /// The run ends, and keeps what it learnt up to there.
    Stop,
    /// The run ends and goes back to the last epoch within the budget.
    Rollback,
    /// The run goes on; in the end base and tuned weights are mixed, as much of the tuned as the budget
    /// allows (Wortsman et al. 2022, WiSE-FT).
    Interpolate,
}

impl Default for ContrastConfig {
    fn default() -> Self {
        Self { weight: 1.0, scale: 20.0 }
    }
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: None }
    }
}

impl Default for ForgettingConfig {
    fn default() -> Self {
        Self { metric: GeneralMetric::Pearson, max_drop: 0.01, action: ForgettingAction::Interpolate }
    }
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { patience: 3, min_delta: 0.001, monitor: Monitor::Loss, restore_best: false }
    }
}
