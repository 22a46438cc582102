//! All the SQL: datasets, jobs and their events, models and aliases, API keys, in one SQLite file.
//!
//! One connection writes, a few read. Every transaction that writes begins with `begin immediate`
//! (a deferred one that upgrades fails at once with "busy"), is short, and holds no lock while a
//! model computes.

mod alias;
mod census;
mod claim;
mod dataset;
mod deletion;
mod error;
mod event;
mod health;
mod job;
mod job_config;
mod key;
mod left;
mod model;
mod rows;
mod schema;
mod snapshot;
mod word;

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, Transaction};

use health::Health;

pub(crate) use alias::{Alias, AliasHistory, MoveReason, Rollback};
pub(crate) use claim::{CheckpointRow, Release};
pub(crate) use dataset::{Dataset, Purpose};
pub(crate) use deletion::JobDeletion;
pub use error::{Result, StoreError, Unavailable, Why};
pub(crate) use event::{AliasResult, Event, JobError, QueueEvent, WaitReason, parts as event_parts};
pub(crate) use job::{AliasGate, Insertion, Job, JobCaller, JobRequest, OpenAiNotes, Phase, Progress, Status};
pub(crate) use job_config::JobConfig;
pub(crate) use key::ApiKeyRow;
pub(crate) use left::Left;
pub(crate) use model::{Deletion, Kind, ModelRow};
pub(crate) use rows::{Rows, UnreadableRow};
#[cfg(test)]
pub(crate) use schema::copies as copies_of;
pub(crate) use schema::newest as newest_schema;
pub(crate) use snapshot::{Contents, Examination, examine, schema_of, snapshot};

/// How long a write waits for its turn here, and then once more for another process that writes.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that read.
const READERS: u32 = 4;

/// The oldest SQLite that does not lose pages when two connections checkpoint at the same instant.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Grows with each change of models or aliases.
    models_version: Arc<AtomicU64>,
    health: Arc<Health>,
    /// Rows that cannot be read, as far as that was told.
    told: Arc<Mutex<HashSet<String>>>,
    /// Whether the log still holds what was deleted.
    uncut: Arc<AtomicBool>,
    /// Transactions that are still to be refused.
    #[cfg(test)]
    refusals: Arc<AtomicU64>,
}

/// Tells whoever keeps what the tables of models and aliases say that they have changed, when it goes out of scope:
/// after the change can be read, and also where it failed.
struct ModelsChange<'a>(&'a AtomicU64);

impl Drop for ModelsChange<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Store {
    /// Opens the database, creating it where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// Where the file cannot be opened, its schema is newer than this program, or the SQLite in this
    /// program is too old.
    pub async fn open(path: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE)
            .foreign_keys(true)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on")
            // Measured: it costs a write nothing, and a deletion 1 µs a row.
            .pragma("secure_delete", "on")
            .pragma("journal_size_limit", "67108864");
        let health = Health::of(path.to_owned());
        let attended = Arc::clone(&health);
        let writer = kept(&health)
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .after_connect(move |connection, _| {
                let health = Arc::clone(&attended);
                Box::pin(async move {
                    health.there().map_err(std::io::Error::other)?;
                    health.attend(connection).await
                })
            })
            // A disk that is full or broken makes SQLite end a transaction by itself; sqlx then counts on with one
            // that is not there, and no other could ever begin.
            .after_release(|connection, _| {
                Box::pin(async move {
                    connection.ping().await?;
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options.clone())
            .await?;
        let version: String = sqlx::query_scalar("select sqlite_version()").fetch_one(&writer).await?;
        let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        if parts < vec![OLDEST_SQLITE.0, OLDEST_SQLITE.1, OLDEST_SQLITE.2] {
            return Err(StoreError::other(format!("SQLite {version} is too old")));
        }
        schema::migrate(&mut *writer.acquire().await?, path).await?;
        // From here on a file that is not there is a loss, and another one in its place is none of ours.
        health.remember();
        writer.set_connect_options(options.clone().create_if_missing(false));
        // All of them now: what is open reads on where the name leads nowhere any more.
        let reader = kept(&health).min_connections(READERS).max_connections(READERS).acquire_timeout(PATIENCE);
        let reader = reader.connect_with(options.read_only(true)).await?;
        Ok(Self {
            writer,
            reader,
            models_version: Arc::default(),
            health,
            told: Arc::default(),
            uncut: Arc::default(),
            #[cfg(test)]
            refusals: Arc::default(),
        })
    }

    /// Copies of the database from before changes of its schema, which hold what has been deleted since: their names.
    pub fn copies(&self) -> Vec<String> {
        let names = schema::copies(&self.health.file).into_iter();
        names.filter_map(|copy| Some(copy.file_name()?.to_string_lossy().into_owned())).collect()
    }

    /// A number that grows with each change of models or aliases. What was read after the number stayed the same
    /// is still true.
    pub fn models_version(&self) -> u64 {
        self.models_version.load(Ordering::Acquire)
    }

    /// Stands first in every function that changes models or aliases.
    fn changing_models(&self) -> ModelsChange<'_> {
        ModelsChange(&self.models_version)
    }

    /// Lets the database be away for the next transactions that write.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&self, times: u64) {
        self.refusals.store(times, Ordering::Release);
    }

    /// Of those, how many were not begun yet.
    #[cfg(test)]
    pub(crate) fn refusals_left(&self) -> u64 {
        self.refusals.load(Ordering::Acquire)
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        #[cfg(test)]
        if self.refusals.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok() {
            return Err(sqlx::Error::PoolTimedOut.into());
        }
        let begun = async {
            self.health.there()?;
            Ok(self.writer.begin_with("begin immediate").await?)
        };
        begun.await.inspect_err(|error| {
            if let StoreError::Unavailable(Unavailable { why, .. }) = error {
                self.health.tell(Some(*why));
            }
        })
    }

    /// The database's file.
    pub fn file(&self) -> &Path {
        &self.health.file
    }

    /// Writes what is left in the log into the database and closes it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Connections that stay open: no new one ever finds another file under the name.
fn kept(health: &Arc<Health>) -> SqlitePoolOptions {
    let health = Arc::clone(health);
    SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).after_connect(move |_, _| {
        let there = health.there().map_err(|gone| std::io::Error::other(gone).into());
        Box::pin(async move { there })
    })
}

/// Milliseconds since 1970-01-01 UTC.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A new id: the prefix and a time-ordered UUID.
pub fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::now_v7().simple())
}

#[cfg(test)]
mod tests;
