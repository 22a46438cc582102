//! `/v1/models`

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::page::seconds;
use crate::http::extract::Path;
use crate::http::models::delete;
use crate::http::models::find::resolve;
use crate::http::reply::Reply;
use crate::http::reply::deleted::LeftBody;
use crate::http::state::AppState;
use crate::store::{ModelRow, UnreadableRow};

#[derive(Serialize, ToSchema)]
pub(super) struct OpenAiModel {
    /// The model's name, which goes into a request's `model`; a tuned one's is its job's `fine_tuned_model`.
    id: String,
    #[schema(example = "model")]
    object: &'static str,
    /// Unix seconds.
    created: i64,
    #[schema(example = "shamisen")]
    owned_by: &'static str,
    /// The full model that a tuned one was made from.
    parent: Option<String>,
    /// Dimensions of a text's vector.
    dimensions: i64,
    /// Tokens of a text that are read.
    max_model_len: i64,
    /// Equal fingerprints give equal vectors.
    fingerprint: String,
    /// Of an alias: the id of the model that it means now.
    #[serde(skip_serializing_if = "Option::is_none")]
    alias_of: Option<String>,
}

impl From<ModelRow> for OpenAiModel {
    fn from(row: ModelRow) -> Self {
        Self {
            id: row.name,
            object: "model",
            created: seconds(row.created_at),
            owned_by: "shamisen",
            parent: row.base_model,
            dimensions: row.dimensions,
            max_model_len: row.max_tokens,
            fingerprint: row.fingerprint,
            alias_of: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct OpenAiModels {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<OpenAiModel>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// List the models, bases and tuned ones, the newest first, and behind them the aliases.
#[utoipa::path(get, path = "/v1/models", tag = "OpenAI",
    responses((status = 200, description = "All models.", body = OpenAiModels)))]
pub(super) async fn list_openai_models(State(state): State<AppState>) -> Reply<OpenAiModels> {
    state.models.rescan().await?;
    let models = state.store.models().await?;
    let unreadable = models.unreadable.clone();
    let aliases = state.store.aliases().await?;
    let of_alias = |(alias, model): &(String, String)| {
        let row = models.iter().find(|row| row.model_id == *model)?.clone();
        Some(OpenAiModel { id: alias.clone(), alias_of: Some(row.model_id.clone()), ..row.into() })
    };
    let aliases: Vec<OpenAiModel> = aliases.iter().filter_map(of_alias).collect();
    let data = models.into_iter().map(OpenAiModel::from).chain(aliases).collect();
    Ok(axum::Json(OpenAiModels { object: "list", data, unreadable }))
}

/// Tell of one model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "OpenAI",
    params(("model" = String, Path, description = "Its id, name or alias.")),
    responses(
        (status = 200, description = "The model.", body = OpenAiModel),
        (status = 404, description = "There is no such model."),
    ))]
pub(super) async fn find_openai_model(State(state): State<AppState>, Path(wanted): Path<String>) -> Reply<OpenAiModel> {
    Ok(axum::Json(resolve(&state, &wanted).await?.into()))
}

#[derive(Serialize, ToSchema)]
pub(super) struct ModelDeleted {
    /// The model's name.
    id: String,
    #[schema(example = "model")]
    object: &'static str,
    #[schema(example = true)]
    deleted: bool,
    left: LeftBody,
}

/// Delete a tuned model for good. Requests that began with it finish.
#[utoipa::path(delete, path = "/v1/models/{model}", tag = "OpenAI",
    params(("model" = String, Path, description = "Its id or name.")),
    responses(
        (status = 200, description = "It is gone.", body = ModelDeleted),
        (status = 404, description = "There is no such model."),
        (status = 409, description = "It is a base, an alias means it, or an unfinished job begins with it."),
    ))]
pub(super) async fn delete_openai_model(
    State(state): State<AppState>,
    Path(wanted): Path<String>,
) -> Reply<ModelDeleted> {
    let (row, left) = delete(&state, &wanted).await?;
    Ok(axum::Json(ModelDeleted { id: row.name, object: "model", deleted: true, left }))
}
