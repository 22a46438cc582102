//! What would become of a table: how it was read, what its columns and scores are, what is wrong, what is worth
//! knowing. Nothing is stored.

mod doubts;
mod report;
mod store;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use store::pairs;
pub use store::store;

use super::checks::{Finding, Knowledge, Plan, RowFacts};
use super::source::{Dialect, Input};
use crate::choices::{LowestMeans, TableOptions, Why};
use crate::pair::{Scores, TableKind};
use crate::problems::{Problem, Problems};

/// Says whether a model reads only a part of a text.
pub type IsTruncated = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What an inspection needs beside the table.
#[derive(Clone, Default)]
pub struct InspectContext {
    /// Which scores may stand there: a benchmark keeps its own scale.
    pub scores: Scores,
    /// For the checks.
    pub knowledge: Knowledge,
    /// Asked for long texts alone.
    pub is_truncated: Option<IsTruncated>,
}

/// A column and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = InspectedColumn))]
pub struct ColumnFacts {
    /// From 1.
    pub number: usize,
    /// As the header has it.
    pub name: Option<String>,
    /// `text_a`, `text_b`, `negative`, `score`, or `text`, `label`; `None`: kept, not used.
    pub becomes: Option<&'static str>,
    /// Why.
    pub why: Option<Why>,
    /// Cells that are not blank.
    pub filled: usize,
    /// The first different cells, at most five, each at most 80 characters.
    pub examples: Vec<String>,
}

/// How many rows there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = InspectedRows))]
pub struct RowCount {
    /// Rows that are not blank, the header not counted.
    pub read: usize,
    /// Rows that become pairs, fixes applied.
    pub usable: usize,
    /// Rows that cannot be used.
    pub bad: usize,
    /// Rows that the fixes leave out.
    pub fixed_out: usize,
}

/// How many score cells look like what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScoreKinds {
    /// `0.5`, `４．５`, `0,5`.
    pub numbers: usize,
    /// `80%`.
    pub percents: usize,
    /// `4/5`.
    pub fractions: usize,
    /// `高`, `○`, `yes`.
    pub words: usize,
    /// `4月5日`, `5-Apr`: what a spreadsheet made of 4/5.
    pub dates: usize,
    /// Nothing.
    pub empty: usize,
    /// Something else.
    pub other: usize,
}

/// A score as written and what it becomes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScoreValue {
    /// As written.
    pub value: String,
    /// In how many rows.
    pub rows: usize,
    /// 0 to 1; `None` where it cannot be used.
    pub becomes: Option<f64>,
}

/// The scores' own scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScaleFacts {
    /// What becomes 0.
    pub lowest: f64,
    /// What becomes 1.
    pub highest: f64,
    /// Why.
    pub why: Why,
    /// What the cells look like.
    pub found: ScoreKinds,
    /// Words and marks and what they stand for.
    pub words: BTreeMap<String, f64>,
    /// The most frequent values, at most twenty, by what they become.
    pub values: Vec<ScoreValue>,
}

/// Target cosines of the lowest score, the middle, and the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Targets {
    /// Score 0.
    pub lowest: f64,
    /// Score 0.5.
    pub middle: f64,
    /// Score 1.
    pub highest: f64,
}

/// What the lowest score means: said, recognised, or a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Meaning {
    /// `None`: nobody said, and the table does not show it.
    pub value: Option<LowestMeans>,
    /// Why.
    pub why: Option<Why>,
    /// Whether it should be asked.
    pub question: bool,
    /// What each answer asks of the model.
    pub targets: BTreeMap<&'static str, Targets>,
}

/// How many scores lie where.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Histogram {
    /// Eleven numbers from the lowest to the highest.
    pub edges: Vec<f64>,
    /// Ten counts.
    pub counts: Vec<usize>,
}

/// One of the first rows, as it was decoded.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = PreviewRow))]
pub struct Preview {
    /// As a spreadsheet counts it.
    pub row: usize,
    /// As an editor counts it.
    pub line: usize,
    /// What stands there, each at most 200 characters.
    pub cells: Vec<String>,
    /// 0 to 1, where the row can be used.
    pub score: Option<f64>,
}

/// What would become of a table.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Inspection {
    /// How the file was read.
    pub dialect: Dialect,
    /// Its columns.
    pub columns: Vec<ColumnFacts>,
    /// What its rows are; `None` where the columns are not clear.
    pub kind: Option<TableKind>,
    /// How many there are.
    pub rows: RowCount,
    /// `None` for a table without scores.
    pub scale: Option<ScaleFacts>,
    /// `None` for a table without scores, and for a benchmark.
    pub lowest_means: Option<Meaning>,
    /// `None` for a table without scores.
    pub histogram: Option<Histogram>,
    /// What is wrong, the first hundred.
    pub problems: Vec<Problem>,
    /// How much is wrong.
    pub problems_total: usize,
    /// What is worth knowing, errors first.
    pub findings: Vec<Finding>,
    /// The first fifty rows.
    pub preview: Vec<Preview>,
    /// Codes of what stands in the way of storing: `columns_unclear`, `scores_unclear`, `rows_have_problems`, `no_rows`.
    pub blocked_by: Vec<&'static str>,
    /// All that was said or found out. Sent again, the table is read in the same way.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub choices: TableOptions,
    /// What was seen of each row that can be used, fixes not yet applied.
    #[serde(skip)]
    pub facts: Vec<RowFacts>,
    /// What the fixes make of each of them.
    #[serde(skip)]
    pub plan: Plan,
    /// Whether rows of the file became several.
    #[serde(skip)]
    pub unfolded: bool,
    /// Which scores may stand there.
    #[serde(skip)]
    pub scores: Scores,
}

/// Looks at a whole table: two passes, memory for 49 bytes a row.
///
/// # Errors
/// Where the file is no table or passes a limit, or where a choice does not fit it. Rows that cannot be used are no
/// error here.
pub fn inspect(input: &Input, choices: &TableOptions, context: &InspectContext) -> Result<Inspection, Problems> {
    let choices = choices.clone().checked()?;
    let (survey, dialect) = survey::Survey::of(input, &choices, context)?;
    report::report(input, &choices, context, survey, dialect)
}

/// What a table's scores look like. A pair without a score counts as 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "a description of its own would be told in the API's")]
pub struct ScoreSummary {
    pub lowest: f64,
    pub highest: f64,
    pub mean: f64,
    /// Different scores.
    pub distinct: usize,
    /// Scores of at least 0.7; older tables lack it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = usize, required = false))]
    pub positives: Option<usize>,
}

/// What was stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Pairs.
    pub rows: usize,
    /// Rows left out because they cannot be used.
    pub skipped: usize,
    /// Rows that the fixes left out.
    pub fixed_out: usize,
    /// What the scores look like.
    pub scores: ScoreSummary,
}
