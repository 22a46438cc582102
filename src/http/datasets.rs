//! Tables of pairs.

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::error::{ApiError, Result};
use super::extract::{self, Path, Query, content_type};
use super::{AppState, names, rfc3339};
use crate::datasets::{ShelfError, Upload};
use crate::ml::dataset::{Format, TableKind};
use crate::store::{Dataset, Purpose};

pub(crate) fn router(max_upload: usize) -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_dataset).layer(DefaultBodyLimit::max(max_upload)))
        .routes(routes!(list_datasets))
        .routes(routes!(find_dataset, delete_dataset))
        .routes(routes!(list_rows))
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
    "created_at": "2026-01-31T12:00:00.123Z"
}))]
struct DatasetBody {
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
    #[schema(value_type = TableKind)]
    kind: String,
    /// How many pairs.
    rows: i64,
    /// What the scores look like.
    #[schema(value_type = ScoreSummary)]
    scores: Value,
    #[schema(format = DateTime)]
    created_at: String,
}

/// What a table's scores look like. A pair without a score counts as 1.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the database holds")]
struct ScoreSummary {
    lowest: f64,
    highest: f64,
    mean: f64,
    /// Different scores.
    distinct: usize,
    /// Scores of at least 0.7; older tables lack it.
    #[schema(required = false)]
    positives: usize,
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CreateQuery {
    /// What lists show; by default the file's name.
    name: Option<String>,
    /// The table measures general ability and is never trained on; its scores may have any scale.
    benchmark: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = CreateDataset)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    /// What lists show.
    name: Option<String>,
    /// The table measures general ability and is never trained on; its scores may have any scale.
    benchmark: Option<bool>,
    /// The rows.
    #[serde(deserialize_with = "extract::pairs")]
    #[schema(value_type = Vec<PairRow>)]
    pairs: Vec<Value>,
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
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes what requests hold")]
struct CreateForm {
    /// The CSV.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// What lists show; by default the file's name.
    name: Option<String>,
    /// As in the query.
    benchmark: Option<bool>,
}

/// Upload a table.
///
/// A CSV as the body, a form with the part `file`, or JSON pairs. The same bytes are stored once: the
/// second time, 200 and what is there. Wrong rows are told all together, and nothing is stored then.
#[utoipa::path(
    post,
    path = "/datasets",
    tag = "Data",
    params(CreateQuery),
    request_body(content(
        (CreateBody = "application/json", example = json!({
            "name": "three", "pairs": [["Data Scientist", "Data Analyst", 0.7468], ["Nurse", "看護師", 1.0]]
        })),
        (String = "text/csv", example = "base,ref,similarity\nData Scientist,Data Analyst,0.7468\nNurse,看護師,1\n"),
        (CreateForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "The table is stored.", body = DatasetBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 200, description = "The same bytes were there already.", body = DatasetBody,
            headers(("Location" = String, description = "The dataset's path."))),
    )
)]
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RowsQuery {
    /// Rows to leave out at the beginning.
    #[serde(default)]
    offset: usize,
    /// At most so many: 100 unless said, 1000 at most.
    limit: Option<usize>,
}

/// A row of a table.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetRow)]
struct RowBody {
    /// As a spreadsheet counts it, from 1 and the header included.
    row: usize,
    left: String,
    right: String,
    score: f64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DatasetRows)]
struct Rows {
    rows: Vec<RowBody>,
    /// How many rows the table has.
    total: i64,
}

/// Read a table's rows.
///
/// At most 1000 at once.
#[utoipa::path(
    get,
    path = "/datasets/{id}/rows",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), RowsQuery),
    responses(
        (status = 200, description = "The rows.", body = Rows, example = json!({
            "rows": [{ "row": 2, "left": "Data Scientist", "right": "Data Analyst", "score": 0.7468 }], "total": 374
        })),
        (status = 404, description = "There is no such dataset."),
    )
)]
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
