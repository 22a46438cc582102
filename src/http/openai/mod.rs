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
use utoipa_axum::routes;

use crate::http::state::AppState;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(embeddings::create_embeddings))
        .routes(routes!(embeddings::create_embeddings_at_root))
        .routes(routes!(models::list_openai_models))
        .routes(routes!(models::find_openai_model, models::delete_openai_model))
        .routes(routes!(files::create_file, files::list_files))
        .routes(routes!(files::find_file, files::delete_file))
        .routes(routes!(files::read_file))
        .routes(routes!(fine_tuning::create_fine_tuning_job, fine_tuning::list_fine_tuning_jobs))
        .routes(routes!(fine_tuning::find_fine_tuning_job))
        .routes(routes!(fine_tuning::cancel_fine_tuning_job))
        .routes(routes!(fine_tuning::list_fine_tuning_events))
        .routes(routes!(checkpoints::list_fine_tuning_checkpoints))
}
