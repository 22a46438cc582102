//! The nearest texts of a table, as one model or several see them.

use axum::extract::State;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::analysis::neighbours::Neighbours;
use crate::bounds::{self, Models, Reference, Text};
use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::embeddings::text_list::OneText;
use crate::http::embeddings::{fan_out, text_list};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Query, data_error};
use crate::http::models::find::resolve_or_default;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::store::{Dataset, ModelRow};

/// Names of models with commas between.
type ModelsInText = Text<3, { 4 * 256 }>;

/// The same as the API's description tells it.
struct ModelsOnly;

impl PartialSchema for ModelsOnly {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^[^,\s]{1,255}(,[^,\s]{1,255}){1,3}$";
        bounds::text_schema(&ModelsInText::RANGE, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for ModelsOnly {}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct NeighboursQuery {
    /// The text whose neighbours are looked for.
    #[param(inline, value_type = OneText)]
    text: String,
    /// A model's id, name or alias; without one, the alias `default`.
    #[param(inline)]
    model: Option<Reference>,
    /// Two to four models with commas between; `base` is the base of the others.
    #[param(inline, value_type = Option<ModelsOnly>)]
    models: Option<ModelsInText>,
    /// How many, 1 to 50; without it, 10.
    #[param(inline)]
    k: Option<bounds::Neighbours>,
    /// The table to search, by its id; without it, the one that the first tuned model learned from.
    #[param(inline)]
    dataset: Option<Reference>,
}

/// The texts of a model's training table that are nearest to a text, as one model or several see them.
#[utoipa::path(get, path = "/neighbours", tag = "Models", params(NeighboursQuery),
    responses((status = 200, description = "The nearest texts.", body = Neighbours), (status = 404, description = "There is no such model or dataset."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now."),
        (status = 422, description = "There is no table to search, or a field cannot be used.")))]
pub(super) async fn list_neighbours(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<NeighboursQuery>,
) -> Reply<Neighbours> {
    let k = query.k.unwrap_or(bounds::Neighbours::of(10)).size();
    text_list::texts(&Value::from(query.text.as_str()), "text")?;
    let models = models(&state, &query).await?;
    let dataset = table(&state, &query, &models).await?;
    let found = state.analysis.neighbours(&dataset, &models, &query.text, k, caller.key.as_ref()).await?;
    Ok(axum::Json(found))
}

async fn models(state: &AppState, query: &NeighboursQuery) -> Result<Vec<ModelRow>> {
    match (&query.model, &query.models) {
        (Some(_), Some(_)) => Err(fan_out::unclear("Both \"model\" and \"models\" are given.", "Send one of them.")),
        (_, Some(models)) => {
            let names: Vec<&str> = models.split(',').map(str::trim).collect();
            let wanted = Models::deserialize(names.into_deserializer());
            let wanted = wanted.map_err(|error: serde::de::value::Error| data_error(&error.to_string(), "models"))?;
            fan_out::find(state, &wanted).await
        }
        (model, None) => Ok(vec![resolve_or_default(state, model.as_deref()).await?]),
    }
}

async fn table(state: &AppState, query: &NeighboursQuery, models: &[ModelRow]) -> Result<Dataset> {
    if let Some(id) = &query.dataset {
        return datasets::find(state, id, "dataset").await;
    }
    let Some(job_id) = models.iter().find_map(|row| row.job_id.as_ref()) else {
        return Err(ApiError::of(Code::DatasetMissing).param("dataset"));
    };
    let job = crate::http::jobs::find(state, job_id).await?;
    datasets::find(state, &job.dataset_id, "dataset").await
}
