//! What a table is made of: pairs of one kind, or texts with a label each.

use serde::{Deserialize, Serialize};

use crate::problems::Problems;

/// Two texts and how alike they are; or a text and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The left text (`base`, `sentence1`); the text that has a label.
    pub left: String,
    /// The right text (`ref`, `sentence2`); the label of a labelled text.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// A text and its label: pairs of the same label and of others are drawn while training.
    Labelled,
}

impl TableKind {
    /// Whether the last column is a score.
    pub fn scored(self) -> bool {
        matches!(self, Self::PairScore | Self::PairClass)
    }
}

/// Which scores a table may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scores {
    /// 0 to 1: what a similarity can reach in training. A table on another scale is brought to it.
    #[default]
    Unit,
    /// Any number: a benchmark is read by correlation, whatever its scale.
    Any,
}

/// A cell may hold this many bytes; more is not a sentence.
pub const LONGEST_TEXT: usize = 100_000;

/// Pairs that a table may have: what is known of each fits into memory, and a job on more would take weeks here.
pub const MOST_ROWS: usize = 2_000_000;

/// Scores from here on are those of texts that belong together.
pub(crate) const POSITIVE_FROM: f64 = 0.7;

pub(crate) fn too_many_rows() -> Problems {
    Problems::table(
        "too_many_rows",
        format!("The table has more than {MOST_ROWS} rows."),
        "Send a part of it: a sample of some thousand pairs teaches nearly as much.",
    )
}

/// Refuses a table without scores where scores are needed.
pub(crate) fn check_kind(kind: TableKind, scores: Scores) -> Result<(), Problems> {
    if kind.scored() || kind == TableKind::Labelled || scores == Scores::Unit {
        return Ok(());
    }
    Err(Problems::table(
        "no_scores",
        "This table has no scores; a benchmark is read by them.",
        "Send two texts and a score in each row, or a text and its label; or use the table for training.",
    ))
}
