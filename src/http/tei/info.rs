//! What a model is and what may be asked of it, in text-embeddings-inference's words.

use std::path::PathBuf;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, Result};
use crate::http::extract::Query;
use crate::http::models::find::{ModelQuery, resolve_or_default};
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::ml::encoder::{self, PoolingMode};
use crate::registry::ModelRegistry;
use crate::serving::BATCH_TOKENS;

#[derive(Serialize, ToSchema)]
pub(super) struct Info {
    model_id: String,
    /// The fingerprint: equal ones give equal vectors.
    model_sha: String,
    #[schema(example = "float32")]
    model_dtype: &'static str,
    /// The model's name.
    served_model_name: String,
    model_type: ModelType,
    /// Texts that may wait for the inference threads; more are answered 503.
    max_concurrent_requests: usize,
    /// Tokens of a text that are read.
    max_input_length: i64,
    /// Tokens of one forward pass. There is no padding among them.
    max_batch_tokens: usize,
    /// No bound but the tokens'.
    max_batch_requests: Option<usize>,
    /// Texts in one request.
    max_client_batch_size: usize,
    /// Longer texts are cut unless a request says otherwise.
    auto_truncate: bool,
    /// Lists of texts that are tokenized at a time.
    tokenization_workers: usize,
    /// This server's.
    version: &'static str,
    sha: Option<String>,
    docker_label: Option<String>,
}

/// Always `{"embedding": ..}`.
#[derive(Serialize, ToSchema)]
struct ModelType {
    embedding: EmbeddingModel,
}

#[derive(Serialize, ToSchema)]
struct EmbeddingModel {
    /// How one vector is made of a text's tokens: `cls`, `mean`, `max`, `last-token`, `mean_sqrt_len_tokens` or
    /// `weightedmean`; several stand beside each other, with `+` between them.
    #[schema(example = "mean")]
    pooling: String,
}

/// Tell of a model, and of the server's limits.
#[utoipa::path(get, path = "/info", tag = "text-embeddings-inference", params(ModelQuery),
    responses(
        (status = 200, description = "The model and the limits.", body = Info),
        (status = 404, description = "There is no such model."),
        (status = 500, description = "A file of it is damaged."),
        (status = 422, description = "A parameter is unknown."),
        (status = 503, description = "Its files cannot be read now."),
    ))]
pub(super) async fn info(State(state): State<AppState>, Query(query): Query<ModelQuery>) -> Reply<Info> {
    let row = resolve_or_default(&state, query.or(None)?).await?;
    let pooling = pooling(state.models.folder(ModelRegistry::root(&row))).await?;
    let limits = &state.limits;
    Ok(axum::Json(Info {
        model_id: row.model_id,
        model_sha: row.fingerprint,
        model_dtype: "float32",
        served_model_name: row.name,
        model_type: ModelType { embedding: EmbeddingModel { pooling } },
        max_concurrent_requests: limits.max_waiting,
        max_input_length: row.max_tokens,
        max_batch_tokens: BATCH_TOKENS,
        max_batch_requests: None,
        max_client_batch_size: limits.max_texts,
        auto_truncate: true,
        tokenization_workers: limits.threads,
        version: env!("CARGO_PKG_VERSION"),
        sha: None,
        docker_label: None,
    }))
}

/// How a model's folder says that one vector is made.
async fn pooling(folder: PathBuf) -> Result<String> {
    let modes = tokio::task::spawn_blocking(move || encoder::pooling(&folder)).await.map_err(ApiError::internal)??;
    let name = |mode: &PoolingMode| match mode {
        PoolingMode::Cls => "cls",
        PoolingMode::Mean => "mean",
        PoolingMode::Max => "max",
        PoolingMode::Lasttoken => "last-token",
        PoolingMode::MeanSqrtLenTokens => "mean_sqrt_len_tokens",
        PoolingMode::Weightedmean => "weightedmean",
    };
    Ok(modes.iter().map(name).collect::<Vec<_>>().join("+"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_folder_that_is_slow_to_read_holds_nobody_else() {
        let folder = tempfile::TempDir::new().unwrap();
        // Whoever reads this file waits until somebody has written it.
        let slow = folder.path().join("shamisen.json");
        let pipe = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &slow, pipe, rustix::fs::Mode::RWXU, 0).unwrap();
        let (go_on, others_went_on) = mpsc::channel();
        let writer = std::thread::spawn(move || {
            let went_on = others_went_on.recv_timeout(Duration::from_secs(10)).is_ok();
            std::fs::write(slow, "{}").unwrap();
            went_on
        });
        let (told, sent) = tokio::join!(pooling(folder.path().to_owned()), async { go_on.send(()) });
        assert!(told.is_err(), "an empty description was read");
        assert!(sent.is_ok() && writer.join().unwrap(), "another task waited for the file");
    }
}
