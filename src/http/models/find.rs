//! A model by its id, alias or name.

use crate::http::error::words::nearest;
use crate::http::error::{ApiError, Code, Result, model_not_found};
use crate::http::reply::deleted::LeftBody;
use crate::http::state::AppState;
use crate::registry::DEFAULT_ALIAS;
use crate::store::{Deletion, ModelRow};

/// A model by its alias, id or name, or an error that names the nearest one.
pub(crate) async fn resolve(state: &AppState, wanted: &str) -> Result<ModelRow> {
    if let Some(row) = state.models.find(wanted).await? {
        return Ok(row);
    }
    let models = state.store.models().await?;
    let aliases = state.store.aliases().await?;
    let known = models.iter().flat_map(|row| [row.model_id.as_str(), row.name.as_str()]);
    Err(model_not_found(wanted, nearest(wanted, known.chain(aliases.iter().map(|(alias, _)| alias.as_str())))))
}

/// The model of an id that was told by a row.
pub(crate) async fn resolve_id(state: &AppState, id: &str) -> Result<ModelRow> {
    state.models.find_id(id).await?.ok_or_else(|| model_not_found(id, None))
}

/// A model by its name; without one, the model that the alias `default` means.
pub(crate) async fn resolve_or_default(state: &AppState, wanted: Option<&str>) -> Result<ModelRow> {
    resolve(state, wanted.unwrap_or(DEFAULT_ALIAS)).await
}

/// Deletes a tuned model that nothing needs; what it was, and what is left of what it learnt from.
pub(crate) async fn delete(state: &AppState, wanted: &str) -> Result<(ModelRow, LeftBody)> {
    let row = resolve(state, wanted).await?;
    match state.models.remove(&row.model_id).await? {
        Deletion::Deleted(left) => {
            state.pool.forget(&row.model_id);
            Ok((row, LeftBody::after(state, left).await))
        }
        Deletion::Unknown => Err(model_not_found(wanted, None)),
        Deletion::IsBase => Err(ApiError::of(Code::ModelIsBase)
            .detail(format!("{} is a base model; only tuned ones can be deleted here.", row.name))),
        Deletion::HasAliases(aliases) => {
            Err(ApiError::of(Code::ModelHasAlias).detail(format!("The alias {} means this model.", aliases.join(", "))))
        }
        Deletion::InUse(jobs) => Err(ApiError::of(Code::ModelInUse)
            .detail(format!("The job {} begins with this model and is not over.", jobs.join(", ")))),
    }
}
