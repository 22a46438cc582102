//! Models: what there is, what is in memory, what stays there.

mod aliases;
mod compare;
mod export;
pub(crate) mod find;
pub(crate) mod neighbours;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::error::model_not_found;
use crate::http::extract::Path;
use crate::http::reply::deleted::Deleted;
use crate::http::reply::{Reply, rfc3339};
use crate::http::state::AppState;
use crate::serving::{LoadFailure, ModelState};
use crate::store::{Kind, ModelRow, UnreadableRow};
pub(crate) use find::{delete, resolve};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_models))
        .routes(routes!(find_model, delete_model))
        .routes(routes!(load_model))
        .routes(routes!(unload_model))
        .routes(routes!(pin_model, unpin_model))
        .routes(routes!(aliases::list_aliases))
        .routes(routes!(aliases::find_alias, aliases::set_alias, aliases::delete_alias))
        .routes(routes!(aliases::roll_back))
        .routes(routes!(export::export_model))
        .routes(routes!(export::show_card))
        .routes(routes!(compare::compare))
        .routes(routes!(neighbours::list_neighbours))
}

/// A model as clients see it.
#[derive(Serialize, ToSchema)]
struct ModelBody {
    id: String,
    name: String,
    #[schema(value_type = String, example = "tuned")]
    kind: Kind,
    /// The full model that a tuned one is a delta of.
    base_model: Option<String>,
    /// The job that made it.
    job_id: Option<String>,
    dimensions: i64,
    max_tokens: i64,
    /// Equal fingerprints give equal vectors.
    fingerprint: String,
    /// Of its folder on disk.
    bytes: i64,
    aliases: Vec<String>,
    created_at: String,
    state: ModelState,
    /// Loaded when the server starts, and kept in memory.
    pinned: bool,
    /// Where it is ready: bytes that it takes in memory while it is in use, without what it shares with its base.
    resident_bytes: Option<u64>,
    /// The last request for it since the server started.
    last_used_at: Option<String>,
    /// Why it could not be loaded the last time.
    last_error: Option<LastError>,
}

/// Why a model could not be loaded.
#[derive(Serialize, ToSchema)]
struct LastError {
    /// `model_damaged`, `self_check_failed`, `model_broken`, `model_files_not_readable` or `base_not_loaded`.
    #[schema(value_type = String, example = "model_damaged")]
    code: &'static str,
    message: String,
    at: String,
    /// Tries that failed, one after another.
    attempts: u32,
    /// Seconds until a request tries again; a change of the model's folder does at once.
    retry_after_s: u64,
}

impl From<LoadFailure> for LastError {
    fn from(failure: LoadFailure) -> Self {
        Self {
            retry_after_s: failure.retry_after(),
            code: failure.fault.code(),
            message: failure.message,
            at: rfc3339(failure.at),
            attempts: failure.attempts,
        }
    }
}

impl ModelBody {
    fn new(state: &AppState, row: ModelRow, aliases: &[(String, String)]) -> Self {
        let of_this = aliases.iter().filter(|(_, model)| *model == row.model_id);
        let status = state.pool.status(&row);
        Self {
            aliases: of_this.map(|(alias, _)| alias.clone()).collect(),
            id: row.model_id,
            name: row.name,
            kind: row.kind,
            base_model: row.base_model,
            job_id: row.job_id,
            dimensions: row.dimensions,
            max_tokens: row.max_tokens,
            fingerprint: row.fingerprint,
            bytes: row.bytes,
            created_at: rfc3339(row.created_at),
            state: status.state,
            pinned: row.pinned,
            resident_bytes: status.resident_bytes,
            last_used_at: status.last_used_at.map(rfc3339),
            last_error: status.last_error.map(LastError::from),
        }
    }

    async fn one(state: &AppState, row: ModelRow) -> Reply<Self> {
        let aliases = state.store.aliases().await?;
        Ok(axum::Json(Self::new(state, row, &aliases)))
    }
}

#[derive(Serialize, ToSchema)]
struct Models {
    models: Vec<ModelBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// All models, the newest first.
#[utoipa::path(get, path = "/models", tag = "Models", responses((status = 200, description = "All models, the newest first.", body = Models)))]
async fn list_models(State(state): State<AppState>) -> Reply<Models> {
    state.models.rescan().await?;
    let aliases = state.store.aliases().await?;
    let models = state.store.models().await?;
    let unreadable = models.unreadable.clone();
    let models = models.into_iter().map(|row| ModelBody::new(&state, row, &aliases)).collect();
    Ok(axum::Json(Models { models, unreadable }))
}

/// A model by its id, alias or name.
#[utoipa::path(get, path = "/models/{model}", tag = "Models",
    params(("model" = String, Path, description = "Its id, alias or name.")),
    responses((status = 200, description = "The model.", body = ModelBody), (status = 404, description = "There is none.")))]
async fn find_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<ModelBody> {
    let row = resolve(&state, &wanted).await?;
    ModelBody::one(&state, row).await
}

/// Deletes a tuned model for good: its row and its folder. Requests that began with it finish.
#[utoipa::path(delete, path = "/models/{model}", tag = "Models",
    params(("model" = String, Path, description = "Its id or name.")),
    responses((status = 200, description = "It is gone; what its job and its datasets hold stays, and is named.", body = Deleted), (status = 404, description = "There is none."),
        (status = 409, description = "It is a base, an alias means it, or an unfinished job begins with it.")))]
async fn delete_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<Deleted> {
    let (row, left) = delete(&state, &wanted).await?;
    Ok(axum::Json(Deleted::new(row.model_id, left)))
}

/// Loads a model now, so that no request waits for it.
///
/// One that could not be loaded is tried again at once.
#[utoipa::path(post, path = "/models/{model}/load", tag = "Models",
    params(("model" = String, Path, description = "Its id, alias or name.")),
    responses((status = 200, description = "It is in memory.", body = ModelBody), (status = 404, description = "There is none."),
        (status = 500, description = "A file is damaged (`model_damaged`), or it says something else than when it was made (`self_check_failed`)."),
        (status = 503, description = "Its files cannot be read now.")))]
async fn load_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<ModelBody> {
    let row = resolve(&state, &wanted).await?;
    state.pool.load(&row).await?;
    ModelBody::one(&state, row).await
}

/// Takes a model out of memory. Requests that began with it finish; the next one loads it again.
#[utoipa::path(post, path = "/models/{model}/unload", tag = "Models",
    params(("model" = String, Path, description = "Its id, alias or name.")),
    responses((status = 200, description = "It is not in memory any more.", body = ModelBody), (status = 404, description = "There is none."),
        (status = 409, description = "It is pinned, or the base of a tuned model in memory.")))]
async fn unload_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<ModelBody> {
    let row = resolve(&state, &wanted).await?;
    state.pool.unload(&row).await?;
    ModelBody::one(&state, row).await
}

/// Loads a model now and at every start, and keeps it in memory.
#[utoipa::path(put, path = "/models/{model}/pin", tag = "Models",
    params(("model" = String, Path, description = "Its id, alias or name.")),
    responses((status = 200, description = "It is in memory and stays there.", body = ModelBody), (status = 404, description = "There is none."),
        (status = 500, description = "A file is damaged (`model_damaged`), or it says something else than when it was made (`self_check_failed`)."),
        (status = 503, description = "Its files cannot be read now.")))]
async fn pin_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<ModelBody> {
    let row = resolve(&state, &wanted).await?;
    state.pool.load(&row).await?;
    pin(&state, row, true).await
}

/// Lets a model go out of memory again when its turn comes.
#[utoipa::path(delete, path = "/models/{model}/pin", tag = "Models",
    params(("model" = String, Path, description = "Its id, alias or name.")),
    responses((status = 200, description = "It may be put out of memory.", body = ModelBody), (status = 404, description = "There is none.")))]
async fn unpin_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<ModelBody> {
    let row = resolve(&state, &wanted).await?;
    pin(&state, row, false).await
}

async fn pin(state: &AppState, row: ModelRow, pinned: bool) -> Reply<ModelBody> {
    if !state.store.pin_model(&row.model_id, pinned).await? {
        return Err(model_not_found(&row.model_id, None));
    }
    state.pool.pin(&row.model_id, pinned);
    ModelBody::one(state, ModelRow { pinned, ..row }).await
}
