//! A file becomes rows of cells, whatever wrote it: a spreadsheet, a database, a notebook.

pub(crate) mod contents;
mod delimited;
mod dialect;
mod encoding;
mod json;
mod letters;
pub(crate) mod lists;
mod pack;
mod parquet;
mod sheet;
mod tally;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::contents::{Contents, Rdf};
use self::delimited::LONGEST_RECORD;
use self::encoding::Text;
use self::pack::Origin;
pub(super) use self::tally::Tally;
use self::tally::Watched;
use crate::choices::{Encoding, FileFormat, FileOptions};
use crate::problems::{Problem, Problems};
use crate::stop::Stop;

/// Where a table's bytes are, and for how long they are wanted. A table is read more than once, so they must stay.
#[derive(Clone, Debug)]
pub struct Input {
    place: Place,
    stop: Stop,
}

#[derive(Clone, Debug)]
enum Place {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Input {
    /// On disk.
    pub fn file(path: PathBuf) -> Self {
        Self { place: Place::File(path), stop: Stop::NEVER }
    }

    /// In memory.
    pub fn bytes(bytes: Arc<[u8]>) -> Self {
        Self { place: Place::Bytes(bytes), stop: Stop::NEVER }
    }

    /// The same, read only for as long as somebody wants it.
    #[must_use]
    pub fn until(self, stop: &Stop) -> Self {
        Self { stop: stop.clone(), ..self }
    }

    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }
}

/// A file's bytes from the beginning, unpacked, within a table's limits: for files that are no tables. Whoever makes
/// more of them than they are counts it in the tally.
pub(super) fn unpacked(input: &Input) -> Result<(Box<dyn std::io::Read + Send>, Tally), Problems> {
    let origin = pack::Origin::Input(input.clone());
    Ok((origin.unpacked(origin.packed()?)?, Tally::of(&origin)?))
}

/// What a file is packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

/// How a file was read: said or found out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Dialect {
    /// How the file is written.
    pub format: FileFormat,
    /// What it is packed in.
    pub compression: Option<Compression>,
    /// How text became bytes; `None` in binary formats.
    pub encoding: Option<Encoding>,
    /// Encodings in which the file can be read as well; more than one asks for a look.
    pub encoding_candidates: Vec<Encoding>,
    /// The first line beyond ASCII as each of them reads it, where too little tells them apart.
    #[serde(skip)]
    pub encoding_unsure: Vec<(Encoding, String)>,
    /// Whether a byte order mark stands first.
    pub bom: bool,
    /// What stands between cells.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub delimiter: Option<char>,
    /// What ends a line: `\n`, `\r\n` or `\r`.
    pub line_ending: Option<String>,
    /// Whether the first row names the columns.
    pub header: bool,
    /// The row that does, as a spreadsheet counts it, where others stand above it or it was said.
    pub header_row: Option<usize>,
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
    /// Cells (from 0) that hold no text and no number, and why. They do no harm where they are not read.
    pub unreadable: Vec<(usize, Unreadable)>,
    /// Cells (from 0) that hold the value of a merged cell that begins above them.
    pub merged: Vec<usize>,
}

/// Why a cell is no text and no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// A list of values.
    List,
    /// Values with names.
    Object,
    /// A formula whose value was never computed.
    Formula,
}

/// Why there is no next row. It is told once or a few times, and may be large.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// This row cannot be read (a line of JSON Lines that is no JSON); the next one can.
    Row(Problem),
    /// The file cannot be read on.
    Table(Problems),
}

impl From<Problems> for Fault {
    fn from(problems: Problems) -> Self {
        Self::Table(problems)
    }
}

/// What a format's rows give next: after a fault of the table as a whole there is no other.
fn next_row(ended: &mut bool, read: Result<Option<Row>, Fault>) -> Option<Result<Row, Fault>> {
    let row = read.transpose();
    *ended |= !matches!(row, Some(Ok(_) | Err(Fault::Row(_))));
    row
}

/// A table that is being read.
pub struct Source {
    /// How it is read.
    pub dialect: Dialect,
    /// The columns' names as written, a byte order mark and surrounding blanks removed; keys of JSON objects;
    /// `None` for a table without a header.
    pub header: Option<Vec<String>>,
    rows: Rows,
}

impl Source {
    /// Opens a table and finds out what nobody said. The rows follow as they are asked for; memory does not grow
    /// with the file (but for a workbook, whose format is not made to be read in a stream).
    ///
    /// # Errors
    /// Where the file is no table or passes a limit.
    pub fn open(input: &Input, read_as: &FileOptions) -> Result<Self, Problems> {
        Ok(Self::open_as_written(input, read_as)?.unfolded())
    }

    /// The same, a row with several negatives as one.
    pub(crate) fn open_as_written(input: &Input, read_as: &FileOptions) -> Result<Self, Problems> {
        Self::open_from(&Origin::Input(input.clone()), read_as)
    }

    fn unfolded(mut self) -> Self {
        let Some(places) = self.header.as_deref().and_then(lists::negatives) else { return self };
        let header = self.header.iter_mut().flatten();
        self.header = Some(
            header
                .enumerate()
                .filter(|(place, _)| !places[1..].contains(place))
                .map(|(_, name)| std::mem::take(name))
                .collect(),
        );
        self.rows = Box::new(self.rows.flat_map(move |row| lists::of_negatives(row, &places)));
        self
    }

    fn open_from(origin: &Origin, read_as: &FileOptions) -> Result<Self, Problems> {
        let compression = origin.packed()?;
        // An XML document names its vocabularies first, which may take thousands of bytes.
        let start = pack::head(&mut *origin.unpacked(compression)?, 1 << 13)?;
        if start.is_empty() {
            return Err(no_rows());
        }
        let dialect = Dialect { compression, ..Dialect::default() };
        match contents::of(&start)? {
            workbook @ (Contents::Zip | Contents::Compound | Contents::FlatOpenDocument) => {
                let sheet = sheet::read(origin, compression, workbook, read_as.sheet.as_deref())?;
                let (name, sheets) = (Some(sheet.name), sheet.all);
                let dialect = Dialect { format: FileFormat::Xlsx, sheet: name, sheets, ..dialect };
                Self::of(dialect, Watched::new(origin, sheet.rows.map(Ok))?, read_as)
            }
            Contents::Parquet => {
                let columns = parquet::open(origin, compression)?;
                let names = columns.names.clone();
                let dialect = Dialect { format: FileFormat::Parquet, ..dialect };
                Self::named(dialect, &names, Watched::new(origin, columns)?)
            }
            Contents::Text => Self::open_text(origin, dialect, read_as),
        }
    }

    fn open_text(origin: &Origin, mut dialect: Dialect, read_as: &FileOptions) -> Result<Self, Problems> {
        let compression = dialect.compression;
        let open = || origin.unpacked(compression);
        let found = encoding::find(&open, read_as.encoding)?;
        let text = || Ok::<_, Problems>(Text::new(open()?, found.encoding));
        let (start, whole) = beginning(text()?)?;
        let published = contents::rdf(&start).is_some_and(|form| form != Rdf::JsonLd || start.contains("skos"));
        if read_as.format.is_none() && published {
            return Err(contents::taxonomy());
        }
        let format = match read_as.format {
            Some(FileFormat::Xlsx | FileFormat::Parquet) => return Err(not_binary()),
            Some(format) => format,
            None => json::is_json(&start).unwrap_or(FileFormat::Csv),
        };
        dialect.format = format;
        dialect.encoding = Some(found.encoding);
        dialect.encoding_candidates = found.candidates;
        dialect.encoding_unsure = found.unsure;
        dialect.bom = found.bom;
        dialect.line_ending = dialect::line_ending(&start);
        if format != FileFormat::Csv {
            let list = format == FileFormat::Json;
            let mut rows = json::Json::new(text()?, list);
            rows.keys = json::all_keys(json::Json::new(text()?, list), origin.stop())?;
            let first = first_row(&mut rows)?;
            let names = rows.keys.clone();
            let rows = Watched::new(origin, first.into_iter().chain(rows))?;
            return match names {
                Some(names) => Self::named(dialect, &names, rows),
                None => Self::of(dialect, rows, read_as),
            };
        }
        let named = dialect::named_delimiter(&start);
        let delimiter = read_as.delimiter.or(named.map(|(delimiter, _)| delimiter));
        let rest = &start[named.map_or(0, |(_, length)| length)..];
        let delimiter = delimiter.unwrap_or_else(|| dialect::delimiter(rest, whole));
        dialect.delimiter = Some(delimiter);
        let quoting = dialect::quoting(rest, delimiter);
        let rows = delimited::Delimited::new(text()?, delimiter, quoting, named.is_some())?;
        Self::of(dialect, Watched::new(origin, rows)?, read_as)
    }

    /// A table whose columns have names of their own.
    fn named(dialect: Dialect, names: &[String], rows: Watched) -> Result<Self, Problems> {
        if names.len() > MOST_COLUMNS {
            return Err(too_many_columns(names.len()));
        }
        let header = names.iter().map(|name| plain(name)).collect();
        Ok(Self { dialect: Dialect { header: true, ..dialect }, header: Some(header), rows: Box::new(rows) })
    }

    /// A table whose first row may name its columns.
    fn of(mut dialect: Dialect, mut rows: Watched, read_as: &FileOptions) -> Result<Self, Problems> {
        let mut sample: VecDeque<Result<Row, Fault>> = VecDeque::new();
        let (mut filled, mut bytes) = (0, 0);
        while filled < dialect::SAMPLE && bytes < MOST_SAMPLE {
            let Some(row) = rows.next() else { break };
            match &row {
                Ok(row) if is_blank(&row.cells) => {
                    // Before the header a blank row is nothing; after it, it counts as one.
                    if filled == 0 {
                        continue;
                    }
                    bytes += 100;
                }
                Ok(row) => {
                    filled += 1;
                    bytes += row.cells.iter().map(|cell| cell.len() + 24).sum::<usize>();
                }
                // What was read before it is still to be told, row by row.
                Err(Fault::Row(_)) => bytes += 1000,
                Err(Fault::Table(problems)) => return Err(problems.clone()),
            }
            sample.push_back(row);
        }
        let above = drop_above(&mut sample, read_as)?;
        let cells: Vec<&[String]> =
            sample.iter().flatten().map(|row| row.cells.as_slice()).filter(|cells| !is_blank(cells)).collect();
        let Some(first) = cells.first() else { return Err(no_good_row(&sample)) };
        if first.len() > MOST_COLUMNS {
            return Err(too_many_columns(first.len()));
        }
        dialect.header = read_as.header_row.is_some() || read_as.header.unwrap_or_else(|| dialect::has_header(&cells));
        let mut header = None;
        if dialect.header {
            let place = sample.iter().position(Result::is_ok).unwrap_or_default();
            let row = sample.remove(place).and_then(Result::ok).unwrap_or_default();
            dialect.header_row = Some(row.row).filter(|_| above > 0 || read_as.header_row.is_some());
            header = Some(row.cells.iter().map(|name| plain(name)).collect());
        }
        Ok(Self { dialect, header, rows: Box::new(sample.into_iter().chain(rows)) })
    }
}

/// Takes away what stands above the table: titles, comments, blank rows. How many rows that were.
fn drop_above(sample: &mut VecDeque<Result<Row, Fault>>, read_as: &FileOptions) -> Result<usize, Problems> {
    let rows: Vec<Option<&[String]>> = sample.iter().map(|row| row.as_ref().ok().map(|row| &*row.cells)).collect();
    let first = match read_as.header_row {
        Some(wanted) => {
            sample.iter().position(|row| row.as_ref().is_ok_and(|row| row.row >= wanted)).ok_or_else(|| {
                Problems::table(
                    "no_rows",
                    format!(
                        "There is no row {wanted} among the first {} of the table, where its header could be.",
                        sample.len()
                    ),
                    "Give the number of the row that names the columns, as a spreadsheet counts it.",
                )
            })?
        }
        None => dialect::first_row(&rows),
    };
    let kept = sample.split_off(first);
    let above = sample.iter().flatten().filter(|row| !is_blank(&row.cells)).count();
    *sample = kept;
    Ok(above)
}

type Rows = Box<dyn Iterator<Item = Result<Row, Fault>> + Send>;

/// Columns that a table may have; more is not a table of pairs.
const MOST_COLUMNS: usize = 1000;

/// Characters of a text that show how it is written.
const BEGINNING: usize = 1 << 18;

/// Bytes of rows that are kept to find out whether the first is a header.
const MOST_SAMPLE: usize = 4 << 20;

/// A text's beginning, and whether that is all.
fn beginning(mut text: Text) -> Result<(String, bool), Problems> {
    let start = pack::head(&mut text, BEGINNING)?;
    // The last character may be cut in two.
    let valid = start.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    Ok((valid.to_owned(), start.len() < BEGINNING))
}

/// The first row of JSON, with which its keys are known, and what went wrong before it.
fn first_row<R: std::io::Read>(rows: &mut json::Json<R>) -> Result<Vec<Result<Row, Fault>>, Problems> {
    let mut first: Vec<Result<Row, Fault>> = Vec::new();
    while first.len() < super::problems::SHOWN && !first.last().is_some_and(Result::is_ok) {
        match rows.next() {
            Some(Err(Fault::Table(problems))) => return Err(problems),
            Some(row) => first.push(row),
            None => break,
        }
    }
    if first.is_empty() { Err(no_rows()) } else { Ok(first) }
}

pub(crate) fn is_blank(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.trim().is_empty())
}

/// A column's name without marks and blanks around it.
fn plain(name: &str) -> String {
    name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').to_owned()
}

fn no_rows() -> Problems {
    Problems::table("no_rows", "The file has no rows.", "Send a table with two texts and a score in each row.")
}

/// What is wrong with a table none of whose rows can be read.
fn no_good_row(rows: &VecDeque<Result<Row, Fault>>) -> Problems {
    let mut problems = Problems::default();
    for row in rows {
        if let Err(Fault::Row(problem)) = row {
            problems.push(problem.clone());
        }
    }
    let count = problems.total;
    problems.into_result(count, None).err().unwrap_or_else(no_rows)
}

fn not_binary() -> Problems {
    Problems::table(
        "unreadable",
        "The file is neither a workbook nor a Parquet file, though it was said to be one.",
        "Leave the format out: it is found out.",
    )
}

fn too_many_columns(count: usize) -> Problems {
    let what = format!("The table has {count} columns; {MOST_COLUMNS} are allowed.");
    Problems::table("too_many_columns", what, "Keep the two texts and the score.")
}

/// A row of a binary format that is longer than a line of text may be.
fn row_too_long(row: usize) -> Problems {
    let what = format!("Row {row} has more than {LONGEST_RECORD} bytes; {LONGEST_RECORD} are allowed.");
    Problems::table("line_too_long", what, "Keep the two texts and the score.")
}

impl Iterator for Source {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rows.next()
    }
}
#[cfg(test)]
mod tests;
