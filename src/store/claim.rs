//! What the supervisor writes about the job that it works on. Every write carries the lease token of its claim: a
//! writer whose claim was superseded changes nothing and is told so.

use serde_json::Value;
use sqlx::types::Json;

use super::alias::move_alias;
use super::event::{append, tell};
use super::job::job_columns;
use super::{
    AliasResult, Job, JobError, ModelRow, MoveReason, Phase, Progress, QueueEvent, Result, Status, Store, now,
};

/// How a claim ends without a model.
#[derive(Clone, Copy, Debug)]
pub enum Release<'a> {
    /// Through no fault of the job's: back into the queue.
    Interrupted { reason: &'a str },
    /// The trainer died: back into the queue, and counted.
    Crashed { reason: &'a str },
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
    /// Takes the next queued job, with a new lease token.
    pub async fn claim_job(&self) -> Result<Option<Job>> {
        let mut tx = self.begin().await?;
        let job: Option<Job> = sqlx::query_as(concat!(
            "update job
                set status = 'running', phase = 'loading', started_at = coalesce(started_at, $1),
                    lease_token = lease_token + 1, attempt = attempt + 1, progress = null
              where job_id = (select job_id from job where status = 'queued' order by created_at, job_id limit 1)
                and status = 'queued'
             returning ",
            job_columns!()
        ))
        .bind(now())
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(job) = &job {
            tell(&mut tx, &job.job_id, &QueueEvent::Started { attempt: job.attempt }).await?;
        }
        tx.commit().await?;
        Ok(job)
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

    /// Records a checkpoint of a running job, with its event, and forgets all but the last two. Gives
    /// those that are forgotten; `None`: the claim was superseded and nothing was written.
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
        let checkpoints = sqlx::query_as(
            "select job_id, lease_token, step, manifest_sha256 from checkpoint
              where job_id = $1 order by lease_token desc, step desc",
        );
        Ok(checkpoints.bind(job_id).fetch_all(&self.reader).await?)
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
        let (status, crash, error) = match release {
            Release::Interrupted { .. } => (Status::Queued, 0, None),
            Release::Crashed { .. } => (Status::Queued, 1, None),
            Release::Failed(error) => (Status::Failed, 0, Some(error)),
        };
        let status: Option<Status> = sqlx::query_scalar(
            "update job
                set status = case when cancel_requested_at is not null then 'cancelled' else $3 end,
                    finished_at = case when cancel_requested_at is not null or $3 = 'failed' then $4 end,
                    phase = null, progress = null, crashes = crashes + $5,
                    error = case when cancel_requested_at is null then $6 end
              where job_id = $1 and lease_token = $2 and status = 'running'
             returning status",
        )
        .bind(job_id)
        .bind(lease_token)
        .bind(status)
        .bind(now())
        .bind(crash)
        .bind(error.map(Json))
        .fetch_optional(&mut *tx)
        .await?;
        let told = match (status, release) {
            (None, _) => return Ok(None),
            (Some(Status::Cancelled), _) => QueueEvent::Cancelled {},
            (_, Release::Interrupted { reason } | Release::Crashed { reason }) => {
                QueueEvent::Requeued { reason: reason.to_owned() }
            }
            (_, Release::Failed(error)) => QueueEvent::Failed(error.clone()),
        };
        tell(&mut tx, job_id, &told).await?;
        tx.commit().await?;
        Ok(status)
    }

    /// Puts jobs that a stopped server left running back into the queue. Their ids.
    ///
    /// Only the server that holds the data folder's lock may call this, before it claims a job.
    pub async fn recover_jobs(&self) -> Result<Vec<String>> {
        let running: Vec<(String, i64)> =
            sqlx::query_as("select job_id, lease_token from job where status = 'running' order by job_id")
                .fetch_all(&self.reader)
                .await?;
        let mut recovered = Vec::new();
        for (job_id, lease_token) in running {
            let release = Release::Interrupted { reason: "the server stopped" };
            if self.release(&job_id, lease_token, release).await? == Some(Status::Queued) {
                recovered.push(job_id);
            }
        }
        Ok(recovered)
    }
}
