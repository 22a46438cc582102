//! Tables of pairs.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::{ApiError, Result};
use super::extract::{self, Path, Query, content_type};
use super::{AppState, names, rfc3339};
use crate::datasets::{ShelfError, Upload};
use crate::ml::dataset::Format;
use crate::store::{Dataset, Purpose};

pub(crate) fn router(max_upload: usize) -> Router<AppState> {
    Router::new()
        .route("/datasets", post(create_dataset).layer(DefaultBodyLimit::max(max_upload)))
        .route("/datasets", get(list_datasets))
        .route("/datasets/{id}", get(find_dataset).delete(delete_dataset))
        .route("/datasets/{id}/rows", get(list_rows))
}

#[derive(Serialize)]
struct DatasetBody {
    id: String,
    name: String,
    purpose: Purpose,
    sha256: String,
    bytes: i64,
    columns: Option<Vec<String>>,
    kind: String,
    rows: i64,
    scores: Value,
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
            columns: row.columns.map(|columns| columns.0),
            kind: row.kind,
            rows: row.rows,
            scores: row.scores.0,
            created_at: rfc3339(row.created_at),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateQuery {
    name: Option<String>,
    benchmark: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    name: Option<String>,
    benchmark: Option<bool>,
    #[serde(deserialize_with = "extract::pairs")]
    pairs: Vec<Value>,
}

/// `POST /datasets`: a CSV as the body, a form with the part `file`, or JSON pairs.
async fn create_dataset(
    State(state): State<AppState>,
    Query(query): Query<CreateQuery>,
    request: Request,
) -> Result<Response> {
    let upload = match content_type(request.headers()).as_str() {
        "text/csv" | "application/csv" | "text/tab-separated-values" | "text/plain" => {
            let bytes = extract::body(request, &state).await?.to_vec();
            upload(query.name, query.benchmark, Format::Csv, bytes)
        }
        "application/json" => {
            let body: CreateBody = extract::large_object(extract::body(request, &state).await?).await?;
            upload(body.name.or(query.name), body.benchmark.or(query.benchmark), Format::Json, pairs_file(&body.pairs))
        }
        "application/jsonl" | "application/x-ndjson" | "application/x-jsonlines" => {
            let bytes = extract::body(request, &state).await?.to_vec();
            upload(query.name, query.benchmark, Format::Json, bytes)
        }
        "multipart/form-data" => from_form(extract::form(request, &state).await?, query)?,
        other => return Err(ApiError::media_type(other, "text/csv or multipart/form-data or application/json")),
    };
    let (dataset, new) = state.queue.datasets.add(upload).await?;
    let location = [(header::LOCATION, format!("/datasets/{}", dataset.dataset_id))];
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, location, axum::Json(DatasetBody::from(dataset))).into_response())
}

fn upload(name: Option<String>, benchmark: Option<bool>, format: Format, bytes: Vec<u8>) -> Upload {
    let purpose = if benchmark == Some(true) { Purpose::Benchmark } else { Purpose::Training };
    Upload { name: names::label(name, "pairs"), purpose, format, bytes }
}

/// Pairs that came inside JSON, as a file of their own.
pub(crate) fn pairs_file(pairs: &[Value]) -> Vec<u8> {
    serde_json::to_vec(pairs).expect("JSON values become JSON")
}

fn from_form(parts: Vec<extract::Part>, query: CreateQuery) -> Result<Upload> {
    let (mut name, mut benchmark, mut file) = (query.name, query.benchmark, None);
    for part in extract::once_each(parts)? {
        match part.name.as_str() {
            "name" => name = Some(part.text()?),
            "benchmark" => benchmark = Some(part.json()?),
            "file" => file = Some(part),
            other => return Err(unknown_part(other, &["file", "name", "benchmark"])),
        }
    }
    let file = file.ok_or_else(no_file)?;
    let format = Format::of(file.file_name.as_deref(), &file.bytes);
    Ok(upload(name.or(file.file_name), benchmark, format, file.bytes.to_vec()))
}

pub(crate) fn no_file() -> ApiError {
    ApiError::unusable("missing_field", "file", "The form has no part \"file\".", "Send the CSV as the part \"file\".")
}

pub(crate) fn unknown_part(name: &str, known: &[&str]) -> ApiError {
    let known: Vec<String> = known.iter().map(|known| format!("`{known}`")).collect();
    extract::data_error(&format!("unknown field `{name}`, expected one of {}", known.join(", ")), "the form")
}

#[derive(Serialize)]
struct Datasets {
    datasets: Vec<DatasetBody>,
}

/// `GET /datasets`: the newest first.
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

/// `GET /datasets/{id}`
async fn find_dataset(State(state): State<AppState>, Path(id): Path<String>) -> Result<axum::Json<DatasetBody>> {
    Ok(axum::Json(find(&state, &id, "id").await?.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsQuery {
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct RowBody {
    row: usize,
    left: String,
    right: String,
    score: f64,
}

#[derive(Serialize)]
struct Rows {
    rows: Vec<RowBody>,
    total: i64,
}

/// `GET /datasets/{id}/rows`: at most 1000 at once.
async fn list_rows(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Result<axum::Json<Rows>> {
    let dataset = find(&state, &id, "id").await?;
    let limit = query.limit.unwrap_or(100).min(1000);
    let pairs = state.queue.datasets.pairs(&dataset, query.offset, limit).await?;
    let rows =
        pairs.into_iter().map(|pair| RowBody { row: pair.row, left: pair.left, right: pair.right, score: pair.score });
    Ok(axum::Json(Rows { rows: rows.collect(), total: dataset.rows }))
}

/// `DELETE /datasets/{id}`
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
        Err(ShelfError::Store(sqlx::Error::Database(error))) if error.is_foreign_key_violation() => {
            Err(ApiError::conflict(
                "dataset_in_use",
                "A job uses this dataset, and its numbers refer to it.",
                "Keep it; datasets of jobs cannot be removed.",
            ))
        }
        Err(error) => Err(error.into()),
    }
}
