//! Texts become vectors.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::AppState;
use super::caller::Caller;
use super::error::{ApiError, Result};
use super::extract::Json;
use super::texts::{self, Direction, Reading, Truncated};

pub(crate) fn router() -> Router<AppState> {
    Router::new().route("/embed", post(embed))
}

/// `texts` is answered in our shape, `inputs` in text-embeddings-inference's: a bare array.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedRequest {
    texts: Option<Value>,
    inputs: Option<Value>,
    model: Option<String>,
    normalize: Option<bool>,
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    dimensions: Option<usize>,
    prompt_name: Option<String>,
}

#[derive(Serialize)]
struct EmbedBody<'a> {
    model: &'a str,
    fingerprint: &'a str,
    dimensions: usize,
    embeddings: &'a [Vec<f32>],
    tokens: &'a [usize],
    truncated: &'a [Truncated],
}

/// `POST /embed`
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
