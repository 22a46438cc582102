//! Texts in the order in which they fit a query. The score is the encoder's similarity, since no cross-encoder is here.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{Dimensions, Reference};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::fan_out::{self, Embeddings, ModelSelection};
use crate::http::embeddings::fingerprint;
use crate::http::embeddings::scores::Pairing;
use crate::http::embeddings::text_list::{Direction, OneText, TextList, TextOrTexts};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::JsonOfModel;
use crate::http::state::AppState;
use crate::serving::EmbedOptions;

/// `texts` is text-embeddings-inference's, and answered with a bare list; `documents` is Cohere's and Jina's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RerankRequest {
    #[schema(value_type = OneText)]
    query: Value,
    #[schema(value_type = Option<TextOrTexts>)]
    texts: Option<Value>,
    /// Texts, or objects with a `text`.
    #[schema(value_type = Option<Vec<Value>>)]
    documents: Option<Vec<Value>>,
    /// A model's id, name or alias; without one, the alias `default`.
    #[schema(inline)]
    model: Option<Reference>,
    /// How many of the documents are told, the best ones; all unless said.
    #[schema(inline)]
    top_n: Option<Dimensions>,
    /// Whether the texts are told too.
    #[serde(alias = "return_documents")]
    return_text: Option<bool>,
    /// Accepted: a cosine is a raw score, and there is no other.
    #[expect(dead_code, reason = "both answers are the same")]
    raw_scores: Option<bool>,
    /// `false`: a text that is longer than the model reads is an error, and not cut.
    truncate: Option<bool>,
    truncation_direction: Option<Direction>,
    /// Accepted and passed over, as text-embeddings-inference does.
    #[expect(dead_code, reason = "clients send it to every server")]
    #[schema(value_type = Option<Object>)]
    options: Option<serde::de::IgnoredAny>,
}

/// A text's place and score, as text-embeddings-inference tells it.
#[derive(Serialize, ToSchema)]
struct Rank {
    /// Which of the request's texts, from 0.
    index: usize,
    /// The cosine with the query.
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// The same as Cohere and Jina tell it.
#[derive(Serialize, ToSchema)]
struct RankedDocument {
    index: usize,
    /// The cosine with the query.
    relevance_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Document>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RerankedText)]
struct Document {
    text: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RerankUsage)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum RerankReply {
    Texts(Vec<Rank>),
    Documents {
        /// The name of the model that answered.
        model: String,
        /// The best first.
        results: Vec<RankedDocument>,
        usage: Usage,
    },
}

macro_rules! described {
    ($name:ident, $path:literal) => {
        /// Order texts by how well they fit a query: by the encoder's similarity, which is told as the score.
        #[utoipa::path(post, path = $path, tag = "Embeddings",
            params(("model" = Option<String>, Query, description = "Its id, name or alias, for clients that can name it nowhere else; as the field `model`.")),
            request_body(content = RerankRequest, example = json!({ "query": "Data Scientist", "documents": ["Data Analyst", "看護師"] })),
            responses((status = 200, description = "The texts' places and scores, the best first.", body = RerankReply),
                (status = 404, description = "There is no such model."),
                (status = 413, description = "Too many texts."),
                (status = 422, description = "A text or field cannot be used."),
                (status = 503, description = "Too much waits already, or the model's files cannot be read now.")))]
        pub(crate) async fn $name(
            state: State<AppState>,
            caller: Caller,
            headers: HeaderMap,
            JsonOfModel(request): JsonOfModel<RerankRequest>,
        ) -> Result<Response> {
            answer(state, caller, headers, request).await
        }
    };
}

described!(rerank, "/rerank");
described!(rerank_v1, "/v1/rerank");
described!(rerank_v2, "/v2/rerank");

async fn answer(
    State(state): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    request: RerankRequest,
) -> Result<Response> {
    let (texts, param) = given(&request)?;
    let mut list = TextList::read(&Value::Array(vec![request.query.clone()]), "query", false)?;
    let candidates = TextList::read(&texts, param, false)?;
    let wanted: Vec<String> = candidates.usable.clone();
    list.append(candidates);
    let options = EmbedOptions {
        refuse_long: request.truncate == Some(false),
        truncation: request.truncation_direction.unwrap_or_default().into(),
        documents: Some((1, None)),
        expected_fingerprint: fingerprint::expected(&headers),
        ..EmbedOptions::default()
    };
    let selection = ModelSelection { model: request.model.as_deref(), models: None, bare_unless: None };
    let answers = fan_out::embed(&state, &caller, selection, list, options).await?;
    let headers = answers.headers();
    let Embeddings::One((answer, _)) = answers else { return Err(ApiError::internal("several models answered one")) };
    let tokens = answer.tokens.iter().sum();
    let model = answer.model.name().to_owned();
    let vectors = answer.vectors;
    let scores = tokio::task::spawn_blocking(move || Pairing::OneToMany.cosines(&vectors).into_row());
    let scores = scores.await.map_err(ApiError::internal)?;
    let mut ranked: Vec<(usize, f64)> =
        scores.into_iter().enumerate().filter_map(|(index, score)| Some((index, score?))).collect();
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
    ranked.truncate(request.top_n.map_or(usize::MAX, Dimensions::size));
    let told = request.return_text == Some(true);
    let text = |index: usize| told.then(|| wanted[index].clone());
    let reply = if param == "texts" {
        RerankReply::Texts(ranked.into_iter().map(|(index, score)| Rank { index, score, text: text(index) }).collect())
    } else {
        let document = |(index, relevance_score): (usize, f64)| RankedDocument {
            index,
            relevance_score,
            document: text(index).map(|text| Document { text }),
        };
        RerankReply::Documents {
            model,
            results: ranked.into_iter().map(document).collect(),
            usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
        }
    };
    Ok((headers, axum::Json(reply)).into_response())
}

/// The texts to be ordered, and the name of their field.
fn given(request: &RerankRequest) -> Result<(Value, &'static str)> {
    match (&request.texts, &request.documents) {
        (Some(texts), None) => Ok((texts.clone(), "texts")),
        (None, Some(documents)) => {
            let text = |document: &Value| document.get("text").unwrap_or(document).clone();
            Ok((Value::Array(documents.iter().map(text).collect()), "documents"))
        }
        (None, None) => Err(ApiError::about(Code::MissingField, "documents", "There are no texts to order.")
            .hint("Send \"documents\": [..], or \"texts\": [..] as to text-embeddings-inference.")),
        _ => Err(ApiError::about(Code::FormUnclear, "documents", "Both \"texts\" and \"documents\" are given.")
            .hint("Send one of them.")),
    }
}
