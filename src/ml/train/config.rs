//! Every setting of a training run, its default and its reason.

use serde::{Deserialize, Serialize};

use super::loss::LossKind;
use super::options::{
    ClipKind, ClipTable, ContrastConfig, EarlyStoppingConfig, EpsilonMode, ForgettingConfig, LoraConfig, OptimizerKind,
    SamplerKind, Schedule, SplitKind,
};

/// The settings of a training run. The defaults are the tutorial's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// What training makes small. `angular_mse`: the tutorial's.
    pub loss: LossKind,
    /// Multiplies the similarities of an ordering loss; `null` for the loss's own (20). Only for losses
    /// that have it.
    pub scale: Option<f64>,
    /// How far apart a contrastive loss puts different pairs; `null` for the loss's own (0.5). Only for
    /// losses that have it.
    pub margin: Option<f64>,
    /// Adds in-batch contrast (the loss `mnrl`) over the batch's positive pairs; `null` for none.
    pub contrast: Option<ContrastConfig>,
    /// `mnrl` and `contrast` take pairs with at least this score for positive. 0.7.
    pub positive_from: f64,
    /// `mnrl` and `contrast` look for the right text of each left one and the other way round. `true`.
    pub symmetric: bool,
    /// `mnrl` and `contrast` leave out candidates that the base model finds nearer than the positive less
    /// this margin, since they may be positives themselves (Solatorio 2024, GISTEmbed); `null` for none.
    pub guide: Option<f64>,
    /// The loss is the mean over these first dimensions of the vectors, each renormalised, and the whole
    /// (Kusupati et al. 2022, Matryoshka); `null` for the whole alone.
    pub matryoshka: Option<Vec<i64>>,
    /// Adds this times the mean of `1 - cos` between each text's vector and the base's, against
    /// forgetting; `null` for none.
    pub self_distillation: Option<f64>,
    /// Rows of the replayed table for each training row of a step; their loss is `cosent`, which reads
    /// the order of any scores. `null` for 0.25 where a table is given. Against forgetting.
    pub replay: Option<f64>,
    /// At most this many passes over the training rows. 20: the tutorial's.
    pub epochs: usize,
    /// Pairs in a step; the last step of an epoch takes what is left. 8: the tutorial's.
    pub batch_size: usize,
    /// Batches whose gradients are averaged before a step. 1.
    pub accumulation: usize,
    /// Pairs that are encoded at a time; the loss still sees the whole batch, at the price of a second
    /// forward pass (Gao et al. 2021, gradient caching). Bounds memory. `null` for the whole batch.
    pub mini_batch: Option<usize>,
    /// What puts rows together into batches. `plain`: Keras'.
    pub sampler: SamplerKind,
    /// What makes a step of gradients. `adam`: the tutorial's.
    pub optimizer: OptimizerKind,
    /// 1e-5: the tutorial's; at 1e-4 this loss wrecks what the base knew.
    pub learning_rate: f64,
    /// Each layer below the top learns at this times the rate of the one above. 1: all alike.
    pub layer_decay: f64,
    /// Layers that do not learn, by name: `table`, `ngrams`, `joint`, `residual` of USE; `table`, `embeddings`,
    /// `layer.0` and so on, `head` of a transformer. None.
    pub freeze: Vec<String>,
    /// Only so many layers learn, counted from the top; `null` for all.
    pub last_layers: Option<usize>,
    /// Kernels learn through factors of low rank, and nothing else learns; `null` for all weights.
    pub lora: Option<LoraConfig>,
    /// The head alone learns, the layer above the texts' own vectors; what it reads is then computed once. A
    /// model without one gets one that changes nothing at first. `false`.
    pub head_only: bool,
    /// Rate of dropout everywhere in a transformer, 0 for none; `null` for the model's own rates.
    pub dropout: Option<f64>,
    /// Keeps what each block of a transformer reads and computes it once more for its gradient (Chen et al.
    /// 2016): less memory, a third more time. `false`.
    pub gradient_checkpointing: bool,
    /// What `adamw` takes off each kernel in a step, times the learning rate; `null` for its own (0.01).
    /// Biases, norms and the table have none.
    pub weight_decay: Option<f64>,
    /// How the learning rate changes over the run. `constant`: the tutorial's.
    pub schedule: Schedule,
    /// The part of all steps in which the learning rate rises from zero. 0: the tutorial's.
    pub warmup: f64,
    /// Adam's decay of the mean of gradients; the momentum of `sgd`. 0.9: the tutorial's.
    pub beta_1: f64,
    /// Adam's decay of the mean of squared gradients. 0.9999: the tutorial's.
    pub beta_2: f64,
    /// Keeps Adam from dividing by zero. 1e-7: Keras' default.
    pub epsilon: f64,
    /// Where epsilon stands. `keras`: the tutorial's optimizer.
    pub epsilon_mode: EpsilonMode,
    /// The bound that `clip` keeps gradients to; `null` for none. 1.0: the tutorial's `clipnorm`.
    pub clipnorm: Option<f64>,
    /// What is kept to the bound. `per_variable`: Keras' `clipnorm`, the tutorial's.
    pub clip: ClipKind,
    /// What counts as a variable in the vocabulary's table. `shards`: the checkpoint keeps 17.
    pub clip_table: ClipTable,
    /// The part of the rows that validates: `floor(rows * (1 - validation_split))` rows train. 0.2: the
    /// tutorial's, Keras' meaning. A grouped split comes as near to it as whole groups allow.
    pub validation_split: f64,
    /// Which rows validate. `tail`: the last, as in the tutorial.
    pub split: SplitKind,
    /// A new order of the training rows in each epoch. `true`: Keras' default.
    pub shuffle: bool,
    /// Every draw of chance is a function of the seed and the place in the run. 42.
    pub seed: u64,
    /// Stops when the *training* loss no longer falls, as the tutorial does; `null` for never.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// How much general ability the run may cost, and what happens beyond; `null` for no bound.
    pub forgetting: Option<ForgettingConfig>,
    /// Ends a run in which all texts become alike, and goes back to the last sound epoch. `true`.
    pub collapse_alarm: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            loss: LossKind::AngularMse,
            scale: None,
            margin: None,
            contrast: None,
            positive_from: 0.7,
            symmetric: true,
            guide: None,
            matryoshka: None,
            self_distillation: None,
            replay: None,
            epochs: 20,
            batch_size: 8,
            accumulation: 1,
            mini_batch: None,
            sampler: SamplerKind::Plain,
            optimizer: OptimizerKind::Adam,
            learning_rate: 1e-5,
            layer_decay: 1.0,
            freeze: Vec::new(),
            last_layers: None,
            lora: None,
            head_only: false,
            dropout: None,
            gradient_checkpointing: false,
            weight_decay: None,
            schedule: Schedule::Constant,
            warmup: 0.0,
            beta_1: 0.9,
            beta_2: 0.9999,
            epsilon: 1e-7,
            epsilon_mode: EpsilonMode::Keras,
            clipnorm: Some(1.0),
            clip: ClipKind::PerVariable,
            clip_table: ClipTable::Shards,
            validation_split: 0.2,
            split: SplitKind::Tail,
            shuffle: true,
            seed: 42,
            early_stopping: Some(EarlyStoppingConfig::default()),
            forgetting: None,
            collapse_alarm: true,
        }
    }
}

impl TrainConfig {
    /// Whether pairs are told apart from the others of their batch.
    pub(crate) fn contrasts(&self) -> bool {
        self.loss == LossKind::Mnrl || self.contrast.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Recipe, RecipeFacts};
    use super::*;

    #[test]
    fn fields_left_out_are_the_tutorials_and_unknown_ones_an_error() {
        let config: TrainConfig = serde_json::from_str(r#"{"epochs": 2, "early_stopping": null}"#).unwrap();
        assert_eq!(
            config,
            TrainConfig { epochs: 2, early_stopping: None, ..Recipe::Tutorial.config(RecipeFacts::default()) }
        );
        assert!(serde_json::from_str::<TrainConfig>(r#"{"epoch": 2}"#).is_err());
    }
}
