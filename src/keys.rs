//! API keys: made, looked at, taken back.

mod key;
mod meter;

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use crate::ml::sha256::sha256;
use crate::store::{self, ApiKeyRow, Store, StoreError, now};
pub(crate) use key::end_of_life;
pub(crate) use key::{ApiKey, NewKey, Scope};
use key::{NO_HASH, secret};
pub(crate) use meter::{Excess, KeyLimits, Left, Meter};

/// What a request's key, or the lack of one, comes to.
#[derive(Clone, Debug)]
pub enum Entry {
    /// No key was ever made: nobody needs one.
    Open,
    Known(Arc<ApiKey>),
    Refused(Refusal),
}

/// Why a key does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Missing,
    Unknown,
    Expired,
    Revoked,
}

/// How old what is known of the keys may be: another process may make and revoke them.
const FRESH: Duration = Duration::from_secs(1);
/// How often the use of a key is noted, in milliseconds.
const NOTE_EVERY: i64 = 60_000;
type Snapshot = Arc<HashMap<Arc<str>, Arc<ApiKey>>>;

/// Stands beside the database from the first key on: a database without keys there was lost, and opens nothing.
const MARKER: &str = "KEYS";

/// The keys of a data folder.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    marker: PathBuf,
    seen: RwLock<Option<(Instant, Snapshot)>>,
    /// One reads the table, others wait for it; it holds what was read last.
    reading: Mutex<Snapshot>,
    /// The table could not be read the last time, and those that were seen before count on.
    behind: AtomicBool,
    /// What a key may use that has no limits of its own.
    limits: KeyLimits,
    /// What all callers together use, where there are no keys.
    anyone: Option<Arc<Meter>>,
}

impl Keyring {
    pub fn new(store: Store) -> Self {
        Self::with_limits(store, KeyLimits::default())
    }

    /// The same, where keys without limits of their own have these.
    pub fn with_limits(store: Store, limits: KeyLimits) -> Self {
        Self {
            marker: store.file().with_file_name(MARKER),
            store,
            seen: RwLock::default(),
            reading: Mutex::default(),
            behind: AtomicBool::default(),
            limits,
            anyone: Meter::new(limits),
        }
    }

    /// What a caller may use where there are no keys, and what all of them together do.
    pub fn anyone(&self) -> (KeyLimits, Option<Arc<Meter>>) {
        (self.limits, self.anyone.clone())
    }

    /// Makes a key. `limits` are its own.
    pub async fn create(
        &self,
        name: &str,
        scopes: &[Scope],
        expires_at: Option<i64>,
        limits: KeyLimits,
    ) -> store::Result<NewKey> {
        // Where keys were lost, a new one would hide that.
        self.keys().await?;
        let secret = secret().map_err(StoreError::other)?;
        let key_id = store::new_id("key");
        let text = format!("sk_{}_{secret}", key_id.trim_start_matches("key_"));
        let row = ApiKeyRow {
            key_id,
            name: name.to_owned(),
            secret_sha256: sha256(secret.as_bytes()),
            scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
            created_at: now(),
            expires_at,
            last_used_at: None,
            revoked_at: None,
            tokens_per_minute: limits.tokens_per_minute,
            requests_at_once: limits.requests_at_once,
            jobs_waiting: limits.jobs_waiting,
        };
        self.store.insert_api_key(&row).await?;
        self.mark();
        self.forget().await;
        Ok(NewKey { row, text })
    }

    /// Takes a key back, by its id. `false` where there is none.
    pub async fn revoke(&self, id: &str) -> store::Result<bool> {
        let revoked = self.store.revoke_api_key(id).await?;
        self.forget().await;
        Ok(revoked)
    }

    /// Whether a key was ever made: from then on each request needs one.
    pub async fn in_use(&self) -> store::Result<bool> {
        Ok(!self.keys().await?.is_empty())
    }

    /// What the key that a request presents comes to.
    pub async fn check(&self, presented: Option<&str>) -> store::Result<Entry> {
        let keys = self.keys().await?;
        if keys.is_empty() {
            return Ok(Entry::Open);
        }
        let Some(presented) = presented else { return Ok(Entry::Refused(Refusal::Missing)) };
        let (id, secret) = presented.strip_prefix("sk_").and_then(|rest| rest.split_once('_')).unwrap_or_default();
        let key = keys.get(format!("key_{id}").as_str());
        let expected = key.map_or(NO_HASH, |key| key.secret_sha256.as_str());
        let right = bool::from(sha256(secret.as_bytes()).as_bytes().ct_eq(expected.as_bytes()));
        let Some(key) = key.filter(|_| right) else { return Ok(Entry::Refused(Refusal::Unknown)) };
        if key.revoked {
            return Ok(Entry::Refused(Refusal::Revoked));
        }
        let at = now();
        if key.expires_at.is_some_and(|end| end <= at) {
            return Ok(Entry::Refused(Refusal::Expired));
        }
        self.note_use(key, at);
        Ok(Entry::Known(Arc::clone(key)))
    }

    /// Writes down the use of a key, at most once a minute, and makes no request wait for it.
    fn note_use(&self, key: &ApiKey, at: i64) {
        let last = key.last_used_at.load(Ordering::Relaxed);
        if at - last < NOTE_EVERY
            || key.last_used_at.compare_exchange(last, at, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let (store, id) = (self.store.clone(), Arc::clone(&key.id));
        tokio::spawn(async move {
            if let Err(error) = store.touch_api_key(&id, at).await {
                tracing::warn!(%error, "the use of a key cannot be noted");
            }
        });
    }

    async fn keys(&self) -> store::Result<Snapshot> {
        if let Some(keys) = self.seen_since(FRESH) {
            return Ok(keys);
        }
        // While the table cannot be read, only one asks for it, and the others take what was seen.
        let seen = self.seen_since(Duration::MAX).filter(|_| self.behind.load(Ordering::Acquire));
        let mut known = match (self.reading.try_lock(), seen) {
            (Ok(known), _) => known,
            (Err(_), Some(seen)) => return Ok(seen),
            (Err(_), None) => self.reading.lock().await,
        };
        if let Some(keys) = self.seen_since(FRESH) {
            return Ok(keys);
        }
        let begun = Instant::now();
        let (read_at, keys) = match self.read(&known).await {
            Err(error @ StoreError::Unavailable(_)) => {
                let Some(seen) = self.seen_since(Duration::MAX) else { return Err(error) };
                if !self.behind.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "the keys cannot be read; those that were seen last count on");
                }
                // However long that took: those that have waited meanwhile do not try it once more each.
                (Instant::now(), seen)
            }
            read => {
                self.behind.store(false, Ordering::Release);
                (begun, read?)
            }
        };
        *known = Arc::clone(&keys);
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((read_at, Arc::clone(&keys)));
        Ok(keys)
    }

    /// Reads the table. `known` is what it said before.
    async fn read(&self, known: &Snapshot) -> store::Result<Snapshot> {
        let mut rows = self.store.api_keys().await?;
        if rows.is_none() && self.marker.exists() {
            // Another process may have made the first one just now.
            rows = self.store.api_keys().await?;
            if rows.is_none() {
                return Err(StoreError::KeysLost(self.marker.clone()));
            }
        }
        if !rows.is_none() {
            self.mark();
        }
        // A key that cannot be read lets nobody in, and keeps the doors shut like any other.
        let unreadable = rows.unreadable.iter().map(|row| ApiKey::closed(&row.id)).collect::<Vec<_>>();
        let key = |row: ApiKeyRow| {
            let before = known.get(row.key_id.as_str()).map(Arc::as_ref);
            ApiKey::new(row, self.limits, before)
        };
        let keys = rows.into_iter().map(key).chain(unreadable).map(Arc::new);
        Ok(Arc::new(keys.map(|key| (Arc::clone(&key.id), key)).collect()))
    }

    /// Makes the marker where it is not there yet.
    fn mark(&self) {
        let made = match File::create_new(&self.marker) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return,
            made => made.and_then(|mut file| file.write_all(ABOUT_MARKER.as_bytes()).and_then(|()| file.sync_all())),
        };
        if let Err(error) = made {
            tracing::warn!("{} cannot be made: {error}", self.marker.display());
        }
    }

    fn seen_since(&self, since: Duration) -> Option<Snapshot> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().filter(|(read_at, _)| read_at.elapsed() < since).map(|(_, keys)| Arc::clone(keys))
    }

    /// Lets the next request read the table, and not take what somebody has read of it until now.
    async fn forget(&self) {
        let _reading = self.reading.lock().await;
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

const ABOUT_MARKER: &str = "API keys were made in this folder. While this file is here, the server does not start on a
database without keys: such a one was lost, and would let everybody in. Remove it to go on without keys.
";

#[cfg(test)]
mod tests;
