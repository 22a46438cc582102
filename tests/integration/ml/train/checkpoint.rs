//! A run that stopped and goes on.

use shamisen::ml::encoder::Encoder;
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::train::{
    Checkpoint, Conditions, ContrastConfig, EarlyStoppingConfig, EpochRecord, ForgettingConfig, LoraConfig, Monitor,
    Observer, OptimizerKind, Schedule, SplitKind, Step, TokenPair, TrainConfig, TrainData, split, train,
};
use shamisen::ml::{Error, Result};
use tables::TableKind;

use super::{Losses, example_rows, outcome, run_of};
use crate::fixtures::base;

/// Keeps the run as it stands after one step.
pub(crate) struct Stops {
    pub(crate) after: usize,
    pub(crate) folder: std::path::PathBuf,
    pub(crate) conditions: Conditions,
    pub(crate) manifest: Option<String>,
    pub(crate) losses: Vec<f64>,
}

impl Observer for Stops {
    fn step(&mut self, step: Step, state: &dyn Fn() -> Checkpoint) -> Result<()> {
        self.losses.push(step.loss);
        if step.step == self.after {
            self.manifest = Some(state().save(&self.folder, &self.conditions)?);
            return Err(Error::Cancelled);
        }
        Ok(())
    }
    fn epoch(&mut self, _record: &EpochRecord, _encoder: &dyn Encoder) -> Result<()> {
        Ok(())
    }
}

/// Whatever the optimizer and wherever it stopped: the same bits; and other bits than a cold start from
/// the same weights would give.
#[test]
fn a_stopped_and_resumed_run_equals_an_unbroken_one() {
    let early_stopping = Some(EarlyStoppingConfig {
        monitor: Monitor::ValLoss,
        restore_best: true,
        min_delta: 0.0,
        ..EarlyStoppingConfig::default()
    });
    let plain = TrainConfig { epochs: 4, learning_rate: 1e-4, early_stopping, ..TrainConfig::default() };
    let rich = TrainConfig {
        optimizer: OptimizerKind::AdamW,
        schedule: Schedule::Cosine,
        warmup: 0.2,
        accumulation: 2,
        batch_size: 4,
        contrast: Some(ContrastConfig::default()),
        guide: Some(0.0),
        self_distillation: Some(0.5),
        replay: Some(0.5),
        split: SplitKind::Random,
        forgetting: Some(ForgettingConfig::default()),
        ..plain.clone()
    };
    let sgd = TrainConfig { optimizer: OptimizerKind::Sgd, learning_rate: 0.05, ..plain.clone() };
    let lora = TrainConfig { lora: Some(LoraConfig::default()), learning_rate: 1e-3, ..rich.clone() };
    let top = TrainConfig { last_layers: Some(2), ..plain.clone() };
    // In the first epoch, at the end of one, in the last.
    for (config, after) in [(&plain, 3), (&plain, 8), (&rich, 14), (&sgd, 5), (&lora, 14), (&top, 6)] {
        let unbroken = run_of(config);
        let mut model = base();
        let parts = split(example_rows(&model, TableKind::PairScore), config).unwrap();
        let general = token_pairs(&model, &eval::retention_pairs());
        let replay: &[TokenPair] = if config.replay.is_some() { &general } else { &[] };
        let data = TrainData {
            training: &parts.training,
            validation: &parts.validation,
            general: &general,
            replay,
            ..TrainData::default()
        };
        let place = tempfile::tempdir().unwrap();
        let conditions = Conditions::of(config, &data, &model.card.fingerprint);
        let folder = place.path().join("ckpt");
        let mut stops = Stops { after, folder, conditions: conditions.clone(), manifest: None, losses: Vec::new() };
        let stopped = train(&mut *model.encoder, &data, config, &mut stops, None);
        assert!(matches!(stopped, Err(Error::Cancelled)));
        let manifest = stops.manifest.unwrap();

        let mut resumed = base();
        let (checkpoint, exact) = Checkpoint::load(&stops.folder, &manifest, &conditions).unwrap();
        assert!(exact);
        let mut losses = Losses(stops.losses.clone());
        let report = train(&mut *resumed.encoder, &data, config, &mut losses, Some(checkpoint)).unwrap();
        let resumed = outcome(&resumed, &parts.training[0], losses.0, report);
        assert_eq!(resumed, unbroken, "{:?} after step {after}", config.optimizer);

        // The stopped weights without the rest of the checkpoint go another way.
        let mut losses = Losses::default();
        let report = train(&mut *model.encoder, &data, config, &mut losses, None).unwrap();
        assert_ne!(outcome(&model, &parts.training[0], losses.0, report).vector, unbroken.vector);

        // In smaller parts it goes on as well, and does not say that the bits are the same.
        let smaller = Conditions { micro_batch: Some(4), ..conditions.clone() };
        assert!(!Checkpoint::load(&stops.folder, &manifest, &smaller).unwrap().1);

        // A damaged checkpoint and one of another run are refused.
        let other = TrainConfig { seed: 1, ..config.clone() };
        let other = Conditions::of(&other, &data, "another");
        assert!(matches!(Checkpoint::load(&stops.folder, &manifest, &other), Err(Error::Checkpoint { .. })));
        let file = stops.folder.join("state.safetensors");
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        assert!(matches!(Checkpoint::load(&stops.folder, &manifest, &conditions), Err(Error::Checkpoint { .. })));
    }
}
