//! What is worth knowing about pairs before a model learns them: each finding with what it means, what to do, and
//! a fix where there is one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::TableKind;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Training cannot begin.
    Error,
    /// Training would teach something that is probably not meant.
    Warning,
    /// Good to know.
    Info,
}

/// What is done about a finding where the user says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// A date that a spreadsheet made of `4/5` is read as 0.8 (month / day).
    DatesAsFractions,
    /// Pairs with several scores get their mean, once.
    AverageContradictions,
    /// The first of a pair's scores counts.
    KeepFirstContradiction,
    /// Pairs with several scores go.
    DropContradictions,
    /// A pair that is there before, also mirrored, goes.
    DropRepeats,
    /// Identical texts get the highest score.
    RaiseIdentical,
    /// Pairs of identical texts go.
    DropIdentical,
    /// Blanks, line breaks and control characters in texts become one blank, those at the ends go.
    TrimTexts,
    /// Pairs with damaged characters go.
    DropDamaged,
    /// Pairs that the benchmark holds go.
    DropBenchmarkPairs,
}

/// Signs of one row's texts, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs(pub u16);

/// What checks know of a pair: 40 bytes a row, so that a million rows fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowFacts {
    /// As a spreadsheet counts it.
    pub row: u32,
    /// As an editor counts it.
    pub line: u32,
    /// A hash of the left text's key (see [`text_key`]).
    pub left: u64,
    /// A hash of the right text's key.
    pub right: u64,
    /// 0 to 1 (a benchmark's on its own scale); 1 where the table has no scores.
    pub score: f64,
    /// What the texts look like.
    pub signs: Signs,
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Finding {
    /// For programs, and for the page's words: `contradicting_scores`.
    pub code: &'static str,
    /// How much it matters.
    pub level: Level,
    /// How many things: pairs, texts, languages.
    pub count: usize,
    /// How many rows they stand in.
    pub rows: usize,
    /// What it is, in English.
    pub message: String,
    /// What to do, in English.
    pub hint: String,
    /// Numbers and words of the message, for who words it anew.
    pub facts: BTreeMap<&'static str, Value>,
    /// What can be done at once.
    pub fixes: Vec<Fix>,
    /// Some of the rows, in the order of the file.
    pub examples: Vec<Example>,
    /// The examples' places in the facts, before their texts are fetched.
    #[serde(skip)]
    pub places: Vec<usize>,
}

/// A row of a finding.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = FindingExample)]
pub struct Example {
    /// As a spreadsheet counts it.
    pub row: usize,
    /// As an editor counts it.
    pub line: usize,
    /// Its first 200 characters.
    pub left: String,
    /// Its first 200 characters.
    pub right: String,
    /// 0 to 1.
    pub score: f64,
}

/// What checks know beside the rows.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// What the rows are.
    pub kind: TableKind,
    /// What the lowest score means, where it is known.
    pub lowest_means: Option<super::reading::LowestMeans>,
    /// [`pair_key`]s of the benchmark.
    pub benchmark: std::collections::HashSet<u64>,
    /// Tokens that the model reads of a text; named in a message.
    pub most_tokens: Option<usize>,
}
