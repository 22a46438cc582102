//! OpenAI's API, as far as it is about embeddings: vectors, models, files of pairs, fine-tuning. An app's
//! existing client works when its base URL is this server's `/v1`.
//!
//! Replies have OpenAI's members and some of ours beside them; ids are ours. What is asked for and cannot be
//! done is refused by name and never passed over.

mod checkpoints;
mod embeddings;
mod events;
mod files;
mod fine_tuning;
mod fine_tuning_body;
mod models;
mod page;

use utoipa_axum::router::OpenApiRouter;

use crate::http::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    embeddings::router()
        .merge(models::router())
        .merge(files::router())
        .merge(fine_tuning::router())
        .merge(checkpoints::router())
}
