//! What each setting does.

use shamisen::ml::eval::token_pairs;
use shamisen::ml::train::{
    ClipKind, ClipTable, ContrastConfig, EarlyStoppingConfig, EpsilonMode, ForgettingAction, ForgettingConfig,
    GeneralMetric, LOSSES, LoraConfig, LossKind, OptimizerKind, SamplerKind, Schedule, SplitKind, TrainConfig,
    TrainData, train,
};
use tables::similarity::cosine;
use tables::{self, Scores};

use super::{Losses, example_rows, learn, run_of};
use crate::fixtures::base;

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let table = tables::read(include_bytes!("../../../../examples/occupations.csv"), Scores::Unit).unwrap();
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
