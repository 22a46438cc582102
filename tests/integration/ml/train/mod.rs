//! Training on the real model.

pub(crate) mod checkpoint;
mod guard;
mod labelled;
mod reference;
mod settings;

use shamisen::ml::Result;
use shamisen::ml::encoder::{Encoder, Model, RaggedBatch, encode};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::pairs::Labels;
use shamisen::ml::train::{
    Checkpoint, EpochRecord, Observer, Step, TokenPair, TrainConfig, TrainData, TrainReport, split, train,
};
use tables::{self, Scores, TableKind};

use crate::fixtures::base;

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

/// The first 40 example pairs as rows of a kind.
pub(crate) fn example_rows(model: &Model, kind: TableKind) -> Vec<TokenPair> {
    let table = tables::read(include_bytes!("../../../../examples/occupations.csv"), Scores::Unit).unwrap();
    let mut rows = token_pairs(model, &table);
    rows.truncate(40);
    let others: Vec<Vec<u32>> = rows.iter().cycle().skip(7).take(40).map(|row| row.right.clone()).collect();
    for (place, (row, other)) in rows.iter_mut().zip(others).enumerate() {
        match kind {
            TableKind::PairScore => {}
            TableKind::PairClass => row.score = f64::from(u8::from(row.score > 0.7)),
            TableKind::PairPositive => row.score = 1.0,
            TableKind::Triplet => (row.score, row.negative) = (1.0, Some(other)),
            // Four labels, ten rows each.
            TableKind::Labelled => {
                let own = place as u32 % 4;
                let labels = Labels { own, left: [own].into(), right: [own].into(), ..Labels::default() };
                (row.score, row.right, row.labels) = (1.0, row.left.clone(), Some(labels));
            }
        }
    }
    rows
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
