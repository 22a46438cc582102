//! A job's curves.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::http::error::Result;
use crate::http::extract::Path;
use crate::http::jobs;
use crate::http::state::AppState;

/// The epoch's figures that are curves.
const OF_EPOCHS: [&str; 9] =
    ["loss", "val_loss", "val_mae", "val_mape", "val_pearson", "val_spearman", "val_mrr", "general", "learning_rate"];

/// Those of its spread: the curve's name and the figure's.
const OF_SPREAD: [(&str, &str); 2] = [("random_cosine", "cosine_mean"), ("effective_rank", "effective_rank")];

/// A job's curves.
#[derive(Serialize, ToSchema)]
#[schema(as = Curves, example = json!({ "series": { "loss": [[1, 0.021], [2, 0.014]] } }))]
pub(crate) struct Metrics {
    /// Name to points `[x, y]`: `step_loss` over steps from 1, the others over epochs from 1.
    #[schema(value_type = BTreeMap<String, Vec<Vec<f64>>>)]
    series: BTreeMap<&'static str, Vec<(u64, f64)>>,
}

/// Read a job's curves.
///
/// Those of its present attempt, complete or as far as they are.
#[utoipa::path(
    get,
    path = "/jobs/{id}/metrics",
    tag = "Training",
    params(("id" = String, Path, description = "The job's id.")),
    responses(
        (status = 200, description = "The curves.", body = Metrics),
        (status = 404, description = "There is no such job."),
    )
)]
pub(crate) async fn list_metrics(State(state): State<AppState>, Path(id): Path<String>) -> Result<axum::Json<Metrics>> {
    let job = jobs::find(&state, &id).await?;
    let epochs = state.store.events_of_attempt(&job.job_id, "epoch").await?;
    let names = OF_EPOCHS.into_iter().chain(OF_SPREAD.map(|(name, _)| name)).chain(["step_loss"]);
    let mut series: BTreeMap<&str, Vec<(u64, f64)>> = names.map(|name| (name, Vec::new())).collect();
    let mut add = |name, x, y: &Value| {
        // What could not be measured is no point.
        if let (Some(points), Some(y)) = (series.get_mut(name), y.as_f64()) {
            points.push((x, y));
        }
    };
    let mut step = 0;
    for event in &epochs {
        let epoch = event.data["epoch"].as_u64().unwrap_or_default();
        OF_EPOCHS.into_iter().for_each(|name| add(name, epoch, &event.data[name]));
        OF_SPREAD.into_iter().for_each(|(name, figure)| add(name, epoch, &event.data["spread"][figure]));
        for loss in event.data["step_losses"].as_array().into_iter().flatten() {
            step += 1;
            add("step_loss", step, loss);
        }
    }
    Ok(axum::Json(Metrics { series }))
}
