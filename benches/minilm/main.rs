//! How fast a transformer encodes and trains, all cores used as the product uses them.
//!
//! Reads commands from standard input, one a line, and answers each with a JSON line, so that other
//! programs can take turns with it. `benches/minilm.py` does; by itself:
//!
//! ```text
//! echo encode | cargo bench --bench minilm -- --model FOLDER --pairs stsb-en-dev.csv
//! ```

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use clap::Parser;
use serde_json::{Value, json};
use shamisen::ml::encoder::{self, Encoder, Model, TokenCache, TruncationDirection, encode_all, tokenize};
use shamisen::ml::eval::token_pairs;
use shamisen::ml::train::{
    Checkpoint, ClipKind, EpochRecord, EpsilonMode, LossKind, Observer, OptimizerKind, Step, TrainConfig, TrainData,
    train,
};
use tables::{self, PairDataset, Scores};

/// Pairs whose texts are encoded.
const PAIRS: usize = 500;

/// Measures a transformer: commands `encode`, `train BATCH STEPS DROPOUT`.
#[derive(Parser)]
struct Options {
    /// The base model's folder.
    #[arg(long)]
    model: PathBuf,
    /// A table of pairs with scores, without a header: the first 500 are encoded.
    #[arg(long)]
    pairs: PathBuf,
    /// A table of pairs with scores from 0 to 5, without a header, to train on.
    #[arg(long)]
    train: Option<PathBuf>,
    /// Cargo says so to whatever it runs as a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let table = read(&options.pairs)?;
    let texts: Vec<String> =
        table.pairs.iter().take(PAIRS).flat_map(|pair| [pair.left.clone(), pair.right.clone()]).collect();
    let mut model = encoder::load(&options.model)?;
    model.encoder.prepare_inference(&Arc::new(TokenCache::default()));
    let out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let answer = match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["encode"] => encode(&model, &texts),
            ["train", batch_size, steps, dropout] => {
                let file = options.train.as_ref().context("--train names the table")?;
                train_some(&options.model, file, batch_size.parse()?, steps.parse()?, *dropout == "true")?
            }
            other => bail!("{other:?} is no command"),
        };
        writeln!(&out, "{answer}")?;
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<PairDataset> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(tables::read(&bytes, Scores::Any)?)
}

/// Texts to vectors of length 1, tokenization included.
fn encode(model: &Model, texts: &[String]) -> Value {
    let started = Instant::now();
    let ids = tokens(model, texts);
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let vectors = encode_all(&*model.encoder, &ids);
    let seconds = started.elapsed().as_secs_f64();
    let tokens: usize = ids.iter().map(|ids| ids.len()).sum();
    let sum = vectors.sum(tch::Kind::Double).double_value(&[]);
    json!({"texts_per_second": texts.len() as f64 / seconds, "tokens": tokens, "sum": sum})
}

/// The texts' ids, half of them on each of two threads.
fn tokens(model: &Model, texts: &[String]) -> Vec<Vec<u32>> {
    let (tokenizer, most) = (&*model.tokenizer, model.encoder.max_tokens());
    let of = |texts: &[String]| -> Vec<Vec<u32>> {
        texts.iter().map(|text| tokenize(tokenizer, "", text, most, TruncationDirection::Right).ids).collect()
    };
    let (first, second) = texts.split_at(texts.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(|| of(second));
        let mut ids = of(first);
        ids.extend(second.join().unwrap_or_default());
        ids
    })
}

/// When each step ended, and its loss.
struct Steps(Vec<(Instant, f64)>);

impl Observer for Steps {
    fn step(&mut self, step: Step, _: &dyn Fn() -> Checkpoint) -> shamisen::ml::Result<()> {
        self.0.push((Instant::now(), step.loss));
        Ok(())
    }

    fn epoch(&mut self, _: &EpochRecord, _: &dyn Encoder) -> shamisen::ml::Result<()> {
        Ok(())
    }
}

/// Steps as sentence-transformers takes them by default: AdamW, all gradients kept to a norm of 1 together.
/// The first two warm up and are not in the rate.
fn train_some(folder: &Path, file: &Path, batch_size: usize, steps: usize, dropout: bool) -> anyhow::Result<Value> {
    let mut model = encoder::load(folder)?;
    let mut table = read(file)?;
    table.pairs.truncate(batch_size * (steps + 2));
    table.pairs.iter_mut().for_each(|pair| pair.score /= 5.0);
    let pairs = token_pairs(&model, &table);
    let config = TrainConfig {
        loss: LossKind::CosineMse,
        optimizer: OptimizerKind::AdamW,
        learning_rate: 2e-5,
        beta_2: 0.999,
        epsilon: 1e-8,
        epsilon_mode: EpsilonMode::Torch,
        clip: ClipKind::Global,
        early_stopping: None,
        collapse_alarm: false,
        epochs: 1,
        batch_size,
        shuffle: false,
        dropout: if dropout { None } else { Some(0.0) },
        ..TrainConfig::default()
    };
    let data = TrainData { training: &pairs, validation: &pairs[..1], ..TrainData::default() };
    let mut taken = Steps(Vec::new());
    train(&mut *model.encoder, &data, &config, &mut taken, None)?;
    let (first, last) = (taken.0[1].0, taken.0[taken.0.len() - 1].0);
    let pairs_per_second = (batch_size * (taken.0.len() - 2)) as f64 / (last - first).as_secs_f64();
    let losses: Vec<f64> = taken.0.iter().map(|(_, loss)| *loss).collect();
    Ok(json!({"pairs_per_second": pairs_per_second, "losses": losses}))
}
