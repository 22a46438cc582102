//! A job's curves.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::Path;
use crate::http::jobs;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::jobs::{JobEvent, Message};
use crate::ml::train::EpochRecord;

/// A curve's name, and its point of an epoch.
type Curve = (&'static str, fn(&EpochRecord) -> Option<f64>);

/// What could not be measured is no point.
const OF_EPOCHS: [Curve; 13] = [
    ("loss", |epoch| Some(epoch.loss)),
    ("val_loss", |epoch| Some(epoch.val_loss)),
    ("val_mae", |epoch| Some(epoch.val_mae)),
    ("val_mape", |epoch| Some(epoch.val_mape)),
    ("val_pearson", |epoch| epoch.val_pearson),
    ("val_spearman", |epoch| epoch.val_spearman),
    ("val_mrr", |epoch| epoch.val_mrr),
    ("val_nearest_neighbour", |epoch| epoch.val_nearest_neighbour),
    ("val_map", |epoch| epoch.val_map),
    ("general", |epoch| epoch.general),
    ("learning_rate", |epoch| Some(epoch.learning_rate)),
    ("random_cosine", |epoch| Some(epoch.spread?.cosine_mean)),
    ("effective_rank", |epoch| Some(epoch.spread?.effective_rank)),
];

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
pub(crate) async fn list_metrics(State(state): State<AppState>, Path(id): Path<String>) -> Reply<Metrics> {
    let job = jobs::find(&state, &id).await?;
    let epochs = state.store.events_of_attempt(&job.job_id, "epoch").await?;
    let names = OF_EPOCHS.map(|(name, _)| name).into_iter().chain(["step_loss"]);
    let mut series: BTreeMap<&str, Vec<(u64, f64)>> = names.map(|name| (name, Vec::new())).collect();
    let mut add = |name, x, y| series.entry(name).or_default().push((x, y));
    let mut step = 0;
    for event in &epochs {
        let JobEvent::Trainer(Message::Epoch { record, step_losses }) = event.into() else { continue };
        for (name, point) in OF_EPOCHS {
            point(&record).into_iter().for_each(|y| add(name, record.epoch as u64, y));
        }
        for loss in step_losses {
            step += 1;
            add("step_loss", step, loss);
        }
    }
    Ok(axum::Json(Metrics { series }))
}
