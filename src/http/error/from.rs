//! The errors of the layers below, as clients see them.

use axum::http::StatusCode;

use super::{ApiError, model_not_found};
use crate::analysis::AnalysisError;
use crate::datasets::ShelfError;
use crate::jobs::{CancelError, FEWEST_PAIRS, PlanError, QueueError};
use crate::ml::dataset::Problems;
use crate::ml::error::sentence;
use crate::serving::{EmbedError, EngineError, PoolError, TextFault};

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        let mut error = Self::unusable(problems.code, "file", problems.what, problems.hint);
        if problems.total > 0 {
            error.0.title = "Some rows cannot be used";
            error.0.errors_total = Some(problems.total);
            error.0.errors_shown = Some(problems.shown.len());
            error.0.errors = problems.shown;
        }
        error
    }
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::internal(error)
    }
}

impl From<ShelfError> for ApiError {
    fn from(error: ShelfError) -> Self {
        match error {
            ShelfError::Problems(problems) => problems.into(),
            ShelfError::File(error) if error.kind() == std::io::ErrorKind::StorageFull => Self::new(
                (StatusCode::INSUFFICIENT_STORAGE, "disk_full", "The disk is full"),
                "The server's disk is full. Nothing was saved.",
                "Make room on the disk that holds the server's data folder, then try again.",
            ),
            ShelfError::VersionGone(id) => Self::not_found(
                "dataset_not_found",
                format!("The dataset {id:?} was removed meanwhile."),
                "Send the table without version_of.",
            )
            .param("version_of"),
            other => Self::internal(other),
        }
    }
}

impl From<crate::ml::Error> for ApiError {
    /// Of a model's files: a full disk is told, anything else is for the log.
    fn from(error: crate::ml::Error) -> Self {
        match error {
            crate::ml::Error::File { cause, .. } if cause.kind() == std::io::ErrorKind::StorageFull => {
                ShelfError::File(cause).into()
            }
            other => Self::internal(other),
        }
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Unknown(wanted) => model_not_found(&wanted, None),
            PoolError::Failed { model, failure } => {
                let detail = format!("The model {model} cannot be served, since {}.", failure.message);
                if failure.may_pass {
                    let seconds = failure.retry_after();
                    let hint = format!("Try again in {seconds} s, or use another model.");
                    let what = (StatusCode::SERVICE_UNAVAILABLE, failure.fault.code(), "Not now");
                    let mut error = Self::new(what, detail, hint);
                    error.0.retry_after_s = Some(seconds);
                    return error;
                }
                Self::new(
                    (StatusCode::INTERNAL_SERVER_ERROR, failure.fault.code(), "The model cannot be served"),
                    detail,
                    "Use another model. When its folder is whole again, the next request tries it; POST /models/{model}/load does so at once.",
                )
            }
            PoolError::Pinned(model) => Self::conflict(
                "model_pinned",
                format!("{model} is pinned: it is to stay in memory."),
                "DELETE /models/{model}/pin first.",
            ),
            PoolError::BaseOfLoaded { model, tuned } => Self::conflict(
                "base_in_use",
                format!("{model} shares its weights with the tuned models {}, which are in memory.", tuned.join(", ")),
                "Unload those first.",
            ),
            PoolError::Store(error) => error.into(),
        }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded { waiting, seconds } => {
                Self::unavailable("overloaded", format!("{waiting} texts are waiting already."), seconds)
            }
            EngineError::Closed => Self::unavailable("stopping", "The server is stopping.", 5),
            EngineError::Failed(cause) => Self::internal(cause),
        }
    }
}

impl From<EmbedError> for ApiError {
    fn from(error: EmbedError) -> Self {
        match error {
            EmbedError::Fingerprint { expected, found } => Self::fingerprint_mismatch(&expected, &found),
            EmbedError::Dimensions { asked, all } => Self::unusable(
                "dimensions_out_of_range",
                "dimensions",
                format!("{asked} dimensions; the model has {all}."),
                format!("Ask for 1 to {all}."),
            ),
            EmbedError::Prompt { name, known } => {
                let remedy = match known.as_slice() {
                    [] => "It has none: leave prompt_name out.".to_owned(),
                    known => format!("Its prompts are {}.", known.join(", ")),
                };
                Self::unusable("prompt_not_found", "prompt_name", format!("The model has no prompt {name:?}."), remedy)
            }
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
            TextFault::TooLong { tokens, max_tokens } => Self::unusable(
                "text_too_long",
                text,
                format!("{text} has {tokens} tokens; the model reads {max_tokens}."),
                "Shorten it, or leave out \"truncate\": false to have it cut.",
            ),
            TextFault::NotFinite => Self::new(
                (StatusCode::INTERNAL_SERVER_ERROR, "not_finite", "The model gives no numbers"),
                format!("{text} has a vector with numbers that are not finite."),
                "The model's weights do not suit this text. Use another model, or send \"on_error\": \"null\" to have the others answered.",
            ),
        }
    }
}

impl From<AnalysisError> for ApiError {
    fn from(error: AnalysisError) -> Self {
        match error {
            AnalysisError::Embed(error) => error.into(),
            AnalysisError::Datasets(error) => error.into(),
            AnalysisError::NothingToMine(why) => Self::unusable(
                "nothing_to_mine",
                "id",
                format!("There are no hard negatives to find: {why}"),
                "Add pairs about other things, or pairs with high scores; a smaller margin lets nearer texts through.",
            ),
            AnalysisError::TooManyTexts { texts, most } => Self::unusable(
                "taxonomy_recipe_unusable",
                "hard_negatives",
                format!("Hard negatives of this taxonomy need the vectors of {texts} texts; {most} are allowed."),
                "Send a part of the taxonomy, or make the pairs with `shamisen pairs --hard-negatives`.",
            ),
            AnalysisError::Ended(error) => Self::internal(error),
        }
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let detail = sentence(&error.to_string());
        match error {
            QueueError::Config(crate::ml::Error::Config { field, .. }) => Self::unusable(
                "config_not_usable",
                &format!("config.{field}"),
                detail,
                "Correct this setting and post the job again.",
            ),
            QueueError::Config(other) => Self::internal(other),
            QueueError::NotForTraining(_) => Self::unusable(
                "dataset_is_benchmark",
                "dataset_id",
                detail,
                "Name a dataset that was uploaded without benchmark=true, and send this one as benchmark_id.",
            ),
            QueueError::NotABenchmark(_) => Self::unusable(
                "dataset_is_no_benchmark",
                "benchmark_id",
                detail,
                "Upload the table with benchmark=true; what a model learned from says nothing about what it knew before.",
            ),
            QueueError::DatasetGone(_) => {
                Self::not_found("dataset_not_found", detail, "Upload it again.").param("dataset_id")
            }
            QueueError::TooFewPairs { .. } => Self::unusable(
                "too_few_pairs",
                "dataset_id",
                detail,
                format!("Add pairs: {FEWEST_PAIRS} are the least, 200 are comfortable."),
            ),
            QueueError::NameTaken(_) => Self::conflict(
                "name_taken",
                detail,
                "Choose another name; to let one name follow the newest model, use an alias.",
            )
            .param("name"),
            QueueError::KeyReused => Self::new(
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", "The key belongs to another request"),
                detail,
                "Send a new Idempotency-Key with a new request.",
            ),
            QueueError::Store(error) => error.into(),
        }
    }
}

impl From<PlanError> for ApiError {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Queue(error) => error.into(),
            PlanError::Trainer(error) => Self::internal(format!("{error:#}")),
        }
    }
}

impl From<CancelError> for ApiError {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::Unknown => {
                Self::not_found("job_not_found", "There is no such job.", "GET /jobs lists the jobs that there are.")
            }
            CancelError::Over(status) => {
                let status = format!("{status:?}").to_lowercase();
                Self::conflict(
                    "job_is_over",
                    format!("The job is over: it is {status}."),
                    "Only a job that is queued or running can be cancelled.",
                )
            }
            CancelError::Store(error) => error.into(),
        }
    }
}
