//! A model learns from twelve pairs: train, save what changed, load it over its base, compare.
//!
//! ```text
//! cargo run --release --example train -- data/models/use-multilingual-v3 /tmp/twelve
//! ```
#![expect(clippy::print_stdout, reason = "what an example finds is its output")]

use std::path::Path;

use anyhow::Context;
use shamisen::ml::Result;
use shamisen::ml::encoder::{self, Encoder, Model};
use shamisen::ml::train::{
    Checkpoint, EpochRecord, LossKind, Observer, Step, TokenPair, TrainConfig, TrainData, train,
};
use tables::similarity::Similarity;

/// Two texts and the cosine that they should have: 1 for the same work, 0 for unrelated.
const PAIRS: [(&str, &str, f64); 12] = [
    ("Payroll Clerk", "給与計算担当", 1.0),
    ("Pastry Chef", "パティシエ", 1.0),
    ("Toolmaker", "金型工", 1.0),
    ("Physiotherapist", "Physical Therapist", 1.0),
    ("CNC Machinist", "Toolmaker", 0.7),
    ("Payroll Clerk", "Bookkeeper", 0.7),
    ("Pastry Chef", "Line Cook", 0.4),
    ("Physiotherapist", "Radiographer", 0.4),
    ("Payroll Clerk", "Zookeeper", 0.0),
    ("Pastry Chef", "金型工", 0.0),
    ("Bookkeeper", "経理担当", 1.0),
    ("Line Cook", "Radiographer", 0.0),
];
/// So many of them learn; the others judge each epoch.
const TRAINING: usize = 10;

/// What nobody told it.
const ASKED: [(&str, &str); 3] =
    [("Machinist", "機械加工工"), ("Accountant", "経理担当"), ("Accountant", "Pastry Chef")];

/// Prints each epoch. An error that an observer returns ends the run.
struct Printer;

impl Observer for Printer {
    fn step(&mut self, _: Step, _: &dyn Fn() -> Checkpoint) -> Result<()> {
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord, _: &dyn Encoder) -> Result<()> {
        println!("epoch {}: loss {:.4}, validation loss {:.4}", record.epoch, record.loss, record.val_loss);
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("which model? `make serve` makes data/models/use-multilingual-v3")?;
    let target = arguments.next().context("and where does what it learns go?")?;
    let base = encoder::load(Path::new(&folder))?;

    let rows = PAIRS.map(|(left, right, score)| TokenPair {
        left: base.tokenize(left).ids,
        right: base.tokenize(right).ids,
        score,
        ..TokenPair::default()
    });
    let (training, validation) = rows.split_at(TRAINING);
    let data = TrainData { training, validation, ..TrainData::default() };
    let config = TrainConfig {
        loss: LossKind::CosineMse,
        learning_rate: 1e-4,
        epochs: 8,
        early_stopping: None,
        ..TrainConfig::default()
    };

    // Weights that learn are copied first: the base stays what it is.
    let mut learning = base.encoder.shallow_clone();
    let report = train(&mut *learning, &data, &config, &mut Printer, None)?;
    let tuned = base.with_encoder(learning);

    // A tuned model is what differs from its base.
    encoder::save_tuned(Path::new(&target), "twelve", &tuned, &base, report.adapters.as_ref())?;
    let tuned = encoder::load_tuned(Path::new(&target), &base)?;
    for (left, right) in ASKED {
        println!("{:.3} -> {:.3}  {left} - {right}", cosine(&base, left, right)?, cosine(&tuned, left, right)?);
    }
    Ok(())
}

fn cosine(model: &Model, left: &str, right: &str) -> anyhow::Result<f64> {
    let ids = [left, right].map(|text| model.tokenize(text).ids);
    let vectors = encoder::encode_all(&*model.encoder, &[&ids[0], &ids[1]]);
    let vectors: Vec<Vec<f32>> = vectors.try_into()?;
    Ok(Similarity::Cosine.between(&vectors[0], &vectors[1]))
}
