//! API keys.

use sqlx::types::Json;

use super::{Result, Rows, Store, now};

/// A key's row. The secret itself is nowhere.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKeyRow {
    /// The part of the key that is no secret.
    pub key_id: String,
    pub name: String,
    /// Of the secret part, in hex.
    pub secret_sha256: String,
    #[sqlx(json)]
    pub scopes: Vec<String>,
    /// Milliseconds.
    pub created_at: i64,
    /// Milliseconds; a key without goes on for ever.
    pub expires_at: Option<i64>,
    /// Milliseconds, at most a minute behind.
    pub last_used_at: Option<i64>,
    /// Milliseconds.
    pub revoked_at: Option<i64>,
    /// Its own limits; where there is none, the server's count.
    pub tokens_per_minute: Option<u32>,
    pub requests_at_once: Option<u32>,
    pub jobs_waiting: Option<u32>,
}

impl ApiKeyRow {
    /// `active`, `expired` or `revoked`, at a time in milliseconds.
    pub fn status(&self, at: i64) -> &'static str {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= at => "expired",
            _ => "active",
        }
    }
}

impl Store {
    /// Stores a key.
    pub async fn insert_api_key(&self, key: &ApiKeyRow) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into api_key (key_id, name, secret_sha256, scopes, created_at, expires_at, tokens_per_minute,
                                  requests_at_once, jobs_waiting)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&key.key_id)
        .bind(&key.name)
        .bind(&key.secret_sha256)
        .bind(Json(&key.scopes))
        .bind(key.created_at)
        .bind(key.expires_at)
        .bind(key.tokens_per_minute)
        .bind(key.requests_at_once)
        .bind(key.jobs_waiting)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// All keys that there ever were, the newest first.
    pub async fn api_keys(&self) -> Result<Rows<ApiKeyRow>> {
        let keys = sqlx::query(
            "select key_id, name, secret_sha256, scopes, created_at, expires_at, last_used_at, revoked_at,
                    tokens_per_minute, requests_at_once, jobs_waiting
               from api_key order by created_at desc, key_id desc",
        );
        self.each("key_id", keys).await
    }

    /// Takes a key back, for ever. `false` where there is none of that id. A second time changes nothing.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool> {
        let mut tx = self.begin().await?;
        let revoked = sqlx::query("update api_key set revoked_at = coalesce(revoked_at, $2) where key_id = $1")
            .bind(id)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Notes that a key was used.
    pub async fn touch_api_key(&self, id: &str, at: i64) -> Result<()> {
        let touched = sqlx::query(
            "update api_key set last_used_at = $2 where key_id = $1 and (last_used_at is null or last_used_at < $2)",
        );
        let mut tx = self.begin().await?;
        touched.bind(id).bind(at).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }
}
