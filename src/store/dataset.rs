//! Datasets.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::types::Json;
use tables::TableKind;
use tables::choices::{FileFormat, LowestMeans, TableOptions, name_of};
use tables::inspect::ScoreSummary;

use super::word::Word;
use super::{Result, Rows, Store, StoreError, now};
use crate::ml::train::RecipeFacts;

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

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Dataset {
    /// `ds_..`
    pub dataset_id: String,
    pub name: String,
    pub purpose: Purpose,
    /// Of the file's bytes, in hex.
    pub sha256: String,
    /// How the file is written.
    #[sqlx(try_from = "Word<FileFormat>")]
    pub format: FileFormat,
    /// The file's size.
    pub bytes: i64,
    /// The names in the header of the columns that are read.
    #[sqlx(json(nullable))]
    pub columns: Option<Vec<String>>,
    #[sqlx(try_from = "Word<TableKind>")]
    pub kind: TableKind,
    pub rows: i64,
    #[sqlx(json)]
    pub scores: ScoreSummary,
    /// How the file is read, as it was told; [`Dataset::choices`] reads it.
    #[sqlx(json)]
    pub choices: Value,
    /// What the lowest score means; `None` where nobody said.
    #[sqlx(try_from = "Word<Option<LowestMeans>>")]
    pub lowest_means: Option<LowestMeans>,
    /// Rows that could not be used and were left out.
    pub skipped: i64,
    /// Rows that fixes left out.
    pub fixed_out: i64,
    /// What was worth knowing when it was stored, as it was told then.
    #[sqlx(json)]
    pub findings: Value,
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

impl Dataset {
    /// How the file is read. What this program cannot read is an error: nothing is assumed in its place.
    pub fn choices(&self) -> Result<TableOptions> {
        TableOptions::deserialize(&self.choices)
            .map_err(|error| StoreError::other(format!("the choices of the dataset {}: {error}", self.dataset_id)))
    }

    /// What a recipe depends on: the table, and a transformer or another model.
    pub fn facts(&self, transformer: bool) -> RecipeFacts {
        let rows = self.rows as usize;
        // A table from before they were counted is taken to have them.
        let positives = self.scores.positives.unwrap_or(rows);
        RecipeFacts { kind: self.kind, rows, positives, transformer }
    }
}

/// The columns of [`Dataset`], and those that follow with what else is asked.
macro_rules! dataset {
    ($rest:literal) => {
        concat!(
            "select dataset_id, name, purpose, sha256, format, bytes, columns, kind, rows, scores, choices,
                    lowest_means, skipped, fixed_out, findings, family, version, version_of, latest, created_at
               from dataset_with_latest ",
            $rest
        )
    };
}

const OF_THE_SAME: &str = dataset!("where sha256 = $1 and purpose = $2 and choices = $3");

impl Store {
    /// Stores a dataset, or finds the one with the same bytes, purpose and choices, which are JSON that is the same
    /// for the same choices. The flag says whether it is new; its family, version and time are the store's to say.
    /// [`StoreError::Gone`] where the dataset that it is a version of is.
    pub async fn insert_dataset(&self, new: &Dataset, choices: &str) -> Result<(Dataset, bool)> {
        let mut inserted = self.insert_datasets(&[(new, choices)]).await?;
        Ok(inserted.pop().expect("one was sent"))
    }

    /// The same for datasets that belong together: all are stored, or none.
    pub async fn insert_datasets(&self, new: &[(&Dataset, &str)]) -> Result<Vec<(Dataset, bool)>> {
        let mut tx = self.begin().await?;
        let mut inserted = Vec::with_capacity(new.len());
        for (new, choices) in new {
            inserted.push(Self::insert_in(&mut tx, new, choices).await?);
        }
        tx.commit().await?;
        Ok(inserted)
    }

    async fn insert_in(tx: &mut SqliteConnection, new: &Dataset, choices: &str) -> Result<(Dataset, bool)> {
        let family: Option<String> =
            sqlx::query_scalar("select family from dataset where dataset_id = $1 and deleted_at is null")
                .bind(&new.version_of)
                .fetch_optional(&mut *tx)
                .await?;
        if family.is_none() && new.version_of.is_some() {
            return Err(StoreError::Gone);
        }
        let family = family.unwrap_or_else(|| new.dataset_id.clone());
        let inserted = sqlx::query(
            "insert into dataset (dataset_id, name, purpose, sha256, format, bytes, columns, kind, rows, scores, choices,
                                  lowest_means, skipped, fixed_out, findings, family, version, version_of, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                     (select coalesce(max(version), 0) + 1 from dataset where family = $16), $17, $18)
             on conflict (sha256, purpose, choices) do nothing",
        )
        .bind(&new.dataset_id)
        .bind(&new.name)
        .bind(new.purpose)
        .bind(&new.sha256)
        .bind(name_of(&new.format))
        .bind(new.bytes)
        .bind(new.columns.as_ref().map(Json))
        .bind(name_of(&new.kind))
        .bind(new.rows)
        .bind(Json(&new.scores))
        .bind(choices)
        .bind(new.lowest_means.as_ref().map(name_of))
        .bind(new.skipped)
        .bind(new.fixed_out)
        .bind(Json(&new.findings))
        .bind(family)
        .bind(&new.version_of)
        .bind(now())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let dataset = sqlx::query_as(OF_THE_SAME).bind(&new.sha256).bind(new.purpose).bind(choices);
        Ok((dataset.fetch_one(&mut *tx).await?, inserted == 1))
    }

    /// The dataset of the same bytes, purpose and choices.
    pub async fn same_dataset(&self, sha256: &str, purpose: Purpose, choices: &str) -> Result<Option<Dataset>> {
        let same = sqlx::query_as(OF_THE_SAME).bind(sha256).bind(purpose).bind(choices);
        Ok(same.fetch_optional(&self.reader).await?)
    }

    /// Remembers which dataset a request with an idempotency key came to. A key that is known stays as it is.
    pub async fn remember_dataset_request(&self, key: &str, request_sha256: &str, dataset_id: &str) -> Result<()> {
        let request = sqlx::query(
            "insert into dataset_request (idempotency_key, request_sha256, dataset_id) values ($1, $2, $3)
             on conflict do nothing",
        );
        let mut tx = self.begin().await?;
        request.bind(key).bind(request_sha256).bind(dataset_id).execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// The request with an idempotency key: its SHA-256 and the dataset's id.
    pub async fn dataset_request(&self, key: &str) -> Result<Option<(String, String)>> {
        let request =
            sqlx::query_as("select request_sha256, dataset_id from dataset_request where idempotency_key = $1");
        Ok(request.bind(key).fetch_optional(&self.reader).await?)
    }

    /// All versions of a dataset's table, the newest first.
    pub async fn dataset_versions(&self, family: &str) -> Result<Rows<Dataset>> {
        let versions = sqlx::query(dataset!("where family = $1 order by version desc limit 1000"));
        self.each("dataset_id", versions.bind(family)).await
    }

    /// A dataset by its id.
    pub async fn dataset(&self, id: &str) -> Result<Option<Dataset>> {
        Ok(sqlx::query_as(dataset!("where dataset_id = $1")).bind(id).fetch_optional(&self.reader).await?)
    }

    /// All datasets, the newest first.
    pub async fn datasets(&self) -> Result<Rows<Dataset>> {
        self.datasets_page(None, None, false, 1000).await
    }

    /// Datasets by their ids, which follow time: those after `after`, of one purpose where it is given.
    pub async fn datasets_page(
        &self,
        purpose: Option<Purpose>,
        after: Option<&str>,
        oldest_first: bool,
        limit: usize,
    ) -> Result<Rows<Dataset>> {
        // Ids are ASCII, and no character of it comes after `~`.
        let query = if oldest_first {
            dataset!(
                "where purpose = coalesce($1, purpose) and dataset_id > coalesce($2, '') order by dataset_id limit $3"
            )
        } else {
            dataset!(
                "where purpose = coalesce($1, purpose) and dataset_id < coalesce($2, '~')
                 order by dataset_id desc limit $3"
            )
        };
        let page = sqlx::query(query).bind(purpose).bind(after).bind(limit as i64);
        self.each("dataset_id", page).await
    }

    /// The files of every dataset, however many there are: its id, and the SHA-256 of its bytes.
    pub async fn dataset_files(&self) -> Result<Vec<(String, String)>> {
        Ok(sqlx::query_as("select dataset_id, sha256 from dataset where deleted_at is null order by dataset_id")
            .fetch_all(&self.reader)
            .await?)
    }
}
