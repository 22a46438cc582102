//! Who asks.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::auth::access;
use crate::http::error::Result;
use crate::keys::{ApiKey, Scope};

/// Who a request is from. Without keys, all requests are from one caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The id of the key that came with the request.
    pub(crate) key: Option<Arc<str>>,
    known: Option<Arc<ApiKey>>,
}

impl Caller {
    pub(crate) fn with(key: Arc<ApiKey>) -> Self {
        Self { key: Some(Arc::clone(&key.id)), known: Some(key) }
    }

    /// Asks for a scope beyond the route's own, for a part of a request that does more than the rest of it.
    /// Where no key is needed, all is allowed.
    pub(crate) fn require(&self, scope: Scope, what: &str) -> Result<()> {
        match &self.known {
            Some(key) if !key.may(&[scope]) => Err(access::scope_missing(key, &[scope], what)),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> std::result::Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}
