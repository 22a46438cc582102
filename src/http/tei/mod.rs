//! The root, as text-embeddings-inference answers it: clients that know nothing but a server's address post
//! there, whatever their task.

mod info;
mod tokenize;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::Response;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::embeddings::{embed, similarity};
use crate::http::error::Result;
use crate::http::extract;
use crate::http::reply::schema;
use crate::http::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(answer_root)).routes(routes!(info::info)).routes(routes!(tokenize::tokenize))
}

/// What the root is sent.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "for the description alone")]
struct RootRequest {
    /// A text or texts to embed; or `{source_sentence, sentences}` to compare. The other fields are those of
    /// `/embed` and `/similarity`.
    #[schema(schema_with = schema::texts_or_comparison)]
    inputs: Value,
}

/// What the root answers.
#[derive(utoipa::ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "for the description alone")]
enum RootReply {
    /// A vector for each text; `null` where `"on_error": "null"` passed it over.
    Vectors(Vec<Option<Vec<f32>>>),
    /// The similarity of each sentence; `null` likewise.
    Scores(Vec<Option<f64>>),
}

/// Do what `/embed` or `/similarity` would, by the form of `inputs`.
#[utoipa::path(post, path = "/", tag = "text-embeddings-inference",
    request_body(content = RootRequest, example = json!({ "inputs": "Data Scientist" })),
    responses(
        (status = 200, description = "A bare list: vectors, or the similarity of each sentence.", body = RootReply),
        (status = 404, description = "There is no such model."),
        (status = 413, description = "Too many texts, or one that is too long."),
        (status = 422, description = "A field's value cannot be used."),
    ))]
async fn answer_root(State(state): State<AppState>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let bytes = extract::body(Request::from_parts(parts.clone(), body), &state).await?;
    // What is no JSON is told by the handler.
    let compares = serde_json::from_slice::<Value>(&bytes).is_ok_and(|body| body["inputs"].is_object());
    let request = Request::from_parts(parts, Body::from(bytes));
    Ok(if compares {
        Handler::call(similarity::similarity, request, state).await
    } else {
        Handler::call(embed::embed, request, state).await
    })
}
