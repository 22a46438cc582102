//! What the supervisor writes about the job that it works on. Every write carries the lease token of its claim: a
//! writer whose claim was superseded changes nothing and is told so.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row, Sqlite, Transaction};

use super::alias::move_alias;
use super::event::{append, tell};
use super::job::job_columns;
use super::rows::lament;
use super::{
    AliasResult, Job, JobError, ModelRow, MoveReason, Phase, Progress, QueueEvent, Result, Status, Store, WaitReason,
    now,
};

/// No wait is as long, in milliseconds: a job that is to wait longer was told so by a clock that was wrong.
const LONGEST_WAIT: i64 = 600_000;

/// How a claim ends without a model.
#[derive(Clone, Copy, Debug)]
pub enum Release<'a> {
    /// Through no fault of the job's: back into the queue.
    Interrupted { reason: &'a str },
    /// The trainer died: back into the queue, and counted.
    Crashed { reason: &'a str },
    /// Memory ran out: back into the queue, to compute so many pairs at a time.
    Smaller { reason: &'a str, micro_batch: i64 },
    /// Something is not there that may come: back into the queue, for a turn in so many seconds.
    Waiting { code: WaitReason, reason: &'a str, seconds: i64 },
    /// The job cannot be done.
    Failed(&'a JobError),
}

/// A run between two steps, in the folder `<job>/t<lease_token>/ckpt-<step>`.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct CheckpointRow {
    /// `job_..`
    pub job_id: String,
    /// The claim under which it was made.
    pub lease_token: i64,
    /// Steps done.
    pub step: i64,
    pub manifest_sha256: String,
}

impl Store {
    /// Takes the next queued job whose time has come, with a new lease token. One whose row cannot be read has failed,
    /// and holds up no other.
    pub async fn claim_job(&self) -> Result<Option<Job>> {
        loop {
            let now = now();
            let mut tx = self.begin().await?;
            let row = sqlx::query(concat!(
                "update job
                    set status = 'running', phase = 'loading', started_at = coalesce(started_at, $1),
                        lease_token = lease_token + 1, attempt = attempt + 1, progress = null, next_try_at = null
                  where job_id = (select job_id from job
                                   where status = 'queued'
                                     and (next_try_at is null or next_try_at not between $1 and $2)
                                   order by turn limit 1)
                    and status = 'queued'
                 returning ",
                job_columns!()
            ))
            .bind(now)
            .bind(now + LONGEST_WAIT)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else {
                tx.commit().await?;
                return Ok(None);
            };
            match Job::from_row(&row) {
                Ok(job) => {
                    tell(&mut tx, &job.job_id, &QueueEvent::Started { attempt: job.attempt }).await?;
                    tx.commit().await?;
                    return Ok(Some(job));
                }
                Err(error) => {
                    give_up(&mut tx, &row, &error).await?;
                    tx.commit().await?;
                }
            }
        }
    }

    /// Adds an event to a running job, with the phase or progress that it brings. `false`: the
    /// claim was superseded and nothing was written.
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
            "update job set phase = coalesce($3, phase), progress = coalesce($4, progress)
              where job_id = $1 and lease_token = $2 and status = 'running'",
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

    /// Records a checkpoint of a running job, with its event, and forgets all but the last two. One that is past
    /// where earlier claims ended is progress: their crashes and waits count no longer. Gives those that are
    /// forgotten; `None`: the claim was superseded and nothing was written.
    pub async fn record_checkpoint(
        &self,
        claim: &Job,
        step: i64,
        manifest_sha256: &str,
    ) -> Result<Option<Vec<CheckpointRow>>> {
        let mut tx = self.begin().await?;
        let recorded = sqlx::query(
            "insert into checkpoint (job_id, lease_token, step, manifest_sha256, created_at)
             select job_id, lease_token, $3, $4, $5 from job
              where job_id = $1 and lease_token = $2 and status = 'running'",
        )
        .bind(&claim.job_id)
        .bind(claim.lease_token)
        .bind(step)
        .bind(manifest_sha256)
        .bind(now())
        .execute(&mut *tx)
        .await?;
        if recorded.rows_affected() != 1 {
            return Ok(None);
        }
        sqlx::query(
            "update job set crashes = 0, crash_log = '[]', waits = 0
              where job_id = $1 and furthest_step < $2 and (crashes > 0 or waits > 0)",
        )
        .bind(&claim.job_id)
        .bind(step)
        .execute(&mut *tx)
        .await?;
        let forgotten = sqlx::query_as(
            "delete from checkpoint
              where job_id = $1 and (lease_token, step) not in (
                    select lease_token, step from checkpoint
                     where job_id = $1 order by lease_token desc, step desc limit 2)
             returning job_id, lease_token, step, manifest_sha256",
        )
        .bind(&claim.job_id)
        .fetch_all(&mut *tx)
        .await?;
        tell(&mut tx, &claim.job_id, &QueueEvent::Checkpoint { step }).await?;
        tx.commit().await?;
        Ok(Some(forgotten))
    }

    /// A job's checkpoints, the newest first.
    pub async fn checkpoints(&self, job_id: &str) -> Result<Vec<CheckpointRow>> {
        let checkpoints = sqlx::query(
            "select job_id, lease_token, step, manifest_sha256 from checkpoint
              where job_id = $1 order by lease_token desc, step desc",
        );
        // The one before serves where one cannot be read.
        Ok(self.each("job_id", checkpoints.bind(job_id)).await?.into_iter().collect())
    }

    /// Forgets the checkpoints of jobs that are over.
    pub async fn forget_checkpoints(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query(
            "delete from checkpoint
              where job_id in (select job_id from job where status in ('succeeded', 'failed', 'cancelled'))",
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Registers the model that a job made, moves the job's alias to it where `alias` says so, and ends the job,
    /// all or nothing. `false`: the claim was superseded or the job is to be cancelled; nothing was written.
    /// [`StoreError::Taken`](super::StoreError::Taken): another model got the name meanwhile; the claim is still held.
    pub async fn finish_job(
        &self,
        claim: &Job,
        model: &ModelRow,
        report: &Value,
        alias: Option<&AliasResult>,
    ) -> Result<bool> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        let finished = sqlx::query(
            "update job set status = 'succeeded', phase = null, finished_at = $3, report = $4, alias_result = $5
              where job_id = $1 and lease_token = $2 and status = 'running' and cancel_requested_at is null",
        )
        .bind(&claim.job_id)
        .bind(claim.lease_token)
        .bind(now())
        .bind(Json(report))
        .bind(alias.map(Json))
        .execute(&mut *tx)
        .await?;
        if finished.rows_affected() != 1 {
            return Ok(false);
        }
        sqlx::query(
            "insert into model (model_id, name, kind, base_model, job_id, fingerprint, dimensions, max_tokens, bytes,
                                created_at)
             values ($1, $2, 'tuned', $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&model.model_id)
        .bind(&model.name)
        .bind(&model.base_model)
        .bind(&model.job_id)
        .bind(&model.fingerprint)
        .bind(model.dimensions)
        .bind(model.max_tokens)
        .bind(model.bytes)
        .bind(model.created_at)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "insert into descent (id, source_id)
             select $1, value from job, json_each(json_array(dataset_id, replay_id)) where job_id = $2 and value is not null
             union
             select $1, base.model_id from job join model as base on base.model_id = job.base_model
              where job.job_id = $2 and base.kind = 'tuned'
             union
             select $1, descent.source_id from job join descent on descent.id in (job.base_model, dataset_id, replay_id)
              where job.job_id = $2",
        )
        .bind(&model.model_id)
        .bind(&claim.job_id)
        .execute(&mut *tx)
        .await?;
        if let (Some(name), Some(result)) = (&claim.alias, alias) {
            if result.moved {
                move_alias(&mut tx, name, &model.model_id, MoveReason::Job).await?;
            }
            let told = QueueEvent::Alias { alias: name.clone(), result: result.clone() };
            tell(&mut tx, &claim.job_id, &told).await?;
        }
        tell(&mut tx, &claim.job_id, &QueueEvent::Succeeded { model: model.model_id.clone() }).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a claim without a model: back to the queue, failed, or cancelled where that was asked
    /// for. `None`: the claim was superseded and nothing was written.
    pub async fn release_job(&self, claim: &Job, release: Release<'_>) -> Result<Option<Status>> {
        self.release(&claim.job_id, claim.lease_token, release).await
    }

    async fn release(&self, job_id: &str, lease_token: i64, release: Release<'_>) -> Result<Option<Status>> {
        let mut tx = self.begin().await?;
        let now = now();
        let (status, code) = match release {
            Release::Interrupted { .. } => (Status::Queued, Some(WaitReason::Interrupted)),
            Release::Crashed { .. } => (Status::Queued, Some(WaitReason::Retry)),
            Release::Smaller { .. } => (Status::Queued, Some(WaitReason::Memory)),
            Release::Waiting { code, .. } => (Status::Queued, Some(code)),
            Release::Failed(_) => (Status::Failed, None),
        };
        let crash = if let Release::Crashed { reason } = release { Some(reason) } else { None };
        let micro_batch = if let Release::Smaller { micro_batch, .. } = release { Some(micro_batch) } else { None };
        let seconds = if let Release::Waiting { seconds, .. } = release { Some(seconds) } else { None };
        let error = if let Release::Failed(error) = release { Some(error) } else { None };
        let status: Option<Status> = sqlx::query_scalar(
            "update job
                set status = case when cancel_requested_at is not null then 'cancelled' else $3 end,
                    finished_at = case when cancel_requested_at is not null or $3 = 'failed' then $4 end,
                    wait_reason = case when cancel_requested_at is null then $5 end,
                    next_try_at = case when cancel_requested_at is null then $6 end,
                    crashes = crashes + ($7 is not null),
                    crash_log = iif($7 is null, crash_log, json_insert(crash_log, '$[#]', $7)),
                    waits = case when $6 is null then waits when wait_reason = $5 then waits + 1 else 1 end,
                    furthest_step = iif($5 = 'interrupted', furthest_step,
                                        max(furthest_step, coalesce(json_extract(progress, '$.step'), 0))),
                    micro_batch = coalesce($8, micro_batch),
                    error = case when cancel_requested_at is null then $9 end,
                    phase = null, progress = null
              where job_id = $1 and lease_token = $2 and status = 'running'
             returning status",
        )
        .bind(job_id)
        .bind(lease_token)
        .bind(status)
        .bind(now)
        .bind(code)
        .bind(seconds.map(|seconds| now + 1000 * seconds))
        .bind(crash)
        .bind(micro_batch)
        .bind(error.map(Json))
        .fetch_optional(&mut *tx)
        .await?;
        let told = match (status, release) {
            (None, _) => return Ok(None),
            (Some(Status::Cancelled), _) => QueueEvent::Cancelled {},
            (_, Release::Failed(error)) => QueueEvent::Failed(error.clone()),
            (
                _,
                Release::Interrupted { reason }
                | Release::Crashed { reason }
                | Release::Smaller { reason, .. }
                | Release::Waiting { reason, .. },
            ) => QueueEvent::Requeued { reason: reason.to_owned(), code: code.unwrap_or_default(), seconds },
        };
        tell(&mut tx, job_id, &told).await?;
        tx.commit().await?;
        Ok(status)
    }

    /// Puts jobs that are called running and that nobody works on back into the queue: all but the claim of
    /// `at_work`, a job and its lease token. The ids of those that were running.
    ///
    /// Only the server that holds the data folder's lock may call this, and not while it claims a job.
    pub async fn recover_jobs(&self, at_work: Option<(&str, i64)>, reason: &str) -> Result<Vec<String>> {
        let running: Vec<(String, i64)> =
            sqlx::query_as("select job_id, lease_token from job where status = 'running' order by job_id")
                .fetch_all(&self.reader)
                .await?;
        let mut recovered = Vec::new();
        for (job_id, lease_token) in running {
            if at_work == Some((job_id.as_str(), lease_token)) {
                continue;
            }
            if self.release(&job_id, lease_token, Release::Interrupted { reason }).await?.is_some() {
                recovered.push(job_id);
            }
        }
        Ok(recovered)
    }

    /// When the next job is to have its turn that waits for a time, in milliseconds.
    pub async fn next_try(&self) -> Result<Option<i64>> {
        let next = sqlx::query_scalar("select min(next_try_at) from job where status = 'queued'");
        Ok(next.fetch_one(&self.reader).await?)
    }
}

/// Ends a job that was claimed and cannot be read.
async fn give_up(tx: &mut Transaction<'static, Sqlite>, row: &SqliteRow, error: &sqlx::Error) -> Result<()> {
    let failed = JobError {
        code: "row_not_readable".to_owned(),
        message: format!("The job's row in the database is damaged. {}", lament(error)),
        hint: "Post the job again, and look at the database with `shamisen doctor`.".to_owned(),
    };
    // A damaged id is no text.
    let id: Vec<u8> = row.try_get("job_id")?;
    sqlx::query(
        "update job set status = 'failed', phase = null, finished_at = $2, error = $3
          where cast(job_id as blob) = $1 and status = 'running'",
    )
    .bind(&id)
    .bind(now())
    .bind(Json(&failed))
    .execute(&mut **tx)
    .await?;
    if let Ok(id) = std::str::from_utf8(&id) {
        tell(tx, id, &QueueEvent::Failed(failed)).await?;
    }
    Ok(())
}
