//! Training jobs.

pub(crate) mod body;
pub(crate) mod create;
mod curves;
mod delete;
mod events;
pub(crate) mod find;
mod losses;
mod suggestions;

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bounds::{Page, Wait};
use crate::http::error::Result;
use crate::http::extract::{Path, Query};
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::store::{Status, UnreadableRow};
use body::JobBody;

pub(crate) use find::{find, find_when_over};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create::create_job))
        .routes(routes!(list_jobs))
        .routes(routes!(find_job, delete::delete_job))
        .routes(routes!(cancel_job))
        .routes(routes!(events::list_events))
        .routes(routes!(curves::list_metrics))
        .routes(routes!(suggestions::suggest_pairs))
        .routes(routes!(losses::list_losses))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Only jobs that stand there.
    status: Option<Status>,
    /// At most so many: 100 unless said, 1000 at most.
    #[param(inline)]
    limit: Option<Page>,
}

#[derive(Serialize, ToSchema)]
struct Jobs {
    jobs: Vec<JobBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// List the jobs.
///
/// The newest first, at most 1000; without their reports.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "Training",
    params(ListQuery),
    responses((status = 200, description = "The jobs.", body = Jobs))
)]
async fn list_jobs(State(state): State<AppState>, Query(query): Query<ListQuery>) -> Reply<Jobs> {
    let rows = state.store.jobs(query.status, query.limit.unwrap_or(Page::of(100)).signed()).await?;
    let queue = state.store.queued_jobs().await?;
    let unreadable = rows.unreadable.clone();
    let jobs = rows.into_iter().map(|job| JobBody::new(job, &queue)).collect();
    Ok(axum::Json(Jobs { jobs, unreadable }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FindQuery {
    /// Seconds to wait for the job's end: 60 at most.
    #[param(inline)]
    wait: Option<Wait>,
}

/// Find a job.
///
/// At once, or with `?wait=30` when the job is over, at the latest after 30 s (60 at most).
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    tag = "Training",
    params(("id" = String, Path, description = "The job's id."), FindQuery),
    responses(
        (status = 200, description = "The job.", body = JobBody),
        (status = 404, description = "There is no such job."),
    )
)]
async fn find_job(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<FindQuery>,
) -> Reply<JobBody> {
    let wait = Duration::from_secs(query.wait.map_or(0, Wait::get));
    let job = find_when_over(&state, &id, wait).await?;
    Ok(axum::Json(JobBody::one(&state, job).await?))
}

/// Cancel a job.
///
/// A queued job is cancelled at once, a running one within seconds.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "Training",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 202, description = "It ends.", body = JobBody),
        (status = 404, description = "There is no such job."),
        (status = 409, description = "The job is over."),
    )
)]
async fn cancel_job(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response> {
    let job = state.queue.cancel(&id).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(JobBody::one(&state, job).await?)).into_response())
}
