//! The root, as text-embeddings-inference answers it: clients that know nothing but a server's address post
//! there, whatever their task.

mod info;
mod tokenize;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::response::Response;
use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, ObjectBuilder, OneOfBuilder, Schema, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::embeddings::{embed, similarity};
use crate::http::error::Result;
use crate::http::extract;
use crate::http::models::find::ModelQuery;
use crate::http::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(answer_root)).routes(routes!(info::info)).routes(routes!(tokenize::tokenize))
}

/// What the root is sent: a body of `/embed`, or one of `/similarity` whose `inputs` are an object.
struct RootRequest;

impl PartialSchema for RootRequest {
    fn schema() -> RefOr<Schema> {
        let inputs = ObjectBuilder::new().schema_type(Type::Object);
        let compares = ObjectBuilder::new().property("inputs", inputs).required("inputs");
        let compares = compares.additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)));
        let compares = AllOfBuilder::new().item(Ref::from_schema_name("SimilarityRequest")).item(compares);
        let either =
            OneOfBuilder::new().item(Ref::from_schema_name("EmbedRequest")).item(Schema::AllOf(compares.build()));
        Schema::OneOf(
            either
                .description(Some("A body of `/embed`, or one of `/similarity` whose `inputs` are an object."))
                .build(),
        )
        .into()
    }
}

impl ToSchema for RootRequest {}

/// What the root answers.
struct RootReply;

impl PartialSchema for RootReply {
    fn schema() -> RefOr<Schema> {
        // Not one alone: a bare list of `null` fits both.
        let either = AnyOfBuilder::new().item(Ref::from_schema_name("EmbedReply"));
        let either = either.item(Ref::from_schema_name("SimilarityReply"));
        Schema::AnyOf(either.description(Some("What `/embed` answers, or `/similarity`.")).build()).into()
    }
}

impl ToSchema for RootReply {}

/// Do what `/embed` or `/similarity` would, by the form of `inputs`.
#[utoipa::path(post, path = "/", tag = "text-embeddings-inference", params(ModelQuery),
    request_body(content = RootRequest, example = json!({ "inputs": "Data Scientist" })),
    responses(
        (status = 200, description = "Vectors, or the similarity of each sentence: a bare list for `inputs`.", body = RootReply),
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
