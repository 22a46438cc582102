//! Datasets.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{Result, Store, new_id, now};

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
    /// `csv` or `json`.
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
    /// Milliseconds.
    pub created_at: i64,
}

/// A dataset about to be stored.
#[derive(Debug)]
pub struct NewDataset<'a> {
    /// As the user calls it.
    pub name: &'a str,
    /// What it is for.
    pub purpose: Purpose,
    /// Of the file's bytes, in hex.
    pub sha256: &'a str,
    /// `csv` or `json`.
    pub format: &'a str,
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
}

impl Store {
    /// Stores a dataset, or finds the one with the same bytes and purpose. The flag says whether it
    /// is new.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_dataset(&self, new: NewDataset<'_>) -> Result<(Dataset, bool)> {
        let mut tx = self.begin().await?;
        let inserted = sqlx::query(
            "insert into dataset (dataset_id, name, purpose, sha256, format, bytes, columns, kind, rows, scores, created_at)
             values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
             on conflict (sha256, purpose) do nothing",
        )
        .bind(new_id("ds"))
        .bind(new.name)
        .bind(new.purpose)
        .bind(new.sha256)
        .bind(new.format)
        .bind(new.bytes)
        .bind(new.columns.map(Json))
        .bind(new.kind)
        .bind(new.rows)
        .bind(Json(new.scores))
        .bind(now())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let dataset = sqlx::query_as("select * from dataset where sha256 = ? and purpose = ?")
            .bind(new.sha256)
            .bind(new.purpose)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok((dataset, inserted == 1))
    }

    /// A dataset by its id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset(&self, id: &str) -> Result<Option<Dataset>> {
        sqlx::query_as("select * from dataset where dataset_id = ?").bind(id).fetch_optional(&self.reader).await
    }

    /// All datasets, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn datasets(&self) -> Result<Vec<Dataset>> {
        sqlx::query_as("select * from dataset order by dataset_id desc limit 1000").fetch_all(&self.reader).await
    }

    /// The hashes of all datasets' files.
    ///
    /// # Errors
    /// What the database says.
    pub async fn dataset_files(&self) -> Result<Vec<String>> {
        sqlx::query_scalar("select distinct sha256 from dataset").fetch_all(&self.reader).await
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
