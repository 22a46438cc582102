//! Models.

use serde::Serialize;

use super::{Left, Result, Rows, Store, now};

/// The columns of [`ModelRow`].
macro_rules! model {
    ($rest:literal) => {
        concat!(
            "select model.model_id, model.name, model.kind, model.base_model, model.job_id, model.fingerprint,
                    model.dimensions, model.max_tokens, model.bytes, model.created_at, model.pinned from model ",
            $rest
        )
    };
}

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

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ModelRow {
    /// Its folder's name: `use-multilingual-v3`, `ft_..`
    pub model_id: String,
    pub name: String,
    pub kind: Kind,
    /// The full model that a tuned one is a delta of.
    pub base_model: Option<String>,
    /// The job that made it.
    pub job_id: Option<String>,
    /// Equal fingerprints give equal vectors.
    pub fingerprint: String,
    pub dimensions: i64,
    /// Tokens of a text that are read.
    pub max_tokens: i64,
    /// The folder's size.
    pub bytes: i64,
    /// Milliseconds.
    pub created_at: i64,
    /// Loaded when the server starts, and kept in memory.
    pub pinned: bool,
}

/// What became of a model that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    Deleted(Left),
    Unknown,
    IsBase,
    /// These aliases mean it.
    HasAliases(Vec<String>),
    /// These unfinished jobs begin with it.
    InUse(Vec<String>),
}

impl Store {
    /// Stores a base model, or refreshes the row that it has.
    pub async fn upsert_model(&self, model: &ModelRow) -> Result<()> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into model (model_id, name, kind, base_model, fingerprint, dimensions, max_tokens, bytes, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
             on conflict (model_id) do update
                set kind = excluded.kind, base_model = excluded.base_model, fingerprint = excluded.fingerprint,
                    dimensions = excluded.dimensions, max_tokens = excluded.max_tokens, bytes = excluded.bytes, deleted_at = null",
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
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// A model by its id.
    pub async fn model_of_id(&self, id: &str) -> Result<Option<ModelRow>> {
        let model = sqlx::query_as(model!("where model_id = $1 and deleted_at is null"));
        Ok(model.bind(id).fetch_optional(&self.reader).await?)
    }

    /// A model by its alias, its id or its name, in that order: a folder that comes later takes no alias's requests.
    pub async fn model(&self, wanted: &str) -> Result<Option<ModelRow>> {
        let model = sqlx::query_as(model!(
            "left join alias on alias.model_id = model.model_id and alias.name = $1
              where (model.model_id = $1 or alias.name = $1 or model.name = $1) and model.deleted_at is null
              order by alias.name is not null desc, model.model_id = $1 desc
              limit 1"
        ));
        Ok(model.bind(wanted).fetch_optional(&self.reader).await?)
    }

    /// All models, the newest first.
    pub async fn models(&self) -> Result<Rows<ModelRow>> {
        let models = sqlx::query(model!("where deleted_at is null order by created_at desc, model_id desc"));
        self.each("model_id", models).await
    }

    /// Whether a name is a model's id or name, or will be when a job has succeeded.
    pub async fn model_name_taken(&self, name: &str) -> Result<bool> {
        let taken = sqlx::query_scalar(
            "select exists (select 1 from model where model_id = $1 or name = $1)
                 or exists (select 1 from job where name = $1 and status in ('queued', 'running'))",
        );
        Ok(taken.bind(name).fetch_one(&self.reader).await?)
    }

    /// Keeps a model in memory, or no longer. `false` where there is no such model.
    pub async fn pin_model(&self, model_id: &str, pinned: bool) -> Result<bool> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        let changed = sqlx::query("update model set pinned = $2 where model_id = $1 and deleted_at is null")
            .bind(model_id)
            .bind(pinned)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Marks a tuned model as deleted and frees its name, unless something needs it.
    pub async fn delete_model(&self, model_id: &str) -> Result<Deletion> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        let model: Option<ModelRow> = sqlx::query_as(model!("where model_id = $1 and deleted_at is null"))
            .bind(model_id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(model) = model else { return Ok(Deletion::Unknown) };
        if model.kind == Kind::Base {
            return Ok(Deletion::IsBase);
        }
        let aliases: Vec<String> = sqlx::query_scalar("select name from alias where model_id = $1 order by name")
            .bind(model_id)
            .fetch_all(&mut *tx)
            .await?;
        if !aliases.is_empty() {
            return Ok(Deletion::HasAliases(aliases));
        }
        let jobs: Vec<String> = sqlx::query_scalar(
            "select job_id from job where base_model = $1 and status in ('queued', 'running') order by job_id",
        )
        .bind(model_id)
        .fetch_all(&mut *tx)
        .await?;
        if !jobs.is_empty() {
            return Ok(Deletion::InUse(jobs));
        }
        let models = sqlx::query_scalar(
            "select model.model_id from descent join model on model.model_id = descent.id
              where descent.source_id = $1 and model.deleted_at is null order by model.model_id",
        );
        let datasets = sqlx::query_scalar(
            "select dataset.dataset_id from descent join dataset on dataset.dataset_id = descent.source_id
              where descent.id = $1 and dataset.deleted_at is null order by dataset.dataset_id",
        );
        let left = Left {
            datasets: datasets.bind(model_id).fetch_all(&mut *tx).await?,
            jobs: model.job_id.into_iter().collect(),
            models: models.bind(model_id).fetch_all(&mut *tx).await?,
        };
        sqlx::query("delete from descent where id = $1").bind(model_id).execute(&mut *tx).await?;
        sqlx::query("update model set deleted_at = $2, name = model_id, pinned = $3 where model_id = $1")
            .bind(model_id)
            .bind(now())
            .bind(false)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Deletion::Deleted(left))
    }

    /// Whether there was a model of this id that was deleted.
    pub async fn was_deleted(&self, model_id: &str) -> Result<bool> {
        let deleted =
            sqlx::query_scalar("select exists (select 1 from model where model_id = $1 and deleted_at is not null)");
        Ok(deleted.bind(model_id).fetch_one(&self.reader).await?)
    }
}
