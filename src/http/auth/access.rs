//! Why a key does not let in.

use axum::http::StatusCode;

use crate::http::error::ApiError;
use crate::keys::{ApiKey, Refusal, Scope};

/// 401: why a key does not let in.
pub(crate) fn refused(refusal: Refusal) -> ApiError {
    let (code, detail) = match refusal {
        Refusal::Missing => ("key_missing", "This server answers requests with an API key, and the request has none."),
        Refusal::Unknown => ("key_not_valid", "The request's API key is none of this server's."),
        Refusal::Expired => ("key_expired", "The request's API key has expired."),
        Refusal::Revoked => ("key_revoked", "The request's API key was revoked."),
    };
    ApiError::new(
        (StatusCode::UNAUTHORIZED, code, "A key is needed"),
        detail,
        "Send the header \"Authorization: Bearer sk_..\" (or \"X-API-Key: sk_..\"). Whoever runs the server makes keys with `shamisen key create`.",
    )
}

/// 403: the key may do other things.
pub(crate) fn scope_missing(key: &ApiKey, one_of: &[Scope], what: &str) -> ApiError {
    let needed = one_of.first().copied().unwrap_or(Scope::Admin).name();
    ApiError::new(
        (StatusCode::FORBIDDEN, "scope_missing", "Not allowed with this key"),
        format!(
            "The key {:?} has not got the scope \"{needed}\", which {what} needs.",
            crate::http::error::words::shown(&key.name)
        ),
        format!("Use a key with the scope \"{needed}\" or \"admin\"."),
    )
}
