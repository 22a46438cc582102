//! `/v1/embeddings`, and the same without `/v1`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{Dimensions, PromptName, Reference, User};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fan_out::{self, Embeddings, ModelSelection};
use crate::http::embeddings::text_list::{OnError, TextError, TextList};
use crate::http::embeddings::vector::{Dtype, EncodingFormat, Vector};
use crate::http::error::{ApiError, Result};
use crate::http::extract::{Json, Query};
use crate::http::models::find::ModelQuery;
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
    /// How vectors stand in JSON.
    encoding_format: Option<EncodingFormat>,
    /// What their numbers are.
    output_dtype: Option<Dtype>,
    /// The name of what the model puts in front; left out, its default.
    #[schema(inline)]
    prompt_name: Option<PromptName>,
    /// What happens where a text cannot be used.
    on_error: Option<OnError>,
    /// Keeps the vectors' first dimensions, and gives them length 1 again.
    #[schema(inline)]
    dimensions: Option<Dimensions>,
    /// Accepted, and not kept.
    #[expect(dead_code, reason = "texts and who sent them are nobody's affair here")]
    #[schema(inline)]
    user: Option<User>,
}

#[derive(Serialize, ToSchema)]
struct EmbeddingsBody {
    #[schema(example = "list")]
    object: &'static str,
    data: Vec<Embedding>,
    /// The name of the model that answered.
    model: String,
    usage: Usage,
    /// With `"on_error": "null"`: the texts without a vector.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<TextError>,
}

#[derive(Serialize, ToSchema)]
struct Embedding {
    #[schema(example = "embedding")]
    object: &'static str,
    /// Which of the request's texts, from 0.
    index: usize,
    /// `null` for those in `errors`.
    embedding: Option<Vector>,
}

#[derive(Serialize, ToSchema)]
struct Usage {
    /// Tokens that the model read: those of cut texts as far as they were read.
    prompt_tokens: usize,
    /// The same.
    total_tokens: usize,
}

/// Describes the same answer at two paths: some clients have no `/v1` in their address.
macro_rules! at {
    ($name:ident, $path:literal) => {
        /// Embed texts, as OpenAI's clients ask for it.
        #[utoipa::path(
            post,
            path = $path,
            tag = "OpenAI",
            params(ModelQuery),
            request_body(content = EmbeddingsRequest, example = json!({ "model": "default", "input": ["Data Scientist", "看護師"] })),
            responses(
                (status = 200, description = "The vectors, in the order of the texts. The headers `x-model`, `x-model-fingerprint` and `x-truncated-inputs` tell the model, and which texts were cut.", body = EmbeddingsBody),
                (status = 404, description = "There is no such model."),
                (status = 413, description = "Too many texts, or one that is too long."),
                (status = 422, description = "A field's value cannot be used."),
            ),
        )]
        pub(super) async fn $name(
            State(state): State<AppState>,
            caller: Caller,
            Query(query): Query<ModelQuery>,
            Json(request): Json<EmbeddingsRequest>,
        ) -> Result<Response> {
            answer(&state, &caller, &query, request).await
        }
    };
}

at!(create_embeddings, "/v1/embeddings");
at!(create_embeddings_at_root, "/embeddings");

async fn answer(state: &AppState, caller: &Caller, query: &ModelQuery, request: EmbeddingsRequest) -> Result<Response> {
    let lenient = request.on_error == Some(OnError::Null);
    let list = TextList::read(&request.input, "input", lenient)?;
    let options = EmbedOptions {
        dimensions: request.dimensions.map(Dimensions::size),
        prompt: request.prompt_name.as_deref().map(str::to_owned),
        lenient,
        ..EmbedOptions::default()
    };
    let model = query.or(request.model.as_ref())?;
    let selection = ModelSelection { model, models: None, bare_unless: None };
    let answers = fan_out::embed(state, caller, selection, list, options).await?;
    let headers = answers.headers();
    let Embeddings::One((result, errors)) = answers else {
        return Err(ApiError::internal("one model was asked, and several answered"));
    };
    let (format, dtype) = (request.encoding_format.unwrap_or_default(), request.output_dtype.unwrap_or_default());
    let written = |numbers: Vec<f32>| (!numbers.is_empty()).then(|| Vector::of(numbers, format, dtype));
    let vectors = result.vectors.into_iter().enumerate();
    let data = vectors.map(|(index, numbers)| Embedding { object: "embedding", index, embedding: written(numbers) });
    let tokens = result.tokens.iter().sum();
    let body = EmbeddingsBody {
        object: "list",
        data: data.collect(),
        model: result.model.name().to_owned(),
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
        errors,
    };
    Ok((headers, axum::Json(body)).into_response())
}
