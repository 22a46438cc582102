//! The losses that there are.

use axum::Router;
use axum::routing::get;
use serde::Serialize;

use super::AppState;
use crate::ml::train::{LOSSES, LossInfo};

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/losses", get(list_losses))
}

#[derive(Serialize)]
struct Losses {
    losses: &'static [LossInfo],
}

/// `GET /losses`: each with its formula, the scores that it needs, its constants and its source.
async fn list_losses() -> axum::Json<Losses> {
    axum::Json(Losses { losses: &LOSSES })
}
