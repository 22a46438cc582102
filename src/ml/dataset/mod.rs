//! Tables of text pairs with a similarity score.

mod csv;
mod json;
mod problems;

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
    /// How alike they are, in the table's own unit.
    pub score: f64,
    /// The row as a spreadsheet counts it, from 1 and the header included.
    pub row: usize,
}

/// A table of pairs as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct PairDataset {
    /// The names of the three columns; `None` for a table without a header.
    pub columns: Option<[String; 3]>,
    /// The pairs in the order of the file.
    pub pairs: Vec<Pair>,
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma, semicolon or tab separated, UTF-8.
    Csv,
    /// `[{"base": .., "ref": .., "similarity": ..}, ..]` or `[[.., .., ..], ..]`.
    Json,
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

/// The column names that each of the three columns goes by, in one order for all three.
const NAMES: [[&str; 3]; 6] = [
    ["base", "ref", "similarity"],
    ["sentence1", "sentence2", "score"],
    ["text1", "text2", "score"],
    ["text_a", "text_b", "score"],
    ["left", "right", "score"],
    ["sentence1", "sentence2", "similarity"],
];

fn too_many_rows() -> Problems {
    Problems::table(
        "too_many_rows",
        format!("The table has more than {MOST_ROWS} rows."),
        "Send a part of it: a sample of some thousand pairs teaches nearly as much.",
    )
}

/// Finds the three columns by their names, whatever their order and case.
fn find_columns(header: &[&str]) -> Option<[usize; 3]> {
    let header: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    let place = |name: &str| header.iter().position(|column| column == name);
    NAMES.iter().find_map(|[left, right, score]| Some([place(left)?, place(right)?, place(score)?]))
}

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    line: usize,
}

/// Checks one row's cells and makes a pair of them, or notes what is wrong.
fn pair(place: Place, cells: [(&str, usize, &str); 3], scores: Scores, problems: &mut Problems) -> Option<Pair> {
    let mut fine = true;
    let mut problem = |cell: &(&str, usize, &str), code, message: String| {
        fine = false;
        problems.push(Problem {
            row: place.row,
            line: place.line,
            column: Some(cell.1 + 1),
            column_name: (!cell.2.is_empty()).then(|| cell.2.to_owned()),
            value: cell.0.chars().take(80).collect(),
            code,
            message,
        });
    };
    for cell in &cells[..2] {
        if cell.0.trim().is_empty() {
            problem(cell, "text_missing", "The text is empty.".to_owned());
        } else if cell.0.len() > LONGEST_TEXT {
            let message = format!("The text has {} bytes; {LONGEST_TEXT} are allowed.", cell.0.len());
            problem(cell, "text_too_long", message);
        } else if cell.0.contains('\0') {
            problem(cell, "text_has_nul", "The text contains a NUL character.".to_owned());
        }
    }
    let written = cells[2].0.trim();
    let score = written.parse::<f64>().ok().filter(|score| score.is_finite());
    match score {
        _ if written.is_empty() => problem(&cells[2], "score_missing", "The score is empty.".to_owned()),
        None => problem(&cells[2], "score_not_a_number", format!("The score {written:?} is not a number.")),
        Some(score) if !scores.range().contains(&score) => {
            problem(&cells[2], "score_out_of_range", format!("The score {written} is outside 0 to 1."));
        }
        Some(_) => {}
    }
    let score = score.filter(|_| fine)?;
    Some(Pair { left: cells[0].0.to_owned(), right: cells[1].0.to_owned(), score, row: place.row })
}
