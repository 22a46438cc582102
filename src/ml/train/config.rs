//! Every setting of a training run, its default and its reason.

use serde::{Deserialize, Serialize};

use super::loss::LossKind;
use super::split::SplitKind;
use crate::ml::{Error, Result};

/// A named set of settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// The tutorial's settings to the letter, Keras' meaning of each included.
    #[default]
    Tutorial,
}

impl Recipe {
    /// The settings that the name stands for.
    pub fn config(self) -> TrainConfig {
        match self {
            Self::Tutorial => TrainConfig::default(),
        }
    }
}

/// The settings of a training run. The defaults are the tutorial's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// At most this many passes over the training rows. 20: the tutorial's.
    pub epochs: usize,
    /// Pairs in a step; the last step of an epoch takes what is left. 8: the tutorial's.
    pub batch_size: usize,
    /// 1e-5: the tutorial's; at 1e-4 this loss wrecks what the base knew.
    pub learning_rate: f64,
    /// How the learning rate changes over the run. `constant`: the tutorial's.
    pub schedule: Schedule,
    /// The part of all steps in which the learning rate rises from zero. 0: the tutorial's.
    pub warmup: f64,
    /// Adam's decay of the mean of gradients. 0.9: the tutorial's.
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
}

/// When a run ends before its last epoch, and which epoch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

/// Where Adam's epsilon stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EpsilonMode {
    /// Outside the bias correction (Kingma and Ba 2015, section 2, "epsilon hat"): Keras.
    Keras,
    /// Inside it (the same paper, algorithm 1): PyTorch.
    Torch,
}

/// How the learning rate changes over a run, after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// It falls to zero in a line.
    Linear,
    /// It falls to zero along half a cosine.
    Cosine,
}

/// What is kept to the bound `clipnorm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClipKind {
    /// The norm of each variable's gradient: Keras' `clipnorm`.
    PerVariable,
    /// The norm of all gradients together: PyTorch's `clip_grad_norm_`, Keras' `global_clipnorm`.
    Global,
    /// Each number of a gradient: Keras' `clipvalue`.
    Value,
}

/// The metric of an epoch that early stopping watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// What counts as a variable of the vocabulary's table when gradients are clipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClipTable {
    /// Each of the checkpoint's shards.
    Shards,
    /// The table as a whole.
    Whole,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            loss: LossKind::AngularMse,
            scale: None,
            margin: None,
            epochs: 20,
            batch_size: 8,
            learning_rate: 1e-5,
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
        }
    }
}

impl Default for EarlyStoppingConfig {
    fn default() -> Self {
        Self { patience: 3, min_delta: 0.001, monitor: Monitor::Loss, restore_best: false }
    }
}

impl TrainConfig {
    /// Refuses settings that have no meaning.
    ///
    /// # Errors
    /// Names the first such setting and what it may be.
    pub fn check(&self) -> Result<()> {
        let check = |fine: bool, field, reason: &str| {
            if fine { Ok(()) } else { Err(Error::Config { field, reason: reason.to_owned() }) }
        };
        let info = self.loss.info();
        check(self.scale.is_none() || info.scale.is_some(), "scale", "has no meaning for this loss; leave it out")?;
        check(self.margin.is_none() || info.margin.is_some(), "margin", "has no meaning for this loss; leave it out")?;
        check(
            self.scale.is_none_or(|scale| scale > 0.0 && scale <= 1000.0),
            "scale",
            "must lie above 0 and not above 1000",
        )?;
        check(
            self.margin.is_none_or(|margin| margin > 0.0 && margin <= 2.0),
            "margin",
            "must lie above 0 and not above 2",
        )?;
        check((1..=10_000).contains(&self.epochs), "epochs", "must lie between 1 and 10000")?;
        check((1..=4096).contains(&self.batch_size), "batch_size", "must lie between 1 and 4096")?;
        check(
            self.learning_rate > 0.0 && self.learning_rate <= 1.0,
            "learning_rate",
            "must lie above 0 and not above 1",
        )?;
        check((0.0..1.0).contains(&self.warmup), "warmup", "must lie between 0 and 1, 1 excluded")?;
        check((0.0..1.0).contains(&self.beta_1), "beta_1", "must lie between 0 and 1, 1 excluded")?;
        check((0.0..1.0).contains(&self.beta_2), "beta_2", "must lie between 0 and 1, 1 excluded")?;
        check(self.epsilon > 0.0 && self.epsilon <= 1.0, "epsilon", "must lie above 0 and not above 1")?;
        check(
            self.clipnorm.is_none_or(|norm| norm > 0.0 && norm.is_finite()),
            "clipnorm",
            "must be a positive number, or null for no clipping",
        )?;
        check(
            self.validation_split > 0.0 && self.validation_split < 1.0,
            "validation_split",
            "must lie between 0 and 1, both excluded",
        )?;
        if let Some(early) = &self.early_stopping {
            check(early.patience >= 1, "early_stopping.patience", "must be at least 1")?;
            check(
                early.min_delta >= 0.0 && early.min_delta.is_finite(),
                "early_stopping.min_delta",
                "must not be negative",
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_left_out_are_the_tutorials_and_unknown_ones_an_error() {
        let config: TrainConfig = serde_json::from_str(r#"{"epochs": 2, "early_stopping": null}"#).unwrap();
        assert_eq!(config, TrainConfig { epochs: 2, early_stopping: None, ..Recipe::Tutorial.config() });
        assert!(serde_json::from_str::<TrainConfig>(r#"{"epoch": 2}"#).is_err());
    }

    #[test]
    fn a_setting_without_meaning_is_named() {
        let refused = |config: TrainConfig| match config.check().unwrap_err() {
            Error::Config { field, .. } => field,
            other => panic!("{other}"),
        };
        let config = TrainConfig::default;
        assert!(config().check().is_ok());
        assert_eq!(refused(TrainConfig { epochs: 0, ..config() }), "epochs");
        assert_eq!(refused(TrainConfig { learning_rate: f64::NAN, ..config() }), "learning_rate");
        assert_eq!(refused(TrainConfig { validation_split: 1.0, ..config() }), "validation_split");
        assert_eq!(refused(TrainConfig { clipnorm: Some(0.0), ..config() }), "clipnorm");
    }
}
