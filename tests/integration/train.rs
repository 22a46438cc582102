//! Training on the real model.

use serde_json::Value;
use shamisen::ml::Result;
use shamisen::ml::dataset::{self, Format, Scores};
use shamisen::ml::encoder::{Encoder, RaggedBatch, encode};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::similarity::cosine;
use shamisen::ml::train::{
    ClipKind, ClipTable, EarlyStoppingConfig, EpochRecord, EpsilonMode, LOSSES, Loss, LossKind, Monitor, Observer,
    Schedule, SplitKind, Step, Stopped, TokenPair, TrainConfig, TrainReport, split, train, training_rows,
};

use crate::fixtures::{base, public_data, public_table};

/// Keeps every step's loss.
#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn step(&mut self, step: Step) -> Result<()> {
        self.0.push(step.loss);
        Ok(())
    }
    fn epoch(&mut self, _record: &EpochRecord, _encoder: &dyn Encoder) -> Result<()> {
        Ok(())
    }
}

fn tutorial(config: &TrainConfig) -> Option<(TrainReport, Losses)> {
    let table = public_table("data/tutorial/training_data.csv", Scores::Unit)?;
    let mut model = base();
    let pairs = token_pairs(&model, &table);
    let (training, validation) = pairs.split_at(training_rows(pairs.len(), config.validation_split));
    assert_eq!((training.len(), validation.len()), (78, 20));
    let mut losses = Losses::default();
    let report = train(&mut *model.encoder, training, validation, config, &mut losses).unwrap();
    Some((report, losses))
}

#[test]
fn rows_in_file_order_with_torchs_epsilon_give_the_reference_losses_step_by_step() {
    let config = TrainConfig {
        epochs: 3,
        shuffle: false,
        epsilon_mode: EpsilonMode::Torch,
        clip_table: ClipTable::Whole,
        ..TrainConfig::default()
    };
    let Some((report, losses)) = tutorial(&config) else { return };
    let golden: Value = serde_json::from_slice(&public_data("golden/use_m3_training.json").unwrap()).unwrap();
    let mut steps = losses.0.iter();
    for (record, epoch) in report.epochs.iter().zip(golden["epochs"].as_array().unwrap()) {
        for expected in epoch["step_losses"].as_array().unwrap() {
            let (found, expected) = (steps.next().unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-5, "epoch {}: {found} is not {expected}", record.epoch);
        }
        for (found, name, bound) in [
            (record.val_loss, "val_loss", 1e-5),
            (record.val_mae, "val_mae", 1e-5),
            (record.val_mape, "val_mape", 1e-3),
        ] {
            let expected = epoch[name].as_f64().unwrap();
            assert!((found - expected).abs() < bound, "epoch {} {name}: {found} is not {expected}", record.epoch);
        }
    }
    assert_eq!(steps.next(), None);
}

#[test]
fn the_tutorials_file_gives_the_tutorials_curve_whatever_the_seed() {
    for seed in [1, 2, 3] {
        let config = TrainConfig { epochs: 11, early_stopping: None, seed, ..TrainConfig::default() };
        let Some((report, losses)) = tutorial(&config) else { return };
        assert_eq!(losses.0.len(), 110);
        let (first, eleventh) = (report.epochs[0].val_loss * 1e3, report.epochs[10].val_loss * 1e3);
        println!("seed {seed}: validation MSE x 1000 {first:.3} after epoch 1, {eleventh:.3} after epoch 11");
        assert!((6.0..6.5).contains(&first), "seed {seed}: {first}");
        assert!((8.1..8.8).contains(&eleventh), "seed {seed}: {eleventh}");
    }
}

/// An independent dense implementation on the first example pairs: `scripts/reference_training.py`.
#[test]
fn training_equals_an_independent_dense_implementation_in_both_epsilon_modes() {
    let fixture: Value = serde_json::from_str(include_str!("../fixtures/training.json")).unwrap();
    let ids = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    let pairs = fixture["pairs"].as_array().unwrap().iter().map(|pair| TokenPair {
        left: ids(&pair["left"]),
        right: ids(&pair["right"]),
        score: pair["score"].as_f64().unwrap(),
    });
    let pairs: Vec<TokenPair> = pairs.collect();
    for (name, epsilon_mode, clip_table) in
        [("keras", EpsilonMode::Keras, ClipTable::Shards), ("torch", EpsilonMode::Torch, ClipTable::Whole)]
    {
        let config = TrainConfig {
            epochs: 3,
            shuffle: false,
            learning_rate: 1e-4,
            clipnorm: Some(0.002),
            epsilon_mode,
            clip_table,
            early_stopping: None,
            ..TrainConfig::default()
        };
        let mut model = base();
        let (training, validation) = pairs.split_at(training_rows(pairs.len(), 0.2));
        let mut losses = Losses::default();
        let report = train(&mut *model.encoder, training, validation, &config, &mut losses).unwrap();
        let mut steps = losses.0.iter();
        for (record, epoch) in report.epochs.iter().zip(fixture[name]["epochs"].as_array().unwrap()) {
            for expected in epoch["step_losses"].as_array().unwrap() {
                let (found, expected) = (steps.next().unwrap(), expected.as_f64().unwrap());
                assert!((found - expected).abs() < 1e-5, "{name}, epoch {}: {found} is not {expected}", record.epoch);
            }
            let expected = epoch["val_loss"].as_f64().unwrap();
            assert!((record.val_loss - expected).abs() < 1e-5, "{name}: {} is not {expected}", record.val_loss);
        }
        for (row, expected) in [0, 33, 39].into_iter().zip(fixture[name]["vectors_after"].as_array().unwrap()) {
            let batch = RaggedBatch::new([pairs[row].left.as_slice()]);
            let vector: Vec<Vec<f32>> = encode(&*model.encoder, &batch).try_into().unwrap();
            let expected: Vec<f32> = serde_json::from_value(expected.clone()).unwrap();
            assert!(cosine(&vector[0], &expected) > 0.99999, "{name}, row {row}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let table = dataset::read(include_bytes!("../../examples/occupations.csv"), Format::Csv, Scores::Unit).unwrap();
    let run = |seed| {
        let mut model = base();
        let pairs = token_pairs(&model, &table);
        let config = TrainConfig { epochs: 2, seed, ..TrainConfig::default() };
        let mut losses = Losses::default();
        train(&mut *model.encoder, &pairs[..24], &pairs[24..30], &config, &mut losses).unwrap();
        losses.0
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

/// Each loss learns from scores that suit it, and each setting of a loss has an effect.
#[test]
fn every_loss_falls_and_its_constants_have_an_effect() {
    let table = dataset::read(include_bytes!("../../examples/occupations.csv"), Format::Csv, Scores::Unit).unwrap();
    let run = |config: TrainConfig| {
        let mut model = base();
        let mut pairs = token_pairs(&model, &table);
        pairs.truncate(40);
        if config.loss.info().margin.is_some() {
            pairs.iter_mut().for_each(|pair| pair.score = f64::from(u8::from(pair.score > 0.7)));
        }
        let config = TrainConfig {
            epochs: 3,
            learning_rate: 1e-4,
            batch_size: 32,
            shuffle: false,
            early_stopping: None,
            ..config
        };
        let mut losses = Losses::default();
        train(&mut *model.encoder, &pairs[..32], &pairs[32..], &config, &mut losses).unwrap();
        losses.0
    };
    for info in &LOSSES {
        let config = TrainConfig { loss: info.name, ..TrainConfig::default() };
        let losses = run(config.clone());
        assert!(losses[2] < losses[0] * 0.95, "{:?} does not fall: {losses:?}", info.name);
        if info.scale.is_some() {
            assert_ne!(run(TrainConfig { scale: Some(10.0), ..config.clone() }), losses, "{:?}: scale", info.name);
        }
        if info.margin.is_some() {
            assert_ne!(run(TrainConfig { margin: Some(0.8), ..config }), losses, "{:?}: margin", info.name);
        }
    }
}

/// A dead setting is a lie: each one, changed, changes the run.
#[test]
fn every_setting_has_an_effect() {
    let table = dataset::read(include_bytes!("../../examples/occupations.csv"), Format::Csv, Scores::Unit).unwrap();
    let run = |config: &TrainConfig| {
        let mut model = base();
        let mut pairs = token_pairs(&model, &table);
        pairs.truncate(40);
        let parts = split(pairs, config).unwrap();
        let mut losses = Losses::default();
        let report = train(&mut *model.encoder, &parts.training, &parts.validation, config, &mut losses).unwrap();
        let epochs: Vec<_> = report.epochs.into_iter().map(|epoch| (epoch.loss, epoch.val_loss)).collect();
        (losses.0, epochs, report.kept_epoch)
    };
    // A bound and a rate at which clipping, its kinds and epsilon all matter.
    let start = TrainConfig {
        epochs: 3,
        learning_rate: 1e-4,
        clipnorm: Some(0.002),
        early_stopping: None,
        ..TrainConfig::default()
    };
    let usual = run(&start);
    assert_eq!(usual, run(&start), "the same settings give the same run");
    let stop = EarlyStoppingConfig { patience: 1, min_delta: 10.0, ..EarlyStoppingConfig::default() };
    let changed = [
        ("loss", TrainConfig { loss: LossKind::CosineMse, ..start.clone() }),
        ("epochs", TrainConfig { epochs: 2, ..start.clone() }),
        ("batch_size", TrainConfig { batch_size: 16, ..start.clone() }),
        ("learning_rate", TrainConfig { learning_rate: 2e-4, ..start.clone() }),
        ("schedule: linear", TrainConfig { schedule: Schedule::Linear, ..start.clone() }),
        ("schedule: cosine", TrainConfig { schedule: Schedule::Cosine, ..start.clone() }),
        ("warmup", TrainConfig { warmup: 0.3, ..start.clone() }),
        ("beta_1", TrainConfig { beta_1: 0.8, ..start.clone() }),
        ("beta_2", TrainConfig { beta_2: 0.99, ..start.clone() }),
        ("epsilon", TrainConfig { epsilon: 1e-4, ..start.clone() }),
        ("epsilon_mode", TrainConfig { epsilon_mode: EpsilonMode::Torch, ..start.clone() }),
        ("clipnorm", TrainConfig { clipnorm: None, ..start.clone() }),
        ("clip: global", TrainConfig { clip: ClipKind::Global, ..start.clone() }),
        ("clip: value", TrainConfig { clip: ClipKind::Value, clipnorm: Some(1e-5), ..start.clone() }),
        ("clip_table", TrainConfig { clip_table: ClipTable::Whole, ..start.clone() }),
        ("validation_split", TrainConfig { validation_split: 0.3, ..start.clone() }),
        ("split: random", TrainConfig { split: SplitKind::Random, ..start.clone() }),
        ("split: grouped", TrainConfig { split: SplitKind::Grouped, ..start.clone() }),
        ("shuffle", TrainConfig { shuffle: false, ..start.clone() }),
        ("seed", TrainConfig { seed: 7, ..start.clone() }),
        ("early_stopping", TrainConfig { early_stopping: Some(stop), ..start.clone() }),
    ];
    for (name, config) in changed {
        assert_ne!(run(&config), usual, "{name} has no effect");
    }
}

#[test]
fn the_best_epochs_weights_are_kept_when_asked_for() {
    let table = dataset::read(include_bytes!("../../examples/occupations.csv"), Format::Csv, Scores::Unit).unwrap();
    let mut model = base();
    let pairs = token_pairs(&model, &table);
    // A rate at which validation gets worse after its first epochs.
    let early_stopping =
        Some(EarlyStoppingConfig { patience: 2, min_delta: 0.0, monitor: Monitor::ValLoss, restore_best: true });
    let config = TrainConfig { epochs: 12, learning_rate: 3e-4, early_stopping, ..TrainConfig::default() };
    let (training, validation) = (&pairs[..32], &pairs[32..64]);
    let report = train(&mut *model.encoder, training, validation, &config, &mut Losses::default()).unwrap();
    let best = report.epochs.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).unwrap();
    assert_eq!(report.kept_epoch, best.epoch);
    assert!(report.kept_epoch < report.epochs.len(), "validation never got worse, so nothing was tested");
    assert_eq!(report.stopped, Stopped::EarlyStopping);
    let now = eval::validate(&*model.encoder, validation, &Loss::new(config.loss, None, None));
    assert!((now.mse - best.val_loss).abs() < 1e-9, "{} is not {}", now.mse, best.val_loss);
}
