//! From pairs to triplets: texts that a model finds near and that do not belong.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tables::bounds::PER_TEXT;
use tables::mining::Mining;
use utoipa::ToSchema;

use crate::analysis::negatives::MinedNegatives;
use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Path, names};
use crate::http::models::find::resolve_or_default;
use crate::http::reply::created;
use crate::http::state::AppState;
use crate::store::Purpose;

#[derive(Deserialize, ToSchema)]
#[schema(as = MineNegatives)]
#[serde(deny_unknown_fields)]
pub(super) struct MineBody {
    /// The model that says what is near: an id, name or alias; without one, the alias `default`.
    model: Option<String>,
    /// Negatives for each text and one that belongs to it, 1 to 10.
    #[schema(default = 1, minimum = 1, maximum = 10)]
    per_text: Option<usize>,
    /// A negative's cosine is at most the positive's less this part of it, 0 to 1: what is nearer may belong, too.
    #[schema(default = 0.05, minimum = 0, maximum = 1)]
    margin: Option<f64>,
    /// What lists show of the new dataset.
    name: Option<String>,
}

/// A new table of triplets.
#[derive(Serialize, ToSchema)]
struct MinedBody {
    #[serde(flatten)]
    dataset: datasets::DatasetBody,
    mined: MinedNegatives,
}

/// Find hard negatives: make triplets of a table's pairs.
///
/// For each text and one that belongs to it, the nearest other texts of the table, as the model sees them, that are not
/// known to belong: neither directly nor through others. Texts nearly as near as the one that belongs are passed over.
/// The triplets become a dataset of their own.
#[utoipa::path(post, path = "/datasets/{id}/hard-negatives", tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    request_body(content = MineBody, example = json!({ "model": "default", "per_text": 1, "margin": 0.05 })),
    responses((status = 201, description = "The triplets are stored.", body = MinedBody,
            headers(("Location" = String, description = "The new dataset's path."))),
        (status = 200, description = "The same triplets were there already.", body = MinedBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 404, description = "There is no such dataset or model."),
        (status = 422, description = "A field cannot be used, or the table has no negatives to give."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
pub(super) async fn mine_negatives(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<MineBody>,
) -> Result<Response> {
    let mining = mining(&body)?;
    let dataset = datasets::find(&state, &id, "id").await?;
    if dataset.purpose == Purpose::Benchmark {
        return Err(ApiError::of(Code::DatasetIsBenchmark)
            .param("id")
            .detail(format!("{} is a benchmark; what is made of it would be learned and measured.", dataset.name))
            .hint("Name a dataset that was uploaded without benchmark=true."));
    }
    let row = resolve_or_default(&state, body.model.as_deref()).await?;
    let name = names::label(body.name, &format!("{}, hard negatives", dataset.name));
    let (made, new, mined) = state.analysis.mine_negatives(&dataset, &row, mining, name, caller.key.as_ref()).await?;
    let path = format!("/datasets/{}", made.dataset_id);
    Ok(created(new, path, MinedBody { dataset: made.into(), mined }))
}

fn mining(body: &MineBody) -> Result<Mining> {
    let (per_text, margin) = (body.per_text.unwrap_or(1), body.margin.unwrap_or(0.05));
    if PER_TEXT.check(per_text).is_err() {
        return Err(ApiError::of(Code::PerTextOutOfRange)
            .param("per_text")
            .detail(format!("{per_text} negatives for each text were asked for.")));
    }
    if !(0.0..=1.0).contains(&margin) {
        return Err(ApiError::of(Code::MarginOutOfRange)
            .param("margin")
            .detail(format!("The margin {margin} is outside 0 to 1.")));
    }
    Ok(Mining { per_text, margin, ..Mining::default() })
}
