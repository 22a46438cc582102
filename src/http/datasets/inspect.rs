//! What would become of a table, before it is stored.

use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::datasets::body::{PairsBody, TableForm};
use crate::http::datasets::options::{DatasetMeta, OptionsBody};
use crate::http::datasets::upload::{self, upload_of};
use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use tables::inspect::Inspection;

/// A file as it came.
#[derive(Serialize, ToSchema)]
struct InspectedFile {
    /// Its name, where it has one; otherwise what it would be called.
    name: String,
    bytes: u64,
    /// Of the bytes as they were sent.
    sha256: String,
}

/// What would become of a table.
#[derive(Serialize, ToSchema)]
#[schema(as = TableInspection)]
pub(crate) struct InspectionBody {
    file: InspectedFile,
    #[serde(flatten)]
    inspection: Inspection,
}

/// Look at a table.
///
/// Says how the file was read, which columns and scores are what, what is wrong with rows, and what is worth knowing
/// about the pairs. Nothing is stored. What is said in the request is held to; `choices` of the answer say all, and
/// with them `POST /datasets` reads the table in just this way.
#[utoipa::path(
    post,
    path = "/datasets/inspect",
    tag = "Data",
    params(DatasetMeta, OptionsBody),
    request_body(content(
        (PairsBody = "application/json", example = json!({ "pairs": [["Nurse", "看護師", 5], ["Nurse", "Driver", 0]] })),
        (String = "text/csv", example = "職種A,職種B,点数\n看護師,看護助手,1\nデータ分析者,データアナリスト,5\n"),
        (Vec<u8> = "application/octet-stream"),
        (TableForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What would become of it.", body = InspectionBody),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(crate) async fn inspect_table(
    State(state): State<AppState>,
    Query(query): Query<Map<String, Value>>,
    request: Request,
) -> Reply<InspectionBody> {
    let sent = upload::receive(&state, query, &[], request).await?;
    let part = sent.table.part;
    let looked_at = upload_of(&state, sent.table, sent.label, sent.wanted).await?;
    let file =
        InspectedFile { name: looked_at.name, bytes: looked_at.table.bytes, sha256: looked_at.table.sha256.clone() };
    let (choices, context) = (looked_at.choices, looked_at.context);
    let inspection = state.datasets.inspect(&looked_at.table, choices, looked_at.purpose, context).await;
    let inspection = inspection.map_err(|error| ApiError::of_table(error, part))?;
    Ok(axum::Json(InspectionBody { file, inspection }))
}
