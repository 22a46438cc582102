//! What can go wrong in the core, in words that a user understands.

use std::path::{Path, PathBuf};

use tables::Problems;

/// The core's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the core.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said. Not named `source`: the text tells it already.
        cause: std::io::Error,
    },
    /// A model file is not what its kind says it is.
    #[error("{path}: {reason}")]
    Model {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a model is not what was written.
    #[error("{path}: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How that was seen.
        reason: String,
    },
    /// A table of pairs cannot be used as it is.
    #[error("{0}")]
    Dataset(#[from] Problems),
    /// A training setting has no meaning.
    #[error("{field}: {reason}")]
    Config {
        /// The setting.
        field: &'static str,
        /// Why it cannot be used, and what can.
        reason: String,
    },
    /// The loss stopped being a number.
    #[error(
        "training stopped at epoch {epoch}, step {step}: the loss became {loss}. The learning rate is {learning_rate}; try a smaller one"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// Step over the whole run, from 1.
        step: usize,
        /// The loss, NaN or infinite.
        loss: f64,
        /// The learning rate of the run.
        learning_rate: f64,
    },
    /// A checkpoint is not what was written, or not of this run.
    #[error("the checkpoint cannot be used: {reason}")]
    Checkpoint {
        /// Why.
        reason: String,
    },
    /// The observer asked for the end of the run.
    #[error("the run was cancelled")]
    Cancelled,
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Error {
    /// A file error, with its path.
    pub fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::File { path: path.to_owned(), cause }
    }

    /// An error of a setting, with what can be done.
    pub fn config(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Config { field, reason: reason.into() }
    }

    /// A damaged file of a model, with its path.
    pub fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.into() }
    }

    /// A model error, with its path.
    pub fn model(path: &Path, reason: impl Into<String>) -> Self {
        Self::Model { path: path.to_owned(), reason: reason.into() }
    }
}

/// An error's text as a sentence for people: a capital first, a full stop last.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let end = if text.ends_with(['.', '?']) { "" } else { "." };
    format!("{first}{}{end}", characters.as_str())
}
