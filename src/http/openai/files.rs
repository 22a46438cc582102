//! `/v1/files`: datasets as OpenAI's clients see them. A file's id is its dataset's.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::page::{Page, seconds};
use crate::bounds::{FilePage, Reference};
use crate::http::datasets::options::{DatasetMeta, OptionsBody};
use crate::http::datasets::{self, file, upload};
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Path, Query, content_type};
use crate::http::reply::deleted::LeftBody;
use crate::http::reply::file::attachment;
use crate::http::reply::{Reply, schema};
use crate::http::state::AppState;
use crate::store::{Dataset, Purpose};

/// What a file is for, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
enum FilePurpose {
    /// To train on: pairs with scores from 0 to 1, pairs that belong together, triplets, or texts with labels.
    #[serde(rename = "fine-tune")]
    FineTune,
    /// The same.
    #[serde(rename = "user_data")]
    UserData,
    /// To measure with: pairs with scores on any scale.
    #[serde(rename = "evals")]
    Evals,
}

impl FilePurpose {
    fn ours(self) -> Purpose {
        match self {
            Self::FineTune | Self::UserData => Purpose::Training,
            Self::Evals => Purpose::Benchmark,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct OpenAiFile {
    /// `ds_..`: the dataset's.
    id: String,
    #[schema(example = "file")]
    object: &'static str,
    bytes: i64,
    /// Unix seconds.
    created_at: i64,
    /// Files do not expire.
    expires_at: Option<i64>,
    filename: String,
    purpose: FilePurpose,
    /// Always `processed`: a file that cannot be used is refused when it is sent.
    #[schema(example = "processed")]
    status: &'static str,
    status_details: Option<String>,
    /// Pairs in it.
    rows: i64,
}

impl From<Dataset> for OpenAiFile {
    fn from(row: Dataset) -> Self {
        Self {
            id: row.dataset_id,
            object: "file",
            bytes: row.bytes,
            created_at: seconds(row.created_at),
            expires_at: None,
            filename: row.name,
            purpose: match row.purpose {
                Purpose::Training => FilePurpose::FineTune,
                Purpose::Benchmark => FilePurpose::Evals,
            },
            status: "processed",
            status_details: None,
            rows: row.rows,
        }
    }
}

/// What the form has. It is read part by part; this type describes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the description alone")]
struct FileForm {
    /// A table: JSON Lines with one pair an object, a JSON list of pairs, CSV, XLSX, XLS, ODS or Parquet.
    #[schema(schema_with = schema::file)]
    file: String,
    purpose: FilePurpose,
}

/// Upload a table of pairs. The same bytes are stored once.
#[utoipa::path(post, path = "/v1/files", tag = "OpenAI",
    request_body(content = FileForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "The file: its id goes into a fine-tuning job's `training_file`.", body = OpenAiFile),
        (status = 400, description = "The form is broken off."),
        (status = 413, description = "The file is larger than the server takes."),
        (status = 415, description = "The body is no form."),
        (status = 422, description = "The table cannot be used; `errors` names rows and lines."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    ))]
pub(super) async fn create_file(State(state): State<AppState>, request: Request) -> Reply<OpenAiFile> {
    let kind = content_type(request.headers());
    if kind != "multipart/form-data" {
        return Err(ApiError::media_type(&kind, "multipart/form-data"));
    }
    let (file, parts) = upload::form(&state, request).await?;
    let mut purpose = None;
    for part in parts {
        match part.name.as_str() {
            "purpose" => purpose = Some(parse_purpose(&part.text()?)?),
            other => return Err(ApiError::unknown_field(other, &["file", "purpose"])),
        }
    }
    let file = file.ok_or_else(upload::no_file)?;
    let purpose = purpose.ok_or_else(|| {
        ApiError::of(Code::MissingField)
            .param("purpose")
            .detail("The field \"purpose\" is missing.")
            .hint("Send purpose=fine-tune.")
    })?;
    let label = DatasetMeta { benchmark: Some(purpose.ours() == Purpose::Benchmark), ..DatasetMeta::default() };
    let (dataset, _new) = upload::store(&state, file, label, OptionsBody::default(), None).await?;
    Ok(axum::Json(dataset.into()))
}

fn parse_purpose(text: &str) -> Result<FilePurpose> {
    serde_json::from_value(text.into()).map_err(|_| {
        ApiError::of(Code::UnknownValue)
            .param("purpose")
            .detail(format!("The purpose {:?} has no meaning here.", shown(text)))
            .hint("Send fine-tune for a file to train on, or evals for one to measure with.")
    })
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FilesQuery {
    /// The id of the last file of the page before.
    #[param(inline)]
    after: Option<Reference>,
    /// At most so many; 1,000 at most.
    #[param(inline)]
    limit: Option<FilePage>,
    /// `desc`, the newest first, is the default.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// Only files that are for this.
    #[param(inline)]
    purpose: Option<FilePurpose>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    #[default]
    Desc,
}

/// List the files, the newest first.
#[utoipa::path(get, path = "/v1/files", tag = "OpenAI", params(FilesQuery),
    responses(
        (status = 200, description = "A page of files.", body = Page<OpenAiFile>),
        (status = 404, description = "The page before ended with a file that is not there."),
        (status = 422, description = "A parameter's value cannot be used."),
    ))]
pub(super) async fn list_files(
    State(state): State<AppState>,
    Query(query): Query<FilesQuery>,
) -> Reply<Page<OpenAiFile>> {
    if let Some(after) = &query.after {
        datasets::find(&state, after, "after").await.map(|_| ()).or_else(ApiError::unless_unreadable)?;
    }
    let limit = query.limit.unwrap_or(FilePage::of(1000)).size();
    let purpose = query.purpose.map(FilePurpose::ours);
    let oldest_first = query.order == Order::Asc;
    let rows = state.store.datasets_page(purpose, query.after.as_deref(), oldest_first, limit + 1).await?;
    Ok(axum::Json(Page::of_rows(rows, limit, |file: &OpenAiFile| &file.id)))
}

/// Tell of one file.
#[utoipa::path(get, path = "/v1/files/{file_id}", tag = "OpenAI",
    params(("file_id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The file.", body = OpenAiFile),
        (status = 404, description = "There is no such file."),
    ))]
pub(super) async fn find_file(State(state): State<AppState>, Path(id): Path<String>) -> Reply<OpenAiFile> {
    Ok(axum::Json(datasets::find(&state, &id, "file_id").await?.into()))
}

#[derive(Serialize, ToSchema)]
pub(super) struct FileDeleted {
    id: String,
    #[schema(example = "file")]
    object: &'static str,
    #[schema(example = true)]
    deleted: bool,
    left: LeftBody,
}

/// Remove a file that no unfinished job uses.
#[utoipa::path(delete, path = "/v1/files/{file_id}", tag = "OpenAI",
    params(("file_id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "It is gone.", body = FileDeleted),
        (status = 404, description = "There is no such file."),
        (status = 409, description = "A job that is not over uses it."),
    ))]
pub(super) async fn delete_file(State(state): State<AppState>, Path(id): Path<String>) -> Reply<FileDeleted> {
    let left = datasets::remove(&state, &id).await?;
    Ok(axum::Json(FileDeleted { id, object: "file", deleted: true, left }))
}

/// A file's bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "for the description alone")]
struct FileContent(String);

/// Give a file's bytes as they were sent.
#[utoipa::path(get, path = "/v1/files/{file_id}/content", tag = "OpenAI",
    params(("file_id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The bytes.", body = FileContent, content_type = "application/octet-stream"),
        (status = 404, description = "There is no such file."),
    ))]
pub(super) async fn read_file(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response> {
    let dataset = datasets::find(&state, &id, "file_id").await?;
    let body = file::bytes_of(&state, &dataset).await?;
    Ok(attachment(&format!("{id}.{}", tables::choices::name_of(&dataset.format)), "application/octet-stream", body))
}
