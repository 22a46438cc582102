//! The losses that there are.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ml::train::{LOSSES, LossInfo};

#[derive(Serialize, ToSchema)]
pub(super) struct Losses {
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
pub(super) async fn list_losses() -> axum::Json<Losses> {
    axum::Json(Losses { losses: &LOSSES })
}
