//! What `/embed` and `/similarity` share: texts in, vectors out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::auth::caller::Caller;
use crate::http::embeddings::text_list::TextError;
use crate::http::error::{ApiError, Code, Result};
use crate::http::middleware::metrics;
use crate::http::models::find::resolve;
use crate::http::state::AppState;
use crate::ml::encoder::TruncationDirection;
use crate::registry::DEFAULT_ALIAS;
use crate::serving::{EncodeOptions, Encoded, EncodedText, ServedModel};
use crate::store::ModelRow;

/// TEI's `truncation_direction`.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
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
    /// From this text on, another prompt.
    pub(crate) documents: Option<(usize, Option<String>)>,
    /// Vectors as the model makes them, and not of length 1.
    pub(crate) raw: bool,
    /// Only the vectors' first so many dimensions.
    pub(crate) dimensions: Option<usize>,
    /// A text that cannot be used has an empty vector and is told in [`Vectors::errors`], instead of failing all.
    pub(crate) lenient: bool,
    /// The fingerprint that the client counts on.
    pub(crate) expected_fingerprint: Option<String>,
}

impl Reading {
    /// What a text is called in an error about it. A lenient reading's errors carry their places themselves.
    fn called(&self, index: usize) -> String {
        if self.lenient { "The text".to_owned() } else { format!("Text {index} (counted from 0)") }
    }
}

/// A text that was longer than the model reads.
#[derive(Clone, Debug, Serialize, ToSchema)]
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
    /// The texts whose vectors are empty, where the reading is lenient.
    pub(crate) errors: Vec<TextError>,
    pub(crate) stages: Stages,
}

/// What a request's vectors took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    /// When the texts came.
    pub(crate) began: Instant,
    pub(crate) tokenize: Duration,
    /// Waiting for an inference thread.
    pub(crate) queue: Duration,
    /// The forward pass that the last of the texts was in.
    pub(crate) infer: Duration,
}

/// Embeds texts with the model of an id, alias or name.
pub(crate) async fn embed(
    state: &AppState,
    caller: &Caller,
    model: Option<&str>,
    texts: Vec<String>,
    reading: Reading,
) -> Result<Vectors> {
    few_enough(state, texts.len())?;
    let row = resolve(state, model.unwrap_or(DEFAULT_ALIAS)).await?;
    embed_with(state, caller, &row, texts, reading).await
}

/// Whether so many texts may be in one request.
pub(crate) fn few_enough(state: &AppState, texts: usize) -> Result<()> {
    let most = state.limits.max_texts;
    if texts > most {
        let requests = texts.div_ceil(most);
        return Err(ApiError::of(Code::TooManyInputs)
            .detail(format!("{texts} texts; {most} are allowed in one request."))
            .hint(format!("Split them into {requests} requests.")));
    }
    Ok(())
}

/// Embeds texts with a model.
pub(crate) async fn embed_with(
    state: &AppState,
    caller: &Caller,
    row: &ModelRow,
    mut texts: Vec<String>,
    reading: Reading,
) -> Result<Vectors> {
    let began = Instant::now();
    if let Some(expected) = reading.expected_fingerprint.as_ref().filter(|expected| **expected != row.fingerprint) {
        return Err(ApiError::fingerprint_mismatch(expected, &row.fingerprint));
    }
    check_dimensions(reading.dimensions, row.dimensions as usize)?;
    let model = state.pool.serve(row).await?;
    let cut = match reading.direction {
        Direction::Right => TruncationDirection::Right,
        Direction::Left => TruncationDirection::Left,
    };
    let options = |prompt| EncodeOptions { prompt, cut, refuse_long: reading.truncate == Some(false) };
    let of_queries = options(prompt(&model, reading.prompt.as_deref())?);
    let of_documents = match &reading.documents {
        Some((from, name)) => Some((*from, options(prompt(&model, name.as_deref())?))),
        None => None,
    };
    let encode = |texts, options| state.engine.encode(&model, texts, options, caller.key.as_ref());
    let Encoded { texts, queue, tokenize, infer } = match of_documents {
        Some((from, of_documents)) if of_documents != of_queries => {
            let documents = texts.split_off(from);
            let (mut first, second) = tokio::try_join!(encode(texts, of_queries), encode(documents, of_documents))?;
            first.texts.extend(second.texts);
            Encoded {
                texts: first.texts,
                queue: first.queue.max(second.queue),
                tokenize: first.tokenize.max(second.tokenize),
                infer: first.infer.max(second.infer),
            }
        }
        _ => encode(texts, of_queries).await?,
    };
    let (mut truncated, mut errors) = (Vec::new(), Vec::new());
    for (index, text) in texts.iter().enumerate().filter(|(_, text)| text.dropped > 0) {
        let tokens = text.tokens + text.dropped;
        if reading.truncate == Some(false) {
            let error = too_long(&reading.called(index), tokens, row.max_tokens);
            if !reading.lenient {
                return Err(error);
            }
            errors.push(TextError::new(index, &error));
        } else {
            truncated.push(Truncated { index, tokens, tokens_dropped: text.dropped });
        }
    }
    let read = |text: &EncodedText| if text.vector.is_some() { text.tokens } else { 0 };
    let mut counts: Vec<usize> = texts.iter().map(read).collect();
    let vector = |text: EncodedText| text.vector.map(|vector| vector.to_vec()).unwrap_or_default();
    let mut vectors: Vec<Vec<f32>> = texts.into_iter().map(vector).collect();
    for (index, vector) in vectors.iter_mut().enumerate() {
        if !vector.iter().all(|number| number.is_finite()) {
            let error = not_finite(&reading.called(index));
            if !reading.lenient {
                return Err(error);
            }
            errors.push(TextError::new(index, &error));
            vector.clear();
            counts[index] = 0;
        }
        if let Some(dimensions) = reading.dimensions {
            vector.truncate(dimensions);
        }
        if !reading.raw && (!model.normalizes || reading.dimensions.is_some()) {
            normalize(vector);
        }
    }
    errors.sort_by_key(|error| error.index);
    let stages = Stages { began, tokenize, queue, infer };
    let vectors = Vectors { model, vectors, tokens: counts, truncated, errors, stages };
    metrics::embedded(&vectors);
    Ok(vectors)
}

/// Whether a model has so many dimensions to give.
fn check_dimensions(asked: Option<usize>, all: usize) -> Result<()> {
    match asked {
        Some(dimensions) if !(1..=all).contains(&dimensions) => Err(ApiError::of(Code::DimensionsOutOfRange)
            .param("dimensions")
            .detail(format!("{dimensions} dimensions; the model has {all}."))
            .hint(format!("Ask for 1 to {all}."))),
        _ => Ok(()),
    }
}

fn too_long(text: &str, tokens: usize, max_tokens: i64) -> ApiError {
    let detail = format!("{text} has {tokens} tokens; the model reads {max_tokens}.");
    ApiError::of(Code::TextTooLong).param(text).detail(detail)
}

/// What a client would read as `null` in a vector, or put into an index for good.
fn not_finite(text: &str) -> ApiError {
    ApiError::of(Code::NotFinite).detail(format!("{text} has a vector with numbers that are not finite."))
}

/// The text of a prompt.
pub(crate) fn prompt(model: &ServedModel, name: Option<&str>) -> Result<String> {
    model.prompts.prompt(name).map(str::to_owned).map_err(|known| {
        let remedy = match known.as_slice() {
            [] => "It has none: leave prompt_name out.".to_owned(),
            known => format!("Its prompts are {}.", known.join(", ")),
        };
        ApiError::of(Code::PromptNotFound)
            .param("prompt_name")
            .detail(format!("The model has no prompt {:?}.", name.unwrap_or_default()))
            .hint(remedy)
    })
}

/// To length 1; a zero vector stays zero.
pub(crate) fn normalize(vector: &mut [f32]) {
    let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x /= norm);
    }
}

impl Vectors {
    /// Which model answered, which texts were cut, and what it took: for replies whose body has no room for it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let cut: Vec<String> = self.truncated.iter().map(|text| text.index.to_string()).collect();
        headers([
            ("x-model", self.model.row.model_id.clone()),
            ("x-model-fingerprint", self.model.row.fingerprint.clone()),
            ("x-truncated-inputs", cut.join(",")),
            ("x-compute-tokens", self.tokens.iter().sum::<usize>().to_string()),
            ("server-timing", self.stages.server_timing()),
        ])
    }
}

/// Of a request that several models answered: the body names them.
pub(crate) fn headers_of_several(answers: &[Vectors]) -> HeaderMap {
    let tokens: usize = answers.iter().flat_map(|answer| &answer.tokens).sum();
    let slowest = answers.iter().map(|answer| &answer.stages).min_by_key(|stages| stages.began);
    headers([
        ("x-compute-tokens", tokens.to_string()),
        ("server-timing", slowest.map(Stages::server_timing).unwrap_or_default()),
    ])
}

fn headers<const N: usize>(values: [(&'static str, String); N]) -> HeaderMap {
    let value = |value: String| HeaderValue::from_str(&value).ok().filter(|value| !value.is_empty());
    values.into_iter().filter_map(|(name, text)| Some((HeaderName::from_static(name), value(text)?))).collect()
}

impl Stages {
    /// The value of the header `Server-Timing`, in milliseconds. `total` is up to now.
    fn server_timing(&self) -> String {
        let parts = [
            ("tokenize", self.tokenize),
            ("queue", self.queue),
            ("infer", self.infer),
            ("total", self.began.elapsed()),
        ];
        let part = |(name, took): (&str, Duration)| format!("{name};dur={:.2}", took.as_secs_f64() * 1000.0);
        parts.map(part).join(", ")
    }
}

/// What a client of any route may send to be sure of the model.
pub(crate) const EXPECTED_FINGERPRINT: &str = "x-expected-fingerprint";

/// The fingerprint that a request's headers count on.
pub(crate) fn expected_fingerprint(headers: &HeaderMap) -> Option<String> {
    headers.get(EXPECTED_FINGERPRINT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Holds replies of routes whose bodies have no room for an expected fingerprint to the header.
pub(crate) async fn hold_to_fingerprint(request: Request, next: Next) -> Response {
    let expected = expected_fingerprint(request.headers());
    let response = next.run(request).await;
    let found = response.headers().get("x-model-fingerprint").and_then(|value| value.to_str().ok());
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            ApiError::fingerprint_mismatch(&expected, found).into_response()
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_vector_stays_zero_when_it_is_normalized() {
        let mut zero = [0.0_f32; 4];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 4]);
        let mut vector = [3.0_f32, 4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
    }
}
