//! Fine-tuning: a siamese network is one encoder read twice.

mod checkpoint;
mod checks;
mod config;
mod data;
mod early_stopping;
mod forgetting;
mod graph;
mod labelled;
mod layers;
mod loss;
mod objective;
mod observer;
mod optimizer;
mod options;
mod ranges;
mod recipe;
mod report;
mod sampler;
mod schedule;
mod size;
mod snapshot;
mod split;

use std::time::Instant;

pub use crate::ml::pairs::TokenPair;
pub use checkpoint::{Checkpoint, Conditions, Counters};
pub use config::TrainConfig;
pub use data::TrainData;
pub use loss::{LOSSES, Loss, LossInfo, LossKind};
pub use observer::{Observer, Step};
pub use options::{
    ClipKind, ClipTable, ContrastConfig, EarlyStoppingConfig, EpsilonMode, ForgettingAction, ForgettingConfig,
    GeneralMetric, LoraConfig, Monitor, OptimizerKind, SamplerKind, Schedule, SplitKind,
};
pub use ranges::{LEARNING_RATE_MULTIPLIER, LISTS, MOST_STEPS, NAME as LISTED_NAME, NUMBERS, Range};
pub use recipe::{Recipe, RecipeFacts};
pub use report::{EpochRecord, Stopped, SweepPoint, TrainReport};
pub use size::{LeastBytes, stored_bytes};
pub use split::{Split, split, training_rows};

use crate::ml::encoder::{Dropout, Encoder, split_mix};
use crate::ml::eval;
use crate::ml::{Error, Result};
use early_stopping::EarlyStopping;
use forgetting::ForgettingMonitor;
use layers::LayerShares;
use objective::{Batch, Objective};
use optimizer::Optimizer;
use sampler::{batches, replayed};
use schedule::LearningRate;
use snapshot::Snapshot;

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
    config.check_for(encoder, data)?;
    let training = data.training;
    if config.head_only {
        encoder.add_head();
    }
    let base = Snapshot::of(encoder, 0, None);
    let shares = LayerShares::new(encoder, config)?;
    let objective = Objective::new(config, encoder, data, shares.head_alone(encoder));
    let dropout = encoder.drops() && config.dropout != Some(0.0);
    let monitor = ForgettingMonitor::new(encoder, training, data.general, config)?;
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
    let pairs_of = |rows, epoch| labelled::paired(rows, data.kind, config.loss, config.seed, epoch);
    let validation = Validation {
        rows: data.validation,
        pairs: &pairs_of(data.validation, labelled::VALIDATION),
        scored: &eval::scored_pairs(data.validation, data.kind),
    };
    let mut stopped = Stopped::MaxEpochs;

    while at.epoch <= config.epochs {
        let started = Instant::now();
        let seconds_before = at.seconds_of_epoch;
        let pairs = pairs_of(training, at.epoch);
        let rows_of_batches = batches(&pairs, config, at.epoch);
        for rows_of_step in rows_of_batches.chunks(config.accumulation).skip(at.steps_of_epoch) {
            // Forward and backward: the same encoder for all columns, in one ragged batch; several
            // batches' gradients add up.
            let micro_batches: Vec<Batch<'_>> = (0..)
                .zip(rows_of_step)
                .map(|(part, rows)| batch(data, &pairs, rows, (config, dropout), at.step, part))
                .collect();
            let ids = micro_batches.iter().flat_map(Batch::texts).flatten().map(|&id| i64::from(id));
            let gathered = optimizer.gather(ids.collect());
            let share = 1.0 / micro_batches.len() as f64;
            let leaves = optimizer.leaves(&gathered);
            let (mut value, mut gradients) = (0.0, Vec::new());
            for batch in &micro_batches {
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

        encoder.set_word_embeddings(optimizer.word_embeddings());
        let mut record = judge(encoder, &validation, &objective, &at);
        finite(record.val_loss, &at, config)?;
        record.learning_rate = learning_rate.at(at.step as i32);
        let over = monitor.judge(encoder, &mut record)?;
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
    let tuned = if monitor.goes_back(stopped) || within {
        kept.put_into(encoder);
        kept
    } else {
        Snapshot::of(encoder, at.epochs.len(), optimizer.adapters()?)
    };
    let (sweep, alpha) = monitor.interpolate(encoder, [&base, &tuned], &|encoder| {
        let record = judge(encoder, &validation, &objective, &Counters::default());
        (record.val_spearman, record.val_loss)
    })?;
    let adapters = tuned.adapters.map(|adapters| alpha.map_or(adapters.clone(), |part| adapters.scaled(part)));
    Ok(TrainReport { epochs: at.epochs, stopped, kept_epoch: tuned.epoch, sweep, alpha, adapters })
}

/// The rows of a batch, and those that are replayed beside them. `step` counts those that are done.
fn batch<'a>(
    data: &TrainData<'a>,
    pairs: &'a [TokenPair],
    rows: &[usize],
    (config, drops): (&TrainConfig, bool),
    step: usize,
    part: usize,
) -> Batch<'a> {
    let pairs = rows.iter().map(|&row| &pairs[row]).collect();
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

/// The validation rows: as they are, as the loss reads them, and as pairs with scores.
struct Validation<'a> {
    rows: &'a [TokenPair],
    pairs: &'a [TokenPair],
    scored: &'a [TokenPair],
}

/// What the validation rows say of an epoch.
fn judge(encoder: &dyn Encoder, rows: &Validation<'_>, objective: &Objective<'_>, at: &Counters) -> EpochRecord {
    let validated = eval::validate(encoder, rows.scored, objective.target);
    let val_loss = objective.validation(encoder, rows.pairs).unwrap_or(validated.mse);
    let labels = eval::label_scores(encoder, rows.rows);
    EpochRecord {
        epoch: at.epoch,
        loss: at.loss_of_rows / at.rows_of_epoch.max(1) as f64,
        val_loss,
        val_mae: validated.mae,
        val_mape: validated.mape,
        val_pearson: validated.pearson,
        val_spearman: validated.spearman,
        val_mrr: validated.retrieval.map(|retrieval| retrieval.mrr),
        val_nearest_neighbour: labels.map(|labels| labels.nearest_neighbour),
        val_map: labels.map(|labels| labels.mean_average_precision),
        ..EpochRecord::default()
    }
}

fn finite(loss: f64, at: &Counters, config: &TrainConfig) -> Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    Err(Error::Diverged { epoch: at.epoch, step: at.step, loss, learning_rate: config.learning_rate })
}
