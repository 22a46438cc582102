//! What makes a repeated request harmless.

use axum::http::HeaderMap;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::bounds;
use crate::http::error::{ApiError, Code, Result};
use crate::ml::sha256::Sha256Hex;

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.contains('\t') && bounds::IDEMPOTENCY_KEY.contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        ApiError::about(Code::IdempotencyKeyNotUsable, "Idempotency-Key", "The Idempotency-Key cannot be used.")
    })
}

/// The header as the API's description tells it.
pub(crate) struct IdempotencyKey;

impl PartialSchema for IdempotencyKey {
    fn schema() -> RefOr<Schema> {
        bounds::text_schema(&bounds::IDEMPOTENCY_KEY, false).pattern(Some("^[!-~]([ -~]*[!-~])?$")).build().into()
    }
}

impl ToSchema for IdempotencyKey {}

/// The parameter of routes that take the header.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes a header that is read by hand")]
pub(crate) struct Idempotency {
    /// Makes a repeat harmless: 1 to 255 printable ASCII characters.
    #[param(inline, rename = "Idempotency-Key")]
    key: Option<IdempotencyKey>,
}

/// Of the parts of a request, in hex.
pub(crate) fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256Hex::default();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finish()
}
