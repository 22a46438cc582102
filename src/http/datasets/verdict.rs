//! "Do you need to train at all?": what a model says of a table's pairs before it has learned any of them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::analysis::baseline::MOST_PAIRS;
use crate::bounds::Reference;
use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve_or_default;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::ml::eval::baseline::Baseline;
use tables::choices::LowestMeans;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VerdictQuery {
    /// The model that is asked: an id, name or alias; without one, the alias `default`.
    #[param(inline)]
    base: Option<Reference>,
}

/// Whether a table's pairs need training, and the figures that say so.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetVerdict)]
pub(super) struct VerdictBody {
    dataset_id: String,
    /// The id of the model that was asked.
    model: String,
    model_fingerprint: String,
    /// What the table's lowest score means; `null` where nobody said.
    lowest_means: Option<LowestMeans>,
    /// Rows that the model was asked about.
    pairs: usize,
    /// Whether these were drawn from more: at most 2,000 are asked.
    sampled: bool,
    #[serde(flatten)]
    need: Baseline,
}

/// Ask whether a table needs training at all.
///
/// A model that has not learned from the table says how alike its pairs are. Where it says what the scores say, there
/// is little to learn; the rows where it does not are told: they are what training would teach, or mistakes.
#[utoipa::path(get, path = "/datasets/{id}/verdict", tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), VerdictQuery),
    responses((status = 200, description = "The verdict and its figures.", body = VerdictBody),
        (status = 404, description = "There is no such dataset or model."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
pub(super) async fn judge_need(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<VerdictQuery>,
) -> Reply<VerdictBody> {
    let dataset = datasets::find(&state, &id, "id").await?;
    let row = resolve_or_default(&state, query.base.as_deref()).await?;
    let need = state.analysis.baseline(&dataset, &row, caller.key.as_ref()).await?;
    let rows = dataset.rows as usize;
    Ok(axum::Json(VerdictBody {
        dataset_id: dataset.dataset_id.clone(),
        model: row.model_id,
        model_fingerprint: row.fingerprint,
        lowest_means: dataset.lowest_means,
        pairs: rows.min(MOST_PAIRS),
        sampled: rows > MOST_PAIRS,
        need: (*need).clone(),
    }))
}
