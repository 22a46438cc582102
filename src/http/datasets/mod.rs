//! Tables of pairs.

pub(crate) mod body;
pub(crate) mod file;
pub(crate) mod find;
mod hard_negatives;
mod inspect;
pub(crate) mod json_body;
pub(crate) mod options;
mod rows;
pub(crate) mod table;
mod taxonomy;
pub(crate) mod upload;
pub(crate) mod verdict;
mod versions;
mod wishes;

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::error::Result;
use crate::http::extract::idempotency::{Idempotency, idempotency_key};
use crate::http::extract::{Path, Query};
use crate::http::reply::deleted::Deleted;
use crate::http::reply::{Reply, created};
use crate::http::state::AppState;
use crate::jobs::QueueError;
use crate::store::{Dataset, UnreadableRow};
use body::{CreateBody, CreateForm, DatasetBody, VersionWish};
pub(crate) use find::{find, remove};
use options::{DatasetMeta, OptionsBody};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_dataset))
        .routes(routes!(list_datasets))
        .routes(routes!(find_dataset, delete_dataset))
        .routes(routes!(inspect::inspect_table))
        .routes(routes!(rows::list_rows))
        .routes(routes!(file::download_dataset))
        .routes(routes!(versions::list_versions))
        .routes(routes!(versions::compare_versions))
        .routes(routes!(verdict::judge_need))
        .routes(routes!(hard_negatives::mine_negatives))
        .routes(routes!(taxonomy::create_from_taxonomy))
}

/// Upload a table.
///
/// A file as the body or as the part `file` of a form, or JSON pairs; in any encoding, with any column names and any
/// scale of scores. What is not said about it is found out, and `choices` tells what was. The same bytes read in the
/// same way are stored once: the second time, 200 and what is there. Wrong rows are told all together, and nothing is
/// stored then, unless `on_bad_row` is `skip`.
#[utoipa::path(
    post,
    path = "/datasets",
    tag = "Data",
    params(
        DatasetMeta, OptionsBody, VersionWish,
        Idempotency,
    ),
    request_body(content(
        (CreateBody = "application/json", example = json!({
            "name": "three", "pairs": [["Data Scientist", "Data Analyst", 0.7468], ["Nurse", "看護師", 1.0]]
        })),
        (String = "text/csv", example = "base,ref,similarity\nData Scientist,Data Analyst,0.7468\nNurse,看護師,1\n"),
        (Vec<u8> = "application/octet-stream"),
        (CreateForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "The table is stored.", body = DatasetBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 200, description = "The same bytes were there already, read in the same way.", body = DatasetBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 404, description = "The dataset of which it is to be a new version is not there."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
async fn create_dataset(
    State(state): State<AppState>,
    Query(query): Query<Map<String, Value>>,
    request: Request,
) -> Result<Response> {
    let key = idempotency_key(request.headers())?;
    let sent = upload::receive(&state, query, &["version_of"], request).await?;
    if let Some(key) = &key
        && let Some((sha256, id)) = state.store.dataset_request(key).await?
    {
        if sha256 != sent.sha256 {
            return Err(QueueError::KeyReused.into());
        }
        return Ok(stored(find(&state, &id, "Idempotency-Key").await?, false));
    }
    let VersionWish { version_of } = options::read(&sent.others)?;
    let version_of = match version_of.as_deref().filter(|id| !id.trim().is_empty()) {
        Some(id) => Some(find(&state, id, "version_of").await?.dataset_id),
        None => None,
    };
    let (dataset, new) = upload::store(&state, sent.table, sent.label, sent.wanted, version_of).await?;
    if let Some(key) = &key {
        state.store.remember_dataset_request(key, &sent.sha256, &dataset.dataset_id).await?;
    }
    Ok(stored(dataset, new))
}

fn stored(dataset: Dataset, new: bool) -> Response {
    created(new, format!("/datasets/{}", dataset.dataset_id), DatasetBody::from(dataset))
}

#[derive(Serialize, ToSchema)]
struct Datasets {
    datasets: Vec<DatasetBody>,
    /// Those that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<UnreadableRow>,
}

/// List the tables.
///
/// The newest first.
#[utoipa::path(
    get,
    path = "/datasets",
    tag = "Data",
    responses((status = 200, description = "All tables.", body = Datasets))
)]
async fn list_datasets(State(state): State<AppState>) -> Reply<Datasets> {
    let datasets = state.store.datasets().await?;
    let unreadable = datasets.unreadable.clone();
    Ok(axum::Json(Datasets { datasets: datasets.into_iter().map(DatasetBody::from).collect(), unreadable }))
}

/// Find a table.
#[utoipa::path(
    get,
    path = "/datasets/{id}",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    responses(
        (status = 200, description = "The table.", body = DatasetBody),
        (status = 404, description = "There is no such dataset."),
    )
)]
async fn find_dataset(State(state): State<AppState>, Path(id): Path<String>) -> Reply<DatasetBody> {
    Ok(axum::Json(find(&state, &id, "id").await?.into()))
}

/// Remove a table.
///
/// With its file, its pairs and all that its row told. What still holds a part of it, jobs that are over and models that
/// learnt from it, stays until it is deleted too, and the reply names it.
#[utoipa::path(
    delete,
    path = "/datasets/{id}",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    responses(
        (status = 200, description = "It is gone.", body = Deleted),
        (status = 404, description = "There is no such dataset."),
        (status = 409, description = "A job that is not over, or the server's settings, refer to it."),
    )
)]
async fn delete_dataset(State(state): State<AppState>, Path(id): Path<String>) -> Reply<Deleted> {
    let left = remove(&state, &id).await?;
    Ok(axum::Json(Deleted::new(id, left)))
}
