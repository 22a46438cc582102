//! What is worth knowing about pairs before a model learns them: each finding with what it means, what to do, and
//! a fix where there is one.

mod damage;
mod labels;
mod languages;
mod pairs;
mod plan;
mod scores;
mod texts;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::choices::{Fix, LowestMeans};
use crate::pair::{Pair, TableKind};

pub use languages::{Languages, LanguagesFound};
pub use plan::{Plan, apply};
pub use scores::FEWEST_PAIRS;
pub use texts::{Signs, mend, pair_key, signs, text_key};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Training cannot begin.
    Error,
    /// Training would teach something that is probably not meant.
    Warning,
    /// Good to know.
    #[default]
    Info,
}

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
    /// Half of the hash of a triplet's third text's key; 0 in other tables. Triplets repeat where all three texts do.
    pub negative: u32,
}

impl RowFacts {
    /// What is to be known of a pair. `is_truncated` says whether the model reads only a part of a text.
    pub fn of(pair: &Pair, line: usize, is_truncated: Option<&dyn Fn(&str) -> bool>) -> Self {
        let counted = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let negative = pair.negative.as_deref().map_or(Signs::default(), |negative| signs(negative, "", is_truncated));
        Self {
            row: counted(pair.row),
            line: counted(line),
            left: text_key(&pair.left),
            right: text_key(&pair.right),
            score: pair.score,
            signs: signs(&pair.left, &pair.right, is_truncated).and(negative),
            negative: half_key(pair),
        }
    }

    /// The same for the same pair, whichever text stands first; triplets count their third text.
    fn key(&self) -> u64 {
        with_negative(pair_key(self.left, self.right), self.negative)
    }

    fn identical(&self) -> bool {
        self.left == self.right
    }
}

/// What is never 0 of a triplet's third text, and 0 in other tables.
fn half_key(pair: &Pair) -> u32 {
    pair.negative.as_deref().map_or(0, |negative| (text_key(negative) >> 32) as u32 | 1)
}

fn with_negative(pair: u64, negative: u32) -> u64 {
    pair ^ u64::from(negative).wrapping_mul(texts::ODD)
}

/// The same for the same pair, whichever text stands first; triplets count their third text.
pub(super) fn row_key(pair: &Pair) -> u64 {
    with_negative(pair_key(text_key(&pair.left), text_key(&pair.right)), half_key(pair))
}

/// Something worth knowing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = FindingExample))]
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

/// What checks know beside the rows that can be used.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// What the rows are.
    pub kind: TableKind,
    /// What the lowest score means, where it is known.
    pub lowest_means: Option<LowestMeans>,
    /// [`pair_key`]s of the benchmark.
    pub benchmark: std::sync::Arc<std::collections::HashSet<u64>>,
    /// Tokens that the model reads of a text; named in a message.
    pub most_tokens: Option<usize>,
    /// Whether the scores are on a scale of their own: a benchmark's.
    pub own_scale: bool,
    /// Rows that cannot be used.
    pub unusable: usize,
    /// Whether these are left out.
    pub unusable_skipped: bool,
    /// Scores that a spreadsheet made dates of, whether they are read as fractions or not.
    pub dates: usize,
    /// Whether they are read as fractions.
    pub dates_read: bool,
    /// Which languages the texts are in.
    pub languages: Option<LanguagesFound>,
}

impl Knowledge {
    /// The highest score there can be: 1, or a benchmark's highest.
    fn top(&self, rows: &[RowFacts]) -> f64 {
        if self.own_scale { rows.iter().map(|row| row.score).fold(f64::MIN, f64::max) } else { 1.0 }
    }
}

/// A finding has at most this many examples.
pub const MOST_EXAMPLES: usize = 20;

impl Finding {
    pub(crate) fn new(code: &'static str, level: Level, count: usize, rows: usize) -> Self {
        Self { code, level, count, rows, ..Self::default() }
    }

    pub(crate) fn says(mut self, message: impl Into<String>, hint: impl Into<String>) -> Self {
        self.message = message.into();
        self.hint = hint.into();
        self
    }

    pub(crate) fn fact(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.facts.insert(name, value.into());
        self
    }

    fn fix(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    fn at(mut self, places: impl IntoIterator<Item = usize>) -> Self {
        self.places = places.into_iter().take(MOST_EXAMPLES).collect();
        self
    }
}

/// All findings about a table's rows, errors first. `places` of each are filled; whoever has the texts fetches
/// `examples` and then calls [`name_texts`]. A million rows take well under a second and 32 MB.
pub fn run(rows: &[RowFacts], knowledge: &Knowledge) -> Vec<Finding> {
    let mut findings = scores::findings(rows, knowledge);
    findings.extend(pairs::findings(rows, knowledge).into_iter().flatten());
    findings.extend(labels::findings(rows, knowledge));
    findings.extend(texts::findings(rows, knowledge).into_iter().flatten());
    findings.extend(knowledge.languages.as_ref().and_then(LanguagesFound::finding));
    findings.sort_by_key(|finding| finding.level);
    findings
}

/// Puts texts into the messages that speak of one, once the examples are there.
pub fn name_texts(findings: &mut [Finding]) {
    findings.iter_mut().filter(|finding| finding.code == texts::HUB).for_each(texts::name_hub);
}

/// A number as English writes it: `1,247`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let threes = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    threes.collect::<Vec<_>>().join(",")
}

/// `1 row`, `1,247 rows`.
fn counted(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(number)) }
}

/// A score as a person writes it: at most four decimals.
fn written(score: f64) -> String {
    let rounded = (score * 10_000.0).round() / 10_000.0;
    rounded.to_string()
}

#[cfg(test)]
mod tests;
