//! `/v1/embeddings`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{Dimensions, Reference, User};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::{fan_out, fingerprint, text_list};
use crate::http::error::Result;
use crate::http::extract::Json;
use crate::http::models::find::resolve_or_default;
use crate::http::reply::schema;
use crate::http::state::AppState;
use crate::serving::EmbedOptions;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EmbeddingsRequest {
    /// A text or a list of texts; token ids are of another model's vocabulary and refused.
    #[schema(schema_with = schema::text_or_texts)]
    input: Value,
    /// A model's id, name or alias; left out, the alias `default`.
    #[schema(inline, example = "default")]
    model: Option<Reference>,
    #[serde(default)]
    encoding_format: Option<EncodingFormat>,
    /// Keeps the vectors' first dimensions, and gives them length 1 again.
    #[schema(inline)]
    dimensions: Option<Dimensions>,
    /// Accepted, and not kept.
    #[expect(dead_code, reason = "texts and who sent them are nobody's affair here")]
    #[schema(inline)]
    user: Option<User>,
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Little-endian float32, one after another, in base64.
    Base64,
}

#[derive(Serialize, ToSchema)]
struct EmbeddingsBody {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<Embedding>,
    /// The name of the model that answered.
    model: String,
    usage: Usage,
}

#[derive(Serialize, ToSchema)]
struct Embedding {
    #[schema(example = "embedding")]
    object: &'static str,
    /// Which of the request's texts, from 0.
    index: usize,
    #[schema(schema_with = schema::vector)]
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Serialize, ToSchema)]
struct Usage {
    /// Tokens that the model read: those of cut texts as far as they were read.
    prompt_tokens: usize,
    /// The same.
    total_tokens: usize,
}

/// Embed texts, as OpenAI's clients ask for it.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "OpenAI",
    request_body(content = EmbeddingsRequest, example = json!({ "model": "default", "input": ["Data Scientist", "看護師"] })),
    responses(
        (status = 200, description = "The vectors, in the order of the texts. The headers `x-model`, `x-model-fingerprint` and `x-truncated-inputs` tell the model, and which texts were cut.", body = EmbeddingsBody),
        (status = 404, description = "There is no such model."),
        (status = 413, description = "Too many texts, or one that is too long."),
        (status = 422, description = "A field's value cannot be used."),
    ),
)]
pub(super) async fn create_embeddings(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<EmbeddingsRequest>,
) -> Result<Response> {
    let texts = text_list::texts(&request.input, "input")?;
    text_list::few_enough(&state, texts.len())?;
    let row = resolve_or_default(&state, request.model.as_deref()).await?;
    let options = EmbedOptions { dimensions: request.dimensions.map(Dimensions::size), ..EmbedOptions::default() };
    let mut result = fan_out::embed_with(&state, &caller, &row, texts, &options).await?;
    let headers = fingerprint::headers(&result);
    let format = request.encoding_format.unwrap_or_default();
    let vector = |vector: Vec<f32>| match format {
        EncodingFormat::Float => Vector::Float(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
            Vector::Base64(BASE64.encode(bytes))
        }
    };
    let vectors = std::mem::take(&mut result.vectors).into_iter().enumerate();
    let data = vectors.map(|(index, numbers)| Embedding { object: "embedding", index, embedding: vector(numbers) });
    let tokens = result.tokens.iter().sum();
    let body = EmbeddingsBody {
        object: "list",
        data: data.collect(),
        model: result.model.name().to_owned(),
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    Ok((headers, axum::Json(body)).into_response())
}
