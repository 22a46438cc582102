//! Whether the server lives, and whether it can answer.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::error::Result;
use crate::registry::DEFAULT_ALIAS;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(live)).routes(routes!(ready)).routes(routes!(health))
}

#[derive(Serialize, ToSchema)]
struct Health {
    status: &'static str,
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// Whether the process answers.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "Server",
    responses((status = 200, description = "It does.", body = Health, example = json!({ "status": "ok", "version": "0.1.0" })))
)]
async fn live() -> axum::Json<Health> {
    axum::Json(OK)
}

/// Whether the server can answer.
///
/// The database answers and the default model is loaded.
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "Server",
    responses((status = 200, description = "It can.", body = Health, example = json!({ "status": "ok", "version": "0.1.0" })))
)]
async fn ready(State(state): State<AppState>) -> Result<axum::Json<Health>> {
    state.pool.get(DEFAULT_ALIAS).await?;
    Ok(axum::Json(OK))
}

/// The same as `/health/ready`.
#[utoipa::path(
    get,
    path = "/health",
    tag = "Server",
    responses((status = 200, description = "It can.", body = Health))
)]
async fn health(state: State<AppState>) -> Result<axum::Json<Health>> {
    ready(state).await
}
