//! Texts become vectors.

use axum::extract::State;
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
use super::openapi::OneOrMany;
use super::texts::{self, Direction, Reading, Truncated};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(embed))
}

/// `texts` is answered in our shape, `inputs` in text-embeddings-inference's: a bare array.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedRequest {
    /// The texts; the reply is an object.
    #[schema(value_type = Option<OneOrMany>)]
    texts: Option<Value>,
    /// The same in the words of text-embeddings-inference; the reply is a bare list of vectors.
    #[schema(value_type = Option<OneOrMany>)]
    inputs: Option<Value>,
    /// The model's id, name or alias; by default `default`.
    model: Option<String>,
    /// `false`: vectors as the model makes them, and not of length 1.
    normalize: Option<bool>,
    /// `false`: a text that is too long is an error.
    truncate: Option<bool>,
    /// Which end of a long text is cut.
    truncation_direction: Option<Direction>,
    /// Only the first so many coordinates, of length 1 again.
    #[schema(minimum = 1)]
    dimensions: Option<usize>,
    /// The name of what the model puts in front.
    prompt_name: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Embeddings)]
struct EmbedBody<'a> {
    /// The id of the model that answered.
    model: &'a str,
    /// Of its weights, tokenizer and pooling: equal fingerprints give equal vectors.
    fingerprint: &'a str,
    /// Of each vector.
    dimensions: usize,
    /// A vector for each text, in their order.
    embeddings: &'a [Vec<f32>],
    /// How many tokens of each text were read.
    tokens: &'a [usize],
    /// The texts that were cut.
    truncated: &'a [Truncated],
}

/// What `POST /embed` answers: to `texts` an object, to `inputs` a bare list of vectors.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what replies hold")]
enum EmbedReply<'a> {
    Ours(EmbedBody<'a>),
    Bare(Vec<Vec<f32>>),
}

/// Turn texts into vectors.
///
/// `texts` is answered by an object, `inputs` as text-embeddings-inference does, by a bare list of vectors.
#[utoipa::path(
    post,
    path = "/embed",
    tag = "Embeddings",
    request_body(content = EmbedRequest, examples(
        ("texts" = (value = json!({ "texts": ["Data Scientist", "看護師"] }))),
        ("inputs" = (value = json!({ "inputs": "Data Scientist", "dimensions": 128 }))),
    )),
    responses(
        (status = 200, description = "The vectors.", body = EmbedReply<'_>, headers(
            ("x-model" = String, description = "The id of the model that answered."),
            ("x-model-fingerprint" = String, description = "Its fingerprint."),
            ("x-truncated-inputs" = String, description = "The places of texts that were cut, from 0."),
        )),
        (status = 404, description = "There is no such model."),
        (status = 503, description = "Too many texts are waiting, or the server is stopping."),
    )
)]
pub(crate) async fn embed(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<EmbedRequest>,
) -> Result<Response> {
    let (texts, ours) = match (&request.texts, &request.inputs) {
        (Some(value), None) => (texts::texts(value, "texts")?, true),
        (None, Some(value)) => (texts::texts(value, "inputs")?, false),
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
    let reading = Reading {
        truncate: request.truncate,
        direction: request.truncation_direction.unwrap_or_default(),
        prompt: request.prompt_name.clone(),
        raw: request.normalize == Some(false),
    };
    let mut result = texts::embed(&state, &caller, request.model.as_deref(), texts, reading).await?;
    if let Some(dimensions) = request.dimensions {
        let all = result.model.row.dimensions as usize;
        if !(1..=all).contains(&dimensions) {
            return Err(ApiError::unusable(
                "dimensions_out_of_range",
                "dimensions",
                format!("{dimensions} dimensions; the model has {all}."),
                format!("Ask for 1 to {all}."),
            ));
        }
        for vector in &mut result.vectors {
            shorten(vector, dimensions, request.normalize.unwrap_or(true));
        }
    }
    let headers = result.headers();
    let body = EmbedBody {
        model: &result.model.row.model_id,
        fingerprint: &result.model.row.fingerprint,
        dimensions: result.vectors.first().map_or(0, Vec::len),
        embeddings: &result.vectors,
        tokens: &result.tokens,
        truncated: &result.truncated,
    };
    Ok(if ours {
        (headers, axum::Json(body)).into_response()
    } else {
        (headers, axum::Json(body.embeddings)).into_response()
    })
}

/// Keeps a vector's first dimensions.
fn shorten(vector: &mut Vec<f32>, dimensions: usize, normalize: bool) {
    vector.truncate(dimensions);
    if normalize {
        texts::normalize(vector);
    }
}
