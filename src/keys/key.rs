//! One key: its text, what it may do, how long.
//!
//! A key reads `sk_<id>_<secret>`. The secret has 256 random bits, so that a plain SHA-256 of it is enough to
//! keep: there is nothing to guess. It is compared in a time that tells nothing, also where the id is unknown.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{KeyLimits, Meter};
use crate::bounds::{Lasts, length_outside};
use crate::store::{ApiKeyRow, now};

/// Nothing hashes to it.
pub(super) const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Vectors, similarities, tokens; reading models.
    Embed,
    /// Datasets and jobs.
    Train,
    /// Reading `/metrics`.
    Metrics,
    /// Everything.
    Admin,
}

impl Scope {
    pub const ALL: [Self; 4] = [Self::Embed, Self::Train, Self::Metrics, Self::Admin];

    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Train => "train",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A key that was made just now. Its text is told once and kept nowhere.
pub struct NewKey {
    pub row: ApiKeyRow,
    /// The whole key.
    pub text: String,
}

/// A key as requests are checked against it.
#[derive(Debug)]
pub struct ApiKey {
    /// The part that is no secret.
    pub id: Arc<str>,
    /// As the operator calls it.
    pub name: String,
    /// Its own limits, and the server's where it has none.
    pub limits: KeyLimits,
    /// What it uses, where that has a limit. It outlives this, which is read anew every second.
    pub meter: Option<Arc<Meter>>,
    scopes: Vec<Scope>,
    pub(super) secret_sha256: String,
    pub(super) expires_at: Option<i64>,
    pub(super) revoked: bool,
    pub(super) last_used_at: AtomicI64,
}

impl ApiKey {
    /// `before` is what was known of it until now.
    pub(super) fn new(row: ApiKeyRow, server: KeyLimits, before: Option<&Self>) -> Self {
        let own = KeyLimits {
            tokens_per_minute: row.tokens_per_minute,
            requests_at_once: row.requests_at_once,
            jobs_waiting: row.jobs_waiting,
        };
        let limits = own.or(server);
        let meter = match before.filter(|before| before.limits == limits) {
            Some(before) => before.meter.clone(),
            None => Meter::new(limits),
        };
        Self {
            id: row.key_id.into(),
            name: row.name,
            limits,
            meter,
            // A scope of a newer version is none here.
            scopes: row.scopes.iter().filter_map(|name| Scope::parse(name)).collect(),
            secret_sha256: row.secret_sha256,
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            last_used_at: AtomicI64::new(row.last_used_at.unwrap_or_default()),
        }
    }

    /// One whose row cannot be read. Nothing hashes to it.
    pub(super) fn closed(id: &str) -> Self {
        Self {
            id: id.into(),
            name: String::new(),
            limits: KeyLimits::default(),
            meter: None,
            scopes: Vec::new(),
            secret_sha256: NO_HASH.to_owned(),
            expires_at: None,
            revoked: true,
            last_used_at: AtomicI64::new(0),
        }
    }

    /// Whether it may do what one of the scopes allows. `admin` may do everything.
    pub fn may(&self, one_of: &[Scope]) -> bool {
        self.scopes.iter().any(|scope| *scope == Scope::Admin || one_of.contains(scope))
    }
}

/// 256 bits from the system, as 43 characters of base64 that no URL or header changes.
pub(super) fn secret() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// The end of a key's life, in milliseconds, out of how long it lasts: `90d`, `12h`, `30m`.
pub(crate) fn end_of_life(lasts: &str) -> Option<i64> {
    let (number, unit) = lasts.split_at_checked(lasts.len().checked_sub(1)?)?;
    let seconds = match unit {
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    let fine = length_outside(lasts, &Lasts::RANGE).is_none() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = number.parse().ok().filter(|number| fine && *number > 0 && !lasts.starts_with('0'))?;
    Some(now() + number * seconds * 1000)
}
