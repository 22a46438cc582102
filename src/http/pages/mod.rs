//! The page, the documents, and the API's description.

mod docs;
mod files;
pub(crate) mod openapi;
pub(crate) mod reference;
mod shapes;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::state::AppState;
#[cfg(test)]
pub(crate) use docs::DOCUMENTS;

/// What the description tells.
pub(crate) fn described(api: fn() -> OpenApiRouter<AppState>) -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(files::show_start)).merge(openapi::router(api))
}

/// What it does not: the page's files and the documents.
pub(crate) fn router() -> Router<AppState> {
    docs::router().merge(files::files())
}
