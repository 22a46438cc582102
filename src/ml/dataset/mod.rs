//! Tables of text pairs with a similarity score, of pairs that belong together, of triplets.

pub mod annotate;
pub mod checks;
mod csv;
pub mod diff;
pub mod inspect;
mod json;
mod problems;
pub mod reading;
pub mod source;
pub mod stored;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub use problems::{Problem, Problems};

/// Two texts and how alike they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The left text (`base`, `sentence1`).
    pub left: String,
    /// The right text (`ref`, `sentence2`).
    pub right: String,
    /// A text that does not belong to the left one; triplets alone have it.
    pub negative: Option<String>,
    /// How alike left and right are, in the table's own unit; 1 in a table without scores.
    pub score: f64,
    /// The row as a spreadsheet counts it, from 1 and the header included.
    pub row: usize,
}

/// A table of pairs as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PairDataset {
    /// The names of the columns that are read; `None` for a table without a header.
    pub columns: Option<Vec<String>>,
    /// What its rows are.
    pub kind: TableKind,
    /// The pairs in the order of the file.
    pub pairs: Vec<Pair>,
}

/// What a table's rows are: it decides which losses can learn from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TableKind {
    /// Two texts and a score.
    #[default]
    PairScore,
    /// Two texts and 0 (different) or 1 (the same).
    PairClass,
    /// Two texts that belong together.
    PairPositive,
    /// A text, one that belongs to it, and one that does not.
    Triplet,
}

impl TableKind {
    /// Whether the last column is a score.
    fn scored(self) -> bool {
        matches!(self, Self::PairScore | Self::PairClass)
    }

    /// The same, told by the scores that were read.
    fn refine(self, pairs: &[Pair]) -> Self {
        let binary = pairs.iter().all(|pair| pair.score == 0.0 || pair.score == 1.0);
        if self.scored() && binary { Self::PairClass } else { self }
    }
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma, semicolon or tab separated, UTF-8.
    Csv,
    /// `[{"base": .., "ref": .., "similarity": ..}, ..]` or `[[.., .., ..], ..]`; or JSON Lines.
    Json,
}

impl Format {
    /// How a file is written: by the end of its name, or by how it begins.
    pub fn of(file_name: Option<&str>, bytes: &[u8]) -> Self {
        let ending = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending.to_lowercase());
        match ending.as_deref() {
            Some("json" | "jsonl" | "ndjson") => Self::Json,
            Some("csv" | "tsv" | "txt") => Self::Csv,
            _ => {
                let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                let begins = bytes.trim_ascii_start().first();
                if matches!(begins, Some(b'{' | b'[')) { Self::Json } else { Self::Csv }
            }
        }
    }
}

/// Which scores a table may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {
    /// 0 to 1: what a similarity can reach in training.
    Unit,
    /// Any number: a benchmark is read by correlation, whatever its scale.
    Any,
}

impl Scores {
    fn range(self) -> RangeInclusive<f64> {
        match self {
            Self::Unit => 0.0..=1.0,
            Self::Any => f64::MIN..=f64::MAX,
        }
    }
}

/// A cell may hold this many bytes; more is not a sentence.
pub const LONGEST_TEXT: usize = 100_000;

/// Pairs that a table may have. A job on more would take days here.
pub const MOST_ROWS: usize = 200_000;

/// Reads a table.
///
/// # Errors
/// All problems together, with rows and lines; nothing is left out in silence.
pub fn read(bytes: &[u8], format: Format, scores: Scores) -> Result<PairDataset, Problems> {
    match format {
        Format::Csv => csv::read(bytes, scores),
        Format::Json => json::read(bytes, scores),
    }
}

/// The names that columns go by, lower case, the first that are all there being taken.
const NAMES: [(TableKind, &[&str]); 14] = [
    (TableKind::PairScore, &["base", "ref", "similarity"]),
    (TableKind::PairScore, &["sentence1", "sentence2", "score"]),
    (TableKind::PairScore, &["text1", "text2", "score"]),
    (TableKind::PairScore, &["text_a", "text_b", "score"]),
    (TableKind::PairScore, &["left", "right", "score"]),
    (TableKind::PairScore, &["sentence1", "sentence2", "similarity"]),
    (TableKind::PairScore, &["sentence1", "sentence2", "label"]),
    (TableKind::Triplet, &["anchor", "positive", "negative"]),
    (TableKind::Triplet, &["query", "positive", "negative"]),
    (TableKind::PairPositive, &["anchor", "positive"]),
    (TableKind::PairPositive, &["query", "positive"]),
    (TableKind::PairPositive, &["query", "target"]),
    (TableKind::PairPositive, &["query", "answer"]),
    (TableKind::PairPositive, &["question", "answer"]),
];

/// Where the columns stand that are read.
#[derive(Clone, Debug, PartialEq)]
struct Layout {
    kind: TableKind,
    places: Vec<usize>,
}

fn too_many_rows() -> Problems {
    Problems::table(
        "too_many_rows",
        format!("The table has more than {MOST_ROWS} rows."),
        "Send a part of it: a sample of some thousand pairs teaches nearly as much.",
    )
}

/// Finds the columns by their names, whatever their order and case.
fn find_columns(header: &[&str]) -> Option<Layout> {
    let header: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    let place = |name: &&str| header.iter().position(|column| column == name);
    NAMES.iter().find_map(|&(kind, names)| {
        Some(Layout { kind, places: names.iter().map(place).collect::<Option<Vec<usize>>>()? })
    })
}

/// Refuses a table without scores where scores are needed.
fn check_kind(kind: TableKind, scores: Scores) -> Result<(), Problems> {
    if kind.scored() || scores == Scores::Unit {
        return Ok(());
    }
    Err(Problems::table(
        "no_scores",
        "This table has no scores; a benchmark is read by them.",
        "Send two texts and a score in each row, or use the table for training.",
    ))
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    line: usize,
}

/// A cell: what stands there, its column from 0, and the column's name.
type Cell<'a> = (&'a str, usize, &'a str);

/// Checks one row's cells and makes a pair of them, or notes what is wrong.
fn pair(place: Place, kind: TableKind, cells: &[Cell<'_>], scores: Scores, problems: &mut Problems) -> Option<Pair> {
    let mut fine = true;
    let mut problem = |cell: &Cell<'_>, code, message: String| {
        fine = false;
        problems.push(Problem {
            suggestion: None,
            row: place.row,
            line: place.line,
            column: Some(cell.1 + 1),
            column_name: (!cell.2.is_empty()).then(|| cell.2.to_owned()),
            value: cell.0.chars().take(80).collect(),
            code,
            message,
        });
    };
    let (texts, score) = cells.split_at(if kind.scored() { 2 } else { cells.len() });
    for cell in texts {
        if cell.0.trim().is_empty() {
            problem(cell, "text_missing", "The text is empty.".to_owned());
        } else if cell.0.len() > LONGEST_TEXT {
            let message = format!("The text has {} bytes; {LONGEST_TEXT} are allowed.", cell.0.len());
            problem(cell, "text_too_long", message);
        } else if cell.0.contains('\0') {
            problem(cell, "text_has_nul", "The text contains a NUL character.".to_owned());
        }
    }
    let mut number = Some(1.0);
    if let Some(cell) = score.first() {
        let written = cell.0.trim();
        number = written.parse::<f64>().ok().filter(|score| score.is_finite());
        match number {
            _ if written.is_empty() => problem(cell, "score_missing", "The score is empty.".to_owned()),
            None => problem(cell, "score_not_a_number", format!("The score {written:?} is not a number.")),
            Some(score) if !scores.range().contains(&score) => {
                problem(cell, "score_out_of_range", format!("The score {written} is outside 0 to 1."));
            }
            Some(_) => {}
        }
    }
    let score = number.filter(|_| fine)?;
    let negative = texts.get(2).map(|cell| cell.0.to_owned());
    Some(Pair { left: texts[0].0.to_owned(), right: texts[1].0.to_owned(), negative, score, row: place.row })
}
