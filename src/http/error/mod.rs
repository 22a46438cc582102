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

use crate::store::JobError;
pub(crate) use codes::Code;
use envelope::ErrorEnvelope;
use tables::Problem;
use words::{cut, nearest, shown};

/// Characters of an error's sentences, and of the name of what it is about.
const LONGEST: usize = 2000;
const LONGEST_PARAM: usize = 200;

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
    /// On text-embeddings-inference's routes: what happened and what to do, for its clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Likewise: `Validation`, `Overloaded`, `Unhealthy` or `Backend`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    error_type: Option<&'static str>,
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
    /// An error in the words of its code. Whoever refuses adds what is particular.
    pub(crate) fn of(code: Code) -> Self {
        let (entry, (status, title)) = (code.entry(), code.head());
        Self(Box::new(Details {
            r#type: format!("/docs/errors#{}", entry.code),
            title,
            status,
            code: entry.code,
            detail: entry.meaning[0].to_owned(),
            hint: entry.remedy[0].to_owned(),
            param: None,
            errors: Vec::new(),
            errors_total: None,
            errors_shown: None,
            retry_after_s: None,
            error: None,
            error_type: None,
            request_id: None,
            cause: None,
        }))
    }

    /// The same about a part of the request, with what happened and why.
    pub(crate) fn about(code: Code, param: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::of(code).param(param).detail(detail)
    }

    pub(crate) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// The same with what to do, where more is known of it than of all errors of this code.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = hint.into();
        self
    }

    pub(crate) fn param(mut self, param: impl Into<String>) -> Self {
        self.0.param = Some(param.into());
        self
    }

    /// The same about a field inside a part of the request.
    pub(crate) fn within(mut self, part: &str) -> Self {
        self.0.param = Some(self.0.param.map_or_else(|| part.to_owned(), |param| format!("{part}.{param}")));
        self
    }

    /// 503: not now, but perhaps in some seconds, whatever the code says otherwise.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        (self.0.status, self.0.title) = Code::Overloaded.head();
        self.hint(format!("Try again in {seconds} s.")).passes_in(seconds)
    }

    /// The same with the seconds after which it may be otherwise.
    pub(crate) fn passes_in(mut self, seconds: u64) -> Self {
        self.0.retry_after_s = Some(seconds);
        self
    }

    /// The status that it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Seconds after which it may be otherwise.
    pub(crate) fn wait(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// No longer than an error may be, whatever it repeats of a client's.
    fn bounded(mut self) -> Self {
        let Details { detail, hint, param, .. } = &mut *self.0;
        cut(detail, LONGEST);
        cut(hint, LONGEST);
        if let Some(param) = param {
            cut(param, LONGEST_PARAM);
        }
        self
    }

    /// 422: a field of a name that is none of the known ones.
    pub(crate) fn unknown_field(name: &str, known: &[&str]) -> Self {
        let name = shown(name);
        Self::of(Code::UnknownField).param(name).not_among(known, name, format!("Unknown field {name:?}"))
    }

    /// 422: a value that is none of the few that its place takes.
    pub(crate) fn unknown_value(place: &str, value: &str, known: &[&str]) -> Self {
        let value = shown(value);
        Self::of(Code::UnknownValue).param(place).not_among(known, value, format!("{place} cannot be {value:?}"))
    }

    /// The same with the known name that is nearest to the written one, and all of them.
    fn not_among(self, known: &[&str], written: &str, what: String) -> Self {
        let guess = nearest(written, known.iter().copied()).map(|known| format!("; did you mean {known:?}?"));
        self.detail(what + guess.as_deref().unwrap_or(".")).hint(format!("Possible: {}.", known.join(", ")))
    }

    /// 422: a value that is outside its bounds; `what` tells both.
    pub(crate) fn out_of_range(place: impl Into<String>, what: &str) -> Self {
        let place = place.into();
        let detail = format!("{}: {what}.", shown(&place));
        Self::about(Code::OutOfRange, place, detail)
    }

    /// 422: a job that would fail, in the trainer's words.
    pub(crate) fn infeasible(error: JobError) -> Self {
        Self::of(Code::JobNotFeasible).detail(format!("{} ({})", error.message, error.code)).hint(error.hint)
    }

    /// 415: a body of another kind.
    pub(crate) fn media_type(found: &str, expected: &str) -> Self {
        let found = if found.is_empty() { "no Content-Type".to_owned() } else { format!("{found:?}") };
        Self::of(Code::UnsupportedMediaType)
            .detail(format!("The request has {found}; this route reads {expected}."))
            .hint(format!("Send the header Content-Type: {}.", expected.split(" or ").next().unwrap_or(expected)))
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("a problem is a plain struct")
    }

    /// 412: the client wants another model's vectors than it would get.
    pub(crate) fn fingerprint_mismatch(expected: &str, found: &str) -> Self {
        Self::of(Code::FingerprintMismatch)
            .detail(format!("The fingerprint {:?} is expected; the model has {found:?}.", shown(expected)))
            .param("expected_fingerprint")
    }

    /// The stable code, and what happened.
    pub(crate) fn told(&self) -> (&'static str, &str) {
        (self.0.code, &self.0.detail)
    }

    /// 500: not the client's fault. The cause goes to the log alone.
    pub(crate) fn internal(cause: impl std::fmt::Display) -> Self {
        Self::of(Code::Internal).caused(cause)
    }

    /// The same with what the log tells of it.
    fn caused(mut self, cause: impl std::fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
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
    let of_tei = envelope::is_tei(request.uri().path());
    let response = next.run(request).await;
    let (parts, body) = response.into_parts();
    let Some(error) = parts.extensions.get::<ApiError>().cloned() else {
        return Response::from_parts(parts, body);
    };
    let mut error = error.bounded();
    if let Some(cause) = &error.0.cause {
        tracing::error!(request_id = id, code = error.0.code, cause, "the server could not do what was asked");
    }
    metrics::counter!("shamisen_errors_total", "code" => error.0.code).increment(1);
    error.0.request_id = id;
    if of_tei {
        let mut told = format!("{} {}", error.0.detail, error.0.hint);
        cut(&mut told, LONGEST / 2);
        error.0.error = Some(told);
        error.0.error_type = Some(envelope::error_type(parts.status));
    }
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
    ApiError::of(Code::ModelNotFound)
        .detail(format!("There is no model, alias or name {:?}.{guess}", shown(wanted)))
        .param("model")
}
