//! Bodies of datasets: what a client sends, and what it is told.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tables::inspect::ScoreSummary;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::bounds::{List, ReferenceOrNone};
use crate::http::datasets::options::{DatasetMeta, OptionsBody};
use crate::http::reply::rfc3339;
use crate::store::{Dataset, Purpose};
use tables::TableKind;
use tables::checks::Finding;
use tables::choices::{FileFormat, LowestMeans};

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
#[derive(Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct VersionWish {
    /// The dataset of which this is a new version.
    #[schema(inline)]
    #[param(inline)]
    pub(super) version_of: Option<ReferenceOrNone>,
}

/// A table inside JSON.
#[derive(ToSchema)]
#[schema(as = CreateDataset)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(super) struct CreateBody {
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
    #[schema(inline)]
    pairs: PairRows,
    #[serde(flatten)]
    label: DatasetMeta,
    #[serde(flatten)]
    wanted: OptionsBody,
}

/// As many pairs as a table may have.
pub(crate) type PairRows = List<PairRow, 0, { tables::MOST_ROWS }>;

/// A pair: a list of two texts and a score, or an object with the names of a table's columns.
pub(crate) struct PairRow;

/// Columns that a table may have.
const MOST_COLUMNS: usize = 1000;

impl PartialSchema for PairRow {
    fn schema() -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(kind);
        let text = of(Type::String).max_length(Some(tables::LONGEST_TEXT));
        let number = of(Type::Number).minimum(Some(f64::MIN)).maximum(Some(f64::MAX));
        let cell = OneOfBuilder::new().item(text).item(number).item(of(Type::Boolean)).item(of(Type::Null));
        let cell = Schema::OneOf(cell.build());
        let list = ArrayBuilder::new().items(RefOr::from(cell.clone())).max_items(Some(MOST_COLUMNS));
        let object = ObjectBuilder::new().additional_properties(Some(cell)).max_properties(Some(MOST_COLUMNS));
        let row = OneOfBuilder::new().item(list).item(object);
        Schema::OneOf(row.examples([json!(["Data Scientist", "Data Analyst", 0.7468])]).build()).into()
    }
}

impl ToSchema for PairRow {}

/// A table as a form.
#[derive(ToSchema)]
#[schema(as = CreateDatasetForm)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(super) struct CreateForm {
    #[serde(flatten)]
    table: TableForm,
    #[serde(flatten)]
    version: VersionWish,
}

/// A file and how it is to be read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(crate) struct TableForm {
    /// The table: CSV, TSV, JSON, JSON Lines, XLSX, XLS, ODS or Parquet, also packed with gzip or zstd.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    #[serde(flatten)]
    label: DatasetMeta,
    #[serde(flatten)]
    wanted: OptionsBody,
}
