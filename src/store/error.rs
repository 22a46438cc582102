//! What a caller of the store can act on. Which database it is, nobody else knows.

use std::path::PathBuf;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;

/// The store's result. Every function of [`Store`](super::Store) fails where the database does.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the store did not do what was asked of it. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another row has it already.
    #[error("the {what} is taken")]
    Taken {
        /// `name`, `idempotency key`, or another column's name.
        what: String,
    },
    /// Other rows refer to the one that was to go.
    #[error("other things refer to it")]
    Referenced,
    /// What was named is not there, or no longer.
    #[error("it is no longer there")]
    Gone,
    /// The database is busy, out of reach, or has no room. It may pass.
    #[error("the database is not available: {0}")]
    Unavailable(#[from] Unavailable),
    /// The file is no whole database.
    #[error(
        "the database is damaged: {0}. Look at it with `shamisen doctor`, and restore a backup with `shamisen restore`"
    )]
    Damaged(#[source] Cause),
    /// A row that this program cannot read.
    #[error("a row cannot be read: {0}")]
    Unreadable(#[source] Cause),
    /// Keys were made beside this database, and it has none.
    #[error(
        "keys were made in this folder, and its database has none: it was lost, emptied or replaced. Restore a backup with `shamisen restore`, or, to go on without keys, remove the file {}",
        .0.display()
    )]
    KeysLost(PathBuf),
    /// A fault of its own.
    #[error(transparent)]
    Other(Cause),
}

/// Why the database does not do now what it could do.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Unavailable {
    /// What it is.
    pub why: Why,
    cause: Cause,
}

/// What may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Another process writes, or too many wait for their turn here.
    Busy,
    /// The disk has no room.
    Full,
    /// The file may only be read.
    ReadOnly,
    /// The file is no longer where it was, or another one is there.
    Gone,
    /// The system cannot read or write it.
    Unreachable,
}

impl Why {
    pub(super) fn because(self, cause: impl Into<Cause>) -> StoreError {
        Unavailable { why: self, cause: cause.into() }.into()
    }
}

impl StoreError {
    /// Anything else.
    pub fn other(cause: impl Into<Cause>) -> Self {
        Self::Other(cause.into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(told) if told.is_unique_violation() => Self::Taken { what: taken(&**told) },
            sqlx::Error::Database(told) if told.is_foreign_key_violation() => Self::Gone,
            sqlx::Error::Database(told) => match told.code().and_then(|code| code.parse().ok()).map(meaning) {
                Some(Meaning::MayPass(why)) => why.because(error),
                Some(Meaning::Damage) => Self::Damaged(error.into()),
                _ => Self::Other(error.into()),
            },
            sqlx::Error::PoolTimedOut => Why::Busy.because(error),
            sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed => Why::Unreachable.because(error),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Unreadable(error.into()),
            sqlx::Error::RowNotFound => Self::Gone,
            _ => Self::Other(error.into()),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::other(other),
        }
    }
}

/// The column of `UNIQUE constraint failed: model.name`.
fn taken(error: &dyn DatabaseError) -> String {
    let column = error.message().rsplit(['.', ' ']).next().unwrap_or_default();
    column.replace('_', " ")
}

enum Meaning {
    MayPass(Why),
    Damage,
    Fault,
}

/// What SQLite's code means. An extended one has the plain one in its last byte.
fn meaning(code: u32) -> Meaning {
    match (code, code & 0xff) {
        // READONLY_DBMOVED, IOERR_VNODE, and the refusal of a commit (CONSTRAINT_COMMITHOOK), which is `Health`'s.
        (1032 | 6922 | 531, _) => Meaning::MayPass(Why::Gone),
        // BUSY, LOCKED, PROTOCOL.
        (_, 5 | 6 | 15) => Meaning::MayPass(Why::Busy),
        (_, 8) => Meaning::MayPass(Why::ReadOnly),
        (_, 13) => Meaning::MayPass(Why::Full),
        // NOMEM, IOERR, CANTOPEN.
        (_, 7 | 10 | 14) => Meaning::MayPass(Why::Unreachable),
        // CORRUPT, NOTADB.
        (_, 11 | 26) => Meaning::Damage,
        _ => Meaning::Fault,
    }
}
