//! Who asks.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::auth::access;
use crate::http::error::Result;
use crate::keys::{ApiKey, KeyLimits, Keyring, Meter, Scope};
use crate::store::JobCaller;

/// Who a request is from. Without keys, all requests are from one caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// The id of the key that came with the request.
    pub(crate) key: Option<Arc<str>>,
    known: Option<Arc<ApiKey>>,
    limits: KeyLimits,
    /// What it uses, where that has a limit.
    pub(super) meter: Option<Arc<Meter>>,
}

impl Caller {
    pub(super) fn with(key: Arc<ApiKey>) -> Self {
        let (limits, meter) = (key.limits, key.meter.clone());
        Self { key: Some(Arc::clone(&key.id)), known: Some(key), limits, meter }
    }

    /// Whoever asks where there are no keys.
    pub(super) fn anyone(keys: &Keyring) -> Self {
        let (limits, meter) = keys.anyone();
        Self { key: None, known: None, limits, meter }
    }

    /// Whose jobs it queues.
    pub(crate) fn of_jobs(&self) -> JobCaller {
        JobCaller { key_id: self.key.as_deref().map(str::to_owned), most_waiting: self.limits.jobs_waiting }
    }

    /// Whether a part of the answer that is for keys with a scope beyond the route's own is for this one.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.known.as_ref().is_none_or(|key| key.may(&[scope]))
    }

    /// Asks for a scope beyond the route's own, for a part of a request that does more than the rest of it.
    /// Where no key is needed, all is allowed.
    pub(crate) fn require(&self, scope: Scope, what: &str) -> Result<()> {
        match &self.known {
            Some(key) if !self.may(scope) => Err(access::scope_missing(key, &[scope], what)),
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
