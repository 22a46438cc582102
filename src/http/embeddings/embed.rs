//! Texts become vectors.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{Dimensions, Models, PassedOver, PromptName, Reference, Word};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fan_out::{self, Answer, Embeddings, ModelSelection};
use crate::http::embeddings::fingerprint;
use crate::http::embeddings::text_list::{Direction, OnError, TextError, TextList, TextOrTexts};
use crate::http::embeddings::vector::{Dtype, EncodingFormat, Matrix, Vector};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Query};
use crate::http::models::find::ModelQuery;
use crate::http::state::AppState;
use crate::serving::{EmbedOptions, Truncated, Vectors};

/// `texts` is answered in our shape, `inputs` in text-embeddings-inference's: a bare array.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbedRequest {
    #[schema(value_type = Option<TextOrTexts>, example = json!(["Data Scientist", "看護師"]))]
    texts: Option<Value>,
    #[schema(value_type = Option<TextOrTexts>)]
    inputs: Option<Value>,
    /// A model's id, name or alias; without one, the alias `default`.
    #[schema(inline)]
    model: Option<Reference>,
    /// Two to four models that all answer, in our shape. `base` is the base of the others.
    #[schema(inline)]
    models: Option<Models>,
    /// `false`: vectors as the model makes them, and not of length 1.
    normalize: Option<bool>,
    /// `false`: a text that is longer than the model reads is an error, and not cut.
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    /// Only the vectors' first dimensions, normalized again.
    #[schema(inline)]
    dimensions: Option<Dimensions>,
    #[schema(inline)]
    prompt_name: Option<PromptName>,
    /// What happens where a text cannot be used.
    on_error: Option<OnError>,
    /// How vectors stand in JSON.
    encoding_format: Option<EncodingFormat>,
    /// What their numbers are.
    output_dtype: Option<Dtype>,
    /// Answers 412 where the model has another fingerprint.
    #[schema(inline)]
    expected_fingerprint: Option<Word>,
    /// What Hugging Face's clients send beside `inputs`, as `{"wait_for_model": true}`: passed over.
    #[serde(default)]
    #[schema(inline)]
    #[expect(dead_code, reason = "there is nothing to wait for")]
    options: Option<PassedOver>,
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
    embeddings: Vec<Option<Vector>>,
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
    Bare(Vec<Option<Vector>>),
}

/// The vectors of texts.
#[utoipa::path(post, path = "/embed", params(ModelQuery), tag = "Embeddings", request_body(content = EmbedRequest, example = json!({ "texts": ["Data Scientist", "看護師"] })),
    responses((status = 200, description = "The texts' vectors. With `Accept: application/octet-stream` or `application/x-npy` they are bytes, row after row; `x-vectors-shape` and `x-vectors-dtype` tell how to read them.", body = EmbedReply),
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
    Query(query): Query<ModelQuery>,
    Json(request): Json<EmbedRequest>,
) -> Result<Response> {
    let lenient = request.on_error == Some(OnError::Null);
    let (value, param) = given(&request)?;
    let ours = param == "texts";
    let list = TextList::read(value, param, lenient)?;
    let matrix = Matrix::accepted(&headers);
    if matrix.is_some() && (lenient || request.models.is_some()) {
        return Err(ApiError::about(
            Code::FormUnclear,
            "Accept",
            "Bytes have no place for null or for several models.",
        )
        .hint("Accept application/json, or leave on_error and models out."));
    }
    request.output_dtype.unwrap_or_default().check(request.normalize == Some(false))?;
    let options = EmbedOptions {
        refuse_long: request.truncate == Some(false),
        truncation: request.truncation_direction.unwrap_or_default().into(),
        prompt: request.prompt_name.as_deref().map(str::to_owned),
        raw: request.normalize == Some(false),
        dimensions: request.dimensions.map(Dimensions::size),
        lenient,
        expected_fingerprint: request
            .expected_fingerprint
            .as_deref()
            .map(str::to_owned)
            .or_else(|| fingerprint::expected(&headers)),
        ..EmbedOptions::default()
    };
    let selection = ModelSelection {
        model: query.or(request.model.as_ref())?,
        models: request.models.as_ref(),
        bare_unless: (!ours).then_some("texts"),
    };
    let answers = fan_out::embed(&state, &caller, selection, list, options).await?;
    let (format, dtype) = (request.encoding_format.unwrap_or_default(), request.output_dtype.unwrap_or_default());
    let headers = answers.headers();
    if let (Some(matrix), Embeddings::One((answer, _))) = (matrix, &answers) {
        return Ok((headers, matrix.reply(&answer.vectors, dtype)).into_response());
    }
    let reply = match answers {
        Embeddings::Several(answers) => EmbedReply::Several {
            models: answers.into_iter().map(|answer| EmbedBody::of(answer, format, dtype)).collect(),
        },
        Embeddings::One(answer) if ours => EmbedReply::One(EmbedBody::of(answer, format, dtype)),
        Embeddings::One(answer) => EmbedReply::Bare(EmbedBody::of(answer, format, dtype).embeddings),
    };
    Ok((headers, axum::Json(reply)).into_response())
}

/// The field that has the texts, and its name.
fn given(request: &EmbedRequest) -> Result<(&Value, &'static str)> {
    match (&request.texts, &request.inputs) {
        (Some(value), None) => Ok((value, "texts")),
        (None, Some(value)) => Ok((value, "inputs")),
        (None, None) => {
            Err(ApiError::about(Code::MissingField, "texts", "There are no texts.").hint("Send \"texts\": [..]."))
        }
        _ => Err(ApiError::about(Code::FormUnclear, "texts", "Both \"texts\" and \"inputs\" are given.")
            .hint("Send one of them.")),
    }
}

impl EmbedBody {
    fn of((answer, errors): Answer, format: EncodingFormat, dtype: Dtype) -> Self {
        let Vectors { model, vectors, tokens, truncated, .. } = answer;
        let dimensions = vectors.iter().find(|vector| !vector.is_empty()).map_or(0, Vec::len);
        let written = |vector: Vec<f32>| (!vector.is_empty()).then(|| Vector::of(vector, format, dtype));
        let embeddings = vectors.into_iter().map(written).collect();
        Self {
            model: model.id().to_owned(),
            fingerprint: model.fingerprint().to_string(),
            dimensions,
            embeddings,
            tokens,
            truncated,
            errors,
        }
    }
}
