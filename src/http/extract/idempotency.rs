//! What makes a repeated request harmless.

use axum::http::HeaderMap;

use crate::http::error::{ApiError, Code, Result};
use crate::ml::sha256::Sha256Hex;

pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=255).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        ApiError::about(Code::IdempotencyKeyNotUsable, "Idempotency-Key", "The Idempotency-Key cannot be used.")
    })
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
