//! The trainer: one job from its folder to a saved model there. It tells what happens, and never opens the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::death::refused_memory;
use super::evaluate::{EvalSuite, notes};
use super::golden::golden_texts;
use super::message::{Heatmaps, Message, Note, Report, Rows};
use super::outcome::{DISK_FULL, FILE_NOT_READABLE, LESS_MEMORY, OUT_OF_MEMORY, TRAINING_FAILED};
use super::record::TrainingRecord;
use super::reporter::{MessageSink, Reporter, Saving, heatmap};
use super::spec::{RunSpec, Saved, Table};
use super::tensorboard::Curves;
use crate::ml::encoder::{self, GoldenVectors, Model};
use crate::ml::error::sentence;
use crate::ml::eval::{self, token_pairs};
use crate::ml::files::{out_of_room, write_json};
use crate::ml::train::{Checkpoint, Conditions, RecipeFacts, Split, TokenPair, TrainData, split, train};
use crate::ml::{Error, Result};
use crate::registry::{self, CALIBRATION};
use crate::store::{JobError, Phase};
use tables::PairDataset;

/// TensorBoard's files, in the run's folder and then in the model's.
const CURVES: &str = "tensorboard";

/// Does the run of a folder and tells what happens. `false` where it failed; the last message then says
/// why. Where `end` is set meanwhile, the run is saved and ends. Its error: nobody listens any more.
pub(crate) fn run(
    folder: &Path,
    end: &Arc<AtomicBool>,
    out: &mut dyn FnMut(&Message) -> std::io::Result<()>,
) -> std::io::Result<bool> {
    let mut sink = MessageSink::new(out);
    let last = match train_and_save(folder, end, &mut sink) {
        Ok(done) => done,
        Err(error) => {
            tracing::error!("{error}");
            Message::Failed(explain(&error))
        }
    };
    sink.send(&last);
    let succeeded = matches!(last, Message::Done { .. });
    sink.broken.map_or(Ok(succeeded), Err)
}

/// What a run reads before it computes.
pub(super) struct Loaded {
    pub(super) spec: RunSpec,
    pub(super) model: Model,
    pub(super) table: PairDataset,
    /// The table that validates, where it is one of its own.
    validation: Option<PairDataset>,
    pub(super) split: Split,
    pub(super) replay: Vec<TokenPair>,
    pub(super) suite: EvalSuite,
    pub(super) notes: Vec<Note>,
}

impl Loaded {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let spec = RunSpec::read(folder)?;
        let model = registry::load_from(&spec.model, &spec.root)?;
        let table = spec.dataset.read()?;
        let pairs = token_pairs(&model, &table);
        let validation = spec.validation.as_ref().map(Table::read).transpose()?;
        let split = match &validation {
            Some(validation) => Split::of(pairs, token_pairs(&model, validation)),
            None => split(pairs, &spec.config)?,
        };
        let replay = match &spec.replay {
            Some(table) => token_pairs(&model, &table.read()?),
            None => Vec::new(),
        };
        let suite = EvalSuite::read(&model, &spec, &table, &split)?;
        let notes = notes(&spec, table.kind, &split, &suite);
        Ok(Self { spec, model, table, validation, split, replay, suite, notes })
    }

    /// The table whose rows validate.
    fn validating(&self) -> &PairDataset {
        self.validation.as_ref().unwrap_or(&self.table)
    }

    pub(super) fn data(&self) -> TrainData<'_> {
        TrainData {
            kind: self.table.kind,
            lowest_means: self.spec.dataset.lowest_means,
            training: &self.split.training,
            validation: &self.split.validation,
            replay: &self.replay,
            general: self.suite.general(),
        }
    }
}

/// The steps of a job, in order.
fn train_and_save(folder: &Path, end: &Arc<AtomicBool>, sink: &mut MessageSink<'_>) -> Result<Message> {
    let started = Instant::now();

    // 1. Load the pairs and the model.
    sink.phase(Phase::Loading);
    let loaded = Loaded::read(folder)?;
    let Loaded { spec, model, table, split, suite, .. } = &loaded;
    for note in &loaded.notes {
        sink.send(&Message::Warning(note.clone()));
    }

    // 2. Measure the base.
    sink.phase(Phase::BaseEval);
    let measured = Instant::now();
    let (before, evidence) = suite.evaluate(&*model.encoder, spec, split);
    sink.send(&Message::Evaluation { when: "before".to_owned(), evaluation: Box::new(before.clone()) });
    let heatmap_before = eval::heatmap(model, &*model.encoder, &spec.titles);
    sink.send(&heatmap("before", 0, &spec.titles, &heatmap_before));
    let measuring = measured.elapsed();

    // 3. Train, from the newest checkpoint that is whole.
    sink.phase(Phase::Training);
    let conditions = Conditions::of(&spec.config, &loaded.data(), &model.card.fingerprint);
    let conditions = Conditions { micro_batch: spec.micro_batch, ..conditions };
    let checkpoint = newest_whole(spec, &conditions, sink);
    let curves = Curves::create(&folder.join(CURVES));
    let every = Duration::from_secs(spec.checkpoint_seconds);
    let saving = Saving { folder: folder.to_owned(), conditions, every, end: Arc::clone(end) };
    let mut reporter = Reporter::new(sink, spec, model, measuring, curves, saving);
    if let Some(checkpoint) = &checkpoint {
        reporter.go_on(&checkpoint.counters);
    }
    let mut tuned = model.encoder.shallow_clone();
    let trained = train(&mut *tuned, &loaded.data(), &spec.settings(), &mut reporter, checkpoint)?;
    let tuned = model.with_encoder(tuned);

    // 4. Measure the tuned model.
    sink.phase(Phase::Evaluating);
    let (after, tuned_evidence) = suite.evaluate(&*tuned.encoder, spec, split);
    let assessment = suite.assess(spec, loaded.validating(), [&evidence, &tuned_evidence]);
    sink.send(&Message::Evaluation { when: "after".to_owned(), evaluation: Box::new(after.clone()) });
    let heatmap_after = eval::heatmap(&tuned, &*tuned.encoder, &spec.titles);
    sink.send(&heatmap("after", trained.kept_epoch, &spec.titles, &heatmap_after));

    // 5. Save what training changed.
    sink.phase(Phase::Saving);
    let finished = RunSpec::finished(folder);
    let root = encoder::load_again(&spec.root)?;
    let card = encoder::save_tuned(&finished, &spec.name, &tuned, &root, trained.adapters.as_ref())?;
    if let Err(error) = std::fs::rename(folder.join(CURVES), finished.join(CURVES)) {
        tracing::warn!(%error, "the model goes without its curves");
    }
    if let Some(calibration) = &assessment.calibration {
        write_json(&finished.join(CALIBRATION), calibration)?;
    }
    GoldenVectors::of(&tuned, golden_texts(table, &spec.titles))?.write(&finished)?;
    let report = Report {
        rows: Rows { training: split.training.len(), validation: split.validation.len(), leaking: split.leaking },
        trained,
        seconds: started.elapsed().as_secs_f64(),
        before,
        after,
        assessment,
        heatmap: Heatmaps { titles: spec.titles.clone(), before: heatmap_before, after: heatmap_after },
        notes: loaded.notes.clone(),
    };
    let facts = RecipeFacts::of(table, encoder::is_transformer(&spec.root));
    TrainingRecord::new(spec, facts, &model.card, &card, &report).write(&finished)?;
    // The card vouches for all of it.
    encoder::seal(&finished)?;
    Ok(Message::Done { card, report: Box::new(report) })
}

/// The newest checkpoint that can be used. One that cannot is put aside, and the user is told.
fn newest_whole(spec: &RunSpec, conditions: &Conditions, sink: &mut MessageSink<'_>) -> Option<Checkpoint> {
    for Saved { folder, manifest_sha256 } in &spec.resume {
        match Checkpoint::load(folder, manifest_sha256, conditions) {
            Ok((checkpoint, exact)) => {
                sink.send(&Message::Resumed { step: checkpoint.counters.step, exact });
                return Some(checkpoint);
            }
            Err(Error::File { cause, .. }) => {
                // It may be whole: it stays.
                tracing::error!(folder = %folder.display(), error = %cause, "a checkpoint cannot be read");
                let message = "A checkpoint cannot be read. An earlier one is used, or the first step.";
                sink.warn("checkpoint_not_usable", message.to_owned());
            }
            Err(error) => {
                tracing::error!(folder = %folder.display(), "{error}");
                let message =
                    format!("A checkpoint was put aside: {error}. An earlier one is used, or the first step.");
                sink.warn("checkpoint_not_usable", message);
                let _ = std::fs::rename(folder, folder.with_extension("damaged"));
            }
        }
    }
    None
}

/// An error in the user's words: a code, what happened, what to do. Paths and libtorch's own words go
/// to the log alone.
pub(super) fn explain(error: &Error) -> JobError {
    let told = sentence(&error.to_string());
    let out_of_memory = (OUT_OF_MEMORY, "The memory did not suffice for the training.", LESS_MEMORY);
    let (code, message, hint) = match error {
        Error::Diverged { .. } => {
            ("loss_not_finite", &*told, "Run the job again with a smaller learning_rate, such as 1e-5.")
        }
        Error::Config { .. } => ("config_not_usable", &*told, "Correct this setting and post the job again."),
        Error::Dataset(_) => {
            let hint = "Correct the table, upload it again, and post the job with the new dataset.";
            ("dataset_not_usable", &*told, hint)
        }
        Error::Checkpoint { .. } => {
            ("checkpoint_not_usable", &*told, "Post the job again; it then starts from its first step.")
        }
        Error::Cancelled => {
            let message = "The server stopped listening to the trainer.";
            ("interrupted", message, "The job goes on by itself when the server is back.")
        }
        Error::File { cause, .. } if out_of_room(cause) => {
            let hint =
                "Make room on the disk that holds the data folder; the training then goes on from its last checkpoint.";
            (DISK_FULL, "The server's disk is full.", hint)
        }
        Error::Damaged { .. } => {
            let message = "A file of the model that was to be tuned is not what was written.";
            let hint = "The server's log names the file. Bring it back from a backup, or take another model.";
            ("model_damaged", message, hint)
        }
        // Where memory runs out while a file is mapped or read.
        Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::OutOfMemory => out_of_memory,
        Error::File { .. } | Error::Model { .. } => {
            let message = "A file that the job needs cannot be read or written.";
            (FILE_NOT_READABLE, message, "The server's log names the file; check the server's data folder.")
        }
        Error::Torch(error) if refused_memory(&error.to_string()).is_some() => out_of_memory,
        Error::Torch(_) => {
            let hint = "Post the job again with a smaller batch_size; the server's log has the details.";
            (TRAINING_FAILED, "libtorch could not do a step of the training.", hint)
        }
    };
    JobError { code: code.to_owned(), message: message.to_owned(), hint: hint.to_owned() }
}
