//! Fine-tuning: a siamese network is one encoder read twice.

mod aim;
mod checkpoint;
mod config;
mod early_stopping;
mod graph;
mod guard;
mod layers;
mod loss;
mod objective;
mod observer;
mod optimizer;
mod options;
mod recipe;
mod sampler;
mod schedule;
mod size;
mod snapshot;
mod split;

use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use aim::Aim;
pub use checkpoint::{Checkpoint, Conditions, Counters};
pub use config::TrainConfig;
pub use guard::SweepPoint;
pub use loss::{LOSSES, Loss, LossInfo, LossKind, angular_similarity, cosine};
pub use observer::{EpochRecord, Observer, Step};
pub use options::{
    ClipKind, ClipTable, ContrastConfig, EarlyStoppingConfig, EpsilonMode, ForgettingAction, ForgettingConfig,
    GeneralMetric, LoraConfig, Monitor, OptimizerKind, SamplerKind, Schedule,
};
pub use recipe::{Recipe, RecipeFacts};
pub use size::stored_bytes;
pub use split::{Split, SplitKind, split, training_rows};

use crate::ml::dataset::TableKind;
use crate::ml::dataset::reading::LowestMeans;
use crate::ml::encoder::{Adapters, Dropout, Encoder, split_mix};
use crate::ml::eval;
use crate::ml::{Error, Result};
use early_stopping::EarlyStopping;
use guard::Guard;
use layers::LayerShares;
use objective::{Batch, Objective};
use optimizer::Optimizer;
use sampler::{batches, replayed};
use schedule::LearningRate;
use snapshot::Snapshot;

/// A row whose texts are tokens already: once, not once an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenPair {
    /// The left text's ids.
    pub left: Vec<u32>,
    /// The right text's ids.
    pub right: Vec<u32>,
    /// Of a triplet, the ids of the text that does not belong.
    pub negative: Option<Vec<u32>>,
    /// How alike left and right are, 0 to 1, as the table says it; [`Aim`] knows which similarity that asks for.
    pub score: f64,
    /// The row as a spreadsheet counts it.
    pub row: usize,
}

impl TokenPair {
    /// The row's texts as the model reads them: texts that become the same tokens are the same.
    pub fn texts(&self) -> impl Iterator<Item = &[u32]> {
        [self.left.as_slice(), &self.right].into_iter().chain(self.negative.as_deref())
    }
}

/// The rows of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrainData<'a> {
    /// What the rows are.
    pub kind: TableKind,
    /// What their lowest score says, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
    /// What is learnt. With `validation` from [`split()`].
    pub training: &'a [TokenPair],
    /// What each epoch is judged by.
    pub validation: &'a [TokenPair],
    /// Rows from elsewhere, learnt beside against forgetting.
    pub replay: &'a [TokenPair],
    /// What general ability is measured with, where there is a budget of it.
    pub general: &'a [TokenPair],
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs were done.
    MaxEpochs,
    /// The watched metric no longer got better.
    EarlyStopping,
    /// General ability fell below the budget.
    Forgetting,
    /// All texts became alike.
    Collapse,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TrainReport {
    /// Each epoch.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// The epoch whose weights the encoder has now; 0 for the base's.
    pub kept_epoch: usize,
    /// Mixes of base and tuned weights, where the budget of forgetting asked for them.
    pub sweep: Vec<SweepPoint>,
    /// How much of the tuned weights is in the encoder now, where they were mixed.
    pub alpha: Option<f64>,
    /// Where kernels learnt through factors, those that make the encoder's kernels out of the base's. They
    /// are saved with the model, and stand in no report.
    #[serde(skip)]
    pub adapters: Option<Adapters>,
}

/// Fine-tunes `encoder` in place, so that the similarity of each pair follows its score.
///
/// Gradients reach every variable and the rows of the vocabulary's table that the training texts use, but for
/// layers that are frozen; with `lora`, the kernels' factors alone. Weights that learn are copied first: other
/// handles to the encoder keep the base's.
/// With a checkpoint of the same run, goes on where it was taken.
///
/// # Errors
/// [`Error::Config`] where a setting has no meaning or the rows teach nothing under the loss,
/// [`Error::Diverged`] where the loss is no longer a number, [`Error::Checkpoint`] where the checkpoint
/// is not of this run, and what the observer returns.
pub fn train(
    encoder: &mut dyn Encoder,
    data: &TrainData<'_>,
    config: &TrainConfig,
    observer: &mut dyn Observer,
    checkpoint: Option<Checkpoint>,
) -> Result<TrainReport> {
    config.check()?;
    check_signal(config, data)?;
    check_dimensions(config, encoder)?;
    let training = data.training;
    if config.head_only {
        encoder.add_head();
    }
    let base = Snapshot::of(encoder, 0, None);
    let shares = LayerShares::new(encoder, config)?;
    let objective = Objective::new(config, encoder, data, shares.head_alone(encoder));
    let dropout = drops(encoder, config)?;
    let guard = Guard::new(encoder, training, data.general, config)?;
    let total_steps = config.epochs * training.len().div_ceil(config.batch_size).div_ceil(config.accumulation);
    let learning_rate = LearningRate::new(config, total_steps);
    let texts = training.iter().chain(data.replay).flat_map(TokenPair::texts);
    let ids = texts.flatten().map(|&id| i64::from(id)).collect();
    let mut optimizer = Optimizer::new(encoder, ids, config, &shares, learning_rate)?;
    let mut early_stopping = config.early_stopping.map(EarlyStopping::new);
    let mut kept = base.shallow_clone();
    let mut at = Counters { epoch: 1, ..Counters::default() };
    if let Some(Checkpoint { counters, tensors }) = checkpoint {
        optimizer.restore(counters.step as i32, &tensors)?;
        kept = Snapshot::restore(counters.kept_epoch, &base, &tensors, encoder)?;
        if let Some(stopping) = &mut early_stopping {
            stopping.waiting = counters.waiting;
        }
        at = counters;
    }
    optimizer.merge(encoder);
    let judged = eval::judged(data.validation, data.kind);
    let mut stopped = Stopped::MaxEpochs;

    while at.epoch <= config.epochs {
        let started = Instant::now();
        let seconds_before = at.seconds_of_epoch;
        let batches = batches(training, config, at.epoch);
        for batches in batches.chunks(config.accumulation).skip(at.steps_of_epoch) {
            // Forward and backward: the same encoder for all columns, in one ragged batch; several
            // batches' gradients add up.
            let batches: Vec<Batch<'_>> =
                (0..).zip(batches).map(|(part, rows)| batch(data, rows, (config, dropout), at.step, part)).collect();
            let ids = batches.iter().flat_map(Batch::texts).flatten().map(|&id| i64::from(id));
            let gathered = optimizer.gather(ids.collect());
            let share = 1.0 / batches.len() as f64;
            let leaves = optimizer.leaves(&gathered);
            let (mut value, mut gradients) = (0.0, Vec::new());
            for batch in &batches {
                let (loss, slopes) = objective.gradients(encoder, &gathered, batch, share, &leaves)?;
                graph::add(&mut gradients, slopes.into_iter().map(Some).collect());
                at.loss_of_rows += loss * batch.pairs.len() as f64;
                at.rows_of_epoch += batch.pairs.len();
                value += loss * share;
            }
            at.step += 1;
            finite(value, &at, config)?;

            // Clip the gradients, then step.
            optimizer.step(&gathered, gradients.into_iter().flatten().collect());
            optimizer.merge(encoder);
            at.steps_of_epoch += 1;
            at.step_losses.resize(at.epoch, Vec::new());
            at.step_losses[at.epoch - 1].push(value);
            at.seconds_of_epoch = seconds_before + started.elapsed().as_secs_f64();
            let step = Step { epoch: at.epoch, step: at.step, total_steps, loss: value };
            observer.step(step, &|| {
                let waiting = early_stopping.as_ref().map(|stopping| stopping.waiting).unwrap_or_default();
                let counters = Counters { waiting, kept_epoch: kept.epoch, ..at.clone() };
                let mut tensors = optimizer.state();
                tensors.extend(kept.tensors());
                Checkpoint { counters, tensors }
            })?;
        }

        let table = optimizer.table();
        encoder.set_table(table);
        let mut record = judge(encoder, data.validation, &judged, &objective, &at);
        finite(record.val_loss, &at, config)?;
        record.learning_rate = learning_rate.at(at.step as i32);
        let over = guard.judge(encoder, &mut record)?;
        record.seconds = seconds_before + started.elapsed().as_secs_f64();
        observer.epoch(&record, encoder)?;
        let judgement = early_stopping.as_mut().map(|stopping| stopping.judge(&record)).transpose()?;
        at.epochs.push(record);
        if let Some(reason) = over {
            stopped = reason;
            break;
        }
        let restore_best = config.early_stopping.is_some_and(|stop| stop.restore_best);
        if !restore_best || judgement.is_some_and(|epoch| epoch.best) {
            kept = Snapshot::of(encoder, at.epoch, optimizer.adapters()?);
        }
        if judgement.is_some_and(|epoch| epoch.stop) {
            stopped = Stopped::EarlyStopping;
            break;
        }
        let Counters { step, epoch, step_losses, epochs, .. } = at;
        at = Counters { step, epoch: epoch + 1, step_losses, epochs, ..Counters::default() };
    }

    // The last epoch's weights are in the encoder. Where others are kept, they go back.
    let within = !matches!(stopped, Stopped::Forgetting | Stopped::Collapse);
    let tuned = if guard.goes_back(stopped) || within {
        kept.put_into(encoder);
        kept
    } else {
        Snapshot::of(encoder, at.epochs.len(), optimizer.adapters()?)
    };
    let (sweep, alpha) = guard.interpolate(encoder, [&base, &tuned], &|encoder| {
        let record = judge(encoder, data.validation, &judged, &objective, &Counters::default());
        (record.val_spearman, record.val_loss)
    })?;
    let adapters = tuned.adapters.map(|adapters| alpha.map_or(adapters.clone(), |part| adapters.scaled(part)));
    Ok(TrainReport { epochs: at.epochs, stopped, kept_epoch: tuned.epoch, sweep, alpha, adapters })
}

/// The rows of a batch, and those that are replayed beside them. `step` counts those that are done.
fn batch<'a>(
    data: &TrainData<'a>,
    rows: &[usize],
    (config, drops): (&TrainConfig, bool),
    step: usize,
    part: usize,
) -> Batch<'a> {
    let pairs = rows.iter().map(|&row| &data.training[row]).collect();
    let count = match data.replay.len() {
        0 => 0,
        _ => (rows.len() as f64 * config.replay.unwrap_or(REPLAY)).ceil() as usize,
    };
    let number = step * config.accumulation + part;
    let draws = replayed(data.replay.len(), count, config.seed, number);
    let dropout =
        drops.then(|| Dropout { seed: split_mix(config.seed ^ split_mix(number as u64)), rate: config.dropout });
    Batch { pairs, replay: draws.into_iter().map(|row| &data.replay[row]).collect(), dropout }
}

/// Rows that are replayed for each training row, where the settings do not say.
const REPLAY: f64 = 0.25;

/// What the validation rows say of an epoch, the loss by the rows themselves, the rest by them as pairs.
fn judge(
    encoder: &dyn Encoder,
    validation: &[TokenPair],
    judged: &[TokenPair],
    objective: &Objective<'_>,
    at: &Counters,
) -> EpochRecord {
    let validated = eval::validate(encoder, judged, objective.aim());
    let val_loss = objective.validation(encoder, validation).unwrap_or(validated.mse);
    EpochRecord {
        epoch: at.epoch,
        loss: at.loss_of_rows / at.rows_of_epoch.max(1) as f64,
        val_loss,
        val_mae: validated.mae,
        val_mape: validated.mape,
        val_pearson: validated.pearson,
        val_spearman: validated.spearman,
        val_mrr: validated.retrieval.map(|retrieval| retrieval.mrr),
        general: None,
        spread: None,
        learning_rate: 0.0,
        seconds: 0.0,
    }
}

/// Refuses training rows that teach nothing under the loss.
fn check_signal(config: &TrainConfig, data: &TrainData<'_>) -> Result<()> {
    let scores = || data.training.iter().map(|pair| pair.score);
    let distinct: std::collections::BTreeSet<u64> = scores().map(f64::to_bits).collect();
    let (lowest, highest) = (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
    if let Some(reason) = config.loss.objection(data.kind, lowest, highest, distinct.len()) {
        return Err(Error::Config { field: "loss", reason });
    }
    let positives = scores().filter(|&score| score >= config.positive_from).count();
    if config.contrasts() && positives < 2 {
        let reason = format!("{positives} training rows have at least this score; in-batch contrast needs two");
        return Err(Error::Config { field: "positive_from", reason });
    }
    if config.replay.is_some() && data.replay.is_empty() {
        let reason = "has no meaning without a table to replay; name one, or leave it out".to_owned();
        return Err(Error::Config { field: "replay", reason });
    }
    Ok(())
}

/// Whether numbers are dropped.
fn drops(encoder: &dyn Encoder, config: &TrainConfig) -> Result<bool> {
    if config.dropout.is_some() && !encoder.drops() {
        let reason = "has no meaning for this model, which drops nothing; leave it out".to_owned();
        return Err(Error::Config { field: "dropout", reason });
    }
    if config.gradient_checkpointing && encoder.blocks() == 0 {
        let reason = "has no meaning for this model, which has no blocks; leave it out".to_owned();
        return Err(Error::Config { field: "gradient_checkpointing", reason });
    }
    Ok(encoder.drops() && config.dropout != Some(0.0))
}

fn check_dimensions(config: &TrainConfig, encoder: &dyn Encoder) -> Result<()> {
    let whole = encoder.dimensions();
    match config.matryoshka.iter().flatten().find(|&&dimensions| dimensions >= whole) {
        Some(dimensions) => {
            let reason = format!("{dimensions} is no part of this model's {whole} dimensions, which count anyway");
            Err(Error::Config { field: "matryoshka", reason })
        }
        None => Ok(()),
    }
}

fn finite(loss: f64, at: &Counters, config: &TrainConfig) -> Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    Err(Error::Diverged { epoch: at.epoch, step: at.step, loss, learning_rate: config.learning_rate })
}
