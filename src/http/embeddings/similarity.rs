//! How alike texts are.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{self, Models, PassedOver, PromptName, Reference, Word};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fan_out::{self, Answer, Embeddings, ModelSelection};
use crate::http::embeddings::fingerprint;
use crate::http::embeddings::scores::{self, Compared, DecisionsShape, Pairing, Scores, ScoresShape, Threshold};
use crate::http::embeddings::text_list::{Direction, OnError, OneText, TextError, TextList, TextOrTexts, TextPairs};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Query};
use crate::http::models::find::ModelQuery;
use crate::http::state::AppState;
use crate::serving::{EmbedOptions, Truncated, Vectors};
use tables::similarity::Similarity;

/// One of four forms: `pairs`; `queries` and `documents`; `source_sentence` and `sentences`; and
/// text-embeddings-inference's, where the last two stand in `inputs` and a bare array is answered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimilarityRequest {
    /// Pairs of texts.
    #[schema(value_type = Option<TextPairs>)]
    pairs: Option<Vec<Value>>,
    #[schema(value_type = Option<TextOrTexts>)]
    queries: Option<Value>,
    #[schema(value_type = Option<TextOrTexts>)]
    documents: Option<Value>,
    #[schema(value_type = Option<OneText>)]
    source_sentence: Option<String>,
    #[schema(value_type = Option<TextOrTexts>)]
    sentences: Option<Value>,
    inputs: Option<SourceAndSentences>,
    parameters: Option<Parameters>,
    /// A model's id, name or alias; without one, the alias `default`.
    #[schema(inline)]
    model: Option<Reference>,
    /// Two to four models that all answer, in our shape. `base` is the base of the others.
    #[schema(inline)]
    models: Option<Models>,
    measure: Option<Similarity>,
    /// `false`: a text that is longer than the model reads is an error, and not cut.
    truncate: Option<bool>,
    /// What the model puts in front of queries, or of the source sentence.
    #[schema(inline)]
    query_prompt_name: Option<PromptName>,
    /// What the model puts in front of documents, or of the sentences.
    #[schema(inline)]
    document_prompt_name: Option<PromptName>,
    /// What happens where a text cannot be used.
    on_error: Option<OnError>,
    /// Answers 412 where the model has another fingerprint.
    #[schema(inline)]
    expected_fingerprint: Option<Word>,
    /// What Hugging Face's clients send beside `inputs`, as `{"wait_for_model": true}`: passed over.
    #[serde(default)]
    #[schema(inline)]
    #[expect(dead_code, reason = "there is nothing to wait for")]
    options: Option<PassedOver>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceAndSentences {
    #[schema(value_type = OneText)]
    source_sentence: String,
    #[schema(value_type = TextOrTexts)]
    sentences: Value,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    #[schema(inline)]
    prompt_name: Option<PromptName>,
}

/// One model's scores.
#[derive(Serialize, ToSchema)]
struct SimilarityBody {
    /// The model's id.
    model: String,
    /// Equal fingerprints give equal vectors.
    fingerprint: String,
    measure: Similarity,
    /// A number for each pair or sentence, or a row for each query with a number for each document; `null` where
    /// one of the two texts is in `errors`.
    #[schema(value_type = ScoresShape)]
    scores: Scores<f64>,
    /// Where the model has a calibration: the scores on its training table's scale. For labels 0 and 1 that is the
    /// probability of being alike; for graded scores it is the score that such pairs have on average.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ScoresShape>)]
    probability: Option<Scores<f64>>,
    /// Where the model has a calibration: whether the score reaches the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DecisionsShape>)]
    decision: Option<Scores<bool>>,
    /// What `decision` rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    threshold: Option<Threshold>,
    /// Behind the first of several models: this one's scores less the first one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ScoresShape>)]
    delta: Option<Scores<f64>>,
    /// Behind the first of several models, where texts are ranked: by how many places each rose (or, negative,
    /// fell) against the first model's order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ScoresShape>)]
    rank_change: Option<Scores<i64>>,
    /// The texts that were longer than the model reads.
    truncated: Vec<Truncated>,
    /// With `"on_error": "null"`: the texts that are compared with none. They are counted as they stand in the
    /// request: those of the pairs one after another; queries, then documents; the source sentence, then the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<TextError>,
}

/// Our shape, that of several models, or text-embeddings-inference's.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum SimilarityReply {
    One(Box<SimilarityBody>),
    Several { models: Vec<SimilarityBody> },
    Bare(Vec<Option<f64>>),
}

/// How alike texts are.
#[utoipa::path(post, path = "/similarity", params(ModelQuery), tag = "Embeddings", request_body(content = SimilarityRequest, example = json!({ "source_sentence": "Data Scientist", "sentences": ["Data Analyst", "看護師"] })),
    responses((status = 200, description = "The texts' similarities.", body = SimilarityReply),
        (status = 404, description = "There is no such model."),
        (status = 412, description = "The model has another fingerprint than expected."),
        (status = 413, description = "Too many texts."),
        (status = 422, description = "A text or field cannot be used."),
        (status = 500, description = "The model cannot be served."),
        (status = 503, description = "Too much waits already, or the model's files cannot be read now.")))]
pub(crate) async fn similarity(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<ModelQuery>,
    Json(request): Json<SimilarityRequest>,
) -> Result<Response> {
    let (pairing, list) = pairing(&request)?;
    let options = options(&request, pairing, &list, &headers)?;
    let measure = request.measure.unwrap_or_default();
    let ours = request.inputs.is_none();
    let selection = ModelSelection {
        model: query.or(request.model.as_ref())?,
        models: request.models.as_ref(),
        bare_unless: (!ours).then_some("source_sentence"),
    };
    let answers = fan_out::embed(&state, &caller, selection, list, options).await?;
    let headers = answers.headers();
    let reply = match answers {
        Embeddings::Several(answers) => SimilarityReply::Several { models: bodies(pairing, measure, answers).await? },
        Embeddings::One(answer) => {
            let body = bodies(pairing, measure, vec![answer]).await?.remove(0);
            if ours { SimilarityReply::One(Box::new(body)) } else { SimilarityReply::Bare(body.scores.into_row()) }
        }
    };
    Ok((headers, axum::Json(reply)).into_response())
}

/// Each model's scores, the later ones beside the first one's.
async fn bodies(pairing: Pairing, measure: Similarity, answers: Vec<Answer>) -> Result<Vec<SimilarityBody>> {
    let body = move |(answer, errors): Answer, first: Option<&Scores<f64>>| {
        let Vectors { model, vectors, truncated, .. } = answer;
        let cosines = pairing.cosines(&vectors);
        let Compared { delta, rank_change } =
            first.map(|first| scores::compare(pairing, measure, first, &cosines)).unwrap_or_default();
        let calibrated = model.calibration.as_ref().and_then(|known| scores::calibrated(known, measure, &cosines));
        let (probability, decision, threshold) = calibrated
            .map_or((None, None, None), |(probability, decision, threshold)| {
                (Some(probability), Some(decision), Some(threshold))
            });
        let body = SimilarityBody {
            model: model.id().to_owned(),
            fingerprint: model.fingerprint().to_string(),
            measure,
            scores: cosines.map(|cosine| measure.of_cosine(cosine)),
            probability,
            decision,
            threshold,
            delta,
            rank_change,
            truncated,
            errors,
        };
        (body, cosines)
    };
    // A thousand texts against a thousand take a while: not on an async thread.
    let work = tokio::task::spawn_blocking(move || {
        let mut first = None;
        let mut bodies = Vec::new();
        for answer in answers {
            let (one, cosines) = body(answer, first.as_ref());
            bodies.push(one);
            first.get_or_insert(cosines);
        }
        bodies
    });
    work.await.map_err(ApiError::internal)
}

fn options(
    request: &SimilarityRequest,
    pairing: Pairing,
    list: &TextList,
    headers: &HeaderMap,
) -> Result<EmbedOptions> {
    let parameters = request.parameters.as_ref();
    let both = parameters.and_then(|parameters| parameters.prompt_name.as_ref());
    let of_side = |side: &Option<PromptName>| side.as_ref().or(both).map(|name| name.to_string());
    let documents = match pairing.first_side() {
        Some(first_side) => Some((list.usable_among(first_side), of_side(&request.document_prompt_name))),
        None if request.query_prompt_name.is_some() || request.document_prompt_name.is_some() => {
            return Err(ApiError::of(Code::FormUnclear)
                .param("query_prompt_name")
                .detail("Pairs have no queries and documents.")
                .hint("Send \"queries\" and \"documents\", or \"parameters\": {\"prompt_name\": ..} for all texts."));
        }
        None => None,
    };
    let truncate = request.truncate.or(parameters.and_then(|parameters| parameters.truncate));
    Ok(EmbedOptions {
        refuse_long: truncate == Some(false),
        truncation: parameters.and_then(|parameters| parameters.truncation_direction).unwrap_or_default().into(),
        prompt: of_side(&request.query_prompt_name),
        documents,
        lenient: lenient(request),
        expected_fingerprint: request
            .expected_fingerprint
            .as_deref()
            .map(str::to_owned)
            .or_else(|| fingerprint::expected(headers)),
        ..EmbedOptions::default()
    })
}

/// Whether a text that cannot be used fails alone.
fn lenient(request: &SimilarityRequest) -> bool {
    request.on_error == Some(OnError::Null)
}

fn pairing(request: &SimilarityRequest) -> Result<(Pairing, TextList)> {
    let lenient = lenient(request);
    let two_sides = |first: (&Value, &str), second: (&Value, &str)| -> Result<(usize, TextList)> {
        let mut all = TextList::read(first.0, first.1, lenient)?;
        let first_side = all.count();
        all.append(TextList::read(second.0, second.1, lenient)?);
        Ok((first_side, all))
    };
    let one_to_many = |source: &str, sentences: &Value| {
        let (_, all) = two_sides((&Value::from(source), "source_sentence"), (sentences, "sentences"))?;
        Ok((Pairing::OneToMany, all))
    };
    let SimilarityRequest { pairs, queries, documents, source_sentence, sentences, inputs, .. } = request;
    let query_form = queries.is_some() || documents.is_some();
    let source_form = source_sentence.is_some() || sentences.is_some();
    let forms = [pairs.is_some(), query_form, source_form, inputs.is_some()];
    match (pairs, (queries, documents), (source_sentence, sentences), inputs) {
        _ if forms.iter().filter(|given| **given).count() > 1 => Err(unclear("More than one form is given.")),
        (Some(pairs), ..) => Ok((Pairing::Pairs, pair_texts(pairs, lenient)?)),
        (_, (Some(queries), Some(documents)), ..) => {
            let (queries, all) = two_sides((queries, "queries"), (documents, "documents"))?;
            let scores = queries * (all.count() - queries);
            if scores > bounds::SCORES {
                return Err(ApiError::about(
                    Code::TooManyInputs,
                    "documents",
                    format!("{scores} scores would be told."),
                )
                .hint(format!("Queries times documents are at most {}: send some at a time.", bounds::SCORES)));
            }
            Ok((Pairing::Matrix { queries }, all))
        }
        (_, _, (Some(source), Some(sentences)), _) => one_to_many(source, sentences),
        (_, _, _, Some(inputs)) => one_to_many(&inputs.source_sentence, &inputs.sentences),
        _ => Err(unclear("There is nothing to compare.")),
    }
}

fn unclear(detail: &str) -> ApiError {
    let forms = "\"pairs\": [[text, text], ..]; \"queries\" and \"documents\"; \"source_sentence\" and \"sentences\"";
    ApiError::about(Code::FormUnclear, "pairs", detail).hint(format!("Send one of: {forms}."))
}

fn pair_texts(pairs: &[Value], lenient: bool) -> Result<TextList> {
    if pairs.is_empty() {
        return Err(ApiError::about(Code::NoInputs, "pairs", "\"pairs\" is empty."));
    }
    let mut all = TextList::default();
    for (index, pair) in pairs.iter().enumerate() {
        let param = format!("pairs/{index}");
        match pair {
            Value::Array(texts) if texts.len() == 2 => all.append(TextList::read(pair, &param, lenient)?),
            _ => {
                let detail = format!("Pair {index} (counted from 0) is not a list of two texts.");
                return Err(ApiError::about(Code::WrongType, format!("/{param}"), detail).hint("Send [text, text]."));
            }
        }
    }
    Ok(all)
}
