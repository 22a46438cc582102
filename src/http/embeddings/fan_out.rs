//! One model or several in one call: base against tuned.

use axum::http::HeaderMap;
use futures_util::future::try_join_all;

use crate::bounds::Models;
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fingerprint;
use crate::http::embeddings::text_list::{self, TextError, TextList};
use crate::http::error::{ApiError, Code, Result};
use crate::http::models::find::{resolve, resolve_id, resolve_or_default};
use crate::http::state::AppState;
use crate::registry::{BASE, DEFAULT_ALIAS, ModelRegistry};
use crate::serving::{self, EmbedError, EmbedOptions, Vectors};
use crate::store::ModelRow;

/// Who is to answer a request about texts.
pub(crate) struct ModelSelection<'a> {
    /// One model; without it, the default one.
    pub(crate) model: Option<&'a str>,
    pub(crate) models: Option<&'a Models>,
    /// Where the reply would be a bare array, which has no room for several answers: the field that is to hold the
    /// texts instead.
    pub(crate) bare_unless: Option<&'a str>,
}

/// What a model says of a request's texts at their places, and of some texts why it says nothing.
pub(crate) type Answer = (Vectors, Vec<TextError>);

/// What models say of a request's texts.
pub(crate) enum Embeddings {
    /// Of the field `model`.
    One(Answer),
    /// Of the field `models`, in its order.
    Several(Vec<Answer>),
}

impl Embeddings {
    /// Which model answered, as far as the body has no room for it, and what it took.
    pub(crate) fn headers(&self) -> HeaderMap {
        match self {
            Self::One((answer, _)) => fingerprint::headers(answer),
            Self::Several(answers) => fingerprint::headers_of_several(answers.iter().map(|(answer, _)| answer)),
        }
    }
}

/// The vectors of texts, by the models that a request names.
pub(crate) async fn embed(
    state: &AppState,
    caller: &Caller,
    selection: ModelSelection<'_>,
    mut list: TextList,
    options: EmbedOptions,
) -> Result<Embeddings> {
    text_list::few_enough(state, list.count())?;
    let Some(wanted) = selection.models else {
        let row = resolve_or_default(state, selection.model).await?;
        let texts = std::mem::take(&mut list.usable);
        let answer = embed_with(state, caller, &row, texts, &options).await.map_err(|error| list.of_text(error))?;
        return Ok(Embeddings::One(list.spread(answer)));
    };
    if let Some(field) = selection.bare_unless {
        return Err(unclear(
            "Several models are named, and a bare array has room for one.",
            &format!("Send the texts as {field:?}."),
        ));
    }
    if selection.model.is_some() {
        return Err(unclear("Both \"model\" and \"models\" are given.", "Send one of them."));
    }
    if options.expected_fingerprint.is_some() {
        return Err(unclear(
            "One fingerprint is expected of several models.",
            "Leave it out: the reply names each model's fingerprint.",
        ));
    }
    let models = find(state, wanted).await?;
    let answers = models.iter().map(|row| embed_with(state, caller, row, list.usable.clone(), &options));
    let answers = try_join_all(answers).await.map_err(|error| list.of_text(error))?;
    Ok(Embeddings::Several(answers.into_iter().map(|answer| list.spread(answer)).collect()))
}

/// Models by their ids, names or aliases; `base` is the base of the others, or of the default model.
pub(crate) async fn find(state: &AppState, wanted: &Models) -> Result<Vec<ModelRow>> {
    let mut found = Vec::new();
    for name in wanted.iter() {
        found.push(if &**name == BASE { None } else { Some(resolve(state, name).await?) });
    }
    let mut bases: Vec<&str> = found.iter().flatten().map(ModelRegistry::root).collect();
    bases.dedup();
    let base = match bases.as_slice() {
        [] => {
            let default = resolve(state, DEFAULT_ALIAS).await?;
            resolve_id(state, ModelRegistry::root(&default)).await?
        }
        [base] => resolve_id(state, base).await?,
        _ if found.iter().all(Option::is_some) => return Ok(found.into_iter().flatten().collect()),
        several => {
            let detail = format!("\"base\" could be {}.", several.join(" or "));
            return Err(ApiError::about(Code::BaseUnclear, "models", detail));
        }
    };
    Ok(found.into_iter().map(|row| row.unwrap_or_else(|| base.clone())).collect())
}

async fn embed_with(
    state: &AppState,
    caller: &Caller,
    row: &ModelRow,
    texts: Vec<String>,
    options: &EmbedOptions,
) -> Result<Vectors, EmbedError> {
    serving::embed(&state.pool, &state.engine, row, texts, options, caller.key.as_ref()).await
}

pub(crate) fn unclear(detail: &str, hint: &str) -> ApiError {
    ApiError::about(Code::FormUnclear, "models", detail).hint(hint)
}
