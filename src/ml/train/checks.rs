//! Settings that have no meaning: a setting that would do nothing is an error, since its user expects something of it.

use std::collections::BTreeSet;

use super::config::TrainConfig;
use super::data::TrainData;
use super::labelled;
use super::loss::LossKind;
use super::options::{OptimizerKind, SamplerKind};
use super::ranges::{LISTS, MOST_STEPS, NAME, Range};
use tables::TableKind;

use crate::ml::encoder::Encoder;
use crate::ml::{Error, Result};

impl TrainConfig {
    /// Refuses settings that have no meaning.
    ///
    /// # Errors
    /// Names the first such setting and what it may be.
    pub fn check(&self) -> Result<()> {
        self.check_ranges()?;
        self.check_loss()?;
        self.check_steps()
    }

    /// The same, and those that have none for this encoder or these rows.
    pub(super) fn check_for(&self, encoder: &dyn Encoder, data: &TrainData<'_>) -> Result<()> {
        self.check()?;
        self.check_size(data.training.len())?;
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
        let labels = if data.kind == TableKind::Labelled { labelled::objection(data.training) } else { None };
        if let Some(reason) = labels {
            return Err(Error::config("kind", reason));
        }
        let positives = scores().filter(|&score| score >= self.positive_from).count();
        let reason = format!("{positives} training rows have at least this score; in-batch contrast needs two");
        check(!self.contrasts() || positives >= 2, "positive_from", &reason)?;
        let replays = self.replay.is_none() || !data.replay.is_empty();
        check(replays, "replay", "has no meaning without a table to replay; name one, or leave it out")?;
        let ordered = data.replay.iter().all(|pair| pair.labels.is_none());
        check(ordered, "replay", "learns the order of scores, and a table of labelled texts has none; replay pairs")
    }

    /// Refuses a number that is outside its range, and a list that is too long.
    ///
    /// # Errors
    /// Names the first such setting and what it may be.
    pub fn check_ranges(&self) -> Result<()> {
        for (name, number) in self.numbers() {
            let range = Range::of(name);
            check(number.is_none_or(|number| range.holds(number)), name, &range.to_string())?;
        }
        let range = Range::of("matryoshka");
        for &dimensions in self.matryoshka.iter().flatten() {
            check(range.holds(dimensions as f64), "matryoshka", &format!("{dimensions} {range}"))?;
        }
        let targets = self.lora.as_ref().and_then(|lora| lora.targets.as_ref());
        let lists = [
            ("matryoshka", self.matryoshka.as_ref().map(Vec::len)),
            ("freeze", Some(self.freeze.len())),
            ("lora.targets", targets.map(Vec::len)),
        ];
        for (name, length) in lists {
            let range = &LISTS.iter().find(|(list, _)| *list == name).expect("every list has its range").1;
            let reason = format!("must have {} to {} entries", range.start(), range.end());
            check(length.is_none_or(|length| range.contains(&length)), name, &reason)?;
        }
        let fine = |name: &String| NAME.contains(&name.chars().count()) && !name.trim().is_empty();
        let reason = format!("must be names of {} to {} characters", NAME.start(), NAME.end());
        check(self.freeze.iter().all(fine), "freeze", &reason)?;
        check(targets.into_iter().flatten().all(fine), "lora.targets", &format!("{reason}, or parts of such"))
    }

    /// Every number by its name.
    fn numbers(&self) -> [(&'static str, Option<f64>); 29] {
        let whole = |number: usize| Some(number as f64);
        let (contrast, lora) = (self.contrast.as_ref(), self.lora.as_ref());
        [
            ("scale", self.scale),
            ("margin", self.margin),
            ("contrast.weight", contrast.map(|contrast| contrast.weight)),
            ("contrast.scale", contrast.map(|contrast| contrast.scale)),
            ("positive_from", Some(self.positive_from)),
            ("guide", self.guide),
            ("self_distillation", self.self_distillation),
            ("replay", self.replay),
            ("epochs", whole(self.epochs)),
            ("batch_size", whole(self.batch_size)),
            ("accumulation", whole(self.accumulation)),
            ("mini_batch", self.mini_batch.and_then(whole)),
            ("learning_rate", Some(self.learning_rate)),
            ("layer_decay", Some(self.layer_decay)),
            ("last_layers", self.last_layers.and_then(whole)),
            ("lora.rank", lora.and_then(|lora| whole(lora.rank))),
            ("lora.alpha", lora.map(|lora| lora.alpha)),
            ("dropout", self.dropout),
            ("weight_decay", self.weight_decay),
            ("warmup", Some(self.warmup)),
            ("beta_1", Some(self.beta_1)),
            ("beta_2", Some(self.beta_2)),
            ("epsilon", Some(self.epsilon)),
            ("clipnorm", self.clipnorm),
            ("validation_split", Some(self.validation_split)),
            ("seed", Some(self.seed as f64)),
            ("early_stopping.patience", self.early_stopping.and_then(|early| whole(early.patience))),
            ("early_stopping.min_delta", self.early_stopping.map(|early| early.min_delta)),
            ("forgetting.max_drop", self.forgetting.map(|forgetting| forgetting.max_drop)),
        ]
    }

    /// Refuses a run of so many training rows that has too many steps.
    ///
    /// # Errors
    /// Tells the numbers.
    pub fn check_size(&self, rows: usize) -> Result<()> {
        let steps = self.epochs * rows.div_ceil(self.batch_size.max(1)).div_ceil(self.accumulation.max(1));
        let Self { epochs, batch_size, .. } = self;
        let reason = format!(
            "makes too many steps: {epochs} epochs of {rows} rows in batches of {batch_size} are {steps} steps, and {MOST_STEPS} are possible. Take fewer epochs or larger batches"
        );
        check(steps <= MOST_STEPS, "epochs", &reason)
    }

    fn check_loss(&self) -> Result<()> {
        let info = self.loss.info();
        let usual = Self::default();
        meant(self.scale.is_none() || info.scale.is_some(), "scale", "for this loss")?;
        meant(self.margin.is_none() || info.margin.is_some(), "margin", "for this loss")?;
        let contrasts = self.contrasts();
        meant(contrasts || self.positive_from == usual.positive_from, "positive_from", "without mnrl or contrast")?;
        meant(contrasts || self.symmetric, "symmetric", "without mnrl or contrast")?;
        meant(contrasts || self.guide.is_none(), "guide", "without mnrl or contrast")?;
        meant(self.loss != LossKind::Mnrl || self.contrast.is_none(), "contrast", "beside mnrl, which is the same")
    }

    fn check_steps(&self) -> Result<()> {
        let usual = Self::default();
        let cuts = self.mini_batch.is_none_or(|size| size < self.batch_size);
        meant(cuts, "mini_batch", "unless it is below batch_size")?;
        let ordered = self.shuffle || self.sampler == SamplerKind::Plain;
        meant(ordered, "sampler", "without shuffle: set \"shuffle\" to true, or \"sampler\" to \"plain\"")?;
        let decays = self.weight_decay.is_none() || self.optimizer == OptimizerKind::AdamW;
        meant(decays, "weight_decay", "but for the optimizer \"adamw\"")?;
        let adam = self.optimizer != OptimizerKind::Sgd;
        meant(adam || self.beta_2 == usual.beta_2, "beta_2", "for the optimizer \"sgd\"")?;
        meant(adam || self.epsilon == usual.epsilon, "epsilon", "for the optimizer \"sgd\"")?;
        meant(adam || self.epsilon_mode == usual.epsilon_mode, "epsilon_mode", "for the optimizer \"sgd\"")
    }
}

pub(super) fn check(fine: bool, field: &'static str, reason: &str) -> Result<()> {
    if fine { Ok(()) } else { Err(Error::config(field, reason)) }
}

pub(super) fn meant(has_meaning: bool, field: &'static str, where_not: &str) -> Result<()> {
    check(has_meaning, field, &format!("has no meaning {where_not}; leave it out"))
}

#[cfg(test)]
mod tests {
    use super::super::options::LoraConfig;
    use super::super::recipe::{Recipe, RecipeFacts};
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
        assert_eq!(refused(TrainConfig { seed: 1 << 53, ..config() }), "seed");
        assert_eq!(refused(TrainConfig { matryoshka: Some(vec![64, 1]), ..config() }), "matryoshka");
        assert_eq!(refused(TrainConfig { freeze: vec!["table".to_owned(); 65], ..config() }), "freeze");
    }
    #[test]
    fn a_run_of_too_many_steps_is_refused_with_its_numbers_and_no_recipe_makes_one() {
        let config = TrainConfig { epochs: 10_000, batch_size: 1, ..TrainConfig::default() };
        assert!(config.check_size(500).is_ok());
        let told = config.check_size(2_000_000).unwrap_err().to_string();
        for number in ["10000 epochs", "2000000 rows", "batches of 1 ", "20000000000 steps", "5000000"] {
            assert!(told.contains(number), "{number}: {told}");
        }
        for recipe in [Recipe::Recommended, Recipe::Tutorial, Recipe::Gentle, Recipe::Thorough] {
            let facts = RecipeFacts { rows: tables::MOST_ROWS, ..RecipeFacts::default() };
            recipe.config(facts).check_size(tables::MOST_ROWS).unwrap();
        }
    }
}
