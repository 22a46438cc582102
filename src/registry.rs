//! Models: an id, a folder on disk, a row in the database.

mod card;
mod export;
#[cfg(feature = "hub")]
mod hub;
mod import;
mod markdown;
mod names;
mod scan;
mod usage;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Mutex;

use crate::ml::encoder::integrity::{self, Adoption};
use crate::ml::encoder::{self, GoldenVectors, Model, ModelFiles, Place};
use crate::ml::eval::Calibration;
use crate::ml::files::put_in_place;
use crate::ml::{Error, Result};
use crate::store::{self, Deletion, ModelRow, Store};
use scan::Scanned;

pub use card::card;
pub use export::{ExportFormat, export, find_folder, root_folder};
#[cfg(feature = "hub")]
pub use hub::fetch;
pub(crate) use import::read_import;
pub use import::{ImportRequest, download_command, import};
pub use names::{BASE, NameFault, Named, check as check_name};

/// In a tuned model's folder: what its training was and came to.
pub const TRAINING: &str = "training.json";
/// In a tuned model's folder: from its similarities to the user's scale.
pub const CALIBRATION: &str = "calibration.json";
/// The alias that requests without a model use.
pub const DEFAULT_ALIAS: &str = "default";

/// Where models live.
#[derive(Clone, Debug)]
pub struct ModelRegistry {
    store: Store,
    folder: PathBuf,
    /// The program that reads what strangers made.
    reader: PathBuf,
    /// Held while new folders are looked for.
    scanned: Arc<Mutex<Scanned>>,
    found: Arc<std::sync::Mutex<Found>>,
}

/// What a model's folder looked like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// When its newest file was written.
    newest: Option<SystemTime>,
    bytes: u64,
}

/// Models by what they were asked for, as the tables were at a version: the database is asked once.
#[derive(Debug, Default)]
struct Found {
    version: u64,
    rows: HashMap<String, ModelRow>,
}

/// The most names that are kept; there are not many more models than that.
const MOST_FOUND: usize = 4096;

impl Found {
    /// What was found at a version of the tables; what is of another one is forgotten.
    fn at(&mut self, version: u64) -> &mut HashMap<String, ModelRow> {
        if self.version != version {
            self.version = version;
            self.rows.clear();
        }
        &mut self.rows
    }
}

impl ModelRegistry {
    /// Over a folder that exists. `reader` is this program, to check models in a process of their own.
    pub fn new(store: Store, folder: PathBuf, reader: PathBuf) -> Self {
        Self { store, folder, reader, scanned: Arc::default(), found: Arc::default() }
    }

    /// A model by its id, whatever aliases there are.
    pub async fn find_id(&self, id: &str) -> store::Result<Option<ModelRow>> {
        self.store.model_of_id(id).await
    }

    /// A model by its alias, id or name. One that was imported since is found too.
    pub async fn find(&self, wanted: &str) -> store::Result<Option<ModelRow>> {
        let version = self.store.models_version();
        if let Some(row) = self.found().at(version).get(wanted) {
            return Ok(Some(row.clone()));
        }
        let mut row = self.store.model(wanted).await?;
        if row.is_none() {
            self.rescan().await?;
            row = self.store.model(wanted).await?;
        }
        if let Some(row) = &row {
            let mut found = self.found();
            // A change since `version` was read makes this row one of the past: it is kept under the past version.
            let rows = found.at(version);
            if rows.len() < MOST_FOUND {
                rows.insert(wanted.to_owned(), row.clone());
            }
        }
        Ok(row)
    }

    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A model's folder. Folders go by id, never by a name that a user chose.
    pub fn folder(&self, model_id: &str) -> PathBuf {
        self.folder.join(model_id)
    }

    /// Whether a model is a transformer, or a delta of one.
    pub fn is_transformer(&self, model: &ModelRow) -> bool {
        encoder::is_transformer(&self.folder(Self::root(model)))
    }

    /// The id of the full model that a model is, or is a delta of.
    pub fn root(model: &ModelRow) -> &str {
        model.base_model.as_deref().unwrap_or(&model.model_id)
    }

    /// Moves a finished model's folder to its place. What an earlier try left there goes. Its bytes.
    pub async fn publish(&self, finished: PathBuf, model_id: &str) -> std::io::Result<i64> {
        let folder = self.folder(model_id);
        let publish = move || {
            let bytes = folder_size(&finished)?;
            remove_folder(&folder)?;
            put_in_place(&finished, &folder)?;
            Ok(bytes)
        };
        tokio::task::spawn_blocking(publish).await.map_err(std::io::Error::other)?
    }

    /// Removes the folder of a model that has no row.
    pub async fn discard(&self, model_id: &str) -> std::io::Result<()> {
        let folder = self.folder(model_id);
        tokio::task::spawn_blocking(move || remove_folder(&folder)).await.map_err(std::io::Error::other)?
    }

    /// Removes a tuned model that nothing needs, its row first, then its folder. Requests that hold it finish.
    pub async fn remove(&self, model_id: &str) -> store::Result<Deletion> {
        // Nobody adopts the folder between the two.
        let _scanning = self.scanned.lock().await;
        let deletion = self.store.delete_model(model_id).await?;
        if let Deletion::Deleted(_) = deletion {
            let (folder, passing) = (self.folder(model_id), self.passing_folder());
            let removed = tokio::task::spawn_blocking(move || {
                std::fs::rename(&folder, &passing)?;
                std::fs::remove_dir_all(passing)
            });
            match removed.await.map_err(std::io::Error::other).flatten() {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    // What stays costs only space, until the next start.
                    tracing::warn!(model = model_id, %error, "a deleted model's folder cannot be removed");
                }
                _ => {}
            }
        }
        Ok(deletion)
    }

    /// Changes whenever a file of a model's folder does.
    pub fn footprint(&self, model_id: &str) -> Footprint {
        let mut newest = None;
        let mut bytes = 0;
        for entry in std::fs::read_dir(self.folder(model_id)).into_iter().flatten().flatten() {
            if let Ok(metadata) = entry.metadata() {
                newest = newest.max(metadata.modified().ok());
                bytes += metadata.len();
            }
        }
        Footprint { newest, bytes }
    }

    /// The models that are to stay in memory.
    pub async fn pinned(&self) -> store::Result<Vec<ModelRow>> {
        Ok(self.store.models().await?.into_iter().filter(|row| row.pinned).collect())
    }

    /// A new place for what is made and sent at once. What a stopped server leaves there is removed by
    /// [`ModelRegistry::reconcile`].
    pub fn passing_folder(&self) -> PathBuf {
        self.folder.join(format!("{}.draft", store::new_id("export")))
    }

    /// Loads a model into memory; a tuned one over its base, which `base` gives. A folder that is not the model that
    /// the row describes is an error, and so is a file that is not what was written. Reads files: not for an async
    /// thread.
    pub fn load(&self, row: &ModelRow, base: Option<&Model>) -> Result<Loaded> {
        let folder = self.folder(&row.model_id);
        match integrity::adopt(&folder)? {
            Adoption::Known => {}
            Adoption::Sealed => tracing::info!(
                model = row.model_id,
                "the files are those of the model's fingerprint; its card has the SHA-256 of each from now on"
            ),
            Adoption::Unsealed(error) => tracing::warn!(
                model = row.model_id,
                "the card was written before cards had the SHA-256 of each file, and cannot be written now; the fingerprint is held to at each load: {error}"
            ),
        }
        let files = ModelFiles::open(&folder, Place::Memory)?;
        let model = match base {
            Some(base) => files.load_over(base)?,
            None => files.load()?,
        };
        if model.card.fingerprint != row.fingerprint {
            return Err(Error::model(&folder, "the folder holds another model than was registered"));
        }
        Ok(Loaded { model, golden: files.golden()?, calibration: files.json_if_there(CALIBRATION)? })
    }
}

/// A model in memory, with what its folder tells of it.
pub struct Loaded {
    /// The model itself.
    pub model: Model,
    /// What it said when it was made.
    pub golden: Option<GoldenVectors>,
    /// From a tuned model's similarities to its user's scale, where that could be found out.
    pub calibration: Option<Calibration>,
}

/// Loads a model from its folder, over its base's folder where it is a delta.
pub fn load_from(folder: &Path, root_folder: &Path) -> Result<Model> {
    let root = encoder::load(root_folder)?;
    if folder == root_folder { Ok(root) } else { encoder::load_tuned(folder, &root) }
}

/// Loads a model by its id from a folder of models, a tuned one over its base there.
pub fn load_by_id(models: &Path, id: &str) -> Result<Model> {
    let folder = models.join(id);
    // What is there instead is told where there is none.
    let folder = if folder.is_dir() { folder } else { find_folder(models, id)? };
    load_from(&folder, &root_folder(&folder)?)
}

/// The size of a model folder's files in bytes, with those of its modules.
pub fn folder_size(folder: &Path) -> std::io::Result<i64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { folder_size(&entry.path())? } else { entry.metadata()?.len() as i64 };
    }
    Ok(bytes)
}

fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
