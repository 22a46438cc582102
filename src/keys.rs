//! API keys: made, looked at, taken back.
//!
//! A key reads `sk_<id>_<secret>`. The secret has 256 random bits, so that a plain SHA-256 of it is enough to
//! keep: there is nothing to guess. It is compared in a time that tells nothing, also where the id is unknown.

mod meter;

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;

use crate::bounds::{Lasts, length_outside};
use crate::ml::sha256::sha256;
use crate::store::{self, ApiKeyRow, Store, StoreError, now};
pub(crate) use meter::{Excess, KeyLimits, Left, Meter};

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
    secret_sha256: String,
    expires_at: Option<i64>,
    revoked: bool,
    last_used_at: AtomicI64,
}

impl ApiKey {
    /// `before` is what was known of it until now.
    fn new(row: ApiKeyRow, server: KeyLimits, before: Option<&Self>) -> Self {
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
    fn closed(id: &str) -> Self {
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
/// Nothing hashes to it.
const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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
        self.forget();
        Ok(NewKey { row, text })
    }

    /// Takes a key back, by its id. `false` where there is none.
    pub async fn revoke(&self, id: &str) -> store::Result<bool> {
        let revoked = self.store.revoke_api_key(id).await?;
        self.forget();
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
        let read_at = Instant::now();
        let keys = match self.read(&known).await {
            Err(error @ StoreError::Unavailable(_)) => {
                let Some(seen) = self.seen_since(Duration::MAX) else { return Err(error) };
                if !self.behind.swap(true, Ordering::AcqRel) {
                    tracing::warn!(%error, "the keys cannot be read; those that were seen last count on");
                }
                seen
            }
            read => {
                self.behind.store(false, Ordering::Release);
                read?
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

    fn forget(&self) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

const ABOUT_MARKER: &str = "API keys were made in this folder. While this file is here, the server does not start on a
database without keys: such a one was lost, and would let everybody in. Remove it to go on without keys.
";

/// 256 bits from the system, as 43 characters of base64 that no URL or header changes.
fn secret() -> std::io::Result<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn keyring() -> (tempfile::TempDir, Keyring) {
        let folder = tempfile::TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("test.db")).await.unwrap();
        (folder, Keyring::new(store))
    }

    async fn refusal(keyring: &Keyring, presented: Option<&str>) -> Option<Refusal> {
        match keyring.check(presented).await.unwrap() {
            Entry::Refused(refusal) => Some(refusal),
            Entry::Open | Entry::Known(_) => None,
        }
    }

    #[tokio::test]
    async fn only_the_whole_key_lets_in() {
        let (_folder, keyring) = keyring().await;
        assert!(matches!(keyring.check(Some("anything")).await.unwrap(), Entry::Open));
        let key = keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
        assert!(
            matches!(keyring.check(Some(&key.text)).await.unwrap(), Entry::Known(found) if *found.id == *key.row.key_id)
        );
        assert_eq!(refusal(&keyring, None).await, Some(Refusal::Missing));
        let (head, last) = key.text.split_at(key.text.len() - 1);
        let other = if last == "A" { "B" } else { "A" };
        let id = key.text.split('_').nth(1).unwrap();
        for wrong in ["", "sk_", "sk__", head, &format!("{head}{other}"), &format!("sk_{id}_"), &key.text[3..]] {
            assert_eq!(refusal(&keyring, Some(wrong)).await, Some(Refusal::Unknown), "{wrong:?}");
        }
        assert!(!key.row.secret_sha256.contains(key.text.rsplit('_').next().unwrap()));
    }

    #[tokio::test]
    async fn a_key_ends_when_its_time_is_over_or_it_is_revoked() {
        let (_folder, keyring) = keyring().await;
        let none = KeyLimits::default();
        let old = keyring.create("old", &[Scope::Embed], Some(now() - 1), none).await.unwrap();
        let key = keyring.create("app", &[Scope::Train], None, none).await.unwrap();
        assert_eq!(refusal(&keyring, Some(&old.text)).await, Some(Refusal::Expired));
        assert_eq!(refusal(&keyring, Some(&key.text)).await, None);
        assert!(keyring.revoke(&key.row.key_id).await.unwrap());
        assert!(!keyring.revoke("key_0").await.unwrap());
        assert_eq!(refusal(&keyring, Some(&key.text)).await, Some(Refusal::Revoked));
        // Taking keys back opens nothing.
        keyring.revoke(&old.row.key_id).await.unwrap();
        assert_eq!(refusal(&keyring, None).await, Some(Refusal::Missing));
    }

    #[tokio::test]
    async fn admin_may_everything_and_others_what_they_are_for() {
        let (_folder, keyring) = keyring().await;
        let of = async |scopes: &[Scope]| {
            let key = keyring.create("k", scopes, None, KeyLimits::default()).await.unwrap();
            let Entry::Known(key) = keyring.check(Some(&key.text)).await.unwrap() else { panic!("a good key") };
            key
        };
        assert!(of(&[Scope::Admin]).await.may(&[Scope::Train]) && of(&[Scope::Admin]).await.may(&[]));
        assert!(of(&[Scope::Embed]).await.may(&[Scope::Train, Scope::Embed]));
        assert!(!of(&[Scope::Embed]).await.may(&[Scope::Train]) && !of(&[]).await.may(&[Scope::Embed]));
    }

    #[tokio::test]
    async fn what_a_key_has_used_is_remembered_when_the_keys_are_read_again() {
        let (_folder, keyring) = keyring().await;
        let limits = KeyLimits { tokens_per_minute: Some(60), ..KeyLimits::default() };
        let key = keyring.create("k", &[Scope::Embed], None, limits).await.unwrap();
        let meter = async || match keyring.check(Some(&key.text)).await.unwrap() {
            Entry::Known(key) => key.meter.clone().unwrap(),
            other => panic!("{other:?}"),
        };
        let now = Instant::now();
        meter().await.enter(now).unwrap().spend(1000, now);
        keyring.forget();
        assert!(meter().await.enter(now).is_err());
    }

    #[tokio::test]
    async fn a_database_that_lost_its_keys_opens_no_door() {
        let (folder, keyring) = keyring().await;
        keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
        // A folder whose keys are older than the marker gets it, too.
        let marker = folder.path().join(MARKER);
        std::fs::remove_file(&marker).unwrap();
        assert!(Keyring::new(keyring.store.clone()).in_use().await.unwrap() && marker.exists());

        keyring.store.alter("delete from api_key").await;
        let emptied = Keyring::new(keyring.store.clone());
        for told in [
            emptied.check(None).await.map(|_| ()),
            emptied.create("b", &[Scope::Admin], None, KeyLimits::default()).await.map(|_| ()),
        ] {
            assert!(matches!(&told, Err(StoreError::KeysLost(file)) if *file == marker), "{told:?}");
        }
        std::fs::remove_file(&marker).unwrap();
        assert!(matches!(emptied.check(None).await.unwrap(), Entry::Open));
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_lets_nobody_in_and_keeps_the_doors_shut() {
        let (_folder, keyring) = keyring().await;
        let key = keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
        keyring.store.alter("update api_key set scopes = '[\"embed\"'").await;
        let after = Keyring::new(keyring.store.clone());
        assert_eq!(refusal(&after, None).await, Some(Refusal::Missing));
        assert_eq!(refusal(&after, Some(&key.text)).await, Some(Refusal::Unknown));
    }

    #[test]
    fn a_life_is_told_in_days_hours_or_minutes() {
        let lasts = |text| end_of_life(text).map(|end| (end - now() + 500) / 1000);
        assert_eq!((lasts("90d"), lasts("2h"), lasts("5m")), (Some(90 * 86_400), Some(7200), Some(300)));
        for wrong in ["", "d", "90", "-1d", "0d", "1y", "1.5h", "+5d", "05d", "100000d", "日"] {
            assert_eq!(lasts(wrong), None, "{wrong:?}");
        }
    }
}
