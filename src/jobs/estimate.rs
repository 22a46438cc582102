//! What a run would take, measured on this machine before it begins: asked of a trainer that does not train.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::message::{Note, Rows};
use super::process;
use super::queue::{JobQueue, QueueError};
use super::trainer::{Loaded, explain};
use crate::ml::encoder::Encoder;
use crate::ml::eval;
use crate::ml::files::PassingFolder;
use crate::ml::train::{
    Checkpoint, EpochRecord, Observer, Step, TokenPair, TrainConfig, TrainData, stored_bytes, train,
};
use crate::ml::{Error, Result};
use crate::store::{self, JobError, JobRequest};
use tables::TableKind;

/// A plan loads the model, measures the base and does some steps; more is a sign of trouble.
const LONGEST: Duration = Duration::from_secs(300);
/// Steps that are timed, after one that warms up; fewer where they take long.
const TIMED_STEPS: usize = 12;
const TIMED_FOR: Duration = Duration::from_secs(4);

/// What a run would take, or why it cannot be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Plan {
    Feasible(Box<Estimate>),
    Failed { error: JobError },
}

/// What a run would take.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    /// How many rows train and validate.
    pub rows: Rows,
    /// Steps of an epoch.
    pub steps_per_epoch: usize,
    /// Steps of the run, if it does not stop early.
    pub total_steps: usize,
    /// How long it takes.
    pub seconds: Seconds,
    /// What the tuned model adds on disk, at most.
    pub bytes: usize,
    /// All settings, resolved.
    pub config: TrainConfig,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// Times by this machine's measured rate, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Seconds {
    /// From start to saved model, if it does not stop early.
    pub total: f64,
    /// A step, the mean of those that were done to measure it.
    pub step: f64,
    /// Judging an epoch.
    pub epoch_end: f64,
    /// Measuring the base; the tuned model takes as long again.
    pub evaluation: f64,
}

/// Measures a run's parts without doing it.
pub(crate) fn plan(folder: &Path) -> Plan {
    match estimate(folder) {
        Ok(estimate) => Plan::Feasible(Box::new(estimate)),
        Err(error) => {
            tracing::error!("{error}");
            Plan::Failed { error: explain(&error) }
        }
    }
}

fn estimate(folder: &Path) -> Result<Estimate> {
    let started = Instant::now();
    let loaded = Loaded::read(folder)?;
    let loading = started.elapsed().as_secs_f64();
    let Loaded { spec, model, split, suite, .. } = &loaded;
    let config = &spec.config;

    let clock = Instant::now();
    suite.evaluate(&*model.encoder, spec, split);
    eval::heatmap(model, &*model.encoder, &spec.titles);
    let evaluation = clock.elapsed().as_secs_f64();

    // Real steps on a part of the real rows, whose end is not reached.
    let wanted = (TIMED_STEPS + 1) * config.batch_size * config.accumulation;
    // The first labelled texts may have one label, of which no pairs are drawn.
    let some = match loaded.table.kind {
        TableKind::Labelled => &split.training[..],
        _ => &split.training[..split.training.len().min(wanted)],
    };
    let mut stopwatch = Stopwatch { started: None, steps: 0, seconds: 0.0 };
    let mut encoder = model.encoder.shallow_clone();
    let timed = TrainConfig {
        epochs: TIMED_STEPS + 1,
        early_stopping: None,
        forgetting: None,
        collapse_alarm: false,
        ..config.clone()
    };
    let data = TrainData { training: some, ..loaded.data() };
    match train(&mut *encoder, &data, &timed, &mut stopwatch, None) {
        Ok(_) | Err(Error::Cancelled) => {}
        Err(error) => return Err(error),
    }
    let step = stopwatch.seconds / stopwatch.steps.max(1) as f64;

    let epoch_end = epoch_end(&loaded);
    let steps_per_epoch = split.training.len().div_ceil(config.batch_size).div_ceil(config.accumulation);
    let total_steps = config.epochs * steps_per_epoch;
    let total = loading + 2.0 * evaluation + total_steps as f64 * step + config.epochs as f64 * epoch_end;
    Ok(Estimate {
        rows: Rows { training: split.training.len(), validation: split.validation.len(), leaking: split.leaking },
        steps_per_epoch,
        total_steps,
        seconds: Seconds { total, step, epoch_end, evaluation },
        bytes: stored_bytes(&*model.encoder, model.card.base_fingerprint.is_some(), &loaded.data(), config)?,
        config: config.clone(),
        notes: loaded.notes.clone(),
    })
}

/// What an epoch's end takes: the validation rows, the titles, and what guards the run.
fn epoch_end(loaded: &Loaded) -> f64 {
    let Loaded { spec, model, split, suite, .. } = loaded;
    let encoder = &*model.encoder;
    let clock = Instant::now();
    eval::validate(
        encoder,
        &eval::scored_pairs(&split.validation, loaded.table.kind),
        spec.config.loss.measure().into(),
    );
    eval::label_scores(encoder, &split.validation);
    eval::heatmap(model, encoder, &spec.titles);
    if spec.config.collapse_alarm {
        let texts: Vec<&[u32]> = split.training.iter().flat_map(TokenPair::texts).collect();
        eval::embedding_stats(encoder, &texts, spec.config.seed);
    }
    if spec.config.forgetting.is_some() {
        eval::benchmark(encoder, "", suite.general());
    }
    clock.elapsed().as_secs_f64()
}

/// Times steps and ends the run.
struct Stopwatch {
    started: Option<Instant>,
    steps: usize,
    seconds: f64,
}

impl Observer for Stopwatch {
    fn step(&mut self, _step: Step, _state: &dyn Fn() -> Checkpoint) -> Result<()> {
        // The first step warms up.
        if let Some(started) = self.started {
            self.steps += 1;
            self.seconds += started.elapsed().as_secs_f64();
            if self.steps >= TIMED_STEPS || self.seconds > TIMED_FOR.as_secs_f64() {
                return Err(Error::Cancelled);
            }
        }
        self.started = Some(Instant::now());
        Ok(())
    }

    fn epoch(&mut self, _record: &EpochRecord, _encoder: &dyn Encoder) -> Result<()> {
        // What lies between two epochs is no step.
        self.started = None;
        Ok(())
    }
}

/// Plans one job at a time.
#[derive(Clone, Debug)]
pub struct Planner {
    queue: JobQueue,
    program: PathBuf,
    /// Where plans are described while they are made.
    folder: PathBuf,
    turn: Arc<Semaphore>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("the job could not be planned: {0:#}")]
    Trainer(#[from] anyhow::Error),
}

impl Planner {
    pub fn new(queue: JobQueue, program: PathBuf, folder: PathBuf) -> Self {
        Self { queue, program, folder, turn: Arc::new(Semaphore::new(1)) }
    }

    /// What the job would take. Nothing is queued and nothing kept, also where nobody waits to the end.
    pub async fn plan(&self, request: &JobRequest) -> std::result::Result<Plan, PlanError> {
        self.queue.check(request).await?;
        let _turn = self.turn.acquire().await.map_err(anyhow::Error::from)?;
        let folder = PassingFolder(self.folder.join(store::new_id("plan")));
        Ok(self.ask(request, &folder.0).await?)
    }

    async fn ask(&self, request: &JobRequest, folder: &Path) -> anyhow::Result<Plan> {
        self.queue.spec(request).make_folder(folder).await?;
        let mut command = process::command(&self.program, folder);
        let mut child = command.arg("--plan").stderr(Stdio::inherit()).spawn()?;
        // Held open: its end is the trainer's sign that the server is gone.
        let _stdin = child.stdin.take();
        let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await??;
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
