//! What to label next: pairs whose answer would teach a tuned model most.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::analysis::suggestions::{Question, Suggestions};
use crate::bounds::{self, Reference, Seed};
use crate::http::auth::caller::Caller;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve_id;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::http::{datasets, jobs};
use crate::jobs::model_id;
use crate::store::{Job, Status};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct SuggestionsQuery {
    /// At most so many: 20 unless said, 200 at most.
    #[param(inline)]
    limit: Option<bounds::Suggestions>,
    /// The dataset whose texts are put together; without one, that of the job.
    #[param(inline)]
    texts_of: Option<Reference>,
    /// Draws the texts of a large table: 42 unless said. Another seed, other texts.
    #[param(inline)]
    seed: Option<Seed>,
}

/// Suggest pairs to label next.
///
/// Pairs of texts that nobody has labelled and whose answer would teach the tuned model most: it is undecided, or says
/// something else than its base, or finds texts alike that were never paired.
#[utoipa::path(get, path = "/jobs/{id}/suggestions", tag = "Training",
    params(("id" = String, Path, description = "The job's id."), SuggestionsQuery),
    responses((status = 200, description = "The pairs.", body = Suggestions),
        (status = 404, description = "There is no such job or dataset, or its model was removed."),
        (status = 409, description = "The job has made no model."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
pub(super) async fn suggest_pairs(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<SuggestionsQuery>,
) -> Reply<Suggestions> {
    let limit = query.limit.unwrap_or(bounds::Suggestions::of(20)).size();
    let job = jobs::find(&state, &id).await?;
    if job.status != Status::Succeeded {
        return Err(not_succeeded(&job));
    }
    let learned = datasets::find(&state, &job.dataset_id, "id").await?;
    let source = match &query.texts_of {
        Some(other) => datasets::find(&state, other, "texts_of").await?,
        None => learned.clone(),
    };
    let tuned = resolve_id(&state, &model_id(&job.job_id)).await?;
    let base = state.models.find_id(&job.base_model).await?;
    let question = Question {
        learned: &learned,
        source: &source,
        tuned: &tuned,
        base: base.as_ref(),
        limit,
        seed: query.seed.unwrap_or(Seed::of(42)).get(),
    };
    Ok(axum::Json(state.analysis.suggestions(question, caller.key.as_ref()).await?))
}

fn not_succeeded(job: &Job) -> ApiError {
    let (detail, hint) = if job.status.is_terminal() {
        ("The job ended without a model, so nothing can be suggested.", "Name a job that has succeeded.")
    } else {
        ("The job has made no model yet.", "Ask again when its status is succeeded; GET /jobs/{id}?wait=60 waits.")
    };
    ApiError::of(Code::JobNotSucceeded).detail(detail).hint(hint)
}
