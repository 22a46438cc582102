//! All the SQL: datasets, jobs and their events, models and aliases, in one SQLite file.
//!
//! One connection writes, a few read. Every transaction that writes begins with `begin immediate`
//! (a deferred one that upgrades fails at once with "busy"), is short, and holds no lock while a
//! model computes.

mod claim;
mod dataset;
mod job;
mod model;
mod pages;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

pub use claim::{CheckpointRow, NewModel, Release};
pub use dataset::{Dataset, NewDataset, Purpose};
pub use job::{Event, Job, JobError, NewJob, OpenAiNotes, Phase, Progress, Status};
pub use model::{Kind, ModelRow};

/// The store's result.
pub type Result<T> = std::result::Result<T, sqlx::Error>;

/// The oldest SQLite that does not lose pages when two connections checkpoint at the same instant.
const OLDEST_SQLITE: (u32, u32, u32) = (3, 51, 3);

/// The database.
#[derive(Clone, Debug)]
pub struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
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
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .pragma("trusted_schema", "off")
            .pragma("cell_size_check", "on")
            .pragma("journal_size_limit", "67108864");
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        let version: String = sqlx::query_scalar("select sqlite_version()").fetch_one(&writer).await?;
        let parts: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
        if parts < vec![OLDEST_SQLITE.0, OLDEST_SQLITE.1, OLDEST_SQLITE.2] {
            return Err(sqlx::Error::Configuration(format!("SQLite {version} is too old").into()));
        }
        sqlx::migrate!().run(&writer).await?;
        let reader = SqlitePoolOptions::new().max_connections(4).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, reader })
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("begin immediate").await
    }

    /// Writes what is left in the log into the database and closes it.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
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
