//! Aliases: names that are moved from one model to another, and back.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::bounds::Reference;
use crate::http::error::words::nearest;
use crate::http::error::{ApiError, Code, Result, model_not_found};
use crate::http::extract::names::AliasName;
use crate::http::extract::{Json, Path, names};
use crate::http::models::find::{resolve, resolve_id};
use crate::http::reply::{Reply, rfc3339};
use crate::http::state::AppState;
use crate::registry::{DEFAULT_ALIAS, Named};
use crate::store::{Alias, AliasHistory, MoveReason, Rollback, UnreadableRow};

const MOST_MOVES: usize = 50;

/// An alias and the model that it means.
#[derive(Serialize, ToSchema)]
pub(super) struct AliasBody {
    alias: String,
    /// The id of the model that answers.
    model: String,
    /// The id of the model that it means after a rollback.
    previous: Option<String>,
    updated_at: String,
}

impl AliasBody {
    fn new(alias: Alias, history: &AliasHistory) -> Self {
        Self {
            previous: history.previous().map(|step| step.model_id.clone()),
            alias: alias.name,
            model: alias.model_id,
            updated_at: rfc3339(alias.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct Aliases {
    aliases: Vec<AliasBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// An alias with its moves.
#[derive(Serialize, ToSchema)]
pub(super) struct AliasWithHistory {
    #[serde(flatten)]
    alias: AliasBody,
    /// Its last 50 moves, the newest first.
    history: Vec<MoveBody>,
}

/// Where an alias pointed from some time on.
#[derive(Serialize, ToSchema)]
struct MoveBody {
    /// The model's id.
    model: String,
    at: String,
    /// `set` by hand, by the end of a `job`, or by a `rollback`; `unreadable` where the row is damaged.
    reason: MoveReason,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AliasRequest {
    /// A model's id, name or alias.
    #[schema(inline)]
    model: Reference,
}

/// All aliases, by name.
#[utoipa::path(get, path = "/aliases", tag = "Models", responses((status = 200, description = "All aliases.", body = Aliases)))]
pub(super) async fn list_aliases(State(state): State<AppState>) -> Reply<Aliases> {
    let aliases = state.store.alias_histories().await?;
    let unreadable = aliases.unreadable.clone();
    let aliases = aliases.into_iter().map(|(alias, history)| AliasBody::new(alias, &history)).collect();
    Ok(axum::Json(Aliases { aliases, unreadable }))
}

/// An alias and where it pointed before.
#[utoipa::path(get, path = "/aliases/{name}", tag = "Models", params(("name" = String, Path, description = "The alias.")),
    responses((status = 200, description = "The alias.", body = AliasWithHistory), (status = 404, description = "There is none.")))]
pub(super) async fn find_alias(State(state): State<AppState>, Path(name): Path<String>) -> Reply<AliasWithHistory> {
    let alias = find(&state, &name).await?;
    let history = state.store.alias_history(&name).await?;
    let told = history.moves.iter().rev().take(MOST_MOVES);
    let told = told.map(|step| MoveBody { model: step.model_id.clone(), at: rfc3339(step.at), reason: step.reason });
    Ok(axum::Json(AliasWithHistory { history: told.collect(), alias: AliasBody::new(alias, &history) }))
}

/// Switch the model.
///
/// From now on, requests for the alias are answered by this model. It is loaded and checked first, so that no
/// request waits for it or fails.
#[utoipa::path(put, path = "/aliases/{name}", tag = "Models", params(("name" = inline(AliasName), Path, description = "The alias, new or not.")),
    request_body(content = AliasRequest, example = json!({ "model": "use-multilingual-v3" })),
    responses((status = 200, description = "The alias means the model.", body = AliasBody), (status = 404, description = "There is no such model."),
        (status = 409, description = "A model has this name."), (status = 422, description = "The name cannot be used."),
        (status = 500, description = "The model cannot be loaded; the alias stays where it was."),
        (status = 503, description = "The model's files cannot be read now; the alias stays where it was.")))]
pub(super) async fn set_alias(
    State(state): State<AppState>,
    Path(alias): Path<String>,
    Json(request): Json<AliasRequest>,
) -> Reply<AliasBody> {
    names::check(&alias, "alias", Named::Alias)?;
    // A model may have come by that name.
    state.models.rescan().await?;
    let row = resolve(&state, &request.model).await?;
    if state.store.model_name_taken(&alias).await? {
        return Err(ApiError::of(Code::NameTaken)
            .detail(format!("{alias:?} is the name of a model."))
            .hint("Choose another alias."));
    }
    state.pool.load(&row).await?;
    if !state.store.set_alias(&alias, &row.model_id).await? {
        return Err(model_not_found(&request.model, None));
    }
    body(&state, &alias).await
}

/// Go back to the model before.
///
/// The alias means the model again that it meant before. That one is loaded and checked first. The next rollback
/// goes one move further back.
#[utoipa::path(post, path = "/aliases/{name}/rollback", tag = "Models", params(("name" = String, Path, description = "The alias.")),
    responses((status = 200, description = "The alias means the model before.", body = AliasBody), (status = 404, description = "There is no such alias."),
        (status = 409, description = "There is no model before."),
        (status = 500, description = "The model before cannot be loaded; the alias stays where it was."),
        (status = 503, description = "Its files cannot be read now; the alias stays where it was.")))]
pub(super) async fn roll_back(State(state): State<AppState>, Path(name): Path<String>) -> Reply<AliasBody> {
    find(&state, &name).await?;
    let nothing = || {
        ApiError::of(Code::NothingBefore)
            .detail(format!("The alias {name:?} meant no other model before that is still there."))
    };
    // Somebody else may move the alias between the look and the move; then look again.
    loop {
        let history = state.store.alias_history(&name).await?;
        let (Some(now_at), Some(before)) = (history.moves.last(), history.previous()) else { return Err(nothing()) };
        let row = resolve_id(&state, &before.model_id).await?;
        state.pool.load(&row).await?;
        match state.store.roll_alias_back(&name, now_at.seq, before).await? {
            Rollback::Moved(_) => return body(&state, &name).await,
            Rollback::NothingBefore => return Err(nothing()),
            Rollback::Changed => {
                find(&state, &name).await?;
            }
        }
    }
}

/// Removes an alias; the model stays.
#[utoipa::path(delete, path = "/aliases/{name}", tag = "Models", params(("name" = String, Path, description = "The alias.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none."),
        (status = 409, description = "It is `default`, which requests without a model use.")))]
pub(super) async fn delete_alias(State(state): State<AppState>, Path(name): Path<String>) -> Result<StatusCode> {
    let alias = find(&state, &name).await?;
    if alias.name == DEFAULT_ALIAS {
        return Err(ApiError::of(Code::AliasIsNeeded));
    }
    if state.store.delete_alias(&name).await? { Ok(StatusCode::NO_CONTENT) } else { Err(not_found(&name, None)) }
}

async fn body(state: &AppState, name: &str) -> Reply<AliasBody> {
    let alias = find(state, name).await?;
    let history = state.store.alias_history(name).await?;
    Ok(axum::Json(AliasBody::new(alias, &history)))
}

async fn find(state: &AppState, name: &str) -> Result<Alias> {
    if let Some(alias) = state.store.alias(name).await? {
        return Ok(alias);
    }
    let aliases = state.store.aliases().await?;
    Err(not_found(name, nearest(name, aliases.iter().map(|(known, _)| known.as_str()))))
}

fn not_found(name: &str, nearest: Option<&str>) -> ApiError {
    let guess = nearest.map(|name| format!(" Did you mean {name:?}?")).unwrap_or_default();
    ApiError::of(Code::AliasNotFound)
        .detail(format!("There is no alias {:?}.{guess}", crate::http::error::words::shown(name)))
}
