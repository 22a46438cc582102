//! Why a run failed, in the user's words.

use crate::ml::Error;
use crate::ml::error::sentence;
use crate::store::JobError;

/// An error in the user's words: a code, what happened, what to do. Paths and libtorch's own words go
/// to the log alone.
pub(super) fn explain(error: &Error) -> JobError {
    let failed =
        |code: &str, message: String, hint: &str| JobError { code: code.to_owned(), message, hint: hint.to_owned() };
    match error {
        Error::Diverged { .. } => {
            let hint = "Run the job again with a smaller learning_rate, such as 1e-5.";
            failed("loss_not_finite", sentence(&error.to_string()), hint)
        }
        Error::Config { .. } => {
            failed("config_not_usable", sentence(&error.to_string()), "Correct this setting and post the job again.")
        }
        Error::Dataset(_) => failed(
            "dataset_not_usable",
            sentence(&error.to_string()),
            "Correct the table, upload it again, and post the job with the new dataset.",
        ),
        Error::Checkpoint { .. } => failed(
            "checkpoint_not_usable",
            sentence(&error.to_string()),
            "Post the job again; it then starts from its first step.",
        ),
        Error::Cancelled => failed(
            "interrupted",
            "The server stopped listening to the trainer.".to_owned(),
            "The job goes on by itself when the server is back.",
        ),
        Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::StorageFull => failed(
            "disk_full",
            "The server's disk is full.".to_owned(),
            "Make room on the disk that holds the data folder and post the job again.",
        ),
        Error::File { .. } | Error::Model { .. } => failed(
            "file_not_readable",
            "A file that the job needs cannot be read or written.".to_owned(),
            "The server's log names the file; check the server's data folder.",
        ),
        Error::Torch(_) => failed(
            "training_failed",
            "libtorch could not do a step of the training.".to_owned(),
            "Post the job again with a smaller batch_size; the server's log has the details.",
        ),
    }
}
