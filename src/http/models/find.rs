//! A model by its id, alias or name.

use crate::http::error::words::nearest;
use crate::http::error::{ApiError, Result, model_not_found};
use crate::http::state::AppState;
use crate::store::{Deletion, ModelRow};

/// A model by its id, alias or name, or an error that names the nearest one.
pub(crate) async fn resolve(state: &AppState, wanted: &str) -> Result<ModelRow> {
    if let Some(row) = state.models.find(wanted).await? {
        return Ok(row);
    }
    let models = state.store.models().await?;
    let aliases = state.store.aliases().await?;
    let known = models.iter().flat_map(|row| [row.model_id.as_str(), row.name.as_str()]);
    Err(model_not_found(wanted, nearest(wanted, known.chain(aliases.iter().map(|(alias, _)| alias.as_str())))))
}

/// Deletes a tuned model that nothing needs; what it was.
pub(crate) async fn delete(state: &AppState, wanted: &str) -> Result<ModelRow> {
    let row = resolve(state, wanted).await?;
    let conflict = |code, detail: String, hint: &str| Err(ApiError::conflict(code, detail, hint));
    match state.models.remove(&row.model_id).await? {
        Deletion::Deleted => {
            state.pool.forget(&row.model_id);
            Ok(row)
        }
        Deletion::Unknown => Err(model_not_found(wanted, None)),
        Deletion::IsBase => conflict(
            "model_is_base",
            format!("{} is a base model; only tuned ones can be deleted here.", row.name),
            "Stop the server and remove its folder from models/ in the data folder.",
        ),
        Deletion::HasAliases(aliases) => conflict(
            "model_has_alias",
            format!("The alias {} means this model.", aliases.join(", ")),
            "Point it at another model first (PUT /aliases/{name}), or delete the alias.",
        ),
        Deletion::InUse(jobs) => conflict(
            "model_in_use",
            format!("The job {} begins with this model and is not over.", jobs.join(", ")),
            "Wait for the job, or cancel it.",
        ),
    }
}
