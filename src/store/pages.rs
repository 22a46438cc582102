//! Lists by the page: what follows a row that the client has seen.

use std::collections::BTreeMap;

use sqlx::types::Json;

use super::{Dataset, Event, Job, Purpose, Result, Store};

impl Store {
    /// Datasets by their ids, which follow time: those after `after`, of one purpose where it is given.
    ///
    /// # Errors
    /// What the database says.
    pub async fn datasets_page(
        &self,
        purpose: Option<Purpose>,
        after: Option<&str>,
        oldest_first: bool,
        limit: usize,
    ) -> Result<Vec<Dataset>> {
        let query = if oldest_first {
            "select * from dataset_with_latest where (?1 is null or purpose = ?1) and (?2 is null or dataset_id > ?2)
              order by dataset_id limit ?3"
        } else {
            "select * from dataset_with_latest where (?1 is null or purpose = ?1) and (?2 is null or dataset_id < ?2)
              order by dataset_id desc limit ?3"
        };
        sqlx::query_as(query).bind(purpose).bind(after).bind(limit as i64).fetch_all(&self.reader).await
    }

    /// Jobs, the newest first: those older than `after` that have all these metadata.
    ///
    /// # Errors
    /// What the database says.
    pub async fn jobs_page(
        &self,
        after: Option<&str>,
        metadata: &BTreeMap<String, String>,
        limit: usize,
    ) -> Result<Vec<Job>> {
        sqlx::query_as(
            "select * from job
              where (?1 is null or job_id < ?1)
                and not exists (
                    select 1 from json_each(?2) wanted
                     where not exists (
                         select 1 from json_each(job.openai, '$.metadata') told
                          where told.key = wanted.key and told.value = wanted.value))
              order by job_id desc limit ?3",
        )
        .bind(after)
        .bind(Json(metadata))
        .bind(limit as i64)
        .fetch_all(&self.reader)
        .await
    }

    /// A job's events before a sequence number, the newest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_before(&self, job_id: &str, seq: Option<i64>, limit: usize) -> Result<Vec<Event>> {
        sqlx::query_as(
            "select seq, at, type, data from job_event where job_id = ?1 and (?2 is null or seq < ?2)
              order by seq desc limit ?3",
        )
        .bind(job_id)
        .bind(seq)
        .bind(limit as i64)
        .fetch_all(&self.reader)
        .await
    }
}
