//! Models and aliases.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Result, model_not_found, nearest};
use super::extract::{Json, Path};
use super::{AppState, names, rfc3339};
use crate::store::{Kind, ModelRow};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_models)).routes(routes!(find_model)).routes(routes!(set_alias))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Model)]
struct ModelBody {
    id: String,
    name: String,
    kind: Kind,
    base_model: Option<String>,
    job_id: Option<String>,
    dimensions: i64,
    max_tokens: i64,
    fingerprint: String,
    bytes: i64,
    aliases: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
}

impl ModelBody {
    fn new(row: ModelRow, aliases: &[(String, String)]) -> Self {
        let of_this = aliases.iter().filter(|(_, model)| *model == row.model_id);
        Self {
            aliases: of_this.map(|(alias, _)| alias.clone()).collect(),
            id: row.model_id,
            name: row.name,
            kind: row.kind,
            base_model: row.base_model,
            job_id: row.job_id,
            dimensions: row.dimensions,
            max_tokens: row.max_tokens,
            fingerprint: row.fingerprint,
            bytes: row.bytes,
            created_at: rfc3339(row.created_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
struct Models {
    models: Vec<ModelBody>,
}

/// List the models.
///
/// All of them, the newest first.
#[utoipa::path(
    get,
    path = "/models",
    tag = "Models",
    responses((status = 200, description = "All models.", body = Models))
)]
async fn list_models(State(state): State<AppState>) -> Result<axum::Json<Models>> {
    state.queue.models.look_again().await?;
    let aliases = state.queue.store.aliases().await?;
    let models = state.queue.store.models().await?;
    let models = models.into_iter().map(|row| ModelBody::new(row, &aliases)).collect();
    Ok(axum::Json(Models { models }))
}

/// Find a model.
#[utoipa::path(
    get,
    path = "/models/{model}",
    tag = "Models",
    params(("model" = String, Path, description = "The model's id, name or alias.")),
    responses(
        (status = 200, description = "The model.", body = ModelBody),
        (status = 404, description = "There is no such model."),
    )
)]
async fn find_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Result<axum::Json<ModelBody>> {
    let row = resolve(&state, &wanted).await?;
    let aliases = state.queue.store.aliases().await?;
    Ok(axum::Json(ModelBody::new(row, &aliases)))
}

/// A model by its id, alias or name, or an error that names the nearest one.
pub(crate) async fn resolve(state: &AppState, wanted: &str) -> Result<ModelRow> {
    if let Some(row) = state.queue.models.find(wanted).await? {
        return Ok(row);
    }
    let models = state.queue.store.models().await?;
    let aliases = state.queue.store.aliases().await?;
    let known = models.iter().flat_map(|row| [row.model_id.as_str(), row.name.as_str()]);
    Err(model_not_found(wanted, nearest(wanted, known.chain(aliases.iter().map(|(alias, _)| alias.as_str())))))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = SetAlias)]
#[serde(deny_unknown_fields)]
struct AliasRequest {
    /// The model's id, name or another alias.
    model: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Alias)]
struct AliasBody {
    alias: String,
    model: String,
}

/// Switch the model.
///
/// From now on, requests for the alias are answered by this model.
#[utoipa::path(
    put,
    path = "/aliases/{name}",
    tag = "Models",
    params(("name" = String, Path, description = "The alias.")),
    request_body(content = AliasRequest, example = json!({ "model": "use-multilingual-v3" })),
    responses(
        (status = 200, description = "The alias means this model.", body = AliasBody),
        (status = 404, description = "There is no such model."),
        (status = 409, description = "The alias is a model's name."),
    )
)]
async fn set_alias(
    State(state): State<AppState>,
    Path(alias): Path<String>,
    Json(request): Json<AliasRequest>,
) -> Result<axum::Json<AliasBody>> {
    names::check(&alias, "alias")?;
    let row = resolve(&state, &request.model).await?;
    if state.queue.store.model_name_taken(&alias).await? {
        return Err(ApiError::conflict(
            "name_taken",
            format!("{alias:?} is the name of a model."),
            "Choose another alias.",
        ));
    }
    state.queue.store.set_alias(&alias, &row.model_id).await?;
    Ok(axum::Json(AliasBody { alias, model: row.model_id }))
}
