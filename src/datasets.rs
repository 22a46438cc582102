//! Datasets: an id, files on disk, a row in the database.
//!
//! `<sha256>` is a file as it was sent, `<dataset_id>.pairs` the pairs that came of it. Several datasets may share the
//! first: the same bytes, read in other ways.

mod draft;
mod reads;
mod rows;
mod turns;

use std::collections::{BTreeSet, HashSet};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::Mutex;

pub(crate) use draft::{BlockingDraft, Draft, PairsDraft, Received};
pub(crate) use rows::{RowsFound, RowsWanted, Sort};
pub(crate) use turns::TurnError;
pub(crate) use turns::Turns;

use crate::store::{self, Dataset, Left, Purpose, Store, StoreError};
use tables::choices::{Scale, TableOptions};
use tables::inspect::InspectContext;
use tables::inspect::{self, Inspection, Stored};
use tables::source::Input;
use tables::{Problems, Scores, Stop};

/// Tables that are read at a time: each takes a processor, and 40 bytes a row.
const READ_AT_ONCE: usize = 2;
/// Stored tables that are looked through at a time: for a page of rows, a draw, a search.
const LOOKED_THROUGH_AT_ONCE: usize = 4;
/// Examples of a finding that are kept with a dataset.
const EXAMPLES_KEPT: usize = 3;

/// Where tables of pairs live.
#[derive(Clone, Debug)]
pub struct DatasetStore {
    store: Store,
    folder: PathBuf,
    /// Held while files and their row come or go together.
    changing: Arc<Mutex<()>>,
    reading: Turns,
    looking: Turns,
    /// The pair keys of the benchmark that was asked for last.
    keys: Arc<Mutex<Option<KeysOf>>>,
}

/// A dataset's id, and its pairs' keys.
type KeysOf = (String, Arc<HashSet<u64>>);

/// Why a table was not stored.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error("{0}")]
    File(#[from] std::io::Error),
    #[error("the dataset {0:?} is no longer there")]
    VersionGone(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Turn(#[from] TurnError),
}

/// A table as it was sent.
pub struct Upload {
    pub name: String,
    pub purpose: Purpose,
    /// Its bytes, kept as they are.
    pub table: Received,
    /// How they are to be read, as far as somebody said so.
    pub choices: TableOptions,
    /// What they are looked at with.
    pub context: InspectContext,
    /// The dataset that it is a new version of.
    pub version_of: Option<String>,
}

/// The scores that a purpose allows.
pub(crate) fn scores(purpose: Purpose) -> Scores {
    match purpose {
        Purpose::Training => Scores::Unit,
        Purpose::Benchmark => Scores::Any,
    }
}

impl DatasetStore {
    pub fn new(store: Store, folder: PathBuf) -> Self {
        let (reading, looking) = (Turns::new(READ_AT_ONCE), Turns::new(LOOKED_THROUGH_AT_ONCE));
        Self { store, folder, changing: Arc::default(), reading, looking, keys: Arc::default() }
    }

    /// A dataset's file as it was sent.
    pub fn file(&self, dataset: &Dataset) -> PathBuf {
        self.folder.join(&dataset.sha256)
    }

    /// A dataset's pairs (see `tables::stored`).
    pub fn pairs_file(&self, dataset: &Dataset) -> PathBuf {
        self.folder.join(pairs_name(&dataset.dataset_id))
    }

    /// Removes what an interrupted upload or removal left behind, and makes the pairs of datasets that were stored
    /// before pairs were kept.
    pub async fn reconcile(&self) -> anyhow::Result<()> {
        let datasets = self.store.dataset_files().await?;
        let known: BTreeSet<String> =
            datasets.iter().flat_map(|(id, sha256)| [pairs_name(id), sha256.clone()]).collect();
        let mut strays = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if name.ends_with(".draft") {
                std::fs::remove_file(&path)?;
            } else if !known.contains(&name) {
                strays.push(path);
            }
        }
        // Rows that name no file, or no rows at all, are a database that was lost or damaged; then the files are all
        // that is left.
        let whole = !datasets.is_empty() && datasets.iter().all(|(_, sha256)| self.folder.join(sha256).exists());
        if whole {
            strays.iter().try_for_each(std::fs::remove_file)?;
        } else if !strays.is_empty() {
            let folder = self.folder.display();
            tracing::warn!(files = strays.len(), "files in {folder} belong to no table of the database; they stay");
        }
        for (id, _) in datasets {
            if self.folder.join(pairs_name(&id)).exists() {
                continue;
            }
            let Some(dataset) = self.store.dataset(&id).await? else { continue };
            let datasets = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || datasets.make_pairs(&dataset)).await? {
                tracing::error!(dataset = id, "the pairs of this dataset cannot be made: {error}");
            }
        }
        Ok(())
    }

    /// Makes the pairs of a dataset anew. One from before choices were kept is read as it was then: its scores, from
    /// 0 to 1 or a benchmark's, as they stand there.
    fn make_pairs(&self, dataset: &Dataset) -> Result<(), DatasetError> {
        let mut choices = dataset.choices()?;
        if choices.scale.is_none() && dataset.purpose == Purpose::Training {
            choices.scale = Some(Scale { lowest: 0.0, highest: 1.0 });
        }
        let input = Input::file(self.file(dataset));
        let context = InspectContext { scores: scores(dataset.purpose), ..InspectContext::default() };
        let inspection = inspect::inspect(&input, &choices, &context)?;
        let (draft, _) = write_pairs(self.folder.join(draft_name(&dataset.dataset_id)), &input, &inspection)?;
        std::fs::rename(&draft.0, self.pairs_file(dataset))?;
        Ok(std::fs::File::open(&self.folder)?.sync_all()?)
    }

    pub async fn receive(&self) -> Result<Draft, DatasetError> {
        Ok(Draft::create(&self.folder).await?)
    }

    /// The same on a thread that may block.
    pub(crate) fn draft(&self) -> std::io::Result<BlockingDraft> {
        BlockingDraft::create(&self.folder)
    }

    pub async fn receive_bytes(&self, bytes: &[u8]) -> Result<Received, DatasetError> {
        let mut draft = self.receive().await?;
        draft.write(bytes).await?;
        Ok(draft.finish().await?)
    }

    /// Takes the file of a dataset once more.
    pub async fn receive_again(&self, dataset: &Dataset) -> Result<Received, DatasetError> {
        let path = self.folder.join(draft_name(&store::new_id("ds")));
        tokio::fs::hard_link(self.file(dataset), &path).await?;
        Ok(Received { path, sha256: dataset.sha256.clone(), bytes: dataset.bytes as u64, head: Vec::new() })
    }

    /// Says what would become of a table. Nothing is stored.
    pub async fn inspect(
        &self,
        table: &Received,
        choices: TableOptions,
        purpose: Purpose,
        context: InspectContext,
    ) -> Result<Inspection, DatasetError> {
        let input = table.input();
        let context = InspectContext { scores: scores(purpose), ..context };
        self.beside(move |stop| Ok(inspect::inspect(&input.until(stop), &choices, &context)?)).await
    }

    /// Work that takes memory and a processor: off the async threads, and not much of it at a time.
    pub(crate) async fn beside<T: Send + 'static, E: From<TurnError> + Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.reading.work(work).await?
    }

    /// The same for what only looks through a stored table.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> Result<T, DatasetError> + Send + 'static,
    ) -> Result<T, DatasetError> {
        self.looking.work(work).await?
    }

    /// Reads a table, stores its bytes once, its pairs, and a row. The flag says whether it is new: the same bytes for
    /// the same purpose, read in the same way, are one dataset.
    /// Its error: all problems of the table together; then nothing is stored.
    pub async fn add(&self, upload: Upload) -> Result<(Dataset, bool), DatasetError> {
        let mut added = self.add_all(vec![upload]).await?;
        Ok(added.pop().expect("as many as were sent"))
    }

    /// The same for tables that belong together: all of them are stored, or none.
    pub async fn add_all(&self, uploads: Vec<Upload>) -> Result<Vec<(Dataset, bool)>, DatasetError> {
        let mut read = Vec::with_capacity(uploads.len());
        for upload in uploads {
            read.push(self.read(upload, draft_name).await?);
        }
        let datasets = self.clone();
        whole(async move { datasets.store_all(read).await }).await
    }

    async fn store_all(&self, read: Vec<Read>) -> Result<Vec<(Dataset, bool)>, DatasetError> {
        let _changing = self.changing.lock().await;
        let new: Vec<&NewTable> = read.iter().filter_map(Read::to_store).collect();
        let mut placed = Vec::new();
        let stored = match self.insert_all(&new, &mut placed).await {
            Ok(stored) => stored,
            Err(error) => {
                // Nobody else has come to know of these files: who places any waits for this.
                for file in placed {
                    let _ = tokio::fs::remove_file(file).await;
                }
                return Err(error);
            }
        };
        for (table, (_, new)) in new.iter().zip(&stored) {
            if !new {
                // Another request was quicker.
                let _ = tokio::fs::remove_file(self.folder.join(pairs_name(&table.row.dataset_id))).await;
            }
        }
        drop(new);
        let mut stored = stored.into_iter();
        let each = read.into_iter().map(|read| match read {
            Read::Known(same) => Some((*same, false)),
            Read::New(_) => stored.next(),
        });
        Ok(each.map(|dataset| dataset.expect("a row for each new table")).collect())
    }

    /// The rows of new tables, in one transaction, once their files have their names; `placed` are files that came to be.
    async fn insert_all(
        &self,
        new: &[&NewTable],
        placed: &mut Vec<PathBuf>,
    ) -> Result<Vec<(Dataset, bool)>, DatasetError> {
        for table in new {
            placed.extend(self.place(&table.table, &table.row.dataset_id).await?);
        }
        let rows: Vec<(&Dataset, &str)> = new.iter().map(|table| (&table.row, table.choices.as_str())).collect();
        match self.store.insert_datasets(&rows).await {
            Err(StoreError::Gone) => {
                let gone = new.iter().find_map(|table| table.row.version_of.clone());
                Err(DatasetError::VersionGone(gone.unwrap_or_default()))
            }
            inserted => Ok(inserted?),
        }
    }

    /// A table as the dataset that it would be. Nothing is stored; the pairs of a new one are where a dataset's are,
    /// for as long as the draft lives. Its error: all problems of the table together.
    pub async fn try_out(&self, upload: Upload) -> Result<(Dataset, Option<PairsDraft>), DatasetError> {
        match self.read(upload, pairs_name).await? {
            Read::Known(same) => Ok((*same, None)),
            Read::New(read) => Ok((Dataset { version_of: None, ..read.row }, Some(read.pairs))),
        }
    }

    /// Reads a table, unless it is there already. What it writes goes where nobody waits to the end.
    async fn read(&self, upload: Upload, pairs_name: fn(&str) -> String) -> Result<Read, DatasetError> {
        let Upload { name, purpose, table, choices, context, version_of } = upload;
        let inspection = self.inspect(&table, choices, purpose, context).await?;
        let choices = serde_json::to_string(&inspection.choices).map_err(std::io::Error::other)?;
        if let Some(same) = self.store.same_dataset(&table.sha256, purpose, &choices).await? {
            return Ok(Read::Known(Box::new(same)));
        }
        let dataset_id = store::new_id("ds");
        let written = self.beside({
            let (path, input) = (self.folder.join(pairs_name(&dataset_id)), table.input());
            move |stop: &Stop| Ok::<_, DatasetError>((write_pairs(path, &input.until(stop), &inspection)?, inspection))
        });
        let ((pairs, stored), inspection) = written.await?;
        let row = Dataset {
            family: dataset_id.clone(),
            dataset_id,
            name,
            purpose,
            sha256: table.sha256.clone(),
            format: inspection.dialect.format,
            bytes: table.bytes as i64,
            columns: columns(&inspection),
            kind: inspection.kind.unwrap_or_default(),
            rows: stored.rows as i64,
            scores: stored.scores,
            choices: serde_json::from_str(&choices).map_err(std::io::Error::other)?,
            lowest_means: inspection.choices.lowest_means,
            skipped: stored.skipped as i64,
            fixed_out: stored.fixed_out as i64,
            findings: findings(&inspection),
            version: 1,
            version_of,
            latest: true,
            created_at: store::now(),
        };
        Ok(Read::New(Box::new(NewTable { table, row, choices, pairs })))
    }

    /// Gives the files of a table that is about to have a row their names, and sees them onto the disk. Those that were
    /// not there before are told.
    async fn place(&self, table: &Received, dataset_id: &str) -> std::io::Result<Vec<PathBuf>> {
        let (folder, from, id) = (self.folder.clone(), table.path.clone(), dataset_id.to_owned());
        let file = folder.join(&table.sha256);
        let place = move || {
            let pairs = folder.join(pairs_name(&id));
            std::fs::rename(folder.join(draft_name(&id)), &pairs)?;
            let mut placed = vec![pairs];
            if !file.exists() {
                std::fs::rename(&from, &file)?;
                placed.push(file);
            }
            std::fs::File::open(&folder)?.sync_all()?;
            Ok(placed)
        };
        tokio::task::spawn_blocking(place).await.map_err(std::io::Error::other)?
    }

    /// Remembers that a dataset was made of another one's rows.
    pub async fn record_descent(&self, made: &Dataset, of: &Dataset) -> Result<(), DatasetError> {
        Ok(self.store.record_descent(&made.dataset_id, &of.dataset_id).await?)
    }

    /// Removes a dataset that no unfinished job uses, and says what is left of it. [`StoreError::Referenced`] where one
    /// does.
    pub async fn remove(&self, dataset: &Dataset) -> Result<Left, DatasetError> {
        let (datasets, id) = (self.clone(), dataset.dataset_id.clone());
        let remove = async move {
            let _changing = datasets.changing.lock().await;
            let (unshared, left) = datasets.store.delete_dataset(&id).await?;
            datasets.keys.lock().await.take_if(|(of, _)| *of == id);
            for file in [Some(pairs_name(&id)), unshared].into_iter().flatten() {
                match tokio::fs::remove_file(datasets.folder.join(file)).await {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        tracing::warn!(dataset = id, %error, "a file of a deleted dataset is removed at the next start");
                    }
                    _ => {}
                }
            }
            Ok(left)
        };
        whole(remove).await
    }
}

/// A table that was read.
enum Read {
    /// The dataset that it is already.
    Known(Box<Dataset>),
    New(Box<NewTable>),
}

impl Read {
    fn to_store(&self) -> Option<&NewTable> {
        match self {
            Self::Known(_) => None,
            Self::New(table) => Some(table),
        }
    }
}

/// A table that is no dataset yet.
struct NewTable {
    table: Received,
    row: Dataset,
    /// As JSON that is the same for the same choices.
    choices: String,
    pairs: PairsDraft,
}

/// Runs to its end even where the client goes away meanwhile, so that files and their row come or go together.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, DatasetError>> + Send + 'static,
) -> Result<T, DatasetError> {
    tokio::spawn(work).await.map_err(std::io::Error::other)?
}

fn pairs_name(dataset_id: &str) -> String {
    format!("{dataset_id}.pairs")
}

fn draft_name(dataset_id: &str) -> String {
    format!("{dataset_id}.draft")
}

/// Writes a table's pairs and sees them onto the disk.
fn write_pairs(path: PathBuf, input: &Input, inspection: &Inspection) -> Result<(PairsDraft, Stored), DatasetError> {
    let file = std::fs::File::create_new(&path)?;
    let draft = PairsDraft(path);
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let stored = inspect::store(input, inspection, &mut out)?;
    out.flush()?;
    out.get_ref().sync_all()?;
    Ok((draft, stored))
}

/// The names of the columns that are read, in the order of their meaning.
fn columns(inspection: &Inspection) -> Option<Vec<String>> {
    let named = |role: &str| inspection.columns.iter().find(|column| column.becomes == Some(role));
    let columns = ["text_a", "text_b", "negative", "score", "text", "label"].into_iter().filter_map(named);
    columns.map(|column| column.name.clone()).collect()
}

/// An inspection's findings as they are kept.
fn findings(inspection: &Inspection) -> Value {
    let mut kept = inspection.findings.clone();
    kept.iter_mut().for_each(|finding| finding.examples.truncate(EXAMPLES_KEPT));
    json!(kept)
}
