//! A run's description: the one file in its folder from which the trainer knows everything.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ml::files::read_json;
use crate::ml::train::TrainConfig;
use crate::ml::{Error, Result};
use tables::choices::{FileFormat, LowestMeans};
use tables::{PairDataset, TableKind, stored};

const SPEC: &str = "run.json";
/// The finished model in the run's folder.
const MODEL: &str = "model";

/// All that a run needs to know. What its job has too is told at [`Job`](crate::store::Job).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RunSpec {
    /// The name of the tuned model.
    pub name: String,
    /// The folder of the model that is tuned.
    pub model: PathBuf,
    /// The folder of the full model that it is, or is a delta of.
    pub root: PathBuf,
    pub dataset: Table,
    pub benchmark: Option<Table>,
    pub replay: Option<Table>,
    /// What validates, where no rows of `dataset` are held out for it.
    #[serde(default)]
    pub validation: Option<Table>,
    pub titles: Vec<String>,
    /// The name of the settings that `config` began with.
    pub recipe: String,
    pub config: TrainConfig,
    /// Pairs that are computed at a time, where memory has not sufficed for as many as `config` says.
    #[serde(default)]
    pub micro_batch: Option<usize>,
    /// Seconds between two checkpoints.
    pub checkpoint_seconds: u64,
    /// Checkpoints of this very run, the newest first.
    pub resume: Vec<Saved>,
}

/// A checkpoint that an earlier process left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub folder: PathBuf,
    pub manifest_sha256: String,
}

/// A table of pairs on disk, as Shamisen keeps it (`tables::stored`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Table {
    /// As the user calls it.
    pub name: String,
    pub file: PathBuf,
    pub kind: TableKind,
    /// What its lowest score means, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
    /// How the user's own file is written.
    pub format: FileFormat,
    /// Of the user's own file, in hex.
    pub sha256: String,
}

impl RunSpec {
    /// Writes the description into a run's folder.
    pub(crate) fn write(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::write(folder.join(SPEC), serde_json::to_vec_pretty(self)?)
    }

    /// Makes a run's folder with the description in it.
    pub(super) async fn make_folder(&self, folder: &Path) -> std::io::Result<()> {
        tokio::fs::create_dir_all(folder).await?;
        // A checkpoint in it is safe only where the way to it is: its job's folder, and that of all runs.
        for above in folder.ancestors().skip(1).take(2) {
            tokio::fs::File::open(above).await?.sync_all().await?;
        }
        tokio::fs::write(folder.join(SPEC), serde_json::to_vec_pretty(self)?).await
    }

    pub(super) fn read(folder: &Path) -> Result<Self> {
        read_json(&folder.join(SPEC))
    }

    /// The settings under which steps are computed. The loss sees the same batches as under `config`.
    pub(super) fn settings(&self) -> TrainConfig {
        let fewest = [self.micro_batch, self.config.mini_batch].into_iter().flatten().min();
        TrainConfig { mini_batch: fewest, ..self.config.clone() }
    }

    pub(crate) fn finished(folder: &Path) -> PathBuf {
        folder.join(MODEL)
    }
}

impl Table {
    pub(crate) fn read(&self) -> Result<PairDataset> {
        let file = std::fs::File::open(&self.file).map_err(|error| Error::file(&self.file, error))?;
        Ok(stored::read(BufReader::with_capacity(1 << 18, file), self.kind)?)
    }
}
