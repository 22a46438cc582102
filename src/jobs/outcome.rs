//! How a claim of a job ended.

use super::death::{Death, refused_memory};
use super::message::{MemoryUse, Report};
use crate::ml::encoder::ModelCard;
use crate::ml::files::out_of_room;
use crate::store::JobError;

/// Codes of errors after which a job may go on.
pub(super) const DISK_FULL: &str = "disk_full";
pub(super) const FILE_NOT_READABLE: &str = "file_not_readable";
pub(super) const OUT_OF_MEMORY: &str = "out_of_memory";
pub(super) const TRAINING_FAILED: &str = "training_failed";

/// What to do where the memory does not suffice.
pub(super) const LESS_MEMORY: &str = "Give the server more memory, end what else runs there, or post the job again with a smaller model, a smaller batch_size, lora or gradient_checkpointing.";

#[derive(Debug)]
pub(super) enum Outcome {
    Done(Box<(ModelCard, Report)>),
    Failed(JobError),
    /// The trainer died, and how.
    Died(String),
    /// The trainer was refused memory, or killed for it.
    OutOfMemory {
        how: String,
        used: MemoryUse,
    },
    /// The disk has no room, and why.
    NoRoom(String),
    /// A file cannot be read or written.
    Files(JobError),
    Cancelled,
    Stopping,
    /// Another claim has taken over.
    LeaseLost,
}

impl Outcome {
    /// Of an error of the system's, with what could not be done.
    pub(super) fn of_file(error: &std::io::Error, what: &str) -> Self {
        if out_of_room(error) {
            return Self::no_room();
        }
        Self::Files(JobError {
            code: FILE_NOT_READABLE.to_owned(),
            message: format!("{what}."),
            hint: "The server's log says why; check the server's data folder.".to_owned(),
        })
    }

    /// Of a trainer that said what it failed with.
    pub(super) fn of_error(error: JobError, complaints: &str, used: MemoryUse) -> Self {
        let code = error.code.clone();
        match (code.as_str(), refused_memory(complaints)) {
            (DISK_FULL, _) => Self::no_room(),
            (OUT_OF_MEMORY, how) => {
                Self::OutOfMemory { how: how.unwrap_or_else(|| "it asked for more and was refused".to_owned()), used }
            }
            // A thread of its that was refused memory tells of it there alone.
            (TRAINING_FAILED | FILE_NOT_READABLE, Some(how)) => Self::OutOfMemory { how, used },
            (FILE_NOT_READABLE, None) => Self::Files(error),
            _ => Self::Failed(error),
        }
    }

    /// Of a trainer that said nothing any more.
    pub(super) fn of_death(death: Death, used: MemoryUse) -> Self {
        if death.of_memory { Self::OutOfMemory { how: death.how, used } } else { Self::Died(death.how) }
    }

    fn no_room() -> Self {
        Self::NoRoom("the server's disk is full".to_owned())
    }
}
