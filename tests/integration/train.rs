//! Training on the real model.

use serde_json::Value;
use shamisen::ml::encoder::{Encoder, Model, RaggedBatch, encode};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::train::{
    Checkpoint, ClipKind, ClipTable, Conditions, ContrastConfig, EarlyStoppingConfig, EpochRecord, EpsilonMode,
    ForgettingAction, ForgettingConfig, GeneralMetric, LOSSES, LoraConfig, LossKind, Monitor, Observer, OptimizerKind,
    SamplerKind, Schedule, SplitKind, Step, Stopped, TokenPair, TrainConfig, TrainData, TrainReport, split, train,
    training_rows,
};
use shamisen::ml::{Error, Result};
use tables::similarity::cosine;
use tables::{self, Scores, TableKind};

use crate::fixtures::{base, public_data, public_table};

/// Keeps every step's loss.
#[derive(Default)]
pub(crate) struct Losses(pub(crate) Vec<f64>);

impl Observer for Losses {
    fn step(&mut self, step: Step, _state: &dyn Fn() -> Checkpoint) -> Result<()> {
        self.0.push(step.loss);
        Ok(())
    }
    fn epoch(&mut self, _record: &EpochRecord, _encoder: &dyn Encoder) -> Result<()> {
        Ok(())
    }
}

/// Trains on rows with scores; where the scores are 0 and 1 alone, as classes.
fn learn(
    encoder: &mut dyn Encoder,
    training: &[TokenPair],
    validation: &[TokenPair],
    config: &TrainConfig,
    observer: &mut dyn Observer,
) -> Result<TrainReport> {
    let binary = training.iter().all(|pair| pair.score == 0.0 || pair.score == 1.0);
    let kind = if binary { TableKind::PairClass } else { TableKind::PairScore };
    train(encoder, &TrainData { kind, training, validation, ..TrainData::default() }, config, observer, None)
}

fn tutorial(config: &TrainConfig) -> Option<(TrainReport, Losses)> {
    let table = public_table("data/tutorial/training_data.csv", Scores::Unit)?;
    let mut model = base();
    let pairs = token_pairs(&model, &table);
    let (training, validation) = pairs.split_at(training_rows(pairs.len(), config.validation_split));
    assert_eq!((training.len(), validation.len()), (78, 20));
    let mut losses = Losses::default();
    let report = learn(&mut *model.encoder, training, validation, config, &mut losses).unwrap();
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
    let pairs = (2..).zip(fixture["pairs"].as_array().unwrap()).map(|(row, pair)| TokenPair {
        left: ids(&pair["left"]),
        right: ids(&pair["right"]),
        score: pair["score"].as_f64().unwrap(),
        row,
        ..TokenPair::default()
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
        let report = learn(&mut *model.encoder, training, validation, &config, &mut losses).unwrap();
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
    let table = tables::read(include_bytes!("../../examples/occupations.csv"), Scores::Unit).unwrap();
    let run = |seed| {
        let mut model = base();
        let pairs = token_pairs(&model, &table);
        let config = TrainConfig { epochs: 2, seed, ..TrainConfig::default() };
        let mut losses = Losses::default();
        learn(&mut *model.encoder, &pairs[..24], &pairs[24..30], &config, &mut losses).unwrap();
        losses.0
    };
    let first = run(1);
    assert_eq!(first, run(1));
    assert_ne!(first, run(2));
}

/// The first 40 example pairs as rows of a kind.
pub(crate) fn example_rows(model: &Model, kind: TableKind) -> Vec<TokenPair> {
    let table = tables::read(include_bytes!("../../examples/occupations.csv"), Scores::Unit).unwrap();
    let mut rows = token_pairs(model, &table);
    rows.truncate(40);
    let others: Vec<Vec<u32>> = rows.iter().cycle().skip(7).take(40).map(|row| row.right.clone()).collect();
    for (row, other) in rows.iter_mut().zip(others) {
        match kind {
            TableKind::PairScore => {}
            TableKind::PairClass => row.score = f64::from(u8::from(row.score > 0.7)),
            TableKind::PairPositive => row.score = 1.0,
            TableKind::Triplet => (row.score, row.negative) = (1.0, Some(other)),
        }
    }
    rows
}

/// Each loss learns from a table that suits it, and each constant of a loss has an effect.
#[test]
fn every_loss_falls_and_its_constants_have_an_effect() {
    let run = |config: TrainConfig| {
        let mut model = base();
        let kind = config.loss.info().tables[0];
        let rows = example_rows(&model, kind);
        let config = TrainConfig {
            epochs: 3,
            learning_rate: 1e-4,
            batch_size: 32,
            shuffle: false,
            early_stopping: None,
            ..config
        };
        let mut losses = Losses::default();
        let data = TrainData { kind, training: &rows[..32], validation: &rows[32..], ..TrainData::default() };
        train(&mut *model.encoder, &data, &config, &mut losses, None).unwrap();
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

/// What a run came to, without the time that it took.
#[derive(Debug, PartialEq)]
struct Outcome {
    step_losses: Vec<f64>,
    epochs: Vec<EpochRecord>,
    kept_epoch: usize,
    alpha: Option<f64>,
    vector: Vec<f32>,
}

/// Splits the first example pairs and trains.
fn run_of(config: &TrainConfig) -> Outcome {
    let mut model = base();
    let parts = split(example_rows(&model, TableKind::PairScore), config).unwrap();
    let general = token_pairs(&model, &eval::retention_pairs());
    let data = TrainData {
        training: &parts.training,
        validation: &parts.validation,
        general: &general,
        replay: if config.replay.is_some() { &general } else { &[] },
        ..TrainData::default()
    };
    let mut losses = Losses::default();
    let report = train(&mut *model.encoder, &data, config, &mut losses, None).unwrap();
    outcome(&model, &parts.training[0], losses.0, report)
}

fn outcome(model: &Model, row: &TokenPair, step_losses: Vec<f64>, report: TrainReport) -> Outcome {
    let mut epochs = report.epochs;
    epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    let vector: Vec<Vec<f32>> = encode(&*model.encoder, &RaggedBatch::new([row.left.as_slice()])).try_into().unwrap();
    let vector = vector.concat();
    Outcome { step_losses, epochs, kept_epoch: report.kept_epoch, alpha: report.alpha, vector }
}

/// A dead setting is a lie: each one, changed, changes the run.
#[test]
fn every_setting_has_an_effect() {
    // A bound and a rate at which clipping, its kinds and epsilon all matter.
    let start = TrainConfig {
        epochs: 3,
        learning_rate: 1e-4,
        clipnorm: Some(0.002),
        early_stopping: None,
        collapse_alarm: false,
        ..TrainConfig::default()
    };
    let usual = run_of(&start);
    assert_eq!(usual, run_of(&start), "the same settings give the same run");
    let stop = EarlyStoppingConfig { patience: 1, min_delta: 10.0, ..EarlyStoppingConfig::default() };
    let contrast = ContrastConfig::default();
    let forgetting = ForgettingConfig { max_drop: 0.0, ..ForgettingConfig::default() };
    let adamw = TrainConfig { optimizer: OptimizerKind::AdamW, ..start.clone() };
    let contrasting = TrainConfig { contrast: Some(contrast), ..start.clone() };
    let adapted = TrainConfig { lora: Some(LoraConfig::default()), ..start.clone() };
    let budget = TrainConfig { forgetting: Some(forgetting), ..start.clone() };
    let against = |reference: &TrainConfig, changed: Vec<(&str, TrainConfig)>| {
        let reference = if *reference == start { &usual } else { &run_of(reference) };
        for (name, config) in changed {
            assert_ne!(run_of(&config), *reference, "{name} has no effect");
        }
    };
    against(
        &start,
        vec![
            ("loss", TrainConfig { loss: LossKind::CosineMse, ..start.clone() }),
            ("contrast", contrasting.clone()),
            ("matryoshka", TrainConfig { matryoshka: Some(vec![64]), ..start.clone() }),
            ("self_distillation", TrainConfig { self_distillation: Some(1.0), ..start.clone() }),
            ("replay", TrainConfig { replay: Some(0.5), ..start.clone() }),
            ("epochs", TrainConfig { epochs: 2, ..start.clone() }),
            ("batch_size", TrainConfig { batch_size: 16, ..start.clone() }),
            ("accumulation", TrainConfig { accumulation: 2, ..start.clone() }),
            ("sampler: balanced", TrainConfig { sampler: SamplerKind::Balanced, ..start.clone() }),
            ("sampler: no_duplicates", TrainConfig { sampler: SamplerKind::NoDuplicates, ..start.clone() }),
            ("sampler: by_length", TrainConfig { sampler: SamplerKind::ByLength, ..start.clone() }),
            ("optimizer: adamw", adamw.clone()),
            ("optimizer: sgd", TrainConfig { optimizer: OptimizerKind::Sgd, ..start.clone() }),
            ("learning_rate", TrainConfig { learning_rate: 2e-4, ..start.clone() }),
            ("layer_decay", TrainConfig { layer_decay: 0.5, ..start.clone() }),
            ("freeze: table", TrainConfig { freeze: vec!["table".to_owned()], ..start.clone() }),
            ("freeze: ngrams", TrainConfig { freeze: vec!["ngrams".to_owned()], ..start.clone() }),
            ("last_layers", TrainConfig { last_layers: Some(2), ..start.clone() }),
            ("lora", adapted.clone()),
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
            ("forgetting", budget.clone()),
            ("collapse_alarm", TrainConfig { collapse_alarm: true, ..start.clone() }),
        ],
    );
    let lora = |lora| TrainConfig { lora: Some(lora), ..start.clone() };
    against(
        &adapted,
        vec![
            ("lora.rank", lora(LoraConfig { rank: 4, alpha: 8.0, targets: None })),
            ("lora.alpha", lora(LoraConfig { alpha: 8.0, ..LoraConfig::default() })),
            ("lora.targets", lora(LoraConfig { targets: Some(vec!["Ngram".to_owned()]), ..LoraConfig::default() })),
            ("seed under lora", TrainConfig { seed: 7, shuffle: false, ..adapted.clone() }),
        ],
    );
    against(&adamw, vec![("weight_decay", TrainConfig { weight_decay: Some(0.5), ..adamw.clone() })]);
    against(
        &contrasting,
        vec![
            (
                "contrast.weight",
                TrainConfig { contrast: Some(ContrastConfig { weight: 0.5, ..contrast }), ..start.clone() },
            ),
            (
                "contrast.scale",
                TrainConfig { contrast: Some(ContrastConfig { scale: 10.0, ..contrast }), ..start.clone() },
            ),
            ("positive_from", TrainConfig { positive_from: 0.9, ..contrasting.clone() }),
            ("symmetric", TrainConfig { symmetric: false, ..contrasting.clone() }),
            ("guide", TrainConfig { guide: Some(0.1), ..contrasting.clone() }),
        ],
    );
    let of_budget = |budget| TrainConfig { forgetting: Some(budget), ..start.clone() };
    against(
        &budget,
        vec![
            ("forgetting.metric", of_budget(ForgettingConfig { metric: GeneralMetric::Spearman, ..forgetting })),
            ("forgetting.action", of_budget(ForgettingConfig { action: ForgettingAction::Rollback, ..forgetting })),
        ],
    );
}

/// Gradient caching bounds memory and changes nothing else.
#[test]
fn a_batch_in_parts_learns_what_the_whole_batch_learns() {
    let config = TrainConfig {
        epochs: 2,
        batch_size: 16,
        learning_rate: 1e-4,
        contrast: Some(ContrastConfig::default()),
        early_stopping: None,
        ..TrainConfig::default()
    };
    let (whole, parts) = (run_of(&config), run_of(&TrainConfig { mini_batch: Some(3), ..config.clone() }));
    for (whole, part) in whole.step_losses.iter().zip(&parts.step_losses) {
        assert!((whole - part).abs() < 1e-5, "{whole} is not {part}");
    }
    assert!(cosine(&whole.vector, &parts.vector) > 0.999_999);
    assert_ne!(whole.step_losses[0], whole.step_losses[1], "nothing was learnt, so nothing was compared");
}

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

/// A rate that wrecks the model.
#[test]
fn a_collapsing_run_ends_and_goes_back() {
    let mut model = base();
    let mut rows = example_rows(&model, TableKind::PairScore);
    // All pairs are said to be the same: the cheapest answer is one vector for every text.
    rows.iter_mut().for_each(|row| row.score = 1.0);
    let before = encode(&*model.encoder, &RaggedBatch::new([rows[0].left.as_slice()]));
    let config = TrainConfig { learning_rate: 3e-3, epochs: 20, early_stopping: None, ..TrainConfig::default() };
    let data = TrainData { training: &rows[..32], validation: &rows[32..], ..TrainData::default() };
    let report = train(&mut *model.encoder, &data, &config, &mut Losses::default(), None).unwrap();
    assert_eq!(report.stopped, Stopped::Collapse);
    assert!(report.kept_epoch < report.epochs.len());
    if report.kept_epoch == 0 {
        let after = encode(&*model.encoder, &RaggedBatch::new([rows[0].left.as_slice()]));
        assert_eq!(Vec::<Vec<f32>>::try_from(&before).unwrap(), Vec::<Vec<f32>>::try_from(&after).unwrap());
    }
    let texts: Vec<&[u32]> = rows.iter().flat_map(TokenPair::texts).collect();
    assert!(eval::embedding_stats(&*model.encoder, &texts, 42).cosine_mean < 0.9, "what is kept tells texts apart");
}

/// A rate that costs general ability: each answer to it does what it says.
#[test]
fn a_budget_of_forgetting_is_kept() {
    let with = |action, max_drop| TrainConfig {
        epochs: 4,
        learning_rate: 1e-3,
        early_stopping: None,
        collapse_alarm: false,
        forgetting: Some(ForgettingConfig { metric: GeneralMetric::Pearson, max_drop, action }),
        ..TrainConfig::default()
    };
    let run = |config: &TrainConfig| {
        let mut model = base();
        let rows = example_rows(&model, TableKind::PairScore);
        let general = token_pairs(&model, &eval::retention_pairs());
        let ability = |model: &Model| eval::benchmark(&*model.encoder, "", &general).pearson.unwrap();
        let before = ability(&model);
        let data =
            TrainData { training: &rows[..32], validation: &rows[32..], general: &general, ..TrainData::default() };
        let report = train(&mut *model.encoder, &data, config, &mut Losses::default(), None).unwrap();
        let after = ability(&model);
        (before - after, report)
    };
    let (dropped, report) = run(&with(ForgettingAction::Interpolate, 1.0));
    assert!(dropped > 0.05, "the run forgot {dropped}, so no budget is tested");
    assert_eq!((report.alpha.unwrap() > 0.0, report.sweep.len()), (true, 11));

    let (dropped, report) = run(&with(ForgettingAction::Stop, 0.01));
    assert_eq!((report.stopped, report.kept_epoch), (Stopped::Forgetting, report.epochs.len()));
    assert!(dropped > 0.01);

    let (dropped, report) = run(&with(ForgettingAction::Rollback, 0.01));
    assert_eq!((report.stopped, report.kept_epoch), (Stopped::Forgetting, report.epochs.len() - 1));
    assert!(dropped <= 0.01, "{dropped}");

    let (dropped, report) = run(&with(ForgettingAction::Interpolate, 0.01));
    assert_eq!(report.epochs.len(), 4, "the run goes on");
    assert!(dropped <= 0.01 + 1e-6, "{dropped} of {:?}", report.sweep);
    let chosen = report.sweep.iter().find(|point| Some(point.alpha) == report.alpha).unwrap();
    let within = report.sweep.iter().filter(|point| report.sweep[0].general - point.general <= 0.01);
    let best = within.map(|point| point.val_spearman.unwrap()).fold(f64::NEG_INFINITY, f64::max);
    assert_eq!(chosen.val_spearman, Some(best));
}

#[test]
fn the_best_epochs_weights_are_kept_when_asked_for() {
    let table = tables::read(include_bytes!("../../examples/occupations.csv"), Scores::Unit).unwrap();
    let mut model = base();
    let pairs = token_pairs(&model, &table);
    // A rate at which validation gets worse after its first epochs.
    let early_stopping =
        Some(EarlyStoppingConfig { patience: 2, min_delta: 0.0, monitor: Monitor::ValLoss, restore_best: true });
    let config = TrainConfig { epochs: 12, learning_rate: 3e-4, early_stopping, ..TrainConfig::default() };
    let (training, validation) = (&pairs[..32], &pairs[32..64]);
    let report = learn(&mut *model.encoder, training, validation, &config, &mut Losses::default()).unwrap();
    let best = report.epochs.iter().min_by(|a, b| a.val_loss.total_cmp(&b.val_loss)).unwrap();
    assert_eq!(report.kept_epoch, best.epoch);
    assert!(report.kept_epoch < report.epochs.len(), "validation never got worse, so nothing was tested");
    assert_eq!(report.stopped, Stopped::EarlyStopping);
    let now = eval::validate(&*model.encoder, validation, config.loss.measure().into());
    assert!((now.mse - best.val_loss).abs() < 1e-9, "{} is not {}", now.mse, best.val_loss);
}
