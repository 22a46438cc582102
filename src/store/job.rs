//! The queue: jobs and their events.
//!
//! Every write about a running job carries the lease token of the claim that it belongs to. A writer
//! whose claim was superseded changes nothing and is told so.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{Sqlite, Transaction};

use super::{Dataset, ModelRow, Result, Store, now};
use crate::ml::train::TrainConfig;

/// Where a job stands. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum Status {
    /// Waits for its turn.
    Queued,
    /// A trainer works on it.
    Running,
    /// Its model is registered.
    Succeeded,
    /// It cannot be done; its error says why.
    Failed,
    /// The user ended it.
    Cancelled,
}

impl Status {
    /// Whether the job will never change again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// What a running job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum Phase {
    /// Reads the model and the pairs.
    Loading,
    /// Measures the base.
    BaseEval,
    /// Trains.
    Training,
    /// Measures the tuned model.
    Evaluating,
    /// Writes the tuned model.
    Saving,
}

/// How far a running job is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 1.
    pub epoch: usize,
    /// At most this many.
    pub epochs: usize,
    /// Over the whole run, from 1.
    pub step: usize,
    /// At most this many.
    pub total_steps: usize,
    /// Of the last step.
    pub loss: f64,
    /// 0 to 1.
    pub fraction: f64,
    /// At most this many more, as things go.
    pub seconds_remaining: f64,
}

/// Why a job failed, in the user's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobError {
    /// For programs.
    pub code: String,
    /// What happened and why.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A job's row.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Job {
    /// `job_..`
    pub job_id: String,
    /// The name that the tuned model gets.
    pub name: String,
    /// Where it stands.
    pub status: Status,
    /// What it does.
    pub phase: Option<Phase>,
    /// The model that is tuned.
    pub base_model: String,
    /// The pairs to learn.
    pub dataset_id: String,
    /// The table that measures general ability.
    pub benchmark_id: Option<String>,
    /// The name of the settings.
    pub recipe: String,
    /// All settings, resolved.
    pub config: Json<TrainConfig>,
    /// The texts of the heatmap.
    pub titles: Json<Vec<String>>,
    /// Points at the tuned model in the end.
    pub alias: Option<String>,
    /// SHA-256 of the request that an idempotency key belongs to.
    pub request_sha256: Option<String>,
    /// Milliseconds.
    pub created_at: i64,
    /// Milliseconds, of the first claim.
    pub started_at: Option<i64>,
    /// Milliseconds.
    pub finished_at: Option<i64>,
    /// Milliseconds.
    pub cancel_requested_at: Option<i64>,
    /// The current claim.
    pub lease_token: i64,
    /// Claims so far.
    pub attempt: i64,
    /// Trainers that died under it.
    pub crashes: i64,
    /// How far it is.
    pub progress: Option<Json<Progress>>,
    /// Why it failed.
    pub error: Option<Json<JobError>>,
    /// What it came to.
    pub report: Option<Json<Value>>,
}

/// A job about to be queued.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// `job_..`
    pub job_id: &'a str,
    /// The name that the tuned model gets.
    pub name: &'a str,
    /// The model that is tuned.
    pub base_model: &'a ModelRow,
    /// The pairs to learn.
    pub dataset: &'a Dataset,
    /// The table that measures general ability.
    pub benchmark: Option<&'a Dataset>,
    /// The name of the settings.
    pub recipe: &'a str,
    /// All settings, resolved.
    pub config: &'a TrainConfig,
    /// The texts of the heatmap.
    pub titles: &'a [String],
    /// Points at the tuned model in the end.
    pub alias: Option<&'a str>,
    /// The client's key, and the SHA-256 of its request.
    pub idempotency: Option<(&'a str, &'a str)>,
}

/// The model that a job made.
#[derive(Debug)]
pub struct NewModel<'a> {
    /// `ft_..`
    pub model_id: &'a str,
    /// The full model that it is a delta of.
    pub root_model: &'a str,
    /// Equal fingerprints give equal vectors.
    pub fingerprint: &'a str,
    /// Dimensions of a text's vector.
    pub dimensions: i64,
    /// Tokens of a text that are read.
    pub max_tokens: i64,
    /// The folder's size.
    pub bytes: i64,
}

/// Something that happened to a job.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: i64,
    /// Milliseconds.
    pub at: i64,
    /// What kind of thing.
    pub r#type: String,
    /// The particulars.
    pub data: Json<Value>,
}

async fn append(tx: &mut Transaction<'static, Sqlite>, job_id: &str, kind: &str, data: &Value) -> Result<()> {
    sqlx::query(
        "insert into job_event (job_id, seq, at, type, data)
         values (?1, (select coalesce(max(seq), 0) + 1 from job_event where job_id = ?1), ?2, ?3, ?4)",
    )
    .bind(job_id)
    .bind(now())
    .bind(kind)
    .bind(Json(data))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Queues a job. A violated unique constraint means that the idempotency key is known.
    ///
    /// # Errors
    /// What the database says.
    pub async fn insert_job(&self, new: NewJob<'_>) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "insert into job (job_id, name, status, base_model, dataset_id, benchmark_id, recipe, config, titles,
                              alias, idempotency_key, request_sha256, created_at)
             values (?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.job_id)
        .bind(new.name)
        .bind(&new.base_model.model_id)
        .bind(&new.dataset.dataset_id)
        .bind(new.benchmark.map(|benchmark| &benchmark.dataset_id))
        .bind(new.recipe)
        .bind(Json(new.config))
        .bind(Json(new.titles))
        .bind(new.alias)
        .bind(new.idempotency.map(|(key, _)| key))
        .bind(new.idempotency.map(|(_, request)| request))
        .bind(now())
        .execute(&mut *tx)
        .await?;
        append(&mut tx, new.job_id, "queued", &json!({})).await?;
        tx.commit().await
    }

    /// A job by its id.
    ///
    /// # Errors
    /// What the database says.
    pub async fn job(&self, id: &str) -> Result<Option<Job>> {
        sqlx::query_as("select * from job where job_id = ?").bind(id).fetch_optional(&self.reader).await
    }

    /// The job that an idempotency key belongs to.
    ///
    /// # Errors
    /// What the database says.
    pub async fn job_of_key(&self, key: &str) -> Result<Option<Job>> {
        sqlx::query_as("select * from job where idempotency_key = ?").bind(key).fetch_optional(&self.reader).await
    }

    /// Jobs, the newest first, of one status where it is given.
    ///
    /// # Errors
    /// What the database says.
    pub async fn jobs(&self, status: Option<Status>, limit: i64) -> Result<Vec<Job>> {
        sqlx::query_as("select * from job where ?1 is null or status = ?1 order by job_id desc limit ?2")
            .bind(status)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
    }

    /// The queued jobs' ids in the order of their turns.
    ///
    /// # Errors
    /// What the database says.
    pub async fn queued_jobs(&self) -> Result<Vec<String>> {
        sqlx::query_scalar("select job_id from job where status = 'queued' order by created_at, job_id")
            .fetch_all(&self.reader)
            .await
    }

    /// Takes the next queued job, with a new lease token.
    ///
    /// # Errors
    /// What the database says.
    pub async fn claim_job(&self) -> Result<Option<Job>> {
        let mut tx = self.begin().await?;
        let job: Option<Job> = sqlx::query_as(
            "update job
                set status = 'running', phase = 'loading', started_at = coalesce(started_at, ?1),
                    lease_token = lease_token + 1, attempt = attempt + 1, progress = null
              where job_id = (select job_id from job where status = 'queued' order by created_at, job_id limit 1)
                and status = 'queued'
             returning *",
        )
        .bind(now())
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(job) = &job {
            append(&mut tx, &job.job_id, "started", &json!({ "attempt": job.attempt })).await?;
        }
        tx.commit().await?;
        Ok(job)
    }

    /// Adds an event to a running job, with the phase or progress that it brings. `false`: the
    /// claim was superseded and nothing was written.
    ///
    /// # Errors
    /// What the database says.
    pub async fn record_event(
        &self,
        claim: &Job,
        kind: &str,
        data: &Value,
        phase: Option<Phase>,
        progress: Option<Progress>,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        let held = sqlx::query(
            "update job set phase = coalesce(?3, phase), progress = coalesce(?4, progress)
              where job_id = ?1 and lease_token = ?2 and status = 'running'",
        )
        .bind(&claim.job_id)
        .bind(claim.lease_token)
        .bind(phase)
        .bind(progress.map(Json))
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if held {
            append(&mut tx, &claim.job_id, kind, data).await?;
        }
        tx.commit().await?;
        Ok(held)
    }

    /// Registers the model that a job made, points the job's alias at it, and ends the job, all or
    /// nothing. `false`: the claim was superseded or the job is to be cancelled; nothing was written.
    ///
    /// # Errors
    /// What the database says.
    pub async fn finish_job(&self, claim: &Job, model: &NewModel<'_>, report: &Value) -> Result<bool> {
        let mut tx = self.begin().await?;
        let finished = sqlx::query(
            "update job set status = 'succeeded', phase = null, finished_at = ?3, report = ?4
              where job_id = ?1 and lease_token = ?2 and status = 'running' and cancel_requested_at is null",
        )
        .bind(&claim.job_id)
        .bind(claim.lease_token)
        .bind(now())
        .bind(Json(report))
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if !finished {
            return Ok(false);
        }
        sqlx::query(
            "insert into model (model_id, name, kind, base_model, job_id, fingerprint, dimensions, max_tokens, bytes, created_at)
             values (?, ?, 'tuned', ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(model.model_id)
        .bind(&claim.name)
        .bind(model.root_model)
        .bind(&claim.job_id)
        .bind(model.fingerprint)
        .bind(model.dimensions)
        .bind(model.max_tokens)
        .bind(model.bytes)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        if let Some(alias) = &claim.alias {
            sqlx::query(
                "insert into alias (name, model_id, updated_at) values (?, ?, ?)
                 on conflict (name) do update set model_id = excluded.model_id, updated_at = excluded.updated_at",
            )
            .bind(alias)
            .bind(model.model_id)
            .bind(now())
            .execute(&mut *tx)
            .await?;
        }
        append(&mut tx, &claim.job_id, "succeeded", &json!({ "model": model.model_id })).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a claim without a model: back to the queue, failed, or cancelled where that was asked
    /// for. `None`: the claim was superseded and nothing was written.
    ///
    /// # Errors
    /// What the database says.
    pub async fn release_job(&self, claim: &Job, release: Release<'_>) -> Result<Option<Status>> {
        let mut tx = self.begin().await?;
        let (status, crash, error) = match release {
            Release::Interrupted { .. } => (Status::Queued, 0, None),
            Release::Crashed { .. } => (Status::Queued, 1, None),
            Release::Failed(error) => (Status::Failed, 0, Some(error)),
        };
        let status: Option<Status> = sqlx::query_scalar(
            "update job
                set status = case when cancel_requested_at is not null then 'cancelled' else ?3 end,
                    finished_at = case when cancel_requested_at is not null or ?3 = 'failed' then ?4 end,
                    phase = null, progress = null, crashes = crashes + ?5, error = ?6
              where job_id = ?1 and lease_token = ?2 and status = 'running'
             returning status",
        )
        .bind(&claim.job_id)
        .bind(claim.lease_token)
        .bind(status)
        .bind(now())
        .bind(crash)
        .bind(error.map(Json))
        .fetch_optional(&mut *tx)
        .await?;
        let (kind, data) = match (status, release) {
            (None, _) => return Ok(None),
            (Some(Status::Cancelled), _) => ("cancelled", json!({})),
            (_, Release::Interrupted { reason } | Release::Crashed { reason }) => {
                ("requeued", json!({ "reason": reason }))
            }
            (_, Release::Failed(error)) => ("failed", json!(error)),
        };
        append(&mut tx, &claim.job_id, kind, &data).await?;
        tx.commit().await?;
        Ok(status)
    }

    /// Asks for the end of a job: a queued one is cancelled at once, a running one is marked. The
    /// job as it then is, or `None` where there is no such job.
    ///
    /// # Errors
    /// What the database says.
    pub async fn cancel_job(&self, id: &str) -> Result<Option<Job>> {
        let mut tx = self.begin().await?;
        let cancelled = sqlx::query(
            "update job set status = 'cancelled', cancel_requested_at = ?2, finished_at = ?2
              where job_id = ?1 and status = 'queued'",
        )
        .bind(id)
        .bind(now())
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if cancelled {
            append(&mut tx, id, "cancelled", &json!({})).await?;
        }
        sqlx::query(
            "update job set cancel_requested_at = ?2
              where job_id = ?1 and status = 'running' and cancel_requested_at is null",
        )
        .bind(id)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        let job = sqlx::query_as("select * from job where job_id = ?").bind(id).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// Puts jobs that a stopped server left running back into the queue. Their ids.
    ///
    /// Only the server that holds the data folder's lock may call this, before it claims a job.
    ///
    /// # Errors
    /// What the database says.
    pub async fn recover_jobs(&self) -> Result<Vec<String>> {
        let running: Vec<Job> =
            sqlx::query_as("select * from job where status = 'running'").fetch_all(&self.reader).await?;
        let mut recovered = Vec::new();
        for job in running {
            if self.release_job(&job, Release::Interrupted { reason: "the server stopped" }).await?
                == Some(Status::Queued)
            {
                recovered.push(job.job_id);
            }
        }
        Ok(recovered)
    }

    /// A job's events after a sequence number, the oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn events_after(&self, job_id: &str, seq: i64, limit: i64) -> Result<Vec<Event>> {
        sqlx::query_as("select seq, at, type, data from job_event where job_id = ? and seq > ? order by seq limit ?")
            .bind(job_id)
            .bind(seq)
            .bind(limit)
            .fetch_all(&self.reader)
            .await
    }
}

/// How a claim ends without a model.
#[derive(Clone, Copy, Debug)]
pub enum Release<'a> {
    /// Through no fault of the job's: back into the queue.
    Interrupted {
        /// For the job's events.
        reason: &'a str,
    },
    /// The trainer died: back into the queue, and counted.
    Crashed {
        /// For the job's events.
        reason: &'a str,
    },
    /// The job cannot be done.
    Failed(&'a JobError),
}
