//! `/v1/fine_tuning/jobs/{id}/checkpoints`: models that a job has made.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::{Page, PageQuery, seconds, unknown_cursor};
use crate::bounds::OpenAiPage;
use crate::http::error::Result;
use crate::http::extract::{Path, Query};
use crate::http::jobs;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::jobs::{JobEvent, Message, model_id};
use crate::store::{Job, Status};

#[derive(Serialize, ToSchema)]
pub(super) struct FineTuningCheckpoint {
    /// The tuned model's id.
    id: String,
    #[schema(example = "fine_tuning.job.checkpoint")]
    object: &'static str,
    /// Unix seconds.
    created_at: i64,
    /// The tuned model's name: it goes into a request's `model`.
    fine_tuned_model_checkpoint: String,
    /// Steps that its weights have behind them.
    step_number: usize,
    metrics: CheckpointMetrics,
    fine_tuning_job_id: String,
}

#[derive(Default, Serialize, ToSchema)]
struct CheckpointMetrics {
    step: usize,
    /// Of the epoch that was kept; left out where the base's weights were.
    #[serde(skip_serializing_if = "Option::is_none")]
    train_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_loss: Option<f64>,
}

/// List the models that a job has made.
///
/// Its tuned model, from the epoch that did best, once the job has succeeded.
#[utoipa::path(get, path = "/v1/fine_tuning/jobs/{job_id}/checkpoints", tag = "OpenAI",
    params(("job_id" = String, Path, description = "Its id."), PageQuery),
    responses(
        (status = 200, description = "One checkpoint, or none yet.", body = Page<FineTuningCheckpoint>),
        (status = 404, description = "There is no such job."),
        (status = 422, description = "A parameter's value cannot be used, or the page before ended with a checkpoint that is not this job's."),
    ))]
pub(super) async fn list_fine_tuning_checkpoints(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Reply<Page<FineTuningCheckpoint>> {
    let job = jobs::find(&state, &id).await?;
    let model = model_id(&job.job_id);
    let data = match query.after.as_deref() {
        Some(after) if after != model => return Err(unknown_cursor(after)),
        Some(_) => Vec::new(),
        None if job.status == Status::Succeeded => vec![kept(&state, job, model).await?],
        None => Vec::new(),
    };
    Ok(axum::Json(Page::of(
        data,
        query.limit.unwrap_or(OpenAiPage::of(10)).size(),
        |checkpoint: &FineTuningCheckpoint| &checkpoint.id,
    )))
}

/// The epoch whose weights a job's model has.
async fn kept(state: &AppState, job: Job, model: String) -> Result<FineTuningCheckpoint> {
    let kept = state.store.report(&job.job_id).await?;
    let kept = kept.and_then(|report| report["kept_epoch"].as_u64()).unwrap_or_default();
    let mut metrics = CheckpointMetrics::default();
    for event in &state.store.events_of_attempt(&job.job_id, "epoch").await? {
        let JobEvent::Trainer(Message::Epoch { record, step_losses }) = event.into() else { continue };
        if record.epoch as u64 <= kept {
            metrics.step += step_losses.len();
            (metrics.train_loss, metrics.valid_loss) = (Some(record.loss), Some(record.val_loss));
        }
    }
    Ok(FineTuningCheckpoint {
        id: model,
        object: "fine_tuning.job.checkpoint",
        created_at: seconds(job.finished_at.unwrap_or(job.created_at)),
        fine_tuned_model_checkpoint: job.name,
        step_number: metrics.step,
        metrics,
        fine_tuning_job_id: job.job_id,
    })
}
