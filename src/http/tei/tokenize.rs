//! Texts become tokens, as the model reads them.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::bounds::{PassedOver, PromptName, Reference};
use crate::http::embeddings::text_list;
use crate::http::error::ApiError;
use crate::http::extract::{Json, Query};
use crate::http::models::find::{ModelQuery, resolve_or_default};
use crate::http::reply::{Reply, schema};
use crate::http::state::AppState;
use crate::ml::encoder::TokenSpan;
use crate::serving::prompt;

/// text-embeddings-inference's body, and `model`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenizeRequest {
    #[schema(schema_with = schema::text_or_texts)]
    inputs: Value,
    /// Whether the tokenizer's own first and last tokens are told, too. `true`.
    add_special_tokens: Option<bool>,
    /// The name of what the model puts in front; left out, its default.
    #[schema(inline)]
    prompt_name: Option<PromptName>,
    /// A model's id, name or alias; left out, the alias `default`.
    #[schema(inline)]
    model: Option<Reference>,
    /// What Hugging Face's clients send beside `inputs`, as `{"wait_for_model": true}`: passed over.
    #[serde(default)]
    #[schema(inline)]
    #[expect(dead_code, reason = "there is nothing to wait for")]
    options: Option<PassedOver>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    id: u32,
    /// What the token stands for, as the text has it; a special token's name.
    text: String,
    /// Whether the tokenizer put it there.
    special: bool,
    /// Its first character in the text, from 0; null where it is not of the text.
    start: Option<usize>,
    /// The character after its last.
    stop: Option<usize>,
}

impl From<TokenSpan> for Token {
    fn from(TokenSpan { id, text, special, place }: TokenSpan) -> Self {
        let (start, stop) = place.map(|place| (place.start, place.end)).unzip();
        Self { id, text, special, start, stop }
    }
}

/// Cut texts into tokens. All of them are told, also those beyond what the model reads.
#[utoipa::path(post, path = "/tokenize", tag = "text-embeddings-inference", params(ModelQuery),
    request_body(content = TokenizeRequest, example = json!({ "inputs": "Data Scientist" })),
    responses(
        (status = 200, description = "The tokens of each text.", body = Vec<Vec<Token>>),
        (status = 404, description = "There is no such model."),
        (status = 413, description = "Too many texts, or one that is too long."),
        (status = 422, description = "A field's value cannot be used."),
        (status = 503, description = "The model's files cannot be read now."),
    ))]
pub(super) async fn tokenize(
    State(state): State<AppState>,
    Query(query): Query<ModelQuery>,
    Json(request): Json<TokenizeRequest>,
) -> Reply<Vec<Vec<Token>>> {
    let texts = text_list::texts(&request.inputs, "inputs")?;
    text_list::few_enough(&state, texts.len())?;
    let row = resolve_or_default(&state, query.or(request.model.as_ref())?).await?;
    let model = state.pool.serve(&row).await?;
    let prompt = prompt(&model, request.prompt_name.as_deref())?;
    let special = request.add_special_tokens.unwrap_or(true);
    let turn = Arc::clone(&state.tokenizing).acquire_owned().await.map_err(ApiError::internal)?;
    let tokens = tokio::task::spawn_blocking(move || {
        // Held by the work and not by who waits for it: a client that goes away makes no room for one more.
        let _turn = turn;
        let spans = |text: &String| model.spans(&prompt, text, special).into_iter().map(Token::from).collect();
        texts.iter().map(spans).collect()
    });
    let tokens = tokens.await.map_err(ApiError::internal)?;
    Ok(axum::Json(tokens))
}
