//! Datasets.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{Result, Store, now};

/// What a dataset is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum Purpose {
    /// To train on.
    Training,
    /// To measure general ability with.
    Benchmark,
}

/// A dataset's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Dataset {
    /// `ds_..`
    pub dataset_id: String,
    /// As the user calls it.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Of the file's bytes, in hex.
    pub sha256: String,
    /// `csv`, `json`, `jsonl`, `xlsx` or `parquet`.
    pub format: String,
    /// The file's size.
    pub bytes: i64,
    /// The names in the header of the columns that are read.
    pub columns: Option<Json<Vec<String>>>,
    /// What the rows are: `pair_score`, `pair_class`, `pair_positive` or `triplet`.
    pub kind: String,
    /// How many pairs.
    pub rows: i64,
    /// What the scores look like.
    pub scores: Json<serde_json::Value>,
    /// How the file is read.
    pub choices: Json<serde_json::Value>,
    /// `unrelated`, `opposite` or `angular`; `None` where nobody said.
    pub lowest_means: Option<String>,
    /// Rows that could not be used and were left out.
    pub skipped: i64,
    /// Rows that fixes left out.
    pub fixed_out: i64,
    /// What was worth knowing when it was stored.
    pub findings: Json<serde_json::Value>,
    /// The id of the first of its versions.
    pub family: String,
    /// From 1.
    pub version: i64,
    /// The dataset that it was sent as a new version of, while that is there.
    pub version_of: Option<String>,
    /// Whether no version is newer.
    pub latest: bool,
    /// Milliseconds.
    pub created_at: i64,
}

/// A dataset about to be stored.
#[derive(Debug)]
pub struct NewDataset<'a> {
    /// `ds_..`: its files have this name already.
    pub dataset_id: &'a str,
    /// As the user calls it.
    pub name: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// Of the file's bytes, in hex.
    pub sha256: &'a str,
    /// `csv`, `json`, `jsonl`, `xlsx` or `parquet`.
    pub format: String,
    /// The file's size.
    pub bytes: i64,
    /// The names in the header of the columns that are read.
    pub columns: Option<Vec<String>>,
    /// What the rows are.
    pub kind: String,
    /// How many pairs.
    pub rows: i64,
    /// What the scores look like.
    pub scores: serde_json::Value,
    /// How the file is read, as JSON that is the same for the same choices.
    pub choices: &'a str,
    /// What the lowest score means.
    pub lowest_means: Option<String>,
    /// Rows that could not be used and were left out.
    pub skipped: i64,
    /// Rows that fixes left out.
    pub fixed_out: i64,
    /// What is worth knowing.
    pub findings: serde_json::Value,
    /// The dataset that it is a new version of.
    pub version_of: Option<&'a str>,
}

const OF_THE_SAME: &str = "select * from dataset_with_latest where sha256 = ? and purpose = ? and choices = ?";

impl Store {
    /// Stores a dataset, or finds the one with the same bytes, purpose and choices. The flag says whether it is
    /// new. A foreign key violation where the dataset that it is a version of is gone.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_dataset(&self, new: NewDataset<'_>) -> Result<(Dataset, bool)> {
        let mut tx = self.begin().await?;
        let family: Option<String> = sqlx::query_scalar("select family from dataset where dataset_id = ?")
            .bind(new.version_of)
            .fetch_optional(&mut *tx)
            .await?;
        let family = family.unwrap_or_else(|| new.dataset_id.to_owned());
        let inserted = sqlx::query(
            "insert into dataset (dataset_id, name, purpose, sha256, format, bytes, columns, kind, rows, scores, choices,
                                  lowest_means, skipped, fixed_out, findings, family, version, version_of, created_at)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?16,
                     (select coalesce(max(version), 0) + 1 from dataset where family = ?16), ?17, ?18)
             on conflict (sha256, purpose, choices) do nothing",
        )
        .bind(new.dataset_id)
        .bind(new.name)
        .bind(new.purpose)
        .bind(new.sha256)
        .bind(new.format)
        .bind(new.bytes)
        .bind(new.columns.map(Json))
        .bind(new.kind)
        .bind(new.rows)
        .bind(Json(new.scores))
        .bind(new.choices)
        .bind(new.lowest_means)
        .bind(new.skipped)
        .bind(new.fixed_out)
        .bind(Json(new.findings))
        .bind(family)
        .bind(new.version_of)
        .bind(now())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let dataset = sqlx::query_as(OF_THE_SAME)
            .bind(new.sha256)
            .bind(new.purpose)
            .bind(new.choices)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok((dataset, inserted == 1))
    }

    /// The dataset of the same bytes, purpose and choices.
    ///
    /// # Errors
    /// What the database says.
    pub async fn same_dataset(&self, sha256: &str, purpose: Purpose, choices: &str) -> Result<Option<Dataset>> {
        sqlx::query_as(OF_THE_SAME).bind(sha256).bind(purpose).bind(choices).fetch_optional(&self.reader).await
    }

    /// Remembers which dataset a request with an idempotency key came to. A key that is known stays as it is.
    ///
    /// # Errors
    /// What the database says.
    pub async fn remember_dataset_request(&self, key: &str, request_sha256: &str, dataset_id: &str) -> Result<()> {
        sqlx::query("insert into dataset_request values (?, ?, ?) on conflict do nothing")
            .bind(key)
            .bind(request_sha256)
            .bind(dataset_id)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// The request with an idempotency key: its SHA-256 and the dataset's id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset_request(&self, key: &str) -> Result<Option<(String, String)>> {
        sqlx::query_as("select request_sha256, dataset_id from dataset_request where idempotency_key = ?")
            .bind(key)
            .fetch_optional(&self.reader)
            .await
    }

    /// All versions of a dataset's table, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset_versions(&self, family: &str) -> Result<Vec<Dataset>> {
        sqlx::query_as("select * from dataset_with_latest where family = ? order by version desc limit 1000")
            .bind(family)
            .fetch_all(&self.reader)
            .await
    }

    /// A dataset by its id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset(&self, id: &str) -> Result<Option<Dataset>> {
        sqlx::query_as("select * from dataset_with_latest where dataset_id = ?")
            .bind(id)
            .fetch_optional(&self.reader)
            .await
    }

    /// All datasets, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn datasets(&self) -> Result<Vec<Dataset>> {
        sqlx::query_as("select * from dataset_with_latest order by dataset_id desc limit 1000")
            .fetch_all(&self.reader)
            .await
    }

    /// Every dataset, however many there are.
    ///
    /// # Errors
    /// What the database says.
    pub async fn every_dataset(&self) -> Result<Vec<Dataset>> {
        sqlx::query_as("select * from dataset_with_latest").fetch_all(&self.reader).await
    }

    /// The names of all datasets by their ids.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset_names(&self) -> Result<HashMap<String, String>> {
        let names: Vec<(String, String)> =
            sqlx::query_as("select dataset_id, name from dataset").fetch_all(&self.reader).await?;
        Ok(names.into_iter().collect())
    }

    /// Removes a dataset that no job uses. The file's hash is returned where no other dataset
    /// shares it. `Err` with a foreign key violation where a job uses it.
    ///
    /// # Errors
    /// What the database says.
    pub async fn delete_dataset(&self, id: &str) -> Result<Option<String>> {
        let mut tx = self.begin().await?;
        let sha256: Option<String> = sqlx::query_scalar("delete from dataset where dataset_id = ? returning sha256")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let shared: i64 = sqlx::query_scalar("select count(*) from dataset where sha256 = ?")
            .bind(&sha256)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(sha256.filter(|_| shared == 0))
    }
}
