//! The one error type of the edge: problem details (RFC 9457).
//!
//! Every error carries a stable `code`, what happened and why (`detail`), and what to do (`hint`).
//! Layers below have enums of their own that have never heard of HTTP; each is mapped in `from.rs` once.

pub(crate) mod codes;
pub(crate) mod envelope;
mod from;
pub(crate) mod words;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::ml::dataset::Problem;
use crate::store::JobError;
use envelope::ErrorEnvelope;
use words::shown;

/// The edge's result.
pub(crate) type Result<T, E = ApiError> = std::result::Result<T, E>;

/// An error as a client sees it.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(Box<Details>);

/// An error: what happened, why, and what to do (RFC 9457).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem, example = json!({
    "type": "/docs/errors#unknown_field",
    "title": "The request cannot be used as it is",
    "status": 422,
    "code": "unknown_field",
    "detail": "Unknown field \"input\"; did you mean \"inputs\"?",
    "hint": "Possible: texts, inputs, model, normalize, truncate, truncation_direction, dimensions, prompt_name.",
    "param": "input",
    "request_id": "req_01980f3e5c7a7d0e8a1b2c3d4e5f6071"
}))]
pub(crate) struct Details {
    /// A link to what the code means, relative to this server.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The kind of error, in words.
    title: &'static str,
    /// The reply's status.
    #[serde(serialize_with = "as_number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// For programs.
    code: &'static str,
    /// What happened and why.
    detail: String,
    /// What to do.
    hint: String,
    /// Which part of the request, as a field's name or a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<String>,
    /// What is wrong with a table, row by row; the first hundred.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem>,
    /// How many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_total: Option<usize>,
    /// How many of them are in `errors`.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors_shown: Option<usize>,
    /// Seconds to wait, as in the header Retry-After.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    /// As in the header x-request-id and in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// For the log alone.
    #[serde(skip)]
    cause: Option<String>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl ApiError {
    /// An error with its status, code and title; what happened and what to do.
    pub(crate) fn new(
        (status, code, title): (StatusCode, &'static str, &'static str),
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self(Box::new(Details {
            r#type: format!("/docs/errors#{code}"),
            title,
            status,
            code,
            detail: detail.into(),
            hint: hint.into(),
            param: None,
            errors: Vec::new(),
            errors_total: None,
            errors_shown: None,
            retry_after_s: None,
            request_id: None,
            cause: None,
        }))
    }

    /// The same about a part of the request.
    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// The same about a field inside a part of the request.
    pub(crate) fn within(mut self, part: &str) -> Self {
        self.0.param = Some(self.0.param.map_or_else(|| part.to_owned(), |param| format!("{part}.{param}")));
        self
    }

    /// 422: a field's value cannot be used.
    pub(crate) fn unusable(
        code: &'static str,
        param: &str,
        detail: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new((StatusCode::UNPROCESSABLE_ENTITY, code, "The request cannot be used as it is"), detail, hint)
            .param(param)
    }

    /// 422: a job that would fail, in the trainer's words.
    pub(crate) fn infeasible(error: JobError) -> Self {
        let what = (StatusCode::UNPROCESSABLE_ENTITY, "job_not_feasible", "The job would fail");
        Self::new(what, format!("{} ({})", error.message, error.code), error.hint)
    }

    /// 404: a thing that was asked for is not there.
    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new((StatusCode::NOT_FOUND, code, "Not found"), detail, hint)
    }

    /// 409: the thing's state does not allow it.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new((StatusCode::CONFLICT, code, "Not possible in this state"), detail, hint)
    }

    /// 413: too much at once.
    pub(crate) fn too_large(code: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new((StatusCode::PAYLOAD_TOO_LARGE, code, "Too much at once"), detail, hint)
    }

    /// 415: a body of another kind.
    pub(crate) fn media_type(found: &str, expected: &str) -> Self {
        let found = if found.is_empty() { "no Content-Type".to_owned() } else { format!("{found:?}") };
        Self::new(
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is of another kind"),
            format!("The request has {found}; this route reads {expected}."),
            format!("Send the header Content-Type: {}.", expected.split(" or ").next().unwrap_or(expected)),
        )
    }

    /// 503: not now, but perhaps in some seconds.
    pub(crate) fn unavailable(code: &'static str, detail: impl Into<String>, seconds: u64) -> Self {
        let what = (StatusCode::SERVICE_UNAVAILABLE, code, "Not now");
        let mut error = Self::new(what, detail, format!("Try again in {seconds} s."));
        error.0.retry_after_s = Some(seconds);
        error
    }

    /// The problem document.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("a problem is a plain struct")
    }

    /// 412: the client wants another model's vectors than it would get.
    pub(crate) fn fingerprint_mismatch(expected: &str, found: &str) -> Self {
        Self::new(
            (StatusCode::PRECONDITION_FAILED, "fingerprint_mismatch", "Another model would answer"),
            format!("The fingerprint {:?} is expected; the model has {found:?}.", shown(expected)),
            "Vectors of different fingerprints cannot be compared. Name the model that made the stored ones, or make those anew.",
        )
        .param("expected_fingerprint")
    }

    /// The stable code, and what happened.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        (self.0.code, &self.0.detail)
    }

    /// 500: not the client's fault. The cause goes to the log alone.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        let mut error = Self::new(
            (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed in the server"),
            "Something failed in the server; the request was not at fault.",
            "Try again. If it stays, the server's log has the details under the request_id.",
        );
        error.0.cause = Some(cause.to_string());
        error
    }
}

impl IntoResponse for ApiError {
    /// The body is written by [`finish`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the bodies of errors, in OpenAI's form on its paths, and logs each internal one once, inside the request's span.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let of_openai = envelope::is_openai(request.uri().path());
    let response = next.run(request).await;
    let (parts, body) = response.into_parts();
    let Some(mut error) = parts.extensions.get::<ApiError>().cloned() else {
        return Response::from_parts(parts, body);
    };
    if let Some(cause) = &error.0.cause {
        tracing::error!(request_id = id, cause, "internal error");
    }
    metrics::counter!("shamisen_errors_total", "code" => error.0.code).increment(1);
    error.0.request_id = id;
    let retry_after = error.0.retry_after_s;
    let (mut response, kind) = if of_openai {
        let problem = serde_json::to_value(&error.0).expect("problems are plain structs");
        ((parts.status, Json(ErrorEnvelope::of(parts.status, problem))).into_response(), "application/json")
    } else {
        ((parts.status, Json(error.0)).into_response(), "application/problem+json")
    };
    let headers = response.headers_mut();
    for (name, value) in &parts.headers {
        headers.entry(name.clone()).or_insert_with(|| value.clone());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// 404 for a model, with the nearest name that there is.
pub(crate) fn model_not_found(wanted: &str, nearest: Option<&str>) -> ApiError {
    let guess = nearest.map(|name| format!(" Did you mean {name:?}?")).unwrap_or_default();
    ApiError::not_found(
        "model_not_found",
        format!("There is no model, alias or name {:?}.{guess}", shown(wanted)),
        "GET /models lists the models that there are.",
    )
    .param("model")
}
