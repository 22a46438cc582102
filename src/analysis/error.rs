//! Why a table has no answer.

use tables::Problems;
use tokio::task::JoinError;

use crate::datasets::{DatasetError, TurnError};
use crate::serving::{EmbedError, PoolError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum AnalysisError {
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The table cannot be read, or what was made of it not be stored.
    #[error(transparent)]
    Datasets(#[from] DatasetError),
    /// The table has no hard negatives.
    #[error("{0}")]
    NothingToMine(&'static str),
    /// More texts would have to be embedded than one request may ask for.
    #[error("{texts} texts; {most} are allowed")]
    TooManyTexts { texts: usize, most: usize },
    /// The work ended early: it panicked, or the server is stopping.
    #[error(transparent)]
    Ended(#[from] JoinError),
}

impl From<PoolError> for AnalysisError {
    fn from(error: PoolError) -> Self {
        Self::Embed(error.into())
    }
}

impl From<TurnError> for AnalysisError {
    fn from(error: TurnError) -> Self {
        Self::Datasets(error.into())
    }
}

impl From<Problems> for AnalysisError {
    fn from(problems: Problems) -> Self {
        Self::Datasets(problems.into())
    }
}
