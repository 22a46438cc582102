//! Datasets: an id, a file on disk that goes by its hash, a row in the database.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::{Mutex, Semaphore};

use crate::ml::dataset::{self, Format, Pair, PairDataset, Problems, Scores, TableKind};
use crate::ml::sha256::sha256;
use crate::ml::train::RecipeFacts;
use crate::store::{self, Dataset, NewDataset, Purpose, Store};

/// Where tables of pairs live.
#[derive(Clone, Debug)]
pub struct DatasetShelf {
    store: Store,
    folder: PathBuf,
    /// Held while a file and its row come or go together.
    changing: Arc<Mutex<()>>,
    reading: Arc<Semaphore>,
}

/// Why a table was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// It cannot be used as it is.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The file cannot be written or read.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// A table as it was sent.
#[derive(Debug)]
pub struct Upload {
    /// As the user calls it.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// How it is written.
    pub format: Format,
    /// Its bytes, kept as they are.
    pub bytes: Vec<u8>,
}

/// The scores that a purpose allows.
pub fn scores(purpose: Purpose) -> Scores {
    match purpose {
        Purpose::Training => Scores::Unit,
        Purpose::Benchmark => Scores::Any,
    }
}

/// How a stored dataset is written.
pub fn format(dataset: &Dataset) -> Format {
    if dataset.format == "json" { Format::Json } else { Format::Csv }
}

/// What a recipe depends on: a stored dataset, and a transformer or another model.
pub fn facts(dataset: &Dataset, transformer: bool) -> RecipeFacts {
    let rows = dataset.rows as usize;
    // A table from before they were counted is taken to have them.
    let positives = dataset.scores["positives"].as_u64().map_or(rows, |count| count as usize);
    RecipeFacts { kind: kind(dataset), rows, positives, transformer }
}

/// What a stored dataset's rows are.
pub fn kind(dataset: &Dataset) -> TableKind {
    serde_json::from_value(dataset.kind.as_str().into()).unwrap_or_default()
}

impl DatasetShelf {
    /// Over a folder that exists.
    pub fn new(store: Store, folder: PathBuf) -> Self {
        Self { store, folder, changing: Arc::default(), reading: Arc::new(Semaphore::new(2)) }
    }

    /// A dataset's file.
    pub fn file(&self, dataset: &Dataset) -> PathBuf {
        self.folder.join(&dataset.sha256)
    }

    /// Removes what an interrupted upload or removal left behind.
    ///
    /// # Errors
    /// Where the folder or the database cannot be read.
    pub async fn take_stock(&self) -> anyhow::Result<()> {
        let known: BTreeSet<String> = self.store.dataset_files().await?.into_iter().collect();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !known.contains(&name) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// Reads a table, stores its bytes once, and gives it a row. The flag says whether it is new.
    ///
    /// # Errors
    /// All problems of the table together; then nothing is stored.
    pub async fn add(&self, upload: Upload) -> Result<(Dataset, bool), ShelfError> {
        // Reading takes memory and a processor: two tables at a time, off the async threads.
        let reading = self.reading.acquire().await.map_err(std::io::Error::other)?;
        let read = tokio::task::spawn_blocking(move || {
            let table = dataset::read(&upload.bytes, upload.format, scores(upload.purpose))?;
            let sha256 = sha256(&upload.bytes);
            let (rows, scores) = (table.pairs.len() as i64, summary(&table));
            Ok::<_, ShelfError>((upload, sha256, rows, scores, table.kind, table.columns))
        });
        let (upload, sha256, rows, scores, kind, columns) = read.await.map_err(std::io::Error::other)??;
        drop(reading);
        let shelf = self.clone();
        let store = async move {
            let _changing = shelf.changing.lock().await;
            let (folder, file) = (shelf.folder.clone(), sha256.clone());
            let bytes = upload.bytes.len() as i64;
            let written = tokio::task::spawn_blocking(move || write_once(&folder, &file, &upload.bytes));
            written.await.map_err(std::io::Error::other)??;
            let new = NewDataset {
                name: &upload.name,
                purpose: upload.purpose,
                sha256: &sha256,
                format: if upload.format == Format::Json { "json" } else { "csv" },
                bytes,
                rows,
                scores,
                kind: json!(kind).as_str().unwrap_or_default().to_owned(),
                columns,
            };
            Ok(shelf.store.insert_dataset(new).await?)
        };
        whole(store).await
    }

    /// Some of a dataset's pairs, from `offset`.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn pairs(&self, dataset: &Dataset, offset: usize, limit: usize) -> Result<Vec<Pair>, ShelfError> {
        let (file, format, scores) = (self.file(dataset), format(dataset), scores(dataset.purpose));
        let read = tokio::task::spawn_blocking(move || {
            let table = dataset::read(&std::fs::read(file)?, format, scores)?;
            Ok::<_, ShelfError>(table.pairs.into_iter().skip(offset).take(limit).collect())
        });
        read.await.map_err(std::io::Error::other)?
    }

    /// Removes a dataset that no job uses.
    ///
    /// # Errors
    /// A foreign key violation where a job uses it.
    pub async fn remove(&self, dataset: &Dataset) -> Result<(), ShelfError> {
        let (shelf, id) = (self.clone(), dataset.dataset_id.clone());
        let remove = async move {
            let _changing = shelf.changing.lock().await;
            if let Some(sha256) = shelf.store.delete_dataset(&id).await? {
                // A file that stays behind is removed at the next start.
                let _ = tokio::fs::remove_file(shelf.folder.join(sha256)).await;
            }
            Ok(())
        };
        whole(remove).await
    }
}

/// Runs to its end even where the client goes away meanwhile, so that a file and its row come or go
/// together.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, ShelfError>> + Send + 'static,
) -> Result<T, ShelfError> {
    tokio::spawn(work).await.map_err(std::io::Error::other)?
}

/// Writes the file under another name and renames it, unless it is there already.
fn write_once(folder: &Path, sha256: &str, bytes: &[u8]) -> std::io::Result<()> {
    let file = folder.join(sha256);
    if file.exists() {
        return Ok(());
    }
    let draft = folder.join(format!("{}.draft", store::new_id("ds")));
    std::fs::write(&draft, bytes)?;
    std::fs::File::open(&draft)?.sync_all()?;
    std::fs::rename(&draft, &file)?;
    std::fs::File::open(folder)?.sync_all()
}

fn summary(table: &PairDataset) -> serde_json::Value {
    let scores: Vec<f64> = table.pairs.iter().map(|pair| pair.score).collect();
    let distinct: BTreeSet<u64> = scores.iter().map(|score| score.to_bits()).collect();
    json!({
        "lowest": scores.iter().copied().fold(f64::INFINITY, f64::min),
        "highest": scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        "mean": scores.iter().sum::<f64>() / scores.len() as f64,
        "distinct": distinct.len(),
        "positives": RecipeFacts::of(table, false).positives,
    })
}
