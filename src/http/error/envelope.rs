//! Errors in OpenAI's form.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Whether a path is of this API: its errors have OpenAI's form, whoever makes them.
pub(crate) fn is_openai(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path == "/embeddings"
}

/// Whether a path is one of text-embeddings-inference's or Cohere's, whose clients show an error's `error` alone.
pub(crate) fn is_tei(path: &str) -> bool {
    matches!(path, "/" | "/embed" | "/similarity" | "/tokenize" | "/info" | "/rerank" | "/v2/rerank")
}

/// The kind of an error, as text-embeddings-inference names it.
pub(crate) fn error_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "Overloaded",
        503 => "Unhealthy",
        500.. => "Backend",
        _ => "Validation",
    }
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
    pub(crate) fn of(status: StatusCode, problem: Value) -> Self {
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
