//! `/embed` and `/similarity`.

pub(crate) mod embed;
pub(crate) mod fan_out;
pub(crate) mod fingerprint;
pub(crate) mod scores;
pub(crate) mod similarity;
pub(crate) mod text_list;
pub(crate) mod vector;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::state::AppState;
pub(crate) use fingerprint::hold_to_fingerprint;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(embed::embed)).routes(routes!(similarity::similarity))
}
