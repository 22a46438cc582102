//! Settings that have no meaning: a setting that would do nothing is an error, since its user expects something of it.

use std::collections::BTreeSet;

use super::config::TrainConfig;
use super::data::TrainData;
use super::loss::LossKind;
use super::options::{OptimizerKind, SamplerKind};
use crate::ml::encoder::Encoder;
use crate::ml::{Error, Result};

impl TrainConfig {
    /// Refuses settings that have no meaning.
    ///
    /// # Errors
    /// Names the first such setting and what it may be.
    pub fn check(&self) -> Result<()> {
        self.check_loss()?;
        self.check_steps()?;
        self.check_layers()?;
        self.check_watch()
    }

    /// The same, and those that have none for this encoder or these rows.
    pub(super) fn check_for(&self, encoder: &dyn Encoder, data: &TrainData<'_>) -> Result<()> {
        self.check()?;
        self.check_signal(data)?;
        let whole = encoder.dimensions();
        if let Some(dimensions) = self.matryoshka.iter().flatten().find(|&&dimensions| dimensions >= whole) {
            let reason = format!("{dimensions} is no part of this model's {whole} dimensions, which count anyway");
            return Err(Error::config("matryoshka", reason));
        }
        meant(self.dropout.is_none() || encoder.drops(), "dropout", "for this model, which drops nothing")?;
        let blocks = !self.gradient_checkpointing || encoder.blocks() > 0;
        meant(blocks, "gradient_checkpointing", "for this model, which has no blocks")
    }

    /// Refuses training rows that teach nothing under the loss.
    fn check_signal(&self, data: &TrainData<'_>) -> Result<()> {
        let scores = || data.training.iter().map(|pair| pair.score);
        let distinct: BTreeSet<u64> = scores().map(f64::to_bits).collect();
        let (lowest, highest) = (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
        if let Some(reason) = self.loss.objection(data.kind, lowest, highest, distinct.len()) {
            return Err(Error::config("loss", reason));
        }
        let positives = scores().filter(|&score| score >= self.positive_from).count();
        let reason = format!("{positives} training rows have at least this score; in-batch contrast needs two");
        check(!self.contrasts() || positives >= 2, "positive_from", &reason)?;
        let replays = self.replay.is_none() || !data.replay.is_empty();
        check(replays, "replay", "has no meaning without a table to replay; name one, or leave it out")
    }

    fn check_loss(&self) -> Result<()> {
        let info = self.loss.info();
        let usual = Self::default();
        meant(self.scale.is_none() || info.scale.is_some(), "scale", "for this loss")?;
        meant(self.margin.is_none() || info.margin.is_some(), "margin", "for this loss")?;
        between(self.scale, 0.0, 1000.0, "scale")?;
        between(self.margin, 0.0, 2.0, "margin")?;
        let contrasts = self.contrasts();
        meant(contrasts || self.positive_from == usual.positive_from, "positive_from", "without mnrl or contrast")?;
        meant(contrasts || self.symmetric, "symmetric", "without mnrl or contrast")?;
        meant(contrasts || self.guide.is_none(), "guide", "without mnrl or contrast")?;
        meant(self.loss != LossKind::Mnrl || self.contrast.is_none(), "contrast", "beside mnrl, which is the same")?;
        check((0.0..=1.0).contains(&self.positive_from), "positive_from", "must lie between 0 and 1")?;
        if let Some(contrast) = &self.contrast {
            between(Some(contrast.weight), 0.0, 1000.0, "contrast.weight")?;
            between(Some(contrast.scale), 0.0, 1000.0, "contrast.scale")?;
        }
        check(self.guide.is_none_or(|margin| margin.abs() <= 2.0), "guide", "must lie between -2 and 2")?;
        let dims = self.matryoshka.as_deref();
        let fine = dims.is_none_or(|dims| !dims.is_empty() && dims.len() <= 16 && dims.iter().all(|&dim| dim >= 2));
        check(fine, "matryoshka", "must be 1 to 16 numbers of dimensions, each at least 2")?;
        between(self.self_distillation, 0.0, 1000.0, "self_distillation")?;
        between(self.replay, 0.0, 10.0, "replay")
    }

    fn check_steps(&self) -> Result<()> {
        let usual = Self::default();
        check((1..=10_000).contains(&self.epochs), "epochs", "must lie between 1 and 10000")?;
        check((1..=4096).contains(&self.batch_size), "batch_size", "must lie between 1 and 4096")?;
        check((1..=4096).contains(&self.accumulation), "accumulation", "must lie between 1 and 4096")?;
        check(self.mini_batch.is_none_or(|size| size >= 1), "mini_batch", "must be at least 1")?;
        let cuts = self.mini_batch.is_none_or(|size| size < self.batch_size);
        meant(cuts, "mini_batch", "unless it is below batch_size")?;
        let ordered = self.shuffle || self.sampler == SamplerKind::Plain;
        meant(ordered, "sampler", "without shuffle: set \"shuffle\" to true, or \"sampler\" to \"plain\"")?;
        between(Some(self.learning_rate), 0.0, 1.0, "learning_rate")?;
        let decays = self.weight_decay.is_none() || self.optimizer == OptimizerKind::AdamW;
        meant(decays, "weight_decay", "but for the optimizer \"adamw\"")?;
        between(self.weight_decay, 0.0, 1.0, "weight_decay")?;
        let adam = self.optimizer != OptimizerKind::Sgd;
        meant(adam || self.beta_2 == usual.beta_2, "beta_2", "for the optimizer \"sgd\"")?;
        meant(adam || self.epsilon == usual.epsilon, "epsilon", "for the optimizer \"sgd\"")?;
        meant(adam || self.epsilon_mode == usual.epsilon_mode, "epsilon_mode", "for the optimizer \"sgd\"")?;
        check((0.0..1.0).contains(&self.warmup), "warmup", "must lie between 0 and 1, 1 excluded")?;
        check((0.0..1.0).contains(&self.beta_1), "beta_1", "must lie between 0 and 1, 1 excluded")?;
        check((0.0..1.0).contains(&self.beta_2), "beta_2", "must lie between 0 and 1, 1 excluded")?;
        between(Some(self.epsilon), 0.0, 1.0, "epsilon")?;
        let bound = self.clipnorm.is_none_or(|norm| norm > 0.0 && norm.is_finite());
        check(bound, "clipnorm", "must be a positive number, or null for no clipping")
    }

    fn check_layers(&self) -> Result<()> {
        between(Some(self.layer_decay), 0.0, 1.0, "layer_decay")?;
        check(self.last_layers.is_none_or(|layers| layers >= 1), "last_layers", "must be at least 1")?;
        let rate = self.dropout.is_none_or(|rate| (0.0..1.0).contains(&rate));
        check(rate, "dropout", "must lie between 0 and 1, 1 excluded")?;
        let Some(lora) = &self.lora else { return Ok(()) };
        check((1..=1024).contains(&lora.rank), "lora.rank", "must lie between 1 and 1024")?;
        between(Some(lora.alpha), 0.0, 10_000.0, "lora.alpha")?;
        let named = lora.targets.iter().flatten().all(|target| !target.trim().is_empty());
        check(named, "lora.targets", "must be parts of kernels' names, none of them empty")
    }

    fn check_watch(&self) -> Result<()> {
        let splits = self.validation_split > 0.0 && self.validation_split < 1.0;
        check(splits, "validation_split", "must lie between 0 and 1, both excluded")?;
        if let Some(early) = &self.early_stopping {
            check(early.patience >= 1, "early_stopping.patience", "must be at least 1")?;
            let delta = early.min_delta >= 0.0 && early.min_delta.is_finite();
            check(delta, "early_stopping.min_delta", "must not be negative")?;
        }
        if let Some(forgetting) = &self.forgetting {
            check((0.0..=1.0).contains(&forgetting.max_drop), "forgetting.max_drop", "must lie between 0 and 1")?;
        }
        Ok(())
    }
}

pub(super) fn check(fine: bool, field: &'static str, reason: &str) -> Result<()> {
    if fine { Ok(()) } else { Err(Error::config(field, reason)) }
}

pub(super) fn meant(has_meaning: bool, field: &'static str, where_not: &str) -> Result<()> {
    check(has_meaning, field, &format!("has no meaning {where_not}; leave it out"))
}

fn between(number: Option<f64>, above: f64, at_most: f64, field: &'static str) -> Result<()> {
    let fine = number.is_none_or(|number| number > above && number <= at_most);
    check(fine, field, &format!("must lie above {above} and not above {at_most}"))
}

#[cfg(test)]
mod tests {
    use super::super::options::LoraConfig;
    use super::*;

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
        assert_eq!(refused(TrainConfig { last_layers: Some(0), ..config() }), "last_layers");
        let lora = |lora: LoraConfig| refused(TrainConfig { lora: Some(lora), ..config() });
        assert_eq!(lora(LoraConfig { rank: 0, ..LoraConfig::default() }), "lora.rank");
        assert_eq!(lora(LoraConfig { alpha: f64::NAN, ..LoraConfig::default() }), "lora.alpha");
        assert_eq!(lora(LoraConfig { targets: Some(vec![String::new()]), ..LoraConfig::default() }), "lora.targets");
    }
}
