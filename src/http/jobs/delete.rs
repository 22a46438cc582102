//! `DELETE /jobs/{id}`: a job that is over goes.

use axum::extract::State;

use crate::http::error::{ApiError, Code};
use crate::http::extract::Path;
use crate::http::reply::Reply;
use crate::http::reply::deleted::{Deleted, LeftBody};
use crate::http::state::AppState;
use crate::store::JobDeletion;

/// Delete a job that is over.
///
/// With its events, its report and its Idempotency-Key. The model that it made and the datasets that it used stay, and
/// the reply names them.
#[utoipa::path(
    delete,
    path = "/jobs/{id}",
    tag = "Training",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 404, description = "There is no such job."),
        (status = 409, description = "The job is not over."),
    )
)]
pub(super) async fn delete_job(State(state): State<AppState>, Path(id): Path<String>) -> Reply<Deleted> {
    match state.queue.delete(&id).await? {
        JobDeletion::Deleted(left) => Ok(axum::Json(Deleted::new(id, LeftBody::after(&state, left).await))),
        JobDeletion::Unknown => Err(ApiError::of(Code::JobNotFound).detail(format!("There is no job {id:?}."))),
        JobDeletion::NotOver => {
            Err(ApiError::of(Code::JobNotOver).detail("The job is queued or running, and works with what it has."))
        }
    }
}
