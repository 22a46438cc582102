//! OpenAI's API, as far as it is about embeddings: vectors, models, files of pairs, fine-tuning. An app's
//! existing client works when its base URL is this server's `/v1`.
//!
//! Replies have OpenAI's members and some of ours beside them; ids are ours. What is asked for and cannot be
//! done is refused by name and never passed over.

mod checkpoints;
mod embeddings;
mod events;
mod files;
mod fine_tuning;
mod fine_tuning_body;
mod models;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::AppState;
use super::error::{ApiError, shown};

pub(crate) fn router(max_upload: usize) -> OpenApiRouter<AppState> {
    embeddings::router()
        .merge(models::router())
        .merge(files::router(max_upload))
        .merge(fine_tuning::router())
        .merge(checkpoints::router())
}

/// Whether a path is of this API: its errors have OpenAI's form, whoever makes them.
pub(crate) fn is_ours(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

/// An error as OpenAI's clients read it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorEnvelope {
    error: ErrorBody,
}

/// What happened, and what to do.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    /// What happened and why, and what to do.
    message: String,
    /// The kind of error, by its status.
    #[schema(example = "invalid_request_error")]
    r#type: &'static str,
    /// Which part of the request, as a field's name or a JSON pointer.
    param: Option<String>,
    /// For programs: stable.
    #[schema(example = "model_not_found")]
    code: String,
    /// What else there is to tell, such as `request_id` and a table's `errors`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    more: Map<String, Value>,
}

impl ErrorEnvelope {
    /// Of a problem document.
    pub(crate) fn of(status: axum::http::StatusCode, problem: Value) -> Self {
        let Value::Object(mut more) = problem else { unreachable!("a problem document is an object") };
        let mut take = |name: &str| match more.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (detail, hint) = (take("detail").unwrap_or_default(), take("hint").unwrap_or_default());
        let (param, code) = (take("param"), take("code").unwrap_or_default());
        for told_otherwise in ["type", "title", "status"] {
            more.remove(told_otherwise);
        }
        let kind = match status.as_u16() {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        Self { error: ErrorBody { message: format!("{detail} {hint}"), r#type: kind, param, code, more } }
    }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
struct Page<T> {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<T>,
    /// The first entry's id: what comes before this page ends there.
    first_id: Option<String>,
    /// The last entry's id: the `after` of the next page.
    last_id: Option<String>,
    /// Whether there is a next page.
    has_more: bool,
}

impl<T> Page<T> {
    /// Of rows of which one more than `limit` was asked for.
    fn of(mut data: Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Self {
        let has_more = data.len() > limit;
        data.truncate(limit);
        let (first_id, last_id) =
            (data.first().map(|row| id(row).to_owned()), data.last().map(|row| id(row).to_owned()));
        Self { object: "list", data, first_id, last_id, has_more }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// The id of the last entry of the page before.
    after: Option<String>,
    /// At most so many; 100 at most.
    limit: Option<usize>,
}

fn unknown_cursor(after: &str) -> ApiError {
    ApiError::unusable(
        "cursor_not_usable",
        "after",
        format!("{:?} is the id of no entry of this list.", shown(after)),
        "Send the last_id of the page before.",
    )
}

/// Milliseconds as OpenAI tells times.
fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000)
}
