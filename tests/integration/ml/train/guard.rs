//! When a run ends before its last epoch, and which weights are kept.

use shamisen::ml::encoder::{Model, RaggedBatch, encode};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::train::{
    EarlyStoppingConfig, ForgettingAction, ForgettingConfig, GeneralMetric, Monitor, Stopped, TokenPair, TrainConfig,
    TrainData, train,
};
use tables::{self, Scores, TableKind};

use super::{Losses, example_rows, learn};
use crate::fixtures::base;

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
    let table = tables::read(include_bytes!("../../../../examples/occupations.csv"), Scores::Unit).unwrap();
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
