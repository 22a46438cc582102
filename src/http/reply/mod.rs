//! What replies share.

pub(crate) mod deleted;
pub(crate) mod file;
pub(crate) mod schema;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What a handler answers with as JSON.
pub(crate) type Reply<T> = crate::http::error::Result<Json<T>>;

/// Milliseconds as clients read them: `2026-01-31T12:00:00.123Z`.
pub(crate) fn rfc3339(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

/// 201, or 200 where the thing was there already, with its path and its body.
pub(crate) fn created(new: bool, path: String, body: impl Serialize) -> Response {
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    (status, [(LOCATION, path)], Json(body)).into_response()
}
