//! Several models in one call: base against tuned.

use axum::http::HeaderMap;
use futures_util::future::try_join_all;

use crate::http::auth::caller::Caller;
use crate::http::embeddings::text_list::TextList;
use crate::http::embeddings::texts::{self, Reading, Vectors};
use crate::http::error::{ApiError, Code, Result};
use crate::http::models;
use crate::http::state::AppState;
use crate::registry::{DEFAULT_ALIAS, ModelRegistry};
use crate::store::ModelRow;

/// Models in one call.
const MOST: usize = 4;
/// Where no model has this name, it is the base of the others.
pub(crate) const BASE: &str = "base";

/// Who is to answer a request about texts.
pub(crate) struct Asked<'a> {
    /// One model; without it, the default one.
    pub(crate) model: Option<&'a str>,
    /// Two to four.
    pub(crate) models: Option<&'a [String]>,
    /// Where the reply would be a bare array, which has no room for several answers: the field that is to hold the
    /// texts instead.
    pub(crate) bare_unless: Option<&'a str>,
}

/// What models say of a request's texts, at their places.
pub(crate) enum Answers {
    /// Of the field `model`.
    One(Vectors),
    /// Of the field `models`, in its order.
    Several(Vec<Vectors>),
}

impl Answers {
    /// Which model answered, as far as the body has no room for it, and what it took.
    pub(crate) fn headers(&self) -> HeaderMap {
        match self {
            Self::One(answer) => answer.headers(),
            Self::Several(answers) => texts::headers_of_several(answers),
        }
    }
}

/// Asks the models that a request names.
pub(crate) async fn ask(
    state: &AppState,
    caller: &Caller,
    asked: Asked<'_>,
    mut list: TextList,
    reading: Reading,
) -> Result<Answers> {
    texts::few_enough(state, list.count())?;
    let Some(wanted) = asked.models else {
        let answer = texts::embed(state, caller, asked.model, std::mem::take(&mut list.usable), reading).await?;
        return Ok(Answers::One(list.spread(answer)));
    };
    if let Some(field) = asked.bare_unless {
        return Err(unclear(
            "Several models are named, and a bare array has room for one.",
            &format!("Send the texts as {field:?}."),
        ));
    }
    if asked.model.is_some() {
        return Err(unclear("Both \"model\" and \"models\" are given.", "Send one of them."));
    }
    if reading.expected_fingerprint.is_some() {
        return Err(unclear(
            "One fingerprint is expected of several models.",
            "Leave it out: the reply names each model's fingerprint.",
        ));
    }
    let models = find(state, wanted).await?;
    let answers = embed(state, caller, &models, &list.usable, &reading).await?;
    Ok(Answers::Several(answers.into_iter().map(|answer| list.spread(answer)).collect()))
}

/// Models by their ids, names or aliases; `base` is the base of the others, or of the default model.
pub(crate) async fn find(state: &AppState, wanted: &[String]) -> Result<Vec<ModelRow>> {
    if !(2..=MOST).contains(&wanted.len()) {
        let detail = format!("{} models are named; 2 to {MOST} can be compared.", wanted.len());
        return Err(ApiError::of(Code::ModelsNotUsable).param("models").detail(detail));
    }
    let mut found = Vec::new();
    for name in wanted {
        let means_base = name == BASE && state.models.find(name).await?.is_none();
        found.push(if means_base { None } else { Some(models::resolve(state, name).await?) });
    }
    let mut bases: Vec<&str> = found.iter().flatten().map(ModelRegistry::root).collect();
    bases.dedup();
    let base = match bases.as_slice() {
        [] => {
            let default = models::resolve(state, DEFAULT_ALIAS).await?;
            models::resolve(state, ModelRegistry::root(&default)).await?
        }
        [base] => models::resolve(state, base).await?,
        _ if found.iter().all(Option::is_some) => return Ok(found.into_iter().flatten().collect()),
        several => {
            let detail = format!("\"base\" could be {}.", several.join(" or "));
            return Err(ApiError::of(Code::BaseUnclear).param("models").detail(detail));
        }
    };
    Ok(found.into_iter().map(|row| row.unwrap_or_else(|| base.clone())).collect())
}

/// What each model says of the same texts.
pub(crate) async fn embed(
    state: &AppState,
    caller: &Caller,
    models: &[ModelRow],
    texts: &[String],
    reading: &Reading,
) -> Result<Vec<Vectors>> {
    let answers = models.iter().map(|row| texts::embed_with(state, caller, row, texts.to_vec(), reading.clone()));
    try_join_all(answers).await
}

fn unclear(detail: &str, hint: &str) -> ApiError {
    ApiError::of(Code::FormUnclear).param("models").detail(detail).hint(hint)
}
