//! Whether the server lives, and whether it can answer.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::AppState;
use super::error::Result;
use crate::registry::DEFAULT_ALIAS;

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/health", get(ready)).route("/health/live", get(live)).route("/health/ready", get(ready))
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

const OK: Health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };

/// The process answers.
async fn live() -> axum::Json<Health> {
    axum::Json(OK)
}

/// The database answers and the default model is loaded.
async fn ready(State(state): State<AppState>) -> Result<axum::Json<Health>> {
    state.pool.get(DEFAULT_ALIAS).await?;
    Ok(axum::Json(OK))
}
