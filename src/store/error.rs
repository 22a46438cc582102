//! What a caller of the store can act on. Which database it is, nobody else knows.

use sqlx::error::DatabaseError;

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
    Unavailable(#[source] Cause),
    /// A row that this program cannot read, or a fault of its own.
    #[error(transparent)]
    Other(Cause),
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
            sqlx::Error::Database(told) if may_pass(&**told) => Self::Unavailable(error.into()),
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
                Self::Unavailable(error.into())
            }
            sqlx::Error::RowNotFound => Self::Gone,
            _ => Self::Other(error.into()),
        }
    }
}

/// The column of `UNIQUE constraint failed: model.name`.
fn taken(error: &dyn DatabaseError) -> String {
    let column = error.message().rsplit(['.', ' ']).next().unwrap_or_default();
    column.replace('_', " ")
}

/// Whether SQLite was busy (5), locked (6, 15), out of memory (7), or its disk full or out of reach (8, 10, 13, 14).
fn may_pass(error: &dyn DatabaseError) -> bool {
    // An extended code has the plain one in its last byte.
    let code = error.code().and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5..=8 | 10 | 13..=15))
}
