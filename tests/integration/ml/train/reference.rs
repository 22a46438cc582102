//! Runs that give the losses of other implementations.

use serde_json::Value;
use shamisen::ml::encoder::{RaggedBatch, encode};
use shamisen::ml::eval::token_pairs;
use shamisen::ml::train::{ClipTable, EpsilonMode, TokenPair, TrainConfig, TrainReport, training_rows};
use tables::Scores;
use tables::similarity::cosine;

use super::{Losses, learn};
use crate::fixtures::{base, public_data, public_table};

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
    let fixture: Value = serde_json::from_str(include_str!("../../../fixtures/training.json")).unwrap();
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
