//! API keys.

use sqlx::types::Json;

use super::{Result, Store, now};

/// A key's row. The secret itself is nowhere.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApiKeyRow {
    /// The part of the key that is no secret.
    pub key_id: String,
    /// As the operator calls it.
    pub name: String,
    /// Of the secret part, in hex.
    pub secret_sha256: String,
    /// What it may do.
    pub scopes: Json<Vec<String>>,
    /// Milliseconds.
    pub created_at: i64,
    /// Milliseconds; a key without goes on for ever.
    pub expires_at: Option<i64>,
    /// Milliseconds, at most a minute behind.
    pub last_used_at: Option<i64>,
    /// Milliseconds.
    pub revoked_at: Option<i64>,
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
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_api_key(&self, key: &ApiKeyRow) -> Result<()> {
        sqlx::query(
            "insert into api_key (key_id, name, secret_sha256, scopes, created_at, expires_at) values (?, ?, ?, ?, ?, ?)",
        )
        .bind(&key.key_id)
        .bind(&key.name)
        .bind(&key.secret_sha256)
        .bind(&key.scopes)
        .bind(key.created_at)
        .bind(key.expires_at)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// All keys that there ever were, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRow>> {
        sqlx::query_as("select * from api_key order by created_at desc, key_id desc").fetch_all(&self.reader).await
    }

    /// Takes a key back, for ever. `false` where there is none of that id. A second time changes nothing.
    ///
    /// # Errors
    /// What the database says.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool> {
        let revoked = sqlx::query("update api_key set revoked_at = coalesce(revoked_at, ?) where key_id = ?")
            .bind(now())
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(revoked.rows_affected() == 1)
    }

    /// Notes that a key was used.
    ///
    /// # Errors
    /// What the database says.
    pub async fn touch_api_key(&self, id: &str, at: i64) -> Result<()> {
        sqlx::query("update api_key set last_used_at = max(coalesce(last_used_at, 0), ?) where key_id = ?")
            .bind(at)
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
