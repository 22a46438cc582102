//! Whether the server lives, and whether it can answer.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, Code, Result};
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::registry::DEFAULT_ALIAS;
use crate::serving::EngineError;

/// That all is well.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    /// The program's version.
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process answers.
///
/// Asks nothing of the database or the models: a server that does not answer this wants to be started again.
#[utoipa::path(get, path = "/health/live", tag = "Server", responses((status = 200, description = "It does.", body = Health)))]
pub(crate) async fn live() -> axum::Json<Health> {
    axum::Json(OK)
}

/// Whether requests are welcome.
///
/// The database answers and takes writes, the default model is loaded, and a short text has just gone through the
/// inference threads. While the server loads and from the moment that it is told to stop, they are not. Texts are
/// embedded also where the database is away (`database_busy`, `disk_full`, `database_gone`, ..).
#[utoipa::path(get, path = "/health/ready", tag = "Server", responses(
    (status = 200, description = "They are.", body = Health), (status = 503, description = "They are not; `code` says why.")))]
pub(crate) async fn ready(State(state): State<AppState>) -> Reply<Health> {
    state.lifecycle.welcomes_requests()?;
    state.store.answers().await?;
    // The log has it already; whoever watches asks again and again.
    state.store.writing().map_err(ApiError::told_before)?;
    state.lifecycle.pulse(pass(&state)).await?;
    Ok(axum::Json(OK))
}

/// Whether requests are welcome, as text-embeddings-inference names it.
///
/// The same as `/health/ready`.
#[utoipa::path(get, path = "/health", tag = "Server", responses(
    (status = 200, description = "They are.", body = Health), (status = 503, description = "They are not; `code` says why.")))]
pub(crate) async fn health(state: State<AppState>) -> Reply<Health> {
    ready(state).await
}

/// A short text's way through the engine.
async fn pass(state: &AppState) -> Result<()> {
    let unready = |error| {
        let told = ApiError::from(error);
        let hint = Code::DefaultNotServed.entry().remedy[0];
        ApiError::of(Code::DefaultNotServed).detail(told.told().1).retry_after(5).hint(hint)
    };
    let model = state.pool.get(DEFAULT_ALIAS).await.map_err(unready)?;
    let watchdog = Arc::from("watchdog");
    let text = vec!["a".to_owned()];
    match state.engine.encode_anew(&model, text, &Arc::default(), Some(&watchdog)).await {
        // So much to do is no sign of death.
        Ok(_) | Err(EngineError::Overloaded { .. }) => Ok(()),
        Err(error) => Err(ApiError::from(error)),
    }
}
