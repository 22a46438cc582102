//! All that may be said about how a table is read, and whether it was said.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::pair::TableKind;
use crate::problems::Problems;
use crate::reading::score;

/// All that can be said about how a table is to be read. What is not said is found out, and an inspection's
/// `choices` say it all: with them the table is read the same way ever after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableOptions {
    /// The file.
    pub read_as: FileOptions,
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

impl TableOptions {
    /// The same, words written as cells are compared.
    pub(crate) fn checked(mut self) -> Result<Self, Problems> {
        if let Some(Scale { lowest, highest }) = self.scale
            && !(lowest.is_finite() && highest.is_finite() && lowest != highest)
        {
            return Err(Problems::table(
                "scale_unclear",
                format!("A scale from {lowest} to {highest} has no extent."),
                "Give the score that means nothing in common first: \"0-5\", \"1-0\" for a distance, or {\"lowest\": 0, \"highest\": 5}.",
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

/// An enum's value as JSON names it.
pub fn name_of(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

/// How a file is to be read, as far as somebody said so. What is `None` is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileOptions {
    /// How the file is written.
    pub format: Option<FileFormat>,
    /// How text became bytes.
    pub encoding: Option<Encoding>,
    /// What stands between cells: `,`, `;`, a tab, `|`.
    pub delimiter: Option<char>,
    /// Whether the first row names the columns.
    pub header: Option<bool>,
    /// The row that names the columns, as a spreadsheet counts it, where others stand above it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_row: Option<usize>,
    /// Which sheet of a workbook.
    pub sheet: Option<String>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Cells between separators.
    #[default]
    Csv,
    /// One list of objects or of lists.
    Json,
    /// One object or list a line.
    Jsonl,
    /// A workbook: `.xlsx`, `.xls`, `.ods`.
    Xlsx,
    /// Columns in binary.
    Parquet,
}

/// How text became bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// `utf-8`
    #[serde(rename = "utf-8")]
    Utf8,
    /// `utf-16le`
    #[serde(rename = "utf-16le")]
    Utf16Le,
    /// `utf-16be`
    #[serde(rename = "utf-16be")]
    Utf16Be,
    /// `euc-jp`
    EucJp,
    /// `windows-31j`: what Japanese spreadsheets call Shift_JIS or "CSV".
    #[serde(rename = "windows-31j")]
    Windows31J,
    /// `euc-kr`, with the characters that Windows added (949).
    #[serde(rename = "euc-kr")]
    EucKr,
    /// `gb18030`, which holds GBK and GB 2312.
    #[serde(rename = "gb18030")]
    Gb18030,
    /// `big5`, with the characters of Hong Kong.
    #[serde(rename = "big5")]
    Big5,
    /// `windows-1250`: Polish and its neighbours.
    #[serde(rename = "windows-1250")]
    Windows1250,
    /// `windows-1251`: Cyrillic.
    #[serde(rename = "windows-1251")]
    Windows1251,
    /// `windows-1252`: Western Europe; what programs call Latin-1 or ANSI there.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// `windows-1254`: Turkish.
    #[serde(rename = "windows-1254")]
    Windows1254,
    /// `windows-1256`: Arabic.
    #[serde(rename = "windows-1256")]
    Windows1256,
    /// `windows-874`: Thai.
    #[serde(rename = "windows-874")]
    Windows874,
    /// `iso-8859-2`: Polish and its neighbours.
    #[serde(rename = "iso-8859-2")]
    Iso8859Part2,
    /// `iso-8859-15`: Western Europe.
    #[serde(rename = "iso-8859-15")]
    Iso8859Part15,
    /// `koi8-u`: Cyrillic; holds KOI8-R's letters.
    #[serde(rename = "koi8-u")]
    Koi8U,
}

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
    /// The text of a table of labelled texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Column>,
    /// Its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<Column>,
}

/// The scores between which a table's own scores lie. Where small numbers mean alike, the first is the larger.
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

/// What is done about a finding where the user says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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

/// Why something is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Somebody said so.
    Said,
    /// By a column's name.
    Name,
    /// By what stands in the cells.
    Content,
    /// The scores are a known file's: the tutorial's angular similarities.
    Recognised,
}
