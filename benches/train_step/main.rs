//! How fast training is: pairs a second, steps over tables of different heights, and the share of
//! libtorch's own sgemm peak that forward and backward reach.
//!
//! Prints JSON lines. `benches/train_step.py` sets them beside PyTorch's; by itself:
//!
//! ```text
//! cargo bench --bench train_step -- epochs --batch-size 8
//! cargo bench --bench train_step -- vocabulary
//! cargo bench --bench train_step -- peak --batch-size 64
//! ```

mod peak;
mod vocabulary;

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::{Parser, Subcommand};
use serde::Serialize;
use shamisen::ml::encoder::{self, Encoder, Model};
use shamisen::ml::eval::token_pairs;
use shamisen::ml::train::{
    Checkpoint, ClipTable, EpochRecord, EpsilonMode, Observer, Step, TokenPair, TrainConfig, TrainData, train,
};
use tables::{self, Scores};

/// Measures the trainer and prints JSON lines.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    what: What,
    /// The base model's folder.
    #[arg(long, global = true, default_value = "data/models/use-multilingual-v3")]
    model: PathBuf,
    /// A table of pairs.
    #[arg(long, global = true, default_value = "examples/occupations.csv")]
    pairs: PathBuf,
    /// Pairs in a step.
    #[arg(long, global = true, default_value_t = 8)]
    batch_size: usize,
    /// Measurements of each kind, in turn; the first warms up and is left out.
    #[arg(long, global = true, default_value_t = 8)]
    rounds: usize,
    /// libtorch's threads; 0 for as many as there are cores.
    #[arg(long, global = true, default_value_t = 0)]
    threads: i32,
    /// Cargo says so to whatever it runs as a benchmark.
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// The pairs' token ids and scores, so that other programs train on the same.
    Tokens,
    /// Epochs of training, one after another: seconds and each step's loss.
    Epochs,
    /// The same steps over the model's table and over one that is eight times as high.
    Vocabulary,
    /// Forward and backward against the sgemm peak.
    Peak,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_interop_threads(1);
    tch::set_num_threads(if options.threads > 0 { options.threads } else { i32::try_from(cores)? });
    let model = encoder::load(&options.model).context("the base model; run `make model` once before")?;
    let table = std::fs::read(&options.pairs).with_context(|| options.pairs.display().to_string())?;
    let pairs = token_pairs(&model, &tables::read(&table, Scores::Unit)?);
    match options.what {
        What::Tokens => tokens(&pairs),
        What::Epochs => epochs(model, &pairs, &config(options.batch_size, options.rounds)),
        What::Vocabulary => vocabulary::measure(&model, &options.model, &pairs, options.batch_size, options.rounds),
        What::Peak => peak::measure(&*model.encoder, &pairs, options.batch_size, options.rounds),
    }
}

/// The tutorial's settings as PyTorch's Adam understands them, the rows in the order of the file.
fn config(batch_size: usize, epochs: usize) -> TrainConfig {
    TrainConfig {
        epochs,
        batch_size,
        epsilon_mode: EpsilonMode::Torch,
        clip_table: ClipTable::Whole,
        shuffle: false,
        early_stopping: None,
        // Measures, and takes no part in the steps.
        collapse_alarm: false,
        ..TrainConfig::default()
    }
}

fn tokens(pairs: &[TokenPair]) -> anyhow::Result<()> {
    for TokenPair { left, right, score, .. } in pairs {
        say(&serde_json::json!({"left": left, "right": right, "score": score}))?;
    }
    Ok(())
}

fn epochs(model: Model, pairs: &[TokenPair], config: &TrainConfig) -> anyhow::Result<()> {
    let mut encoder = model.encoder;
    for epoch in timed_epochs(&mut *encoder, pairs, config)? {
        say(&epoch)?;
    }
    Ok(())
}

/// Trains and times each epoch, all that belongs to it included: collating, the steps, bringing the
/// table up to date, and one validation pair, since training does not go without.
fn timed_epochs(encoder: &mut dyn Encoder, pairs: &[TokenPair], config: &TrainConfig) -> anyhow::Result<Vec<Epoch>> {
    let mut watch = Watch { since: Instant::now(), losses: Vec::new(), pairs: pairs.len(), epochs: Vec::new() };
    let data = TrainData { training: pairs, validation: &pairs[..1], ..TrainData::default() };
    train(encoder, &data, config, &mut watch, None)?;
    Ok(watch.epochs)
}

/// One epoch of all pairs.
#[derive(Serialize)]
struct Epoch {
    seconds: f64,
    pairs_per_second: f64,
    /// Of each step.
    losses: Vec<f64>,
}

struct Watch {
    since: Instant,
    losses: Vec<f64>,
    pairs: usize,
    epochs: Vec<Epoch>,
}

impl Observer for Watch {
    fn step(&mut self, step: Step, _state: &dyn Fn() -> Checkpoint) -> shamisen::ml::Result<()> {
        self.losses.push(step.loss);
        Ok(())
    }

    fn epoch(&mut self, _: &EpochRecord, _: &dyn Encoder) -> shamisen::ml::Result<()> {
        let seconds = self.since.elapsed().as_secs_f64();
        let losses = std::mem::take(&mut self.losses);
        self.epochs.push(Epoch { seconds, pairs_per_second: self.pairs as f64 / seconds, losses });
        self.since = Instant::now();
        Ok(())
    }
}

fn say(line: &impl Serialize) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string(line)?)?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
