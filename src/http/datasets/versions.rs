//! A table's versions, and what changed between two of them.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bounds::ReferenceOrNone;
use crate::http::datasets::body::DatasetBody;
use crate::http::datasets::find;
use crate::http::error::{ApiError, Code};
use crate::http::extract::{Path, Query};
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::store::UnreadableRow;
use tables::diff::Diff;

#[derive(Serialize, ToSchema)]
#[schema(as = DatasetVersions)]
pub(crate) struct Versions {
    versions: Vec<DatasetBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// List a table's versions.
///
/// The newest first; a table that was never sent anew is its own only version.
#[utoipa::path(
    get,
    path = "/datasets/{id}/versions",
    tag = "Data",
    params(("id" = String, Path, description = "The id of any of the versions.")),
    responses(
        (status = 200, description = "All versions that are there.", body = Versions),
        (status = 404, description = "There is no such dataset."),
    )
)]
pub(crate) async fn list_versions(State(state): State<AppState>, Path(id): Path<String>) -> Reply<Versions> {
    let dataset = find(&state, &id, "id").await?;
    let versions = state.store.dataset_versions(&dataset.family).await?;
    let unreadable = versions.unreadable.clone();
    Ok(axum::Json(Versions { versions: versions.into_iter().map(DatasetBody::from).collect(), unreadable }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiffQuery {
    /// The dataset to compare with; by default the version before.
    #[param(inline)]
    against: Option<ReferenceOrNone>,
}

/// What changed between two tables.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetDiff)]
pub(crate) struct DiffBody {
    /// The dataset that it was compared with.
    against: String,
    #[serde(flatten)]
    diff: Diff,
}

/// Compare a table with the version before.
///
/// Pairs are known by their two texts, whichever stands left.
#[utoipa::path(
    get,
    path = "/datasets/{id}/diff",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), DiffQuery),
    responses(
        (status = 200, description = "What changed.", body = DiffBody),
        (status = 404, description = "A dataset is not there, or no version is older."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(crate) async fn compare_versions(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<DiffQuery>,
) -> Reply<DiffBody> {
    let dataset = find(&state, &id, "id").await?;
    let before = match query.against.as_deref().filter(|id| !id.trim().is_empty()) {
        Some(id) => find(&state, id, "against").await?,
        None => {
            let versions = state.store.dataset_versions(&dataset.family).await?;
            versions
                .into_iter()
                .find(|other| other.version < dataset.version)
                .ok_or_else(|| ApiError::of(Code::NoVersionBefore).detail("No version of this table is older."))?
        }
    };
    let diff = state.datasets.diff(&before, &dataset).await?;
    Ok(axum::Json(DiffBody { against: before.dataset_id, diff }))
}
