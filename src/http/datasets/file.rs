//! A table's own file: as it was sent, or with columns beside it.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use tables::TableKind;
use tables::choices::{FileFormat, name_of};
use utoipa::{IntoParams, ToSchema};

use crate::bounds::{ReferenceOrNone, Word};
use crate::datasets::RowsWanted;
use crate::http::auth::caller::Caller;
use crate::http::datasets::{find, rows};
use crate::http::error::{ApiError, Code, Result, codes};
use crate::http::extract::{Path, Query};
use crate::http::reply::file::{attachment, streamed};
use crate::http::state::AppState;
use crate::store::Dataset;
use tables::annotate::{Similarities, Words};

/// Pairs of a table whose similarities are asked for with it: each takes a model's time.
const MOST_PAIRS: i64 = 20_000;

/// The language of what is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Language {
    #[default]
    En,
    Ja,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileQuery {
    /// `1`: with columns beside it that say what became of each row.
    #[param(inline)]
    annotated: Option<Word>,
    /// With `annotated`: a model whose cosine of each pair is told.
    #[param(inline)]
    base: Option<ReferenceOrNone>,
    /// The same of a second model.
    #[param(inline)]
    tuned: Option<ReferenceOrNone>,
    /// With `annotated`: the language of what is added.
    #[serde(default)]
    #[param(inline)]
    language: Language,
}

/// Get a table's own file.
///
/// The bytes as they were sent. With `annotated=1` the same rows, columns, encoding and separator, and after them the
/// columns status, problem, suggestion, and models' similarities where they are asked for. A workbook comes back as
/// one, its first read sheet without formats; Parquet as CSV; packed files unpacked.
#[utoipa::path(
    get,
    path = "/datasets/{id}/file",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), FileQuery),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("Content-Disposition" = String, description = "`attachment`, with the file's name."))),
        (status = 404, description = "There is no such dataset or model."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(crate) async fn download_dataset(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<FileQuery>,
) -> Result<Response> {
    let dataset = find(&state, &id, "id").await?;
    let annotated = query.annotated.as_deref().is_some_and(|wish| !matches!(wish, "" | "0" | "false"));
    let (name, body) = if annotated {
        (annotated_name(&dataset), annotated_file(&state, &caller, &dataset, &query).await?)
    } else {
        (dataset.name.clone(), bytes_of(&state, &dataset).await?)
    };
    Ok(attachment(&name, "application/octet-stream", body))
}

/// The file's name without what it was packed in, and with the ending that it comes back with.
fn annotated_name(dataset: &Dataset) -> String {
    let name = dataset.name.trim_end_matches(".gz").trim_end_matches(".zst").trim_end_matches(".parquet");
    let format = if dataset.format == FileFormat::Parquet { FileFormat::Csv } else { dataset.format };
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    // Whatever a workbook was, it comes back as one of today.
    if let Some("xls" | "ods" | "fods") = ending.as_deref() {
        return format!("{}.{}", name.rsplit_once('.').map_or(name, |(stem, _)| stem), name_of(&format));
    }
    if ending.is_some_and(|ending| (2..=5).contains(&ending.len()) && ending.is_ascii()) {
        name.to_owned()
    } else {
        format!("{name}.{}", name_of(&format))
    }
}

async fn annotated_file(state: &AppState, caller: &Caller, dataset: &Dataset, query: &FileQuery) -> Result<Body> {
    let models =
        [("base_similarity", "元のモデルの類似度", &query.base), ("tuned_similarity", "学習後の類似度", &query.tuned)];
    let asked: Vec<_> = models
        .iter()
        // A text and its label have no similarity.
        .filter(|_| dataset.kind != TableKind::Labelled)
        .filter_map(|(en, ja, model)| {
            let model = model.as_deref().filter(|model| !model.trim().is_empty())?;
            Some((if query.language == Language::Ja { *ja } else { *en }, model))
        })
        .collect();
    if !asked.is_empty() && dataset.rows > MOST_PAIRS {
        return Err(ApiError::of(Code::TooManyPairs)
            .detail(format!("The table has {} pairs; similarities are told of up to {MOST_PAIRS}.", dataset.rows)));
    }
    let mut similarities = Vec::new();
    if !asked.is_empty() {
        let all = RowsWanted { limit: MOST_PAIRS as usize, ..RowsWanted::default() };
        let pairs = state.datasets.rows(dataset, all).await?.rows;
        for (name, model) in asked {
            let values = rows::similarities(state, caller, model, &pairs).await?;
            similarities.push(Similarities { name: name.to_owned(), values });
        }
    }
    let japanese = query.language == Language::Ja;
    let made = state.datasets.annotated(dataset, similarities, if japanese { JAPANESE } else { ENGLISH }).await?;
    Ok(streamed(tokio::fs::File::from_std(made)))
}

const ENGLISH: Words = Words {
    columns: ["status", "problem", "suggestion"],
    used: "used",
    left_out: "left out",
    unusable: "cannot be used",
    problem: |problem| problem.message.clone(),
};

const JAPANESE: Words = Words {
    columns: ["状態", "問題", "提案"],
    used: "使用",
    left_out: "除外",
    unusable: "使用不可",
    problem: |problem| {
        let known = codes::entries(|place| place == codes::Place::Row).find(|entry| entry.code == problem.code);
        known.map_or_else(|| problem.message.clone(), |entry| entry.meaning[1].to_owned())
    },
};

/// A dataset's file as it was sent, a piece at a time.
pub(crate) async fn bytes_of(state: &AppState, dataset: &Dataset) -> Result<Body> {
    let file = tokio::fs::File::open(state.datasets.file(dataset)).await.map_err(ApiError::of_file)?;
    Ok(streamed(file))
}
