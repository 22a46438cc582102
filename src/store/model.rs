//! Models and their aliases.

use serde::Serialize;

use super::{Result, Store, now};

/// Whether a model stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum Kind {
    /// A full model.
    Base,
    /// What training changed of a base.
    Tuned,
}

/// A model's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ModelRow {
    /// Its folder's name: `use-multilingual-v3`, `ft_..`
    pub model_id: String,
    /// As the user calls it.
    pub name: String,
    /// Whether it stands for itself.
    pub kind: Kind,
    /// The full model that a tuned one is a delta of.
    pub base_model: Option<String>,
    /// The job that made it.
    pub job_id: Option<String>,
    /// Equal fingerprints give equal vectors.
    pub fingerprint: String,
    /// Dimensions of a text's vector.
    pub dimensions: i64,
    /// Tokens of a text that are read.
    pub max_tokens: i64,
    /// The folder's size.
    pub bytes: i64,
    /// Milliseconds.
    pub created_at: i64,
}

impl Store {
    /// Stores a base model, or refreshes the row that it has.
    ///
    /// # Errors
    /// What the database says.
    pub async fn upsert_model(&self, model: &ModelRow) -> Result<()> {
        sqlx::query(
            "insert into model (model_id, name, kind, base_model, fingerprint, dimensions, max_tokens, bytes, created_at)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (model_id) do update
                set kind = excluded.kind, base_model = excluded.base_model, fingerprint = excluded.fingerprint, dimensions = excluded.dimensions,
                    max_tokens = excluded.max_tokens, bytes = excluded.bytes",
        )
        .bind(&model.model_id)
        .bind(&model.name)
        .bind(model.kind)
        .bind(&model.base_model)
        .bind(&model.fingerprint)
        .bind(model.dimensions)
        .bind(model.max_tokens)
        .bind(model.bytes)
        .bind(now())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// A model by its id, its alias or its name, in that order.
    ///
    /// # Errors
    /// What the database says.
    pub async fn model(&self, wanted: &str) -> Result<Option<ModelRow>> {
        sqlx::query_as(
            "select model.* from model left join alias on alias.model_id = model.model_id and alias.name = ?1
              where model.model_id = ?1 or alias.name = ?1 or model.name = ?1
              order by model.model_id = ?1 desc, alias.name is not null desc
              limit 1",
        )
        .bind(wanted)
        .fetch_optional(&self.reader)
        .await
    }

    /// All models, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn models(&self) -> Result<Vec<ModelRow>> {
        sqlx::query_as("select * from model order by created_at desc, model_id desc").fetch_all(&self.reader).await
    }

    /// All aliases: name and model id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn aliases(&self) -> Result<Vec<(String, String)>> {
        sqlx::query_as("select name, model_id from alias order by name").fetch_all(&self.reader).await
    }

    /// Points an alias at a model.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_alias(&self, name: &str, model_id: &str) -> Result<()> {
        sqlx::query(
            "insert into alias (name, model_id, updated_at) values (?, ?, ?)
             on conflict (name) do update set model_id = excluded.model_id, updated_at = excluded.updated_at",
        )
        .bind(name)
        .bind(model_id)
        .bind(now())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Points an alias at a model unless it points at one already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn set_first_alias(&self, name: &str, model_id: &str) -> Result<()> {
        sqlx::query("insert into alias (name, model_id, updated_at) values (?, ?, ?) on conflict (name) do nothing")
            .bind(name)
            .bind(model_id)
            .bind(now())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Whether a name is a model's id or name, or will be when a job has succeeded.
    ///
    /// # Errors
    /// What the database says.
    pub async fn model_name_taken(&self, name: &str) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from model where model_id = ?1 or name = ?1)
                 or exists (select 1 from job where name = ?1 and status in ('queued', 'running'))",
        )
        .bind(name)
        .fetch_one(&self.reader)
        .await
    }

    /// Whether a name is an alias, or will be when a job has succeeded.
    ///
    /// # Errors
    /// What the database says.
    pub async fn alias_exists(&self, name: &str) -> Result<bool> {
        sqlx::query_scalar(
            "select exists (select 1 from alias where name = ?1)
                 or exists (select 1 from job where alias = ?1 and status in ('queued', 'running'))",
        )
        .bind(name)
        .fetch_one(&self.reader)
        .await
    }
}
