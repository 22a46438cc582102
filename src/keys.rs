//! API keys: made, looked at, taken back.
//!
//! A key reads `sk_<id>_<secret>`. The secret has 256 random bits, so that a plain SHA-256 of it is enough to
//! keep: there is nothing to guess. It is compared in a time that tells nothing, also where the id is unknown.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicI64, Ordering};
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
    scopes: Vec<Scope>,
    secret_sha256: String,
    expires_at: Option<i64>,
    revoked: bool,
    last_used_at: AtomicI64,
}

impl ApiKey {
    fn new(row: ApiKeyRow) -> Self {
        Self {
            id: row.key_id.into(),
            name: row.name,
            // A scope of a newer version is none here.
            scopes: row.scopes.iter().filter_map(|name| Scope::parse(name)).collect(),
            secret_sha256: row.secret_sha256,
            expires_at: row.expires_at,
            revoked: row.revoked_at.is_some(),
            last_used_at: AtomicI64::new(row.last_used_at.unwrap_or_default()),
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

/// The keys of a data folder.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    seen: RwLock<Option<(Instant, Snapshot)>>,
    /// One reads the table, others wait for it.
    reading: Mutex<()>,
}

impl Keyring {
    pub fn new(store: Store) -> Self {
        Self { store, seen: RwLock::default(), reading: Mutex::default() }
    }

    pub async fn create(&self, name: &str, scopes: &[Scope], expires_at: Option<i64>) -> store::Result<NewKey> {
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
        };
        self.store.insert_api_key(&row).await?;
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
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        let _turn = self.reading.lock().await;
        if let Some(keys) = self.fresh() {
            return Ok(keys);
        }
        let read_at = Instant::now();
        let rows = self.store.api_keys().await?.into_iter().map(|row| Arc::new(ApiKey::new(row)));
        let keys: Snapshot = Arc::new(rows.map(|key| (Arc::clone(&key.id), key)).collect());
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = Some((read_at, Arc::clone(&keys)));
        Ok(keys)
    }

    fn fresh(&self) -> Option<Snapshot> {
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().filter(|(read_at, _)| read_at.elapsed() < FRESH).map(|(_, keys)| Arc::clone(keys))
    }

    fn forget(&self) {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

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
        let key = keyring.create("app", &[Scope::Embed], None).await.unwrap();
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
        let old = keyring.create("old", &[Scope::Embed], Some(now() - 1)).await.unwrap();
        let key = keyring.create("app", &[Scope::Train], None).await.unwrap();
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
            let key = keyring.create("k", scopes, None).await.unwrap();
            let Entry::Known(key) = keyring.check(Some(&key.text)).await.unwrap() else { panic!("a good key") };
            key
        };
        assert!(of(&[Scope::Admin]).await.may(&[Scope::Train]) && of(&[Scope::Admin]).await.may(&[]));
        assert!(of(&[Scope::Embed]).await.may(&[Scope::Train, Scope::Embed]));
        assert!(!of(&[Scope::Embed]).await.may(&[Scope::Train]) && !of(&[]).await.may(&[Scope::Embed]));
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
