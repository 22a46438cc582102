//! A model by its id, alias or name.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::bounds::Reference;
use crate::http::error::words::{nearest, shown};
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
    let known: Vec<&str> = known.chain(aliases.iter().map(|(alias, _)| alias.as_str())).collect();
    let near = |wanted: &str| nearest(wanted, known.iter().copied());
    // Elsewhere a model is named with its owner, as in sentence-transformers/all-MiniLM-L6-v2.
    let without_owner = || near(wanted.rsplit_once('/')?.1);
    Err(model_not_found(wanted, near(wanted).or_else(without_owner)))
}

/// The model that a client names in the URL, where it has no other place for it.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ModelQuery {
    /// A model's id, name or alias; left out, the body's, or the alias `default`.
    #[param(inline)]
    model: Option<Reference>,
}

impl ModelQuery {
    /// The model that the URL or the body names; both may, if they name the same.
    pub(crate) fn or<'a>(&'a self, of_body: Option<&'a Reference>) -> Result<Option<&'a str>> {
        match (self.model.as_deref(), of_body.map(|name| &**name)) {
            (Some(here), Some(there)) if here != there => {
                let detail = format!("The URL names the model {:?}, and the body {:?}.", shown(here), shown(there));
                Err(ApiError::about(Code::FormUnclear, "model", detail).hint("Name one of them."))
            }
            (here, there) => Ok(here.or(there)),
        }
    }
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
