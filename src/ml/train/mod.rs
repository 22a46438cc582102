//! Fine-tuning: a siamese network is one encoder read twice.

mod config;
mod early_stopping;
mod loss;
mod observer;
mod optimizer;
mod schedule;
mod split;

use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use config::{ClipKind, ClipTable, EarlyStoppingConfig, EpsilonMode, Monitor, Recipe, Schedule, TrainConfig};
pub use loss::{LOSSES, Loss, LossInfo, LossKind, angular_similarity, cosine};
pub use observer::{EpochRecord, Observer, Step};
pub use split::{Split, SplitKind, split, training_rows};

use crate::ml::encoder::{Encoder, RaggedBatch, TokenTable};
use crate::ml::eval::pair_errors;
use crate::ml::{Error, Result};
use early_stopping::EarlyStopping;
use optimizer::Optimizer;
use schedule::LearningRate;
use split::order;

/// A pair whose texts are tokens already: once, not once an epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenPair {
    /// The left text's ids.
    pub left: Vec<u32>,
    /// The right text's ids.
    pub right: Vec<u32>,
    /// How alike they are, 0 to 1, on the measure of the loss.
    pub score: f64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// All epochs were done.
    MaxEpochs,
    /// The training loss no longer fell.
    EarlyStopping,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainReport {
    /// Each epoch.
    pub epochs: Vec<EpochRecord>,
    /// Why it ended.
    pub stopped: Stopped,
    /// The epoch whose weights the encoder has now.
    pub kept_epoch: usize,
}

/// Fine-tunes `encoder` in place, so that the similarity of each pair follows its score.
///
/// `training` and `validation` come from [`split()`]. Gradients reach every variable and the
/// rows of the vocabulary's table that the training texts use.
///
/// # Errors
/// [`Error::Config`] where a setting has no meaning or the scores teach nothing under the loss,
/// [`Error::Diverged`] where the loss is no longer a number, and what the observer returns.
pub fn train(
    encoder: &mut dyn Encoder,
    training: &[TokenPair],
    validation: &[TokenPair],
    config: &TrainConfig,
    observer: &mut dyn Observer,
) -> Result<TrainReport> {
    config.check()?;
    check_signal(config, training)?;
    let objective = Loss::new(config.loss, config.scale, config.margin);
    let ids = training.iter().flat_map(|pair| pair.left.iter().chain(&pair.right)).map(|&id| i64::from(id));
    let total_steps = config.epochs * training.len().div_ceil(config.batch_size);
    let learning_rate = LearningRate::new(config, total_steps);
    let mut optimizer = Optimizer::new(encoder, ids.collect(), config, learning_rate);
    let mut early_stopping = config.early_stopping.map(EarlyStopping::new);
    let mut best: Option<Best> = None;
    let mut report = TrainReport { epochs: Vec::new(), stopped: Stopped::MaxEpochs, kept_epoch: 0 };
    let mut step = 0;

    for epoch in 1..=config.epochs {
        let started = Instant::now();
        let rows_in_order = order(training.len(), config.shuffle, config.seed, epoch);
        let mut loss_of_rows = 0.0;
        for rows in rows_in_order.chunks(config.batch_size) {
            // Forward: the same encoder for the left and the right texts, all in one ragged batch.
            let pairs: Vec<&TokenPair> = rows.iter().map(|&row| &training[row]).collect();
            let (batch, scores) = collate(&pairs);
            let gathered = optimizer.gather(&batch.ids);
            let vectors = encoder.forward(&gathered.tokens, &batch.lengths); // (2B, D)
            let columns = vectors.chunk(2, 0); // (B, D) each
            let loss = objective.compute(&columns[0], &columns[1], &scores);

            // Backward: clip each variable's gradient, then step.
            step += 1;
            let value = finite(loss.double_value(&[]), epoch, step, config)?;
            optimizer.backward_step(&loss, &gathered);
            loss_of_rows += value * rows.len() as f64;
            observer.step(Step { epoch, step, total_steps, loss: value })?;
        }

        let table = optimizer.table(encoder.table());
        encoder.set_table(table);
        let (errors, correlations) = pair_errors(encoder, validation, &objective);
        finite(errors.loss, epoch, step, config)?;
        let loss = loss_of_rows / training.len() as f64;
        let record = EpochRecord {
            epoch,
            loss,
            val_loss: errors.loss,
            val_mae: errors.mae,
            val_mape: errors.mape,
            val_pearson: correlations.pearson,
            val_spearman: correlations.spearman,
            learning_rate: learning_rate.at(step as i32),
            seconds: started.elapsed().as_secs_f64(),
        };
        observer.epoch(&record, encoder)?;
        let judgement = early_stopping.as_mut().map(|stopping| stopping.judge(&record)).transpose()?;
        report.epochs.push(record);
        report.kept_epoch = epoch;
        if judgement.is_some_and(|epoch| epoch.best) && config.early_stopping.is_some_and(|stop| stop.restore_best) {
            best = Some(Best::of(encoder, epoch));
        }
        if judgement.is_some_and(|epoch| epoch.stop) {
            report.stopped = Stopped::EarlyStopping;
            break;
        }
    }
    if let Some(best) = best {
        report.kept_epoch = best.epoch;
        encoder.set_variables(best.variables);
        encoder.set_table(best.table);
    }
    Ok(report)
}

/// The weights after the best epoch so far.
struct Best {
    epoch: usize,
    variables: Vec<Tensor>,
    table: TokenTable,
}

impl Best {
    fn of(encoder: &dyn Encoder, epoch: usize) -> Self {
        let variables = encoder.variables().iter().map(|(_, weights)| weights.detach().copy()).collect();
        // An epoch's table is made anew, so a shallow clone of it stays as it is.
        Self { epoch, variables, table: encoder.table().shallow_clone() }
    }
}

/// Refuses training scores that teach nothing under the loss.
fn check_signal(config: &TrainConfig, training: &[TokenPair]) -> Result<()> {
    let scores = || training.iter().map(|pair| pair.score);
    let distinct: std::collections::BTreeSet<u64> = scores().map(f64::to_bits).collect();
    let (lowest, highest) = (scores().fold(f64::INFINITY, f64::min), scores().fold(f64::NEG_INFINITY, f64::max));
    match config.loss.objection(lowest, highest, distinct.len()) {
        Some(reason) => Err(Error::Config { field: "loss", reason }),
        None => Ok(()),
    }
}

/// All left texts, then all right texts, and the scores `(B,)`.
fn collate(pairs: &[&TokenPair]) -> (RaggedBatch, Tensor) {
    let left = pairs.iter().map(|pair| pair.left.as_slice());
    let right = pairs.iter().map(|pair| pair.right.as_slice());
    let scores: Vec<f32> = pairs.iter().map(|pair| pair.score as f32).collect();
    (RaggedBatch::new(left.chain(right)), Tensor::from_slice(&scores))
}

fn finite(loss: f64, epoch: usize, step: usize, config: &TrainConfig) -> Result<f64> {
    if loss.is_finite() {
        Ok(loss)
    } else {
        Err(Error::Diverged { epoch, step, loss, learning_rate: config.learning_rate })
    }
}
