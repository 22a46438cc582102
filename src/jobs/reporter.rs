//! What the trainer tells while it works, and the checkpoints that it leaves.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::message::{Message, Note};
use super::spec::RunSpec;
use super::tensorboard::Curves;
use crate::ml::encoder::{Encoder, Model};
use crate::ml::eval;
use crate::ml::files::out_of_room;
use crate::ml::train::{Checkpoint, Conditions, Counters, EpochRecord, Observer, Step};
use crate::ml::{Error, Result};
use crate::store::{Phase, Progress};

/// Where messages go. The first failure to tell ends the run at the next step.
pub(super) struct MessageSink<'a> {
    out: &'a mut dyn FnMut(&Message) -> std::io::Result<()>,
    pub(super) broken: Option<std::io::Error>,
}

impl<'a> MessageSink<'a> {
    pub(super) fn new(out: &'a mut dyn FnMut(&Message) -> std::io::Result<()>) -> Self {
        Self { out, broken: None }
    }

    pub(super) fn send(&mut self, message: &Message) {
        if let Err(error) = (self.out)(message) {
            self.broken.get_or_insert(error);
        }
    }

    pub(super) fn phase(&mut self, phase: Phase) {
        self.send(&Message::Phase { phase });
    }

    pub(super) fn warn(&mut self, code: &str, message: String) {
        self.send(&Message::Warning(Note { code: code.to_owned(), message }));
    }
}

pub(super) fn heatmap(when: &str, epoch: usize, titles: &[String], cosine: &[Vec<f64>]) -> Message {
    Message::Heatmap { when: when.to_owned(), epoch, titles: titles.to_vec(), cosine: cosine.to_vec() }
}

/// When and where a run is saved on its way.
pub(super) struct Saving {
    pub(super) folder: PathBuf,
    pub(super) conditions: Conditions,
    /// Between two checkpoints.
    pub(super) every: Duration,
    /// Set when the trainer is asked to end: it saves first.
    pub(super) end: Arc<AtomicBool>,
}

/// Tells of steps (at most two a second) and epochs.
pub(super) struct Reporter<'s, 'o, 'm> {
    sink: &'s mut MessageSink<'o>,
    titles: Vec<String>,
    epochs: usize,
    model: &'m Model,
    /// The evaluation at the end takes about as long as the one at the start.
    measuring: Duration,
    started: Instant,
    /// Steps that were done before this process.
    done_before: usize,
    last: Option<Instant>,
    /// Of each epoch so far, the present one last.
    step_losses: Vec<f64>,
    /// Nothing once they could not be written: half a record makes what follows it unreadable.
    curves: Option<Curves>,
    saving: Saving,
    /// When the run was last saved, or could not be.
    saved: Instant,
    /// Kinds of errors that kept it from being saved and were told.
    told: BTreeSet<&'static str>,
}

impl<'s, 'o, 'm> Reporter<'s, 'o, 'm> {
    pub(super) fn new(
        sink: &'s mut MessageSink<'o>,
        spec: &RunSpec,
        model: &'m Model,
        measuring: Duration,
        curves: std::io::Result<Curves>,
        saving: Saving,
    ) -> Self {
        let mut reporter = Self {
            sink,
            titles: spec.titles.clone(),
            epochs: spec.config.epochs,
            model,
            measuring,
            started: Instant::now(),
            done_before: 0,
            last: None,
            step_losses: Vec::new(),
            curves: None,
            saving,
            saved: Instant::now(),
            told: BTreeSet::new(),
        };
        match curves {
            Ok(curves) => reporter.curves = Some(curves),
            Err(error) => reporter.give_up_curves(&error),
        }
        reporter
    }

    /// Writes to the curves. Where that fails the run goes on without them.
    fn draw(&mut self, what: impl FnOnce(&mut Curves) -> std::io::Result<()>) {
        if let Some(Err(error)) = self.curves.as_mut().map(what) {
            self.curves = None;
            self.give_up_curves(&error);
        }
    }

    fn give_up_curves(&mut self, error: &std::io::Error) {
        tracing::warn!(%error, "the curves cannot be written");
        let message = "TensorBoard's files could not be written: they end early. The model and its report are whole.";
        self.sink.warn("curves_not_saved", message.to_owned());
    }

    /// Tells again what an earlier process did of this run, so that this one's record is whole.
    pub(super) fn go_on(&mut self, counters: &Counters) {
        self.done_before = counters.step;
        let mut step = 0;
        for (epoch, losses) in (0..).zip(&counters.step_losses) {
            for &loss in losses {
                step += 1;
                self.draw(|curves| curves.step(step, loss));
            }
            match counters.epochs.get(epoch) {
                Some(record) => self.tell_epoch(record, losses.clone()),
                None => self.step_losses.clone_from(losses),
            }
        }
    }

    fn tell_epoch(&mut self, record: &EpochRecord, step_losses: Vec<f64>) {
        self.draw(|curves| curves.epoch(record));
        self.sink.send(&Message::Epoch { record: record.clone(), step_losses });
    }

    /// Saves the run. Where that fails the checkpoint before it stays, and the next interval tries again: what the
    /// run has learnt since is lost only if the trainer dies, too.
    fn save(&mut self, checkpoint: &Checkpoint) {
        let step = checkpoint.counters.step;
        let folder = self.saving.folder.join(format!("ckpt-{step}"));
        match checkpoint.save(&folder, &self.saving.conditions) {
            Ok(manifest_sha256) => self.sink.send(&Message::Checkpoint { step, manifest_sha256 }),
            Err(error) => {
                tracing::warn!(step, "a checkpoint cannot be written: {error}");
                // Nobody knows of it.
                let _ = std::fs::remove_dir_all(&folder);
                let why = match &error {
                    Error::File { cause, .. } if out_of_room(cause) => "the server's disk is full",
                    Error::File { .. } => "a file could not be written",
                    _ => "the run's state could not be read out",
                };
                if self.told.insert(why) {
                    let message = format!(
                        "A checkpoint could not be saved, since {why}. The training goes on, the checkpoint before it is kept, and the next one is tried in {} s.",
                        self.saving.every.as_secs()
                    );
                    self.sink.warn("checkpoint_not_saved", message);
                }
            }
        }
        self.saved = Instant::now();
    }

    fn listened(&self) -> Result<()> {
        if self.sink.broken.is_some() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl Observer for Reporter<'_, '_, '_> {
    fn step(&mut self, step: Step, state: &dyn Fn() -> Checkpoint) -> Result<()> {
        let Step { epoch, step, total_steps, loss } = step;
        self.step_losses.push(loss);
        self.draw(|curves| curves.step(step, loss));
        let due = self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(500));
        if due || step == total_steps {
            self.last = Some(Instant::now());
            let a_step = self.started.elapsed().as_secs_f64() / (step - self.done_before) as f64;
            self.sink.send(&Message::Progress(Progress {
                epoch,
                epochs: self.epochs,
                step,
                total_steps,
                loss,
                fraction: step as f64 / total_steps as f64,
                seconds_remaining: a_step * total_steps.saturating_sub(step) as f64 + self.measuring.as_secs_f64(),
            }));
        }
        let asked_to_end = self.saving.end.load(Ordering::Relaxed);
        if asked_to_end || self.saved.elapsed() >= self.saving.every {
            self.save(&state());
        }
        if asked_to_end { Err(Error::Cancelled) } else { self.listened() }
    }

    fn epoch(&mut self, record: &EpochRecord, encoder: &dyn Encoder) -> Result<()> {
        let step_losses = std::mem::take(&mut self.step_losses);
        self.tell_epoch(record, step_losses);
        // Each is kept as an event; a hundred show how the titles move.
        if record.epoch <= 100 {
            let cosine = eval::heatmap(self.model, encoder, &self.titles);
            self.sink.send(&heatmap("epoch", record.epoch, &self.titles, &cosine));
        }
        self.listened()
    }
}
