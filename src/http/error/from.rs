//! The errors of the layers below, as clients see them.

use std::io::ErrorKind;
use std::path::Path;

use axum::http::StatusCode;

use super::{ApiError, Code, model_not_found};
use crate::analysis::AnalysisError;
use crate::datasets::{DatasetError, TurnError};
use crate::jobs::{CancelError, PlanError, QueueError, TooLarge};
use crate::ml::error::sentence;
use crate::serving::{EmbedError, EngineError, LoadFault, PoolError, TextFault};
use crate::store::{StoreError, Unavailable, Why};
use tables::Problems;
use tables::checks::FEWEST_PAIRS;

/// Seconds until a file that cannot be read now is tried again.
const FILES_WAIT: u64 = 5;

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        let code = Code::named(problems.code).expect("a test finds every code of the sources in the table");
        let mut error = Self::of(code).detail(problems.what).hint(problems.hint);
        if problems.total > 0 {
            error.0.title = "Some rows cannot be used";
            error.0.errors_total = Some(problems.total);
            error.0.errors_shown = Some(problems.shown.len());
            error.0.errors = problems.shown;
        }
        error
    }
}

/// Seconds after which a database may be there again.
const AGAIN: u64 = 5;

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(Unavailable { why, .. }) => match why {
                Why::Busy => Code::DatabaseBusy,
                Why::Full => Code::DiskFull,
                Why::ReadOnly => Code::DiskReadOnly,
                Why::Gone => Code::DatabaseGone,
                Why::Unreachable => Code::DatabaseUnreachable,
            },
            StoreError::KeysLost(_) => Code::DatabaseGone,
            StoreError::Damaged(_) => Code::DatabaseDamaged,
            StoreError::Unreadable(_) => Code::RowNotReadable,
            StoreError::Taken { .. } | StoreError::Referenced | StoreError::Gone | StoreError::Other(_) => {
                return Self::internal(error);
            }
        };
        Self::of_machine(code, error)
    }
}

impl ApiError {
    /// Of a machine that does not do now what it should. The cause goes to the log alone.
    fn of_machine(code: Code, cause: impl std::fmt::Display) -> Self {
        let mut error = Self::of(code).caused(cause);
        if matches!(code.head().0, StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE) {
            // What to do is the code's to say.
            let hint = std::mem::take(&mut error.0.hint);
            error = error.retry_after(AGAIN).hint(hint);
        }
        error
    }

    /// Of what the log told when it began.
    pub(crate) fn told_before(error: StoreError) -> Self {
        let mut error = Self::from(error);
        error.0.cause = None;
        error
    }

    /// An entry of a list that cannot be read has its place there all the same.
    pub(crate) fn unless_unreadable(self) -> Result<(), Self> {
        if self.0.code == Code::RowNotReadable.entry().code { Ok(()) } else { Err(self) }
    }

    /// Of a file of the server's own.
    pub(crate) fn of_file(cause: std::io::Error) -> Self {
        let code = match cause.kind() {
            // Somebody took it away, and it does not come back by waiting.
            ErrorKind::NotFound => return Self::internal(cause),
            kind => full_or_read_only(kind).unwrap_or(Code::DiskFailed),
        };
        Self::of_machine(code, cause)
    }

    /// Of something that failed below, whose layers tell what it was.
    fn of_any(error: anyhow::Error) -> Self {
        let error = match error.downcast::<StoreError>() {
            Ok(error) => return error.into(),
            Err(error) => error,
        };
        match error.downcast::<crate::ml::Error>() {
            Ok(error) => error.into(),
            Err(error) => match error.downcast::<std::io::Error>() {
                Ok(cause) => Self::of_file(cause),
                Err(error) => Self::internal(format!("{error:#}")),
            },
        }
    }
}

/// What a disk that takes nothing says.
fn full_or_read_only(kind: ErrorKind) -> Option<Code> {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(Code::DiskFull),
        ErrorKind::ReadOnlyFilesystem => Some(Code::DiskReadOnly),
        _ => None,
    }
}

impl From<DatasetError> for ApiError {
    fn from(error: DatasetError) -> Self {
        match error {
            DatasetError::Problems(problems) => problems.into(),
            DatasetError::File(error) => Self::of_file(error),
            DatasetError::Store(error) => error.into(),
            DatasetError::VersionGone(id) => Self::of(Code::DatasetNotFound)
                .detail(format!("The dataset {id:?} was removed meanwhile."))
                .hint("Send the table without version_of.")
                .param("version_of"),
            DatasetError::Turn(TurnError::Busy) => Self::of(Code::Busy).retry_after(5),
            DatasetError::Turn(other) => Self::internal(other),
        }
    }
}

impl From<TurnError> for ApiError {
    fn from(error: TurnError) -> Self {
        DatasetError::from(error).into()
    }
}

impl ApiError {
    /// Of a table that came in as `part` of the request.
    pub(crate) fn of_table(error: DatasetError, part: &str) -> Self {
        match error {
            DatasetError::Problems(problems) => Self::from(problems).param(part),
            other => other.into(),
        }
    }
}

impl From<crate::ml::Error> for ApiError {
    /// Of a model's files. Paths are for the log.
    fn from(error: crate::ml::Error) -> Self {
        use crate::ml::Error;
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let told = match &error {
            Error::File { cause, .. } if full_or_read_only(cause.kind()).is_some() => {
                return Self::of_file(std::io::Error::new(cause.kind(), error.to_string()));
            }
            Error::File { path, .. } => Self::of(Code::ModelFilesNotReadable)
                .detail(format!("The model's file {:?} cannot be read.", name(path)))
                .retry_after(FILES_WAIT),
            Error::Damaged { path, reason } => {
                Self::of(Code::ModelDamaged).detail(format!("The model's file {:?} is damaged: {reason}.", name(path)))
            }
            Error::Model { reason, .. } => Self::of(Code::ModelBroken).detail(sentence(reason)),
            _ => return Self::internal(error),
        };
        tracing::error!("a model's files cannot be used: {error}");
        told
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Unknown(wanted) => model_not_found(&wanted, None),
            PoolError::Failed { model, failure } => {
                let error = Self::of(failure.fault.into())
                    .detail(format!("The model {model} cannot be served, since {}.", failure.message));
                if !failure.may_pass {
                    return error;
                }
                let seconds = failure.retry_after();
                error.retry_after(seconds).hint(format!("Try again in {seconds} s, or use another model."))
            }
            PoolError::Pinned(model) => {
                Self::of(Code::ModelPinned).detail(format!("{model} is pinned: it is to stay in memory."))
            }
            PoolError::BaseOfLoaded { model, tuned } => Self::of(Code::BaseInUse).detail(format!(
                "{model} shares its weights with the tuned models {}, which are in memory.",
                tuned.join(", ")
            )),
            PoolError::Store(error) => error.into(),
        }
    }
}

impl From<LoadFault> for Code {
    fn from(fault: LoadFault) -> Self {
        match fault {
            LoadFault::SelfCheckFailed => Self::SelfCheckFailed,
            LoadFault::ModelDamaged => Self::ModelDamaged,
            LoadFault::ModelBroken => Self::ModelBroken,
            LoadFault::ModelFilesNotReadable => Self::ModelFilesNotReadable,
            LoadFault::BaseNotLoaded => Self::BaseNotLoaded,
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded { waiting, seconds } => {
                Self::of(Code::Overloaded).detail(format!("{waiting} texts are waiting already.")).retry_after(seconds)
            }
            EngineError::Closed => Self::of(Code::Stopping).retry_after(5),
            EngineError::Failed(cause) => Self::internal(cause),
        }
    }
}

impl From<EmbedError> for ApiError {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Fingerprint { expected, found } => Self::fingerprint_mismatch(&expected, &found),
            EmbedError::Dimensions { asked, all } => Self::of(Code::DimensionsOutOfRange)
                .param("dimensions")
                .detail(format!("{asked} dimensions; the model has {all}."))
                .hint(format!("Ask for 1 to {all}.")),
            EmbedError::Prompt { name, known } => Self::of(Code::PromptNotFound)
                .param("prompt_name")
                .detail(format!("The model has no prompt {name:?}."))
                .hint(match known.as_slice() {
                    [] => "It has none: leave prompt_name out.".to_owned(),
                    known => format!("Its prompts are {}.", known.join(", ")),
                }),
            EmbedError::Text { index, fault } => Self::of_text(&format!("Text {index} (counted from 0)"), fault),
            EmbedError::Pool(error) => error.into(),
            EmbedError::Engine(error) => error.into(),
        }
    }
}

impl ApiError {
    /// Why a text has no vector. `text` is what it is called.
    pub(crate) fn of_text(text: &str, fault: TextFault) -> Self {
        match fault {
            TextFault::TooLong { tokens, max_tokens } => {
                Self::of(Code::TextTooLong).detail(format!("{text} has {tokens} tokens; the model reads {max_tokens}."))
            }
            TextFault::NotFinite => {
                Self::of(Code::NotFinite).detail(format!("{text} has a vector with numbers that are not finite."))
            }
        }
    }
}

impl From<AnalysisError> for ApiError {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Embed(error) => error.into(),
            AnalysisError::Datasets(error) => error.into(),
            AnalysisError::NothingToMine(why) => {
                Self::about(Code::NothingToMine, "id", format!("There are no hard negatives to find: {why}"))
            }
            AnalysisError::TooManyTexts { texts, most } => Self::of(Code::TaxonomyRecipeUnusable)
                .param("hard_negatives")
                .detail(format!(
                    "Hard negatives of this taxonomy need the vectors of {texts} texts; {most} are allowed."
                ))
                .hint("Send a part of the taxonomy, or make the pairs with `shamisen pairs --hard-negatives`."),
            AnalysisError::Ended(error) => Self::internal(error),
        }
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let detail = sentence(&error.to_string());
        match error {
            QueueError::Config(crate::ml::Error::Config { field, .. }) => {
                Self::about(Code::ConfigNotUsable, format!("config.{field}"), detail)
            }
            QueueError::Config(other) => other.into(),
            QueueError::NotForTraining(_) => Self::about(Code::DatasetIsBenchmark, "dataset_id", detail),
            QueueError::NotABenchmark(_) => Self::about(Code::DatasetIsNoBenchmark, "benchmark_id", detail),
            QueueError::ValidationUnusable(_) => Self::about(Code::ValidationNotUsable, "validation_id", detail),
            QueueError::ValidationIsTraining => {
                Self::about(Code::ValidationFileIsTrainingFile, "validation_id", detail)
            }
            QueueError::DatasetGone(_) => {
                Self::about(Code::DatasetNotFound, "dataset_id", detail).hint("Upload it again.")
            }
            QueueError::TooFewPairs { .. } => Self::about(Code::TooFewPairs, "dataset_id", detail)
                .hint(format!("Add pairs: {FEWEST_PAIRS} are the least, 200 are comfortable.")),
            QueueError::TooLarge(TooLarge::Memory { .. }) => Self::about(Code::TooLargeForMemory, "model", detail),
            QueueError::TooLarge(TooLarge::Disk { .. }) => Self::about(Code::TooLargeForDisk, "model", detail),
            QueueError::NameTaken(_) => Self::about(Code::NameTaken, "name", detail),
            QueueError::KeyReused => Self::of(Code::IdempotencyKeyReused).detail(detail),
            // A job takes minutes rather than seconds.
            QueueError::TooManyWaiting { .. } => Self::of(Code::TooManyJobsWaiting).detail(detail).passes_in(60),
            QueueError::Store(error) => error.into(),
        }
    }
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Queue(error) => error.into(),
            PlanError::Trainer(error) => Self::of_any(error),
        }
    }
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown => Self::of(Code::JobNotFound).detail("There is no such job."),
            CancelError::Over(status) => {
                let status = format!("{status:?}").to_lowercase();
                Self::of(Code::JobIsOver).detail(format!("The job is over: it is {status}."))
            }
            CancelError::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn a_disk_that_fails_is_no_fault_of_the_program_and_says_when_to_try_again() {
        let of = |raw: i32| ApiError::of_file(Error::from_raw_os_error(raw)).0;
        // EIO, EMFILE, EACCES.
        for raw in [5, 24, 13] {
            let told = of(raw);
            assert_eq!(
                (told.code, told.status.as_u16(), told.retry_after_s),
                ("disk_failed", 503, Some(AGAIN)),
                "{raw}"
            );
        }
        let (no_space, read_only, missing) = (of(28), of(30), of(2));
        assert_eq!([no_space.code, read_only.code, missing.code], ["disk_full", "disk_read_only", "internal"]);
    }
}
