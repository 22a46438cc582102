//! The trainer: one job from its folder to a saved model.
//!
//! It reads its run's folder, writes the model there, and tells what happens; it never opens the
//! database.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::message::{Evaluation, Heatmaps, Message, Note, Report, Rows};
use super::tensorboard::Curves;
use crate::ml::dataset::{self, Format, Scores};
use crate::ml::encoder::{self, Encoder, Model};
use crate::ml::error::sentence;
use crate::ml::eval::{self, RETENTION_NAME, token_pairs};
use crate::ml::train::{EpochRecord, Loss, Observer, Split, Step, TokenPair, TrainConfig, split, train};
use crate::ml::{Error, Result};
use crate::registry;
use crate::store::{JobError, Phase, Progress};

/// The run's description in its folder.
const SPEC: &str = "run.json";
/// The finished model in the run's folder.
const MODEL: &str = "model";
/// TensorBoard's files, in the run's folder and then in the model's.
const CURVES: &str = "tensorboard";

/// All that a run needs to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunSpec {
    /// The name of the tuned model.
    pub name: String,
    /// The folder of the model that is tuned.
    pub model: PathBuf,
    /// The folder of the full model that it is, or is a delta of.
    pub root: PathBuf,
    /// The pairs to learn.
    pub dataset: Table,
    /// The table that measures general ability.
    pub benchmark: Option<Table>,
    /// The texts of the heatmap.
    pub titles: Vec<String>,
    /// All settings.
    pub config: TrainConfig,
}

/// A table of pairs on disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// As the user calls it.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// How it is written.
    pub format: Format,
}

impl RunSpec {
    /// Writes the description into a run's folder.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join(SPEC), serde_json::to_vec_pretty(self)?)
    }

    /// The finished model in a run's folder.
    pub fn finished(folder: &Path) -> PathBuf {
        folder.join(MODEL)
    }
}

/// Does the run of a folder and tells what happens on `out`, one message a line. `false` where it
/// failed; the last message then says why.
///
/// # Errors
/// Where nobody listens any more.
pub fn run(folder: &Path, out: &mut dyn Write) -> std::io::Result<bool> {
    let mut told = Told { out, broken: None };
    let outcome = train_and_save(folder, &mut told);
    let last = match outcome {
        Ok(done) => done,
        Err(error) => {
            eprintln!("{error}");
            Message::Failed(explain(&error))
        }
    };
    told.say(&last);
    let succeeded = matches!(last, Message::Done { .. });
    told.broken.map_or(Ok(succeeded), Err)
}

/// The channel out. The first failure to write ends the run at the next step.
struct Told<'a> {
    out: &'a mut dyn Write,
    broken: Option<std::io::Error>,
}

impl Told<'_> {
    fn say(&mut self, message: &Message) {
        let line = serde_json::to_string(message).expect("messages are plain structs");
        if let Err(error) = writeln!(self.out, "{line}").and_then(|()| self.out.flush()) {
            self.broken.get_or_insert(error);
        }
    }

    fn phase(&mut self, phase: Phase) {
        self.say(&Message::Phase { phase });
    }
}

/// The steps of a job, in order.
fn train_and_save(folder: &Path, told: &mut Told<'_>) -> Result<Message> {
    let started = Instant::now();

    // 1. Load the pairs and the model.
    told.phase(Phase::Loading);
    let path = folder.join(SPEC);
    let spec = std::fs::read(&path).map_err(|error| Error::file(&path, error))?;
    let spec: RunSpec = serde_json::from_slice(&spec).map_err(|error| Error::model(&path, error.to_string()))?;
    let mut model = registry::load_from(&spec.model, &spec.root)?;
    let pairs = token_pairs(&model, &read(&spec.dataset, Scores::Unit)?);
    let loss = Loss::new(spec.config.loss, spec.config.scale, spec.config.margin);
    let exams = Exams::read(&model, &spec)?;
    let split = split(pairs, &spec.config)?;
    let (training, validation) = (split.training.as_slice(), split.validation.as_slice());
    let notes = notes(&spec, &split);
    for note in &notes {
        told.say(&Message::Warning(note.clone()));
    }

    // 2. Measure the base.
    told.phase(Phase::BaseEval);
    let measured = Instant::now();
    let before = exams.take(&*model.encoder, validation, &loss);
    told.say(&Message::Evaluation { when: "before".to_owned(), evaluation: before.clone() });
    let heatmap_before = eval::heatmap(&model, &*model.encoder, &spec.titles);
    told.say(&heatmap("before", 0, &spec.titles, &heatmap_before));
    let measuring = measured.elapsed();

    // 3. Train.
    told.phase(Phase::Training);
    let curves = Curves::create(&folder.join(CURVES)).map_err(|error| Error::file(folder, error))?;
    let mut observer = Teller::new(told, &spec, &model, measuring, curves);
    let mut tuned = model.encoder.shallow_clone();
    let trained = train(&mut *tuned, training, validation, &spec.config, &mut observer)?;
    model.encoder = tuned;

    // 4. Measure the tuned model.
    told.phase(Phase::Evaluating);
    let after = exams.take(&*model.encoder, validation, &loss);
    told.say(&Message::Evaluation { when: "after".to_owned(), evaluation: after.clone() });
    let heatmap_after = eval::heatmap(&model, &*model.encoder, &spec.titles);
    told.say(&heatmap("after", trained.kept_epoch, &spec.titles, &heatmap_after));

    // 5. Save what training changed.
    told.phase(Phase::Saving);
    let finished = RunSpec::finished(folder);
    let card = encoder::save_tuned(&finished, &spec.name, &model)?;
    std::fs::rename(folder.join(CURVES), finished.join(CURVES)).map_err(|error| Error::file(&finished, error))?;
    let report = Report {
        rows: Rows { training: training.len(), validation: validation.len(), leaking: split.leaking },
        epochs: trained.epochs,
        stopped: trained.stopped,
        kept_epoch: trained.kept_epoch,
        seconds: started.elapsed().as_secs_f64(),
        before,
        after,
        heatmap: Heatmaps { titles: spec.titles, before: heatmap_before, after: heatmap_after },
        notes,
    };
    Ok(Message::Done { card, report: Box::new(report) })
}

fn read(table: &Table, scores: Scores) -> Result<dataset::PairDataset> {
    let bytes = std::fs::read(&table.file).map_err(|error| Error::file(&table.file, error))?;
    Ok(dataset::read(&bytes, table.format, scores)?)
}

/// What the user should know about the numbers that follow.
fn notes(spec: &RunSpec, split: &Split) -> Vec<Note> {
    let validation = &split.validation;
    let note = |code: &str, message| Note { code: code.to_owned(), message };
    let mut notes = Vec::new();
    if spec.benchmark.is_none() {
        let message = format!(
            "General ability was not measured with a benchmark: none was given. {RETENTION_NAME}, a small built-in set, is the only hint of it."
        );
        notes.push(note("no_benchmark", message));
    }
    if validation.iter().all(|pair| pair.score == validation[0].score) {
        let message = format!(
            "All {} validation rows have the score {}: a correlation cannot be measured, and the validation loss says little. The last rows of the file validate; set \"split\" to \"random\" or \"grouped\" to change that.",
            validation.len(),
            validation[0].score
        );
        notes.push(note("one_validation_score", message));
    }
    if split.leaking > 0 {
        let message = format!(
            "{} of {} validation rows share a text with the training rows: the numbers on them flatter the model.{}",
            split.leaking,
            validation.len(),
            match split.hubs {
                0 => " Set \"split\" to \"grouped\" to keep such rows together.".to_owned(),
                1 => " One text is in so many rows that it stands on both sides.".to_owned(),
                hubs => format!(" {hubs} texts are in so many rows that they stand on both sides."),
            }
        );
        notes.push(note("validation_leaks", message));
    }
    notes
}

/// The tables that measure a model.
struct Exams {
    benchmark: Option<(String, Vec<TokenPair>)>,
    retention: Vec<TokenPair>,
}

impl Exams {
    fn read(model: &Model, spec: &RunSpec) -> Result<Self> {
        let benchmark = match &spec.benchmark {
            Some(table) => Some((table.name.clone(), token_pairs(model, &read(table, Scores::Any)?))),
            None => None,
        };
        Ok(Self { benchmark, retention: token_pairs(model, &eval::retention_pairs()) })
    }

    fn take(&self, encoder: &dyn Encoder, validation: &[TokenPair], loss: &Loss) -> Evaluation {
        Evaluation {
            validation: eval::validate(encoder, validation, loss),
            benchmark: self.benchmark.as_ref().map(|(name, pairs)| eval::benchmark(encoder, name, pairs)),
            retention: eval::benchmark(encoder, RETENTION_NAME, &self.retention),
        }
    }
}

fn heatmap(when: &str, epoch: usize, titles: &[String], cosine: &[Vec<f64>]) -> Message {
    Message::Heatmap { when: when.to_owned(), epoch, titles: titles.to_vec(), cosine: cosine.to_vec() }
}

/// Tells the supervisor of steps (at most two a second) and epochs.
struct Teller<'t, 'o, 'm> {
    told: &'t mut Told<'o>,
    titles: Vec<String>,
    epochs: usize,
    model: &'m Model,
    /// The evaluation at the end takes about as long as the one at the start.
    measuring: Duration,
    started: Instant,
    last: Option<Instant>,
    /// Of the present epoch.
    step_losses: Vec<f64>,
    curves: Curves,
}

impl<'t, 'o, 'm> Teller<'t, 'o, 'm> {
    fn new(told: &'t mut Told<'o>, spec: &RunSpec, model: &'m Model, measuring: Duration, curves: Curves) -> Self {
        Self {
            told,
            titles: spec.titles.clone(),
            epochs: spec.config.epochs,
            model,
            measuring,
            started: Instant::now(),
            last: None,
            step_losses: Vec::new(),
            curves,
        }
    }

    fn listened(&self) -> Result<()> {
        if self.told.broken.is_some() { Err(Error::Cancelled) } else { Ok(()) }
    }
}

impl Observer for Teller<'_, '_, '_> {
    fn step(&mut self, Step { epoch, step, total_steps, loss }: Step) -> Result<()> {
        self.step_losses.push(loss);
        self.curves.step(step, loss).map_err(|error| Error::file(Path::new(CURVES), error))?;
        let due = self.last.is_none_or(|last| last.elapsed() >= Duration::from_millis(500));
        if due || step == total_steps {
            self.last = Some(Instant::now());
            let a_step = self.started.elapsed().as_secs_f64() / step as f64;
            self.told.say(&Message::Progress(Progress {
                epoch,
                epochs: self.epochs,
                step,
                total_steps,
                loss,
                fraction: step as f64 / total_steps as f64,
                seconds_remaining: a_step * (total_steps - step) as f64 + self.measuring.as_secs_f64(),
            }));
        }
        self.listened()
    }

    fn epoch(&mut self, record: &EpochRecord, encoder: &dyn Encoder) -> Result<()> {
        self.curves.epoch(record).map_err(|error| Error::file(Path::new(CURVES), error))?;
        let step_losses = std::mem::take(&mut self.step_losses);
        self.told.say(&Message::Epoch { record: record.clone(), step_losses });
        // Each is kept as an event; a hundred show how the titles move.
        if record.epoch <= 100 {
            let cosine = eval::heatmap(self.model, encoder, &self.titles);
            self.told.say(&heatmap("epoch", record.epoch, &self.titles, &cosine));
        }
        self.listened()
    }
}

/// An error in the user's words: a code, what happened, what to do. Paths and libtorch's own words go
/// to the log alone.
fn explain(error: &Error) -> JobError {
    let failed =
        |code: &str, message: String, hint: &str| JobError { code: code.to_owned(), message, hint: hint.to_owned() };
    match error {
        Error::Diverged { .. } => {
            let hint = "Run the job again with a smaller learning_rate, such as 1e-5.";
            failed("loss_not_finite", sentence(&error.to_string()), hint)
        }
        Error::Config { .. } => {
            failed("config_not_usable", sentence(&error.to_string()), "Correct this setting and post the job again.")
        }
        Error::Dataset(_) => failed(
            "dataset_not_usable",
            sentence(&error.to_string()),
            "Correct the table, upload it again, and post the job with the new dataset.",
        ),
        Error::Cancelled => failed(
            "interrupted",
            "The server stopped listening to the trainer.".to_owned(),
            "The job goes on by itself when the server is back.",
        ),
        Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::StorageFull => failed(
            "disk_full",
            "The server's disk is full.".to_owned(),
            "Make room on the disk that holds the data folder and post the job again.",
        ),
        Error::File { .. } | Error::Model { .. } => failed(
            "file_not_readable",
            "A file that the job needs cannot be read or written.".to_owned(),
            "The server's log names the file; check the server's data folder.",
        ),
        Error::Torch(_) => failed(
            "training_failed",
            "libtorch could not do a step of the training.".to_owned(),
            "Post the job again with a smaller batch_size; the server's log has the details.",
        ),
    }
}
