//! What is deleted is gone, and what it leaves is told: `pragma secure_delete` overwrites the pages, and the log is cut
//! off afterwards.

use std::sync::atomic::Ordering;

use super::{Left, Result, Status, Store, StoreError, now};

/// What became of a job that was to be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobDeletion {
    Deleted(Left),
    Unknown,
    /// It is queued or running.
    NotOver,
}

/// Events that go in one transaction.
const EVENTS_AT_ONCE: i64 = 1000;

impl Store {
    /// Removes a dataset, the requests that made it, and in the row that finished jobs refer to all that it told. The
    /// file's hash is returned where no other dataset shares it. [`StoreError::Referenced`] where an unfinished job
    /// uses it.
    pub async fn delete_dataset(&self, id: &str) -> Result<(Option<String>, Left)> {
        let mut tx = self.begin().await?;
        let found: Option<(String, String)> =
            sqlx::query_as("select sha256, family from dataset where dataset_id = $1 and deleted_at is null")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some((sha256, family)) = found else { return Ok((None, Left::default())) };
        let jobs: Vec<(String, Status)> = sqlx::query_as(
            "select job_id, status from job where $1 in (dataset_id, benchmark_id, replay_id, validation_id) order by job_id",
        )
        .bind(id)
        .fetch_all(&mut *tx)
        .await?;
        if jobs.iter().any(|(_, status)| !status.is_terminal()) {
            return Err(StoreError::Referenced);
        }
        let models = sqlx::query_scalar(
            "select model.model_id from descent join model on model.model_id = descent.id
              where descent.source_id = $1 and model.deleted_at is null order by model.model_id",
        );
        let datasets = sqlx::query_scalar(
            "select dataset_id from dataset
              where deleted_at is null and dataset_id <> $1
                and (sha256 = $2 or family = $3 or dataset_id in (select id from descent where source_id = $1))
              order by dataset_id",
        );
        let left = Left {
            datasets: datasets.bind(id).bind(&sha256).bind(family).fetch_all(&mut *tx).await?,
            models: models.bind(id).fetch_all(&mut *tx).await?,
            jobs: jobs.into_iter().map(|(id, _)| id).collect(),
        };
        sqlx::query("delete from dataset_request where dataset_id = $1").bind(id).execute(&mut *tx).await?;
        sqlx::query("update dataset set version_of = null where version_of = $1").bind(id).execute(&mut *tx).await?;
        if left.jobs.is_empty() {
            sqlx::query("delete from descent where id = $1").bind(id).execute(&mut *tx).await?;
            sqlx::query("delete from dataset where dataset_id = $1").bind(id).execute(&mut *tx).await?;
        } else {
            sqlx::query(
                "update dataset
                    set deleted_at = $2, name = dataset_id, sha256 = $3, bytes = 0, columns = null, rows = 0,
                        scores = '{}', choices = json_object('deleted', dataset_id), lowest_means = null, skipped = 0,
                        fixed_out = 0, findings = '[]', version_of = null
                  where dataset_id = $1",
            )
            .bind(id)
            .bind(now())
            .bind("0".repeat(64))
            .execute(&mut *tx)
            .await?;
        }
        let shared = sqlx::query_scalar("select exists (select 1 from dataset where sha256 = $1)");
        let shared: bool = shared.bind(&sha256).fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok((Some(sha256).filter(|_| !shared), left))
    }

    /// Removes a job that is over, with its events and its report. The model that it made stays.
    pub async fn delete_job(&self, id: &str) -> Result<JobDeletion> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        let status: Option<Status> =
            sqlx::query_scalar("select status from job where job_id = $1").bind(id).fetch_optional(&mut *tx).await?;
        match status {
            None => return Ok(JobDeletion::Unknown),
            Some(status) if !status.is_terminal() => return Ok(JobDeletion::NotOver),
            Some(_) => {}
        }
        let models = sqlx::query_scalar("select model_id from model where job_id = $1 and deleted_at is null");
        let datasets = sqlx::query_scalar(
            "select dataset_id from dataset
              where deleted_at is null
                and dataset_id in
                    (select value from job, json_each(json_array(dataset_id, benchmark_id, replay_id, validation_id))
                      where job_id = $1)
              order by dataset_id",
        );
        let left = Left {
            datasets: datasets.bind(id).fetch_all(&mut *tx).await?,
            jobs: Vec::new(),
            models: models.bind(id).fetch_all(&mut *tx).await?,
        };
        for sql in [
            "update model set job_id = null where job_id = $1",
            "delete from checkpoint where job_id = $1",
            "delete from job_event where job_id = $1",
            "delete from job where job_id = $1",
        ] {
            sqlx::query(sql).bind(id).execute(&mut *tx).await?;
        }
        // Rows of deleted datasets that no job refers to any more.
        sqlx::query(
            "delete from dataset
              where deleted_at is not null
                and not exists (select 1 from job where dataset.dataset_id in
                                (job.dataset_id, benchmark_id, replay_id, validation_id))",
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(JobDeletion::Deleted(left))
    }

    /// Remembers what a table was made of.
    pub async fn record_descent(&self, dataset_id: &str, source_id: &str) -> Result<()> {
        let record = sqlx::query(
            "insert into descent (id, source_id)
             select $1, $2 union select $1, source_id from descent where id = $2
             on conflict do nothing",
        );
        record.bind(dataset_id).bind(source_id).execute(&self.writer).await?;
        Ok(())
    }

    /// Jobs that were over before a time, the oldest first.
    pub async fn jobs_over_before(&self, time: i64, limit: i64) -> Result<Vec<String>> {
        let jobs = sqlx::query_scalar("select job_id from job where finished_at < $1 order by finished_at limit $2");
        Ok(jobs.bind(time).bind(limit).fetch_all(&self.reader).await?)
    }

    /// Removes some events of jobs that were over before a time, but for those that tell how they ended. How many;
    /// none where none are left.
    pub async fn forget_events(&self, time: i64) -> Result<u64> {
        let mut tx = self.begin().await?;
        let forgotten = sqlx::query(
            "delete from job_event
              where (job_id, seq) in (
                    select job_event.job_id, job_event.seq from job join job_event on job_event.job_id = job.job_id
                     where job.finished_at < $1 and job_event.type not in ('succeeded', 'failed', 'cancelled')
                     limit $2)",
        )
        .bind(time)
        .bind(EVENTS_AT_ONCE)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(forgotten.rows_affected())
    }

    /// Cuts off the log, whose pages hold what was deleted. Where somebody reads just now, it is cut off later, by
    /// [`Store::cut_log_if_due`].
    pub async fn cut_log(&self) -> Result<()> {
        self.uncut.store(true, Ordering::Release);
        let mut writer = self.writer.acquire().await?;
        // A backup reads for long, and nobody who writes is to wait for it.
        sqlx::query("pragma busy_timeout = 200").execute(&mut *writer).await?;
        let cut = sqlx::query_as("pragma wal_checkpoint(truncate)").fetch_one(&mut *writer).await;
        sqlx::query("pragma busy_timeout = 5000").execute(&mut *writer).await?;
        let (busy, _, _): (i64, i64, i64) = cut?;
        if busy == 0 {
            self.uncut.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// The same, where it could not be done before.
    pub async fn cut_log_if_due(&self) -> Result<()> {
        if self.uncut.load(Ordering::Acquire) { self.cut_log().await } else { Ok(()) }
    }
}
