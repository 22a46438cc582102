//! `/v1/embeddings`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{Dimensions, PromptName, Reference, User};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::Precision;
use crate::http::embeddings::fan_out::{self, Embeddings, ModelSelection};
use crate::http::embeddings::text_list::{OnError, TextError, TextList};
use crate::http::error::{ApiError, Result};
use crate::http::extract::JsonOfModel;
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
    /// The name of what the model puts in front of the texts.
    #[schema(inline)]
    prompt_name: Option<PromptName>,
    /// What happens where a text cannot be used: with `null` its vector is null, and `errors` says why.
    on_error: Option<OnError>,
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
    /// The same in float16.
    #[serde(rename = "base64_float16")]
    Base64Float16,
    /// The same in int8: each number times 127, rounded.
    #[serde(rename = "base64_int8")]
    Base64Int8,
}

#[derive(Serialize, ToSchema)]
struct EmbeddingsBody {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<Embedding>,
    /// With `"on_error": "null"`: the texts without a vector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<TextError>,
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
    embedding: Option<Vector>,
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
    params(("model" = Option<String>, Query, description = "Its id, name or alias, for clients that can name it nowhere else; as the field `model`.")),
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
    JsonOfModel(request): JsonOfModel<EmbeddingsRequest>,
) -> Result<Response> {
    let lenient = request.on_error == Some(OnError::Null);
    let list = TextList::read(&request.input, "input", lenient)?;
    let options = EmbedOptions {
        dimensions: request.dimensions.map(Dimensions::size),
        prompt: request.prompt_name.as_deref().map(str::to_owned),
        lenient,
        ..EmbedOptions::default()
    };
    let selection = ModelSelection { model: request.model.as_deref(), models: None, bare_unless: None };
    let answers = fan_out::embed(&state, &caller, selection, list, options).await;
    let answers = answers.map_err(|error| error.in_list("input"))?;
    let headers = answers.headers();
    let Embeddings::One((mut result, errors)) = answers else {
        return Err(ApiError::internal("several models answered for one"));
    };
    let format = request.encoding_format.unwrap_or_default();
    let vector = |vector: Vec<f32>| {
        let coded = |precision: Precision| Vector::Base64(BASE64.encode(precision.bytes(&vector)));
        match format {
            EncodingFormat::Base64 => coded(Precision::Float32),
            EncodingFormat::Base64Float16 => coded(Precision::Float16),
            EncodingFormat::Base64Int8 => coded(Precision::Int8),
            EncodingFormat::Float => Vector::Float(vector),
        }
    };
    let vectors = std::mem::take(&mut result.vectors).into_iter().enumerate();
    let data = vectors.map(|(index, numbers)| {
        let embedding = (!numbers.is_empty()).then(|| vector(numbers));
        Embedding { object: "embedding", index, embedding }
    });
    let tokens = result.tokens.iter().sum();
    let body = EmbeddingsBody {
        object: "list",
        data: data.collect(),
        errors,
        model: result.model.name().to_owned(),
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    Ok((headers, axum::Json(body)).into_response())
}

/// The same at the root, where clients ask whose base URL has no `/v1`.
#[utoipa::path(
    post,
    path = "/embeddings",
    tag = "OpenAI",
    params(("model" = Option<String>, Query, description = "Its id, name or alias, for clients that can name it nowhere else; as the field `model`.")),
    request_body(content = EmbeddingsRequest, example = json!({ "model": "default", "input": ["Data Scientist", "看護師"] })),
    responses(
        (status = 200, description = "As `/v1/embeddings`.", body = EmbeddingsBody),
        (status = 404, description = "There is no such model."),
        (status = 413, description = "Too many texts, or one that is too long."),
        (status = 422, description = "A field's value cannot be used."),
    ),
)]
pub(super) async fn create_embeddings_at_root(
    state: State<AppState>,
    caller: Caller,
    request: JsonOfModel<EmbeddingsRequest>,
) -> Result<Response> {
    create_embeddings(state, caller, request).await
}
