//! `/embed` and `/similarity`.

pub(crate) mod embed;
pub(crate) mod scores;
pub(crate) mod several;
pub(crate) mod similarity;
pub(crate) mod table_texts;
pub(crate) mod text_list;
pub(crate) mod texts;

use utoipa_axum::router::OpenApiRouter;

use crate::http::state::AppState;
pub(crate) use texts::hold_to_fingerprint;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    embed::router().merge(similarity::router())
}
