//! Tables of pairs.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::error::{ApiError, Result};
use super::extract::{Path, Query};
use super::jobs::idempotency_key;
use super::upload::{self, Table};
use super::wishes::{Label, Wishes};
use super::{AppState, dataset_file, dataset_rows, inspect, rfc3339, versions};
use crate::datasets::{ShelfError, Upload};
use crate::jobs::QueueError;
use crate::ml::dataset::TableKind;
use crate::ml::dataset::checks::Finding;
use crate::ml::dataset::inspect::ScoreSummary;
use crate::ml::dataset::reading::LowestMeans;
use crate::ml::dataset::source::FileFormat;
use crate::store::{Dataset, Purpose, StoreError};

pub(crate) fn router(max_upload: usize) -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_dataset).layer(DefaultBodyLimit::max(max_upload)))
        .routes(routes!(list_datasets))
        .routes(routes!(find_dataset, delete_dataset))
        .routes(routes!(inspect::inspect_table).layer(DefaultBodyLimit::max(max_upload)))
        .routes(routes!(dataset_rows::list_rows))
        .routes(routes!(dataset_file::download_dataset))
        .routes(routes!(versions::list_versions))
        .routes(routes!(versions::compare_versions))
}

/// A table of pairs.
#[derive(Serialize, ToSchema)]
#[schema(as = Dataset, example = json!({
    "id": "ds_01980f3e5c7a7d0e8a1b2c3d4e5f6071",
    "name": "occupations.csv",
    "purpose": "training",
    "sha256": "5f0c0d4a7f6d2c9b8e1a3b5c7d9e0f1a2b3c4d5e6f708192a3b4c5d6e7f80910",
    "bytes": 16274,
    "columns": ["base", "ref", "similarity"],
    "kind": "pair_score",
    "rows": 374,
    "scores": { "lowest": 0.5, "highest": 1.0, "mean": 0.68, "distinct": 4, "positives": 170 },
    "format": "csv",
    "choices": { "scale": { "lowest": 0, "highest": 1 }, "lowest_means": "angular" },
    "lowest_means": "angular",
    "skipped": 0,
    "fixed_out": 0,
    "findings": [],
    "version": 1,
    "version_of": null,
    "latest": true,
    "created_at": "2026-01-31T12:00:00.123Z"
}))]
pub(crate) struct DatasetBody {
    /// `ds_..`
    id: String,
    /// What lists show.
    name: String,
    /// To learn from or to measure with.
    purpose: Purpose,
    /// Of the bytes as they were sent.
    sha256: String,
    /// How many there are.
    bytes: i64,
    /// The names of the columns that are read; `null` for a table without a header.
    columns: Option<Vec<String>>,
    /// What its rows are.
    kind: TableKind,
    /// How many pairs.
    rows: i64,
    /// What the scores look like.
    scores: ScoreSummary,
    /// How the file is written.
    format: FileFormat,
    /// All that was said or found out about how the file is read. Sent with the file again, it is read in the same
    /// way; empty for a table from before this was kept.
    #[schema(value_type = Object)]
    choices: Value,
    /// What the lowest score says; `null` where nobody said.
    lowest_means: Option<LowestMeans>,
    /// Rows that could not be used and were left out.
    skipped: i64,
    /// Rows that the fixes left out.
    fixed_out: i64,
    /// What was worth knowing when the table was stored, with three examples each.
    #[schema(value_type = Vec<Finding>)]
    findings: Value,
    /// From 1.
    version: i64,
    /// The dataset that it was sent as a new version of, while that is there.
    version_of: Option<String>,
    /// Whether no version of it is newer.
    latest: bool,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<Dataset> for DatasetBody {
    fn from(row: Dataset) -> Self {
        Self {
            id: row.dataset_id,
            name: row.name,
            purpose: row.purpose,
            sha256: row.sha256,
            bytes: row.bytes,
            columns: row.columns,
            kind: row.kind,
            rows: row.rows,
            scores: row.scores,
            format: row.format,
            choices: row.choices,
            lowest_means: row.lowest_means,
            skipped: row.skipped,
            fixed_out: row.fixed_out,
            findings: row.findings,
            version: row.version,
            version_of: row.version_of,
            latest: row.latest,
            created_at: rfc3339(row.created_at),
        }
    }
}

/// Which dataset a table is a new version of.
#[derive(ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what requests hold")]
struct VersionWish {
    /// The dataset of which this is a new version.
    version_of: Option<String>,
}

/// A table inside JSON.
#[derive(ToSchema)]
#[schema(as = CreateDataset)]
#[expect(dead_code, reason = "describes what requests hold")]
struct CreateBody {
    #[serde(flatten)]
    pairs: PairsBody,
    #[serde(flatten)]
    version: VersionWish,
}

/// Pairs and how they are to be read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(crate) struct PairsBody {
    /// The rows.
    pairs: Vec<PairRow>,
    #[serde(flatten)]
    label: Label,
    #[serde(flatten)]
    wishes: Wishes,
}

/// A pair: a list of two texts and a score, or an object with the names of a table's columns.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(examples(json!(["Data Scientist", "Data Analyst", 0.7468])))]
#[expect(dead_code, reason = "describes what requests hold")]
pub(crate) enum PairRow {
    List(Vec<Value>),
    Object(std::collections::BTreeMap<String, Value>),
}

/// A table as a form.
#[derive(ToSchema)]
#[schema(as = CreateDatasetForm)]
#[expect(dead_code, reason = "describes what requests hold")]
struct CreateForm {
    #[serde(flatten)]
    table: TableForm,
    #[serde(flatten)]
    version: VersionWish,
}

/// A file and how it is to be read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(crate) struct TableForm {
    /// The table: CSV, TSV, JSON, JSON Lines, XLSX or Parquet, also packed with gzip or zstd.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    #[serde(flatten)]
    label: Label,
    #[serde(flatten)]
    wishes: Wishes,
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
        Label, Wishes, VersionWish,
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat harmless: 1 to 255 ASCII characters."),
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
        && let Some((sha256, id)) = state.queue.store.dataset_request(key).await?
    {
        if sha256 != sent.sha256 {
            return Err(QueueError::KeyReused.into());
        }
        return Ok(stored(find(&state, &id, "Idempotency-Key").await?, false));
    }
    let version_of = match sent.others.get("version_of").and_then(Value::as_str).filter(|id| !id.trim().is_empty()) {
        Some(id) => Some(find(&state, id, "version_of").await?.dataset_id),
        None => None,
    };
    let upload = Upload { version_of, ..upload_of(&state, sent.table, sent.label, sent.wishes).await? };
    let (dataset, new) = state.queue.datasets.add(upload).await?;
    if let Some(key) = &key {
        state.queue.store.remember_dataset_request(key, &sent.sha256, &dataset.dataset_id).await?;
    }
    Ok(stored(dataset, new))
}

fn stored(dataset: Dataset, new: bool) -> Response {
    let location = [(header::LOCATION, format!("/datasets/{}", dataset.dataset_id))];
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    (status, location, axum::Json(DatasetBody::from(dataset))).into_response()
}

/// A table that came in, ready to be stored.
pub(crate) async fn upload_of(state: &AppState, table: Table, label: Label, wishes: Wishes) -> Result<Upload> {
    let purpose = label.purpose();
    let mut choices = wishes.choices();
    choices.read_as.format = choices.read_as.format.or(table.hint);
    Ok(Upload {
        name: table.label(label.name),
        purpose,
        choices,
        around: upload::around(state, purpose == Purpose::Training).await?,
        table: table.received,
        version_of: None,
    })
}

#[derive(Serialize, ToSchema)]
struct Datasets {
    datasets: Vec<DatasetBody>,
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
async fn list_datasets(State(state): State<AppState>) -> Result<axum::Json<Datasets>> {
    let datasets = state.queue.store.datasets().await?;
    Ok(axum::Json(Datasets { datasets: datasets.into_iter().map(DatasetBody::from).collect() }))
}

/// A dataset by its id, or an error about the field that named it.
pub(crate) async fn find(state: &AppState, id: &str, param: &str) -> Result<Dataset> {
    state.queue.store.dataset(id).await?.ok_or_else(|| {
        let detail = format!("There is no dataset {id:?}.");
        ApiError::not_found("dataset_not_found", detail, "GET /datasets lists the datasets that there are.")
            .param(param)
    })
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
async fn find_dataset(State(state): State<AppState>, Path(id): Path<String>) -> Result<axum::Json<DatasetBody>> {
    Ok(axum::Json(find(&state, &id, "id").await?.into()))
}

/// Remove a table.
///
/// A table that a job used stays.
#[utoipa::path(
    delete,
    path = "/datasets/{id}",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "There is no such dataset."),
        (status = 409, description = "A job or the server's settings refer to it."),
    )
)]
async fn delete_dataset(State(state): State<AppState>, Path(id): Path<String>) -> Result<StatusCode> {
    remove(&state, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a dataset that nothing needs.
pub(crate) async fn remove(state: &AppState, id: &str) -> Result<()> {
    let dataset = find(state, id, "id").await?;
    if state.limits.default_benchmark.as_ref() == Some(&dataset.dataset_id) {
        return Err(ApiError::conflict(
            "dataset_in_use",
            "The server was started with this benchmark, and every job is measured with it.",
            "Start the server without SHAMISEN_STS first.",
        ));
    }
    match state.queue.datasets.remove(&dataset).await {
        Ok(()) => Ok(()),
        Err(ShelfError::Store(StoreError::Referenced)) => Err(ApiError::conflict(
            "dataset_in_use",
            "A job uses this dataset, and its numbers refer to it.",
            "Keep it; datasets of jobs cannot be removed.",
        )),
        Err(error) => Err(error.into()),
    }
}
