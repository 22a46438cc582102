//! `/rerank`, as text-embeddings-inference, Cohere and Jina answer it. There is no cross-encoder: the score is the
//! model's similarity of the query and each text, as `/similarity` tells it.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::bounds::{PassedOver, PromptName, Reference, Whole};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fan_out::{self, Embeddings, ModelSelection};
use crate::http::embeddings::fingerprint;
use crate::http::embeddings::scores::Pairing;
use crate::http::embeddings::text_list::{Direction, OneText, TextList, TextOrTexts};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Query};
use crate::http::models::find::ModelQuery;
use crate::http::reply::schema;
use crate::http::state::AppState;
use crate::serving::{EmbedOptions, Vectors};
use tables::similarity::Similarity;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(rerank)).routes(routes!(rerank_v1)).routes(routes!(rerank_v2))
}

/// `texts` are answered in text-embeddings-inference's shape, `documents` in that of Cohere and Jina.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RerankRequest {
    #[schema(value_type = OneText)]
    query: String,
    #[schema(value_type = Option<TextOrTexts>)]
    texts: Option<Value>,
    /// Texts, or objects with a `text`.
    #[schema(schema_with = schema::documents)]
    documents: Option<Vec<Value>>,
    /// A model's id, name or alias; without one, the alias `default`.
    #[schema(inline)]
    model: Option<Reference>,
    /// Only the best so many.
    #[schema(inline)]
    top_n: Option<Whole<1, 8192>>,
    /// Whether each text stands beside its score.
    return_text: Option<bool>,
    /// The same of `documents`.
    return_documents: Option<bool>,
    /// Accepted: the score is the similarity either way.
    #[expect(dead_code, reason = "there is no other score")]
    raw_scores: Option<bool>,
    measure: Option<Similarity>,
    /// `false`: a text that is longer than the model reads is an error, and not cut.
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    /// What the model puts in front of the query.
    #[schema(inline)]
    query_prompt_name: Option<PromptName>,
    /// What the model puts in front of the texts.
    #[schema(inline)]
    document_prompt_name: Option<PromptName>,
    /// What Hugging Face's clients send, as `{"wait_for_model": true}`: passed over.
    #[serde(default)]
    #[schema(inline)]
    #[expect(dead_code, reason = "there is nothing to wait for")]
    options: Option<PassedOver>,
}

/// The texts, the best first.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum RerankReply {
    Bare(Vec<Rank>),
    Documents(RankedDocuments),
}

#[derive(Serialize, ToSchema)]
struct Rank {
    /// Which of the texts, from 0.
    index: usize,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct RankedDocuments {
    id: String,
    #[schema(example = "list")]
    object: &'static str,
    /// The name of the model that answered.
    model: String,
    results: Vec<RankedDocument>,
    usage: RerankUsage,
}

#[derive(Serialize, ToSchema)]
struct RankedDocument {
    /// Which of the documents, from 0.
    index: usize,
    relevance_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<DocumentText>,
}

#[derive(Serialize, ToSchema)]
struct DocumentText {
    text: String,
}

#[derive(Serialize, ToSchema)]
struct RerankUsage {
    /// Tokens that the model read.
    total_tokens: usize,
}

/// Describes the same answer at several paths.
macro_rules! at {
    ($name:ident, $path:literal, $tag:literal) => {
        /// Order texts by their similarity with a query.
        #[utoipa::path(post, path = $path, tag = $tag, params(ModelQuery),
            request_body(content = RerankRequest, example = json!({ "query": "nurse", "documents": ["看護師", "welder"] })),
            responses((status = 200, description = "The texts, the best first.", body = RerankReply),
                (status = 404, description = "There is no such model."),
                (status = 413, description = "Too many texts, or one that is too long."),
                (status = 422, description = "A text or field cannot be used."),
                (status = 503, description = "Too much waits already, or the model's files cannot be read now.")))]
        async fn $name(
            State(state): State<AppState>,
            caller: Caller,
            headers: HeaderMap,
            Query(query): Query<ModelQuery>,
            Json(request): Json<RerankRequest>,
        ) -> Result<Response> {
            answer(&state, &caller, &headers, &query, request).await
        }
    };
}

at!(rerank, "/rerank", "text-embeddings-inference");
at!(rerank_v1, "/v1/rerank", "Embeddings");
at!(rerank_v2, "/v2/rerank", "Embeddings");

async fn answer(
    state: &AppState,
    caller: &Caller,
    headers: &HeaderMap,
    query: &ModelQuery,
    request: RerankRequest,
) -> Result<Response> {
    let (texts, param) = texts(&request)?;
    let mut list = TextList::read(&Value::from(request.query.as_str()), "query", false)?;
    list.append(TextList::read(&texts, param, false)?);
    let texts = list.usable[1..].to_vec();
    let prompt = |name: &Option<PromptName>| name.as_ref().map(|name| name.to_string());
    let options = EmbedOptions {
        refuse_long: request.truncate == Some(false),
        truncation: request.truncation_direction.unwrap_or_default().into(),
        prompt: prompt(&request.query_prompt_name),
        documents: Some((1, prompt(&request.document_prompt_name))),
        expected_fingerprint: fingerprint::expected(headers),
        ..EmbedOptions::default()
    };
    let model = query.or(request.model.as_ref())?;
    let selection = ModelSelection { model, models: None, bare_unless: None };
    let answers = fan_out::embed(state, caller, selection, list, options).await?;
    let headers = answers.headers();
    let Embeddings::One((Vectors { model, vectors, tokens, .. }, _)) = answers else {
        return Err(ApiError::internal("one model was asked, and several answered"));
    };
    let measure = request.measure.unwrap_or_default();
    let scores = Pairing::OneToMany.cosines(&vectors).map(|cosine| measure.of_cosine(cosine)).into_row();
    let mut ranks: Vec<(usize, f64)> =
        scores.into_iter().enumerate().filter_map(|(index, score)| Some((index, score?))).collect();
    ranks.sort_by(|(first, a), (second, b)| b.total_cmp(a).then(first.cmp(second)));
    ranks.truncate(request.top_n.map_or(usize::MAX, Whole::size));
    let told = request.return_text.or(request.return_documents) == Some(true);
    let text = |index: usize| told.then(|| texts[index].clone());
    let ranks = ranks.into_iter();
    let reply = if param == "texts" {
        RerankReply::Bare(ranks.map(|(index, score)| Rank { index, score, text: text(index) }).collect())
    } else {
        let result = |(index, relevance_score)| RankedDocument {
            index,
            relevance_score,
            document: text(index).map(|text| DocumentText { text }),
        };
        RerankReply::Documents(RankedDocuments {
            id: Uuid::now_v7().to_string(),
            object: "list",
            model: model.name().to_owned(),
            results: ranks.map(result).collect(),
            usage: RerankUsage { total_tokens: tokens.iter().sum() },
        })
    };
    Ok((headers, axum::Json(reply)).into_response())
}

/// The texts and the name of their field.
fn texts(request: &RerankRequest) -> Result<(Value, &'static str)> {
    match (&request.texts, &request.documents) {
        (Some(texts), None) => Ok((texts.clone(), "texts")),
        (None, Some(documents)) => {
            // What is neither a text nor has one is told with its place.
            let text = |document: &Value| match document {
                Value::Object(fields) => fields.get("text").cloned().unwrap_or_default(),
                other => other.clone(),
            };
            Ok((documents.iter().map(text).collect(), "documents"))
        }
        (None, None) => Err(ApiError::about(Code::MissingField, "documents", "There are no texts to order.")
            .hint("Send \"documents\": [..] (Cohere, Jina) or \"texts\": [..] (text-embeddings-inference).")),
        _ => Err(ApiError::about(Code::FormUnclear, "documents", "Both \"texts\" and \"documents\" are given.")
            .hint("Send one of them.")),
    }
}
