//! Rows of cells become pairs: which column is what, and what its scores mean.

pub(crate) mod columns;
mod names;
pub(crate) mod rows;
pub(crate) mod scale;
pub(crate) mod score;
pub(crate) mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::source::ReadAs;
use super::{Pair, Problem, Problems, TableKind};
use crate::checks::Fix;

pub use rows::Reader;

/// A column, by its name or by its number from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Column {
    /// From 1.
    Number(usize),
    /// As the header has it.
    Name(String),
}

/// Which column becomes what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// The left text; the anchor of a triplet.
    pub text_a: Option<Column>,
    /// The right text; the positive of a triplet.
    pub text_b: Option<Column>,
    /// The text of a triplet that does not belong to the left one.
    pub negative: Option<Column>,
    /// How alike they are.
    pub score: Option<Column>,
}

/// The scores between which a table's own scores lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Scale {
    /// What becomes 0.
    pub lowest: f64,
    /// What becomes 1.
    pub highest: f64,
}

/// What the lowest score of a table says, and so which cosine each score asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LowestMeans {
    /// The texts have nothing in common: cosine = score.
    Unrelated,
    /// They mean opposite things: cosine = 2 score - 1.
    Opposite,
    /// The scores are angular similarities, `1 - acos(cosine) / pi`: 0.5 is unrelated, 0 opposite. The tutorial's
    /// file.
    Angular,
}

/// What becomes of rows that cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnBadRow {
    /// Nothing is stored, and all are told.
    #[default]
    Fail,
    /// They are left out, and counted.
    Skip,
}

/// All that can be said about how a table is to be read. What is not said is found out, and an inspection's
/// `choices` say it all: with them the table is read the same way ever after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Choices {
    /// The file.
    pub read_as: ReadAs,
    /// The columns.
    pub mapping: Mapping,
    /// What the rows are.
    pub kind: Option<TableKind>,
    /// The scores' own scale.
    pub scale: Option<Scale>,
    /// What words and marks stand for, 0 to 1.
    pub words: BTreeMap<String, f64>,
    /// What the lowest score means.
    pub lowest_means: Option<LowestMeans>,
    /// Fixes of findings.
    pub apply: BTreeSet<Fix>,
    /// What becomes of rows that cannot be used.
    pub on_bad_row: OnBadRow,
}

/// What a row turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A pair, its score from 0 to 1 (a benchmark's on its own scale), and its line.
    Pair(Pair, usize),
    /// It cannot be used.
    Bad(Vec<Problem>),
    /// All cells are blank.
    Blank,
}

impl Choices {
    /// The same, words written as cells are compared.
    ///
    /// # Errors
    /// Where a scale has no extent, or a word a value that is none.
    pub(crate) fn checked(mut self) -> Result<Self, Problems> {
        if let Some(Scale { lowest, highest }) = self.scale
            && !(lowest.is_finite() && highest.is_finite() && lowest < highest)
        {
            return Err(Problems::table(
                "scale_unclear",
                format!("A scale from {lowest} to {highest} has no extent."),
                "Give the lowest score first: \"0-5\", or {\"lowest\": 0, \"highest\": 5}.",
            ));
        }
        if let Some((word, value)) = self.words.iter().find(|(_, value)| !(0.0..=1.0).contains(*value)) {
            return Err(Problems::table(
                "word_off_scale",
                format!(
                    "The word \"{word}\" is to stand for {value}; words stand for 0 to 1, whatever the table's scale."
                ),
                "Give 0 for the lowest score, 1 for the highest, and 0.5 for the middle.",
            ));
        }
        self.words = self.words.iter().map(|(word, value)| (score::normal(word), *value)).collect();
        Ok(self)
    }
}
