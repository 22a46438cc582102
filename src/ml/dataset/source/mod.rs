//! A file becomes rows of cells, whatever wrote it: a spreadsheet, a database, a notebook.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Problem, Problems};

/// Where a table's bytes are. A table is read more than once, so they must stay.
#[derive(Clone, Debug)]
pub enum Input {
    /// On disk.
    File(PathBuf),
    /// In memory.
    Bytes(Arc<[u8]>),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Cells between separators.
    Csv,
    /// One list of objects or of lists.
    Json,
    /// One object or list a line.
    Jsonl,
    /// A workbook.
    Xlsx,
    /// Columns in binary.
    Parquet,
}

/// How text became bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
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
}

/// What a file is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// How a file is to be read, as far as somebody said so. What is `None` is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadAs {
    /// How the file is written.
    pub format: Option<FileFormat>,
    /// How text became bytes.
    pub encoding: Option<Encoding>,
    /// What stands between cells: `,`, `;`, a tab, `|`.
    pub delimiter: Option<char>,
    /// Whether the first row names the columns.
    pub header: Option<bool>,
    /// Which sheet of a workbook.
    pub sheet: Option<String>,
}

/// How a file was read: said or found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Dialect {
    /// How the file is written.
    pub format: FileFormat,
    /// What it is packed in.
    pub compression: Option<Compression>,
    /// How text became bytes; `None` in binary formats.
    pub encoding: Option<Encoding>,
    /// Encodings in which the file can be read as well; more than one asks for a look.
    pub encoding_candidates: Vec<Encoding>,
    /// Whether a byte order mark stands first.
    pub bom: bool,
    /// What stands between cells.
    #[schema(value_type = Option<String>)]
    pub delimiter: Option<char>,
    /// What ends a line: `\n`, `\r\n` or `\r`.
    pub line_ending: Option<String>,
    /// Whether the first row names the columns.
    pub header: bool,
    /// The sheet that is read.
    pub sheet: Option<String>,
    /// All sheets of a workbook.
    pub sheets: Vec<String>,
}

/// A row of cells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// As a spreadsheet counts it, from 1 and the header included.
    pub row: usize,
    /// As a text editor counts it, from 1; the row again in binary formats.
    pub line: usize,
    /// What stands there. Numbers of a workbook are written shortest; dates as `yyyy-mm-dd` with `dates` set.
    pub cells: Vec<String>,
    /// Cells (from 0) that the workbook itself says are dates. Empty in other formats.
    pub dates: Vec<usize>,
}

/// Why there is no next row.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This row cannot be read (a line of JSON Lines that is no JSON); the next one can.
    Row(Problem),
    /// The file cannot be read on.
    Table(Problems),
}

/// A table that is being read.
pub struct Source {
    /// How it is read.
    pub dialect: Dialect,
    /// The columns' names as written, a byte order mark and surrounding blanks removed; keys of JSON objects;
    /// `None` for a table without a header.
    pub header: Option<Vec<String>>,
    rows: Box<dyn Iterator<Item = Result<Row, Fault>> + Send>,
}

impl Source {
    /// Opens a table and finds out what nobody said. The rows follow as they are asked for; memory does not grow
    /// with the file (but for a workbook, whose format is not made to be read in a stream).
    ///
    /// # Errors
    /// Where the file is no table or passes a limit.
    pub fn open(input: &Input, read_as: &ReadAs) -> Result<Self, Problems> {
        let _ = (input, read_as);
        unimplemented!()
    }
}

impl Iterator for Source {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}
