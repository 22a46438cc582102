//! Texts become vectors.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::AppState;
use super::caller::Caller;
use super::error::{ApiError, Result};
use super::extract::Json;
use super::several;
use super::texts::{self, Direction, OnError, Reading, TextError, TextOrTexts, Truncated, Vectors};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(embed))
}

/// `texts` is answered in our shape, `inputs` in text-embeddings-inference's: a bare array.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedRequest {
    #[schema(value_type = Option<TextOrTexts>, example = json!(["Data Scientist", "看護師"]))]
    texts: Option<Value>,
    #[schema(value_type = Option<TextOrTexts>)]
    inputs: Option<Value>,
    /// A model's id, name or alias; without one, the alias `default`.
    model: Option<String>,
    /// Two to four models that all answer, in our shape. `base` is the base of the others.
    models: Option<Vec<String>>,
    /// `false`: vectors as the model makes them, and not of length 1.
    normalize: Option<bool>,
    /// `false`: a text that is longer than the model reads is an error, and not cut.
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    /// Only the vectors' first dimensions, normalized again.
    dimensions: Option<usize>,
    prompt_name: Option<String>,
    /// What happens where a text cannot be used.
    on_error: Option<OnError>,
    /// Answers 412 where the model has another fingerprint.
    expected_fingerprint: Option<String>,
}

/// One model's vectors.
#[derive(Serialize, ToSchema)]
struct EmbedBody {
    /// The model's id.
    model: String,
    /// Equal fingerprints give equal vectors.
    fingerprint: String,
    dimensions: usize,
    /// One for each text, in their order; `null` for those in `errors`.
    embeddings: Vec<Option<Vec<f32>>>,
    /// Of each text the tokens that were read.
    tokens: Vec<usize>,
    /// The texts that were longer than the model reads.
    truncated: Vec<Truncated>,
    /// With `"on_error": "null"`: the texts without a vector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<TextError>,
}

/// Our shape, that of several models, or text-embeddings-inference's.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum EmbedReply {
    One(EmbedBody),
    Several { models: Vec<EmbedBody> },
    Bare(Vec<Option<Vec<f32>>>),
}

/// The texts of a request, and which of them cannot be used.
struct Texts {
    usable: Vec<String>,
    /// Of each usable text, its place in the request.
    places: Vec<usize>,
    errors: Vec<TextError>,
    ours: bool,
}

/// The vectors of texts.
#[utoipa::path(post, path = "/embed", tag = "Embeddings", request_body(content = EmbedRequest, example = json!({ "texts": ["Data Scientist", "看護師"] })),
    responses((status = 200, description = "The texts' vectors.", body = EmbedReply),
        (status = 404, description = "There is no such model."),
        (status = 412, description = "The model has another fingerprint than expected."),
        (status = 413, description = "Too many texts."),
        (status = 422, description = "A text or field cannot be used."),
        (status = 500, description = "The model cannot be served."),
        (status = 503, description = "Too much waits already, or the model's files cannot be read now.")))]
pub(crate) async fn embed(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<EmbedRequest>,
) -> Result<Response> {
    let lenient = request.on_error == Some(OnError::Null);
    let Texts { usable, places, errors, ours } = texts_of(&request, lenient)?;
    let expected = request.expected_fingerprint.clone().or_else(|| texts::expected_fingerprint(&headers));
    let reading = Reading {
        truncate: request.truncate,
        direction: request.truncation_direction.unwrap_or_default(),
        prompt: request.prompt_name.clone(),
        raw: request.normalize == Some(false),
        dimensions: request.dimensions,
        lenient,
        expected_fingerprint: expected,
        ..Reading::default()
    };
    let count = usable.len() + errors.len();
    texts::few_enough(&state, count)?;
    if let Some(wanted) = &request.models {
        if !ours {
            return Err(several::needs_our_shape("texts"));
        }
        let models = several::resolve(&state, wanted, request.model.as_deref(), &reading).await?;
        let answers = several::embed(&state, &caller, &models, &usable, &reading).await?;
        let headers = texts::headers_of_several(&answers);
        let models = answers.into_iter().map(|answer| body(answer, &places, errors.clone(), count)).collect();
        return Ok((headers, axum::Json(EmbedReply::Several { models })).into_response());
    }
    let answer = texts::embed(&state, &caller, request.model.as_deref(), usable, reading).await?;
    let headers = answer.headers();
    let body = body(answer, &places, errors, count);
    let reply = if ours { EmbedReply::One(body) } else { EmbedReply::Bare(body.embeddings) };
    Ok((headers, axum::Json(reply)).into_response())
}

fn texts_of(request: &EmbedRequest, lenient: bool) -> Result<Texts> {
    let (value, param) = match (&request.texts, &request.inputs) {
        (Some(value), None) => (value, "texts"),
        (None, Some(value)) => (value, "inputs"),
        (None, None) => {
            return Err(ApiError::unusable("missing_field", "texts", "There are no texts.", "Send \"texts\": [..]."));
        }
        _ => {
            return Err(ApiError::unusable(
                "form_unclear",
                "texts",
                "Both \"texts\" and \"inputs\" are given.",
                "Send one of them.",
            ));
        }
    };
    let ours = param == "texts";
    if lenient {
        let (usable, places, errors) = texts::usable_texts(value, param)?;
        return Ok(Texts { usable, places, errors, ours });
    }
    let usable = texts::texts(value, param)?;
    Ok(Texts { places: (0..usable.len()).collect(), usable, errors: Vec::new(), ours })
}

/// A model's answer about the usable texts, in the places that all `count` texts had.
fn body(answer: Vectors, places: &[usize], mut errors: Vec<TextError>, count: usize) -> EmbedBody {
    let Vectors { model, vectors, tokens: read, truncated, errors: more, .. } = answer;
    let dimensions = vectors.iter().find(|vector| !vector.is_empty()).map_or(0, Vec::len);
    let (mut embeddings, mut tokens) = (vec![None; count], vec![0; count]);
    for ((&place, vector), read) in places.iter().zip(vectors).zip(read) {
        embeddings[place] = Some(vector).filter(|vector| !vector.is_empty());
        tokens[place] = read;
    }
    errors.extend(more.into_iter().map(|error| TextError { index: places[error.index], ..error }));
    errors.sort_by_key(|error| error.index);
    EmbedBody {
        model: model.row.model_id.clone(),
        fingerprint: model.row.fingerprint.clone(),
        dimensions,
        embeddings,
        tokens,
        truncated: truncated.into_iter().map(|text| Truncated { index: places[text.index], ..text }).collect(),
        errors,
    }
}
