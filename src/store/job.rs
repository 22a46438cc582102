//! The queue: jobs as everyone may read and ask for them. What the supervisor writes about a job that it works on
//! is in `claim.rs`, what happened to jobs in `event.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::types::Json;

use super::event::tell;
use super::{
    AliasResult, Dataset, JobConfig, JobError, ModelRow, QueueEvent, Result, Rows, Store, StoreError, WaitReason, now,
};
use crate::ml::train::TrainConfig;

/// Where a job stands. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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

/// What a client of OpenAI's API said of a job that is not one of our settings, to be told again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpenAiNotes {
    /// The client's own words.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The file that the job's benchmark was made of.
    pub validation_file: Option<String>,
    /// What the recipe's learning rate was multiplied by.
    pub learning_rate_multiplier: Option<f64>,
}

/// What must be true of a job's report for its alias to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum AliasGate {
    /// The verdict over all is `win`.
    Win,
}

/// A job's row, but for its report, which may have megabytes.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Job {
    /// `job_..`
    pub job_id: String,
    /// The name that the tuned model gets.
    pub name: String,
    pub status: Status,
    pub phase: Option<Phase>,
    /// The model that is tuned.
    pub base_model: String,
    /// The pairs to learn.
    pub dataset_id: String,
    pub dataset_name: String,
    /// The table that measures general ability.
    pub benchmark_id: Option<String>,
    /// The table that is learnt beside, against forgetting.
    pub replay_id: Option<String>,
    /// The table that validates; rows of `dataset_id` do where there is none.
    pub validation_id: Option<String>,
    /// The name of the settings.
    pub recipe: String,
    /// All settings, resolved.
    #[sqlx(try_from = "String")]
    pub config: JobConfig,
    /// The texts of the heatmap.
    #[sqlx(json)]
    pub titles: Vec<String>,
    /// Points at the tuned model in the end.
    pub alias: Option<String>,
    /// What must be true of the report for that.
    pub alias_if: Option<AliasGate>,
    /// Whether it does, and why or why not.
    #[sqlx(json(nullable))]
    pub alias_result: Option<AliasResult>,
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
    /// Trainers that died under it since its last progress.
    pub crashes: i64,
    /// What each of them died of.
    #[sqlx(json)]
    pub crash_log: Vec<String>,
    /// Why it went back into the queue last, where it did.
    pub wait_reason: Option<WaitReason>,
    /// Milliseconds; a queued job has no turn before.
    pub next_try_at: Option<i64>,
    /// Waits in a row for that reason, without progress.
    pub waits: i64,
    /// Pairs that are computed at a time since memory ran out.
    pub micro_batch: Option<i64>,
    #[sqlx(json(nullable))]
    pub progress: Option<Progress>,
    #[sqlx(json(nullable))]
    pub error: Option<JobError>,
    /// What a client of OpenAI's API said of it.
    #[sqlx(json(nullable))]
    pub openai: Option<OpenAiNotes>,
}

impl Job {
    /// Why this program cannot train it, where it cannot: nothing else is trained in the place of what it asks for.
    pub fn objection(&self) -> Option<JobError> {
        if self.config.unread.is_empty() {
            return None;
        }
        let names = self.config.unread.join(", ");
        Some(JobError {
            code: "config_not_usable".to_owned(),
            message: format!(
                "The job comes from another version of this program, and this one cannot read some of its settings: {names}."
            ),
            hint: "Post the job again with settings that there are.".to_owned(),
        })
    }
}

/// A job as it is asked for, its parts found already. What [`Job`] has too is told there.
#[derive(Clone, Debug)]
pub struct JobRequest {
    pub model: ModelRow,
    pub dataset: Dataset,
    pub benchmark: Option<Dataset>,
    pub replay: Option<Dataset>,
    pub validation: Option<Dataset>,
    /// The tuned model's name; its id where there is none.
    pub name: Option<String>,
    pub recipe: String,
    pub config: TrainConfig,
    pub titles: Vec<String>,
    pub alias: Option<String>,
    pub alias_if: Option<AliasGate>,
    /// The client's key for this request, and the request's SHA-256.
    pub idempotency: Option<(String, String)>,
    /// What a client of OpenAI's API said beside it.
    pub openai: Option<OpenAiNotes>,
    /// Whose it is.
    pub caller: JobCaller,
}

/// Who queues a job.
#[derive(Clone, Debug, Default)]
pub struct JobCaller {
    /// Its key, where one was needed.
    pub key_id: Option<String>,
    /// How many jobs it may have waiting; any number where there is none.
    pub most_waiting: Option<u32>,
}

/// What became of a job that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insertion {
    Queued,
    /// Its caller has so many jobs waiting, which is as many as it may.
    TooManyWaiting {
        waiting: u32,
    },
}

/// The columns of [`Job`], also of one that was changed.
macro_rules! job_columns {
    () => {
        "job_id, name, status, phase, base_model, dataset_id,
         (select dataset.name from dataset where dataset.dataset_id = job.dataset_id) as dataset_name,
         benchmark_id, replay_id, validation_id, recipe, config, titles, alias, alias_if, alias_result, request_sha256,
         created_at, started_at, finished_at, cancel_requested_at, lease_token, attempt, crashes, crash_log,
         wait_reason, next_try_at, waits, micro_batch, progress, error, openai"
    };
}
pub(super) use job_columns;

macro_rules! job {
    ($rest:literal) => {
        concat!("select ", job_columns!(), " from job ", $rest)
    };
}

impl Store {
    /// Queues a job. [`StoreError::Taken`] says whether its name or its idempotency key is
    /// another job's, [`StoreError::Gone`] that a dataset was removed.
    pub async fn insert_job(&self, job_id: &str, name: &str, new: &JobRequest) -> Result<Insertion> {
        let mut tx = self.begin().await?;
        let JobCaller { key_id, most_waiting } = &new.caller;
        if let Some(most) = *most_waiting {
            let waiting = "select count(*) from job where status = 'queued' and key_id is not distinct from $1";
            let waiting: u32 = sqlx::query_scalar(waiting).bind(key_id).fetch_one(&mut *tx).await?;
            if waiting >= most {
                return Ok(Insertion::TooManyWaiting { waiting });
            }
        }
        sqlx::query(
            "insert into job (job_id, name, status, base_model, dataset_id, benchmark_id, replay_id, validation_id, recipe,
                              config, titles, alias, alias_if, idempotency_key, request_sha256, created_at, openai, key_id,
                              turn)
             values ($1, $2, 'queued', $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                     (select coalesce(max(turn), 0) + 1 from job))",
        )
        .bind(job_id)
        .bind(name)
        .bind(&new.model.model_id)
        .bind(&new.dataset.dataset_id)
        .bind(new.benchmark.as_ref().map(|benchmark| &benchmark.dataset_id))
        .bind(new.replay.as_ref().map(|replay| &replay.dataset_id))
        .bind(new.validation.as_ref().map(|validation| &validation.dataset_id))
        .bind(&new.recipe)
        .bind(Json(&new.config))
        .bind(Json(&new.titles))
        .bind(&new.alias)
        .bind(new.alias_if)
        .bind(new.idempotency.as_ref().map(|(key, _)| key))
        .bind(new.idempotency.as_ref().map(|(_, request)| request))
        .bind(now())
        .bind(new.openai.as_ref().map(Json))
        .bind(key_id)
        .execute(&mut *tx)
        .await?;
        // The row of a deleted dataset stays for the jobs that are over.
        let gone: bool = sqlx::query_scalar(
            "select exists (select 1 from dataset where dataset_id in ($1, $2, $3, $4) and deleted_at is not null)",
        )
        .bind(&new.dataset.dataset_id)
        .bind(new.benchmark.as_ref().map(|benchmark| &benchmark.dataset_id))
        .bind(new.replay.as_ref().map(|replay| &replay.dataset_id))
        .bind(new.validation.as_ref().map(|validation| &validation.dataset_id))
        .fetch_one(&mut *tx)
        .await?;
        if gone {
            return Err(StoreError::Gone);
        }
        tell(&mut tx, job_id, &QueueEvent::Queued {}).await?;
        tx.commit().await?;
        Ok(Insertion::Queued)
    }

    /// A job by its id.
    pub async fn job(&self, id: &str) -> Result<Option<Job>> {
        Ok(sqlx::query_as(job!("where job_id = $1")).bind(id).fetch_optional(&self.reader).await?)
    }

    /// What a job that has succeeded came to.
    pub async fn report(&self, id: &str) -> Result<Option<Value>> {
        let report = sqlx::query_scalar("select report from job where job_id = $1 and report is not null");
        let report: Option<Json<Value>> = report.bind(id).fetch_optional(&self.reader).await?;
        Ok(report.map(|report| report.0))
    }

    /// The job that an idempotency key belongs to.
    pub async fn job_of_key(&self, key: &str) -> Result<Option<Job>> {
        Ok(sqlx::query_as(job!("where idempotency_key = $1")).bind(key).fetch_optional(&self.reader).await?)
    }

    /// Jobs, the newest first, of one status where it is given.
    pub async fn jobs(&self, status: Option<Status>, limit: i64) -> Result<Rows<Job>> {
        let jobs = sqlx::query(job!("where status = coalesce($1, status) order by job_id desc limit $2"));
        self.each("job_id", jobs.bind(status).bind(limit)).await
    }

    /// Jobs, the newest first: those older than `after` that have all these metadata.
    pub async fn jobs_page(
        &self,
        after: Option<&str>,
        metadata: &BTreeMap<String, String>,
        limit: usize,
    ) -> Result<Rows<Job>> {
        // Ids are ASCII, and no character of it comes after `~`. The keys are a client's: no path into JSON can name
        // every one of them. JSON that is damaged has none.
        let jobs = sqlx::query(job!(
            "where job_id < coalesce($1, '~')
               and not exists (
                   select 1 from json_each($2) wanted
                    where not exists (
                        select 1 from json_each(iif(json_valid(job.openai), job.openai, '{}'), '$.metadata') told
                         where told.key = wanted.key and told.value = wanted.value))
             order by job_id desc limit $3"
        ));
        self.each("job_id", jobs.bind(after).bind(Json(metadata)).bind(limit as i64)).await
    }

    /// The queued jobs' ids in the order of their turns.
    pub async fn queued_jobs(&self) -> Result<Vec<String>> {
        let queued = sqlx::query_scalar("select job_id from job where status = 'queued' order by turn");
        Ok(queued.fetch_all(&self.reader).await?)
    }

    /// Asks for the end of a job: a queued one is cancelled at once, a running one is marked. The
    /// job as it then is, or `None` where there is no such job.
    pub async fn cancel_job(&self, id: &str) -> Result<Option<Job>> {
        let mut tx = self.begin().await?;
        let cancelled = sqlx::query(
            "update job set status = 'cancelled', cancel_requested_at = $2, finished_at = $2, wait_reason = null,
                    next_try_at = null
              where job_id = $1 and status = 'queued'",
        )
        .bind(id)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        if cancelled.rows_affected() == 1 {
            tell(&mut tx, id, &QueueEvent::Cancelled {}).await?;
        }
        sqlx::query(
            "update job set cancel_requested_at = $2
              where job_id = $1 and status = 'running' and cancel_requested_at is null",
        )
        .bind(id)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        let job = sqlx::query_as(job!("where job_id = $1")).bind(id).fetch_optional(&mut *tx).await?;
        tx.commit().await?;
        Ok(job)
    }
}
