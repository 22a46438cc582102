//! The trainer: one job from its folder to a saved model.
//!
//! It reads its run's folder, writes the model there, and tells what happens; it never opens the
//! database.

use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::exams::Exams;
use super::failure::explain;
use super::message::{Heatmaps, Message, Note, Report, Rows};
use super::notes::notes;
use super::probes::probe_texts;
use super::record::TrainingRecord;
use super::teller::{Saving, Teller, Told, heatmap};
use super::tensorboard::Curves;
use crate::ml::dataset::reading::LowestMeans;
use crate::ml::dataset::{PairDataset, TableKind, stored};
use crate::ml::encoder::{self, GoldenVectors, Model};
use crate::ml::eval::{self, Calibration, token_pairs};
use crate::ml::train::{Checkpoint, Conditions, RecipeFacts, Split, TokenPair, TrainConfig, TrainData, split, train};
use crate::ml::{Error, Result};
use crate::registry::{self, CALIBRATION};
use crate::store::Phase;

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
    /// The table that is learnt beside, against forgetting.
    pub replay: Option<Table>,
    /// The texts of the heatmap.
    pub titles: Vec<String>,
    /// The name of the settings that `config` began with.
    pub recipe: String,
    /// All settings.
    pub config: TrainConfig,
    /// Seconds between two checkpoints.
    pub checkpoint_seconds: u64,
    /// Checkpoints of this very run, the newest first.
    pub resume: Vec<Saved>,
}

/// A checkpoint that an earlier process left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    /// Its folder.
    pub folder: PathBuf,
    /// Of its manifest.
    pub manifest_sha256: String,
}

/// A table of pairs on disk, as Shamisen keeps it (`ml::dataset::stored`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// As the user calls it.
    pub name: String,
    /// The pairs.
    pub file: PathBuf,
    /// What its rows are.
    pub kind: TableKind,
    /// What its lowest score means, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
    /// How the user's own file is written.
    pub format: String,
    /// Of the user's own file, in hex.
    pub sha256: String,
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

/// Does the run of a folder and tells what happens. `false` where it failed; the last message then says
/// why. Where `end` is set meanwhile, the run is saved and ends.
///
/// # Errors
/// Where nobody listens any more.
pub fn run(
    folder: &Path,
    end: &Arc<AtomicBool>,
    out: &mut dyn FnMut(&Message) -> std::io::Result<()>,
) -> std::io::Result<bool> {
    let mut told = Told::new(out);
    let last = match train_and_save(folder, end, &mut told) {
        Ok(done) => done,
        Err(error) => {
            tracing::error!("{error}");
            Message::Failed(explain(&error))
        }
    };
    told.say(&last);
    let succeeded = matches!(last, Message::Done { .. });
    told.broken.map_or(Ok(succeeded), Err)
}

/// What a run reads before it computes.
pub(super) struct Loaded {
    pub(super) spec: RunSpec,
    pub(super) model: Model,
    pub(super) table: PairDataset,
    pub(super) split: Split,
    pub(super) replay: Vec<TokenPair>,
    pub(super) exams: Exams,
    pub(super) notes: Vec<Note>,
}

impl Loaded {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SPEC);
        let spec = std::fs::read(&path).map_err(|error| Error::file(&path, error))?;
        let spec: RunSpec = serde_json::from_slice(&spec).map_err(|error| Error::model(&path, error.to_string()))?;
        let model = registry::load_from(&spec.model, &spec.root)?;
        let table = read(&spec.dataset)?;
        let split = split(token_pairs(&model, &table), &spec.config)?;
        let replay = match &spec.replay {
            Some(table) => token_pairs(&model, &read(table)?),
            None => Vec::new(),
        };
        let exams = Exams::read(&model, &spec, &table, &split)?;
        let notes = notes(&spec, table.kind, &split);
        Ok(Self { spec, model, table, split, replay, exams, notes })
    }

    pub(super) fn data(&self) -> TrainData<'_> {
        TrainData {
            kind: self.table.kind,
            lowest_means: self.spec.dataset.lowest_means,
            training: &self.split.training,
            validation: &self.split.validation,
            replay: &self.replay,
            general: self.exams.general(),
        }
    }
}

/// The steps of a job, in order.
fn train_and_save(folder: &Path, end: &Arc<AtomicBool>, told: &mut Told<'_>) -> Result<Message> {
    let started = Instant::now();

    // 1. Load the pairs and the model.
    told.phase(Phase::Loading);
    let loaded = Loaded::read(folder)?;
    let Loaded { spec, model, table, split, exams, .. } = &loaded;
    for note in &loaded.notes {
        told.say(&Message::Warning(note.clone()));
    }

    // 2. Measure the base.
    told.phase(Phase::BaseEval);
    let measured = Instant::now();
    let (before, evidence) = exams.take(&*model.encoder, spec, split);
    told.say(&Message::Evaluation { when: "before".to_owned(), evaluation: before.clone() });
    let heatmap_before = eval::heatmap(model, &*model.encoder, &spec.titles);
    told.say(&heatmap("before", 0, &spec.titles, &heatmap_before));
    let measuring = measured.elapsed();

    // 3. Train, from the newest checkpoint that is whole.
    told.phase(Phase::Training);
    let conditions = Conditions::of(&spec.config, &loaded.data(), &model.card.fingerprint);
    let checkpoint = newest_whole(spec, &conditions, told);
    let curves = Curves::create(&folder.join(CURVES)).map_err(|error| Error::file(folder, error))?;
    let every = Duration::from_secs(spec.checkpoint_seconds);
    let saving = Saving { folder: folder.to_owned(), conditions, every, end: Arc::clone(end) };
    let mut teller = Teller::new(told, spec, model, measuring, curves, saving);
    if let Some(checkpoint) = &checkpoint {
        teller.go_on(&checkpoint.counters)?;
    }
    let mut tuned = model.encoder.shallow_clone();
    let trained = train(&mut *tuned, &loaded.data(), &spec.config, &mut teller, checkpoint)?;
    let tuned = model.with_encoder(tuned);

    // 4. Measure the tuned model.
    told.phase(Phase::Evaluating);
    let (after, tuned_evidence) = exams.take(&*tuned.encoder, spec, split);
    let assessment = exams.assess(spec, table, [&evidence, &tuned_evidence]);
    told.say(&Message::Evaluation { when: "after".to_owned(), evaluation: after.clone() });
    let heatmap_after = eval::heatmap(&tuned, &*tuned.encoder, &spec.titles);
    told.say(&heatmap("after", trained.kept_epoch, &spec.titles, &heatmap_after));

    // 5. Save what training changed.
    told.phase(Phase::Saving);
    let finished = RunSpec::finished(folder);
    let root = encoder::load(&spec.root)?;
    let card = encoder::save_tuned(&finished, &spec.name, &tuned, &root, trained.adapters.as_ref())?;
    std::fs::rename(folder.join(CURVES), finished.join(CURVES)).map_err(|error| Error::file(&finished, error))?;
    if let Some(calibration) = &assessment.calibration {
        save(calibration, &finished.join(CALIBRATION))?;
    }
    GoldenVectors::of(&tuned, probe_texts(table, &spec.titles))?.write(&finished)?;
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
    Ok(Message::Done { card, report: Box::new(report) })
}

/// The newest checkpoint that can be used. One that cannot is put aside, and the user is told.
fn newest_whole(spec: &RunSpec, conditions: &Conditions, told: &mut Told<'_>) -> Option<Checkpoint> {
    for Saved { folder, manifest_sha256 } in &spec.resume {
        match Checkpoint::load(folder, manifest_sha256, conditions) {
            Ok((checkpoint, exact)) => {
                told.say(&Message::Resumed { step: checkpoint.counters.step, exact });
                return Some(checkpoint);
            }
            Err(error) => {
                tracing::error!(folder = %folder.display(), "{error}");
                let message =
                    format!("A checkpoint was put aside: {error}. An earlier one is used, or the first step.");
                told.say(&Message::Warning(Note { code: "checkpoint_not_usable".to_owned(), message }));
                let _ = std::fs::rename(folder, folder.with_extension("damaged"));
            }
        }
    }
    None
}

fn save(calibration: &Calibration, path: &Path) -> Result<()> {
    let json = serde_json::to_vec_pretty(calibration).expect("plain structs become JSON");
    let write = || {
        let mut file = std::fs::File::create(path)?;
        file.write_all(&json)?;
        file.sync_all()
    };
    write().map_err(|error| Error::file(path, error))
}

/// Reads a table.
///
/// # Errors
/// Where the file cannot be read.
pub fn read(table: &Table) -> Result<PairDataset> {
    let file = std::fs::File::open(&table.file).map_err(|error| Error::file(&table.file, error))?;
    Ok(stored::read(BufReader::with_capacity(1 << 18, file), table.kind)?)
}
