//! What `/embed` and `/similarity` share: texts in, vectors out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AppState;
use super::caller::Caller;
use super::error::{ApiError, Result};
use super::models::resolve;
use crate::ml::dataset::LONGEST_TEXT;
use crate::ml::encoder::Cut;
use crate::registry::DEFAULT_ALIAS;
use crate::serving::{Encoded, ServedModel};

/// TEI's `truncation_direction`.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
pub(crate) enum Direction {
    /// The end of a long text is cut.
    #[default]
    #[serde(alias = "right")]
    Right,
    /// Its beginning.
    #[serde(alias = "left")]
    Left,
}

/// How texts are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    /// `false`: a text that is too long is an error.
    pub(crate) truncate: Option<bool>,
    pub(crate) direction: Direction,
    /// The name of what the model puts in front; `None` for its default.
    pub(crate) prompt: Option<String>,
    /// Vectors as the model makes them, and not of length 1.
    pub(crate) raw: bool,
}

/// A text that was longer than the model reads.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Truncated {
    /// Which of the request's texts, from 0.
    pub(crate) index: usize,
    /// How many tokens it has.
    pub(crate) tokens: usize,
    /// How many of them were not read.
    pub(crate) tokens_dropped: usize,
}

/// The vectors of a request's texts.
pub(crate) struct Vectors {
    pub(crate) model: Arc<ServedModel>,
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Tokens of each text that were read.
    pub(crate) tokens: Vec<usize>,
    pub(crate) truncated: Vec<Truncated>,
    pub(crate) stages: Stages,
}

/// What a request's vectors took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stages {
    pub(crate) tokenize: Duration,
    /// Waiting for an inference thread.
    pub(crate) queue: Duration,
    /// The forward pass that the last of the texts was in.
    pub(crate) infer: Duration,
}

/// A text or a list of texts, each with something in it. `param` is the field's name.
pub(crate) fn texts(value: &Value, param: &str) -> Result<Vec<String>> {
    let values = match value {
        Value::Array(values) => values.as_slice(),
        value => std::slice::from_ref(value),
    };
    if values.is_empty() {
        return Err(ApiError::unusable("no_inputs", param, format!("{param:?} is empty."), "Send at least one text."));
    }
    let text = |(index, value): (usize, &Value)| match value {
        Value::String(text) if text.trim().is_empty() => Err(ApiError::unusable(
            "empty_text",
            &format!("/{param}/{index}"),
            format!("Text {index} of {param:?} (counted from 0) is empty."),
            "Leave empty texts out.",
        )),
        Value::String(text) if text.len() > LONGEST_TEXT => Err(ApiError::too_large(
            "text_too_large",
            format!("Text {index} of {param:?} (counted from 0) has {} bytes; {LONGEST_TEXT} are allowed.", text.len()),
            "Send the part that matters; a model reads some hundred tokens.",
        )
        .param(format!("/{param}/{index}"))),
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Array(_) => Err(ApiError::unusable(
            "token_ids_not_supported",
            &format!("/{param}/{index}"),
            "This server needs text, it got numbers or lists.",
            "Send strings. In LangChain's OpenAIEmbeddings set check_embedding_ctx_length=False.",
        )),
        _ => Err(ApiError::unusable(
            "wrong_type",
            &format!("/{param}/{index}"),
            format!("Text {index} of {param:?} (counted from 0) is no string."),
            "Send strings.",
        )),
    };
    values.iter().enumerate().map(text).collect()
}

/// Embeds texts with the model of an id, alias or name.
pub(crate) async fn embed(
    state: &AppState,
    caller: &Caller,
    model: Option<&str>,
    texts: Vec<String>,
    reading: Reading,
) -> Result<Vectors> {
    check_count(state, texts.len())?;
    let row = resolve(state, model.unwrap_or(DEFAULT_ALIAS)).await?;
    let model = state.pool.get(&row.model_id).await?;
    let prompt = prompt(&model, reading.prompt.as_deref())?;
    let tokenizer = Arc::clone(&model);
    let cut = match reading.direction {
        Direction::Right => Cut::Right,
        Direction::Left => Cut::Left,
    };
    let started = Instant::now();
    // As many lists are tokenized at a time as there are processors to do it.
    let permit = state.tokenizing.acquire().await.map_err(ApiError::internal)?;
    let tokens = tokio::task::spawn_blocking(move || {
        texts.iter().map(|text| tokenizer.tokenize(&prompt, text, cut)).collect::<Vec<_>>()
    });
    let tokens = tokens.await.map_err(ApiError::internal)?;
    drop(permit);
    let tokenize = started.elapsed();
    let truncated: Vec<Truncated> = tokens
        .iter()
        .enumerate()
        .filter(|(_, text)| text.dropped > 0)
        .map(|(index, text)| Truncated { index, tokens: text.ids.len() + text.dropped, tokens_dropped: text.dropped })
        .collect();
    if let (Some(false), Some(long)) = (reading.truncate, truncated.first()) {
        return Err(ApiError::unusable(
            "text_too_long",
            &long.index.to_string(),
            format!(
                "Text {} (counted from 0) has {} tokens; the model reads {}.",
                long.index, long.tokens, model.row.max_tokens
            ),
            "Shorten it, or leave out \"truncate\": false to have it cut.",
        ));
    }
    let counts = tokens.iter().map(|text| text.ids.len()).collect();
    let ids = tokens.into_iter().map(|text| text.ids).collect();
    let encoded = state.engine.encode(&model, ids, caller.key.as_deref()).await?;
    let Encoded { mut vectors, queue, infer } = encoded;
    if !reading.raw && !model.normalizes {
        vectors.iter_mut().for_each(|vector| normalize(vector));
    }
    Ok(Vectors { model, vectors, tokens: counts, truncated, stages: Stages { tokenize, queue, infer } })
}

/// Refuses more texts than one request may have.
pub(super) fn check_count(state: &AppState, texts: usize) -> Result<()> {
    let most = state.limits.max_texts;
    if texts <= most {
        return Ok(());
    }
    Err(ApiError::too_large(
        "too_many_inputs",
        format!("{texts} texts; {most} are allowed in one request."),
        format!("Split them into {} requests.", texts.div_ceil(most)),
    ))
}

/// The text of a prompt.
pub(super) fn prompt(model: &ServedModel, name: Option<&str>) -> Result<String> {
    model.prompts.prompt(name).map(str::to_owned).map_err(|known| {
        let remedy = match known.as_slice() {
            [] => "It has none: leave prompt_name out.".to_owned(),
            known => format!("Its prompts are {}.", known.join(", ")),
        };
        ApiError::unusable(
            "prompt_not_found",
            "prompt_name",
            format!("The model has no prompt {:?}.", name.unwrap_or_default()),
            remedy,
        )
    })
}

/// To length 1; a zero vector stays zero.
pub(super) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
}

impl Vectors {
    /// Which model answered, and which texts were cut: for replies whose body has no room for it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let cut: Vec<String> = self.truncated.iter().map(|text| text.index.to_string()).collect();
        let values = [
            ("x-model", self.model.row.model_id.clone()),
            ("x-model-fingerprint", self.model.row.fingerprint.clone()),
            ("x-truncated-inputs", cut.join(",")),
        ];
        let value = |value: String| HeaderValue::from_str(&value).ok().filter(|value| !value.is_empty());
        values.into_iter().filter_map(|(name, text)| Some((HeaderName::from_static(name), value(text)?))).collect()
    }
}
