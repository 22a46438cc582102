//! Why a key does not let in.

use crate::http::error::{ApiError, Code, words};
use crate::keys::{ApiKey, Refusal, Scope};

/// 401: why a key does not let in.
pub(crate) fn refused(refusal: Refusal) -> ApiError {
    let (code, detail) = match refusal {
        Refusal::Missing => {
            (Code::KeyMissing, "This server answers requests with an API key, and the request has none.")
        }
        Refusal::Unknown => (Code::KeyNotValid, "The request's API key is none of this server's."),
        Refusal::Expired => (Code::KeyExpired, "The request's API key has expired."),
        Refusal::Revoked => (Code::KeyRevoked, "The request's API key was revoked."),
    };
    ApiError::of(code).detail(detail)
}

/// 403: the key may do other things.
pub(crate) fn scope_missing(key: &ApiKey, one_of: &[Scope], what: &str) -> ApiError {
    let needed = one_of.first().copied().unwrap_or(Scope::Admin).name();
    ApiError::of(Code::ScopeMissing)
        .detail(format!(
            "The key {:?} has not got the scope \"{needed}\", which {what} needs.",
            words::shown(&key.name)
        ))
        .hint(match needed {
            "admin" => "Use a key with the scope \"admin\".".to_owned(),
            needed => format!("Use a key with the scope \"{needed}\" or \"admin\"."),
        })
}
