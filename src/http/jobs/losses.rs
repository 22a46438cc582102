//! The losses that there are.

use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::state::AppState;
use crate::ml::train::{LOSSES, LossInfo};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_losses))
}

#[derive(Serialize, ToSchema)]
struct Losses {
    losses: &'static [LossInfo],
}

/// List the losses.
///
/// Each with its formula, the scores that it needs, its constants and its source.
#[utoipa::path(
    get,
    path = "/losses",
    tag = "Training",
    responses((status = 200, description = "All losses.", body = Losses))
)]
async fn list_losses() -> axum::Json<Losses> {
    axum::Json(Losses { losses: &LOSSES })
}
