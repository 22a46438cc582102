//! How alike texts are.

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
use crate::ml::similarity::Similarity;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(similarity))
}

/// One of four forms: `pairs`; `queries` and `documents`; `source_sentence` and `sentences`; and
/// text-embeddings-inference's, where the last two stand in `inputs` and a bare array is answered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimilarityRequest {
    /// The two texts of each pair are compared: a list of scores.
    #[schema(value_type = Option<Vec<[String; 2]>>)]
    pairs: Option<Vec<Value>>,
    /// Each of these is compared with each of `documents`: a list of scores for each.
    #[schema(value_type = Option<OneOrMany>)]
    queries: Option<Value>,
    #[schema(value_type = Option<OneOrMany>)]
    documents: Option<Value>,
    /// Is compared with each of `sentences`: a list of scores.
    source_sentence: Option<String>,
    #[schema(value_type = Option<OneOrMany>)]
    sentences: Option<Value>,
    /// The last two in the words of text-embeddings-inference; the reply is a bare list of scores.
    inputs: Option<SourceAndSentences>,
    parameters: Option<Parameters>,
    /// The model's id, name or alias; by default `default`.
    model: Option<String>,
    /// `cosine` unless said.
    measure: Option<Similarity>,
    /// `false`: a text that is too long is an error.
    truncate: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceAndSentences {
    source_sentence: String,
    #[schema(value_type = OneOrMany)]
    sentences: Value,
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = SimilarityParameters)]
#[serde(deny_unknown_fields)]
struct Parameters {
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    prompt_name: Option<String>,
}

/// Which texts are compared with which. Places count in the request's list of texts.
enum Form {
    /// Text `2 i` with text `2 i + 1`.
    Pairs,
    /// Each of the first `queries` texts with each of the others.
    Matrix { queries: usize },
    /// The first text with each of the others.
    OneToMany,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Scores {
    Row(Vec<f64>),
    Matrix(Vec<Vec<f64>>),
}

#[derive(Serialize, ToSchema)]
#[schema(as = Similarities)]
struct SimilarityBody<'a> {
    model: &'a str,
    fingerprint: &'a str,
    measure: Similarity,
    scores: Scores,
    truncated: &'a [Truncated],
}

/// What `POST /similarity` answers: to `inputs` a bare list of scores, else an object.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what replies hold")]
enum SimilarityReply<'a> {
    Ours(SimilarityBody<'a>),
    Bare(Vec<f64>),
}

/// Compare texts.
///
/// Pairs; queries with documents; or one text with many.
#[utoipa::path(
    post,
    path = "/similarity",
    tag = "Embeddings",
    request_body(content = SimilarityRequest, examples(
        ("pairs" = (value = json!({ "pairs": [["Data Scientist", "Data Analyst"]] }))),
        ("matrix" = (value = json!({ "queries": ["Data Scientist"], "documents": ["Data Analyst", "看護師"] }))),
        ("one to many" = (value = json!({ "source_sentence": "Data Scientist", "sentences": ["Data Analyst", "看護師"] }))),
        ("inputs" = (value = json!({ "inputs": { "source_sentence": "Data Scientist", "sentences": ["看護師"] } }))),
    )),
    responses(
        (status = 200, description = "The scores.", body = SimilarityReply<'_>, headers(
            ("x-model" = String, description = "The id of the model that answered."),
            ("x-model-fingerprint" = String, description = "Its fingerprint."),
            ("x-truncated-inputs" = String, description = "The places of texts that were cut, from 0."),
        )),
        (status = 404, description = "There is no such model."),
        (status = 503, description = "Too many texts are waiting, or the server is stopping."),
    )
)]
pub(crate) async fn similarity(
    State(state): State<AppState>,
    caller: Caller,
    Json(request): Json<SimilarityRequest>,
) -> Result<Response> {
    let parameters = request.parameters.as_ref();
    let (form, texts) = form(&request)?;
    let reading = Reading {
        truncate: request.truncate.or(parameters.and_then(|parameters| parameters.truncate)),
        direction: parameters.and_then(|parameters| parameters.truncation_direction).unwrap_or_default(),
        prompt: parameters.and_then(|parameters| parameters.prompt_name.clone()),
        raw: false,
    };
    let mut result = texts::embed(&state, &caller, request.model.as_deref(), texts, reading).await?;
    let measure = request.measure.unwrap_or_default();
    let headers = result.headers();
    let vectors = std::mem::take(&mut result.vectors);
    // A thousand texts against a thousand take a while: not on an async thread.
    let scores = tokio::task::spawn_blocking(move || scores(&form, measure, &vectors));
    let scores = scores.await.map_err(ApiError::internal)?;
    if request.inputs.is_some() {
        return Ok((headers, axum::Json(scores)).into_response());
    }
    let body = SimilarityBody {
        model: &result.model.row.model_id,
        fingerprint: &result.model.row.fingerprint,
        measure,
        scores,
        truncated: &result.truncated,
    };
    Ok((headers, axum::Json(body)).into_response())
}

fn form(request: &SimilarityRequest) -> Result<(Form, Vec<String>)> {
    let one_to_many = |source: &str, sentences: &Value| {
        let mut all = texts::texts(&Value::from(source), "source_sentence")?;
        all.extend(texts::texts(sentences, "sentences")?);
        Ok((Form::OneToMany, all))
    };
    let SimilarityRequest { pairs, queries, documents, source_sentence, sentences, inputs, .. } = request;
    let query_form = queries.is_some() || documents.is_some();
    let source_form = source_sentence.is_some() || sentences.is_some();
    let forms = [pairs.is_some(), query_form, source_form, inputs.is_some()];
    match (pairs, (queries, documents), (source_sentence, sentences), inputs) {
        _ if forms.iter().filter(|given| **given).count() > 1 => Err(unclear("More than one form is given.")),
        (Some(pairs), ..) => Ok((Form::Pairs, pair_texts(pairs)?)),
        (_, (Some(queries), Some(documents)), ..) => {
            let mut all = texts::texts(queries, "queries")?;
            let queries = all.len();
            all.extend(texts::texts(documents, "documents")?);
            Ok((Form::Matrix { queries }, all))
        }
        (_, _, (Some(source), Some(sentences)), _) => one_to_many(source, sentences),
        (_, _, _, Some(inputs)) => one_to_many(&inputs.source_sentence, &inputs.sentences),
        _ => Err(unclear("There is nothing to compare.")),
    }
}

fn unclear(detail: &str) -> ApiError {
    ApiError::unusable(
        "form_unclear",
        "pairs",
        detail,
        "Send one of: \"pairs\": [[text, text], ..]; \"queries\" and \"documents\"; \"source_sentence\" and \"sentences\".",
    )
}

fn pair_texts(pairs: &[Value]) -> Result<Vec<String>> {
    if pairs.is_empty() {
        return Err(ApiError::unusable("no_inputs", "pairs", "\"pairs\" is empty.", "Send at least one pair."));
    }
    let mut all = Vec::with_capacity(pairs.len() * 2);
    for (index, pair) in pairs.iter().enumerate() {
        let param = format!("pairs/{index}");
        match pair {
            Value::Array(pair) if pair.len() == 2 => all.extend(texts::texts(&Value::from(pair.clone()), &param)?),
            _ => {
                let detail = format!("Pair {index} (counted from 0) is not a list of two texts.");
                return Err(ApiError::unusable("wrong_type", &format!("/{param}"), detail, "Send [text, text]."));
            }
        }
    }
    Ok(all)
}

fn scores(form: &Form, measure: Similarity, vectors: &[Vec<f32>]) -> Scores {
    let against = |a: &Vec<f32>, many: &[Vec<f32>]| many.iter().map(|b| measure.between(a, b)).collect::<Vec<f64>>();
    match *form {
        Form::Pairs => Scores::Row(vectors.as_chunks::<2>().0.iter().map(|[a, b]| measure.between(a, b)).collect()),
        Form::OneToMany => Scores::Row(against(&vectors[0], &vectors[1..])),
        Form::Matrix { queries } => {
            let (queries, documents) = vectors.split_at(queries);
            Scores::Matrix(queries.iter().map(|query| against(query, documents)).collect())
        }
    }
}
