//! A workbook's sheet, row by row.

mod biff;
mod ods;
mod xls;
mod xlsx;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use calamine::{DataRef, Dimensions};
use zip::ZipArchive;

use super::contents::{self, Contents};
use super::delimited::LONGEST_RECORD;
use super::dialect;
use super::pack::{Origin, told};
use super::{Compression, Input, MOST_COLUMNS, Place, Row, Tally, Unreadable};
use crate::problems::Problems;

/// Bytes that a workbook's parts may have when they are unpacked: it is held in memory.
const MOST_UNPACKED: u64 = 100_000_000;

/// Bytes that a sheet's cells may take. A text that is stored once can stand in many cells.
const MOST_TEXT: usize = 300_000_000;

pub(super) struct Sheet {
    pub(super) name: String,
    /// All of the workbook.
    pub(super) all: Vec<String>,
    pub(super) rows: Rows,
}

/// A file that can be read in any order.
pub(super) trait Anywhere: Read + Seek + Send {}

impl<T: Read + Seek + Send> Anywhere for T {}

/// Opens a file to be read in any order; a packed one is unpacked into memory.
fn anywhere(origin: &Origin, compression: Option<Compression>) -> Result<Box<dyn Anywhere>, Problems> {
    match (origin, compression) {
        (Origin::Input(Input { place: Place::File(path), .. }), None) => {
            Ok(Box::new(BufReader::new(File::open(path).map_err(told)?)))
        }
        (Origin::Input(Input { place: Place::Bytes(bytes), .. }), None) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
        _ => Ok(Box::new(Cursor::new(in_memory(origin, compression)?))),
    }
}

/// A packed binary file, which must be small enough to be held.
pub(super) fn in_memory(origin: &Origin, compression: Option<Compression>) -> Result<Vec<u8>, Problems> {
    let mut bytes = Vec::new();
    origin.unpacked(compression)?.take(MOST_UNPACKED + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > MOST_UNPACKED {
        return Err(too_large("The file"));
    }
    Ok(bytes)
}

/// Reads a workbook's sheet: the named one, or the first with pairs.
pub(super) fn read(
    origin: &Origin,
    compression: Option<Compression>,
    contents: Contents,
    wanted: Option<&str>,
) -> Result<Sheet, Problems> {
    let tally = &mut Tally::of(origin)?;
    // The file may be anybody's, and the libraries were written for workbooks that a spreadsheet wrote.
    catch_unwind(AssertUnwindSafe(|| match contents {
        Contents::Compound => xls::sheet(in_memory(origin, compression)?, wanted, tally),
        Contents::FlatOpenDocument => ods::sheet(in_memory(origin, compression)?, wanted, tally),
        _ => {
            let mut archive = archive(anywhere(origin, compression)?)?;
            let has = |part: &str| archive.file_names().flatten().any(|name| name == part);
            if has("xl/workbook.xml") {
                check(&mut archive)?;
                return xlsx::sheet(anywhere(origin, compression)?, wanted, tally);
            }
            if ods::is_spreadsheet(&mut archive) {
                check(&mut archive)?;
                return ods::sheet(ods::content(&mut archive)?, wanted, tally);
            }
            let names: Vec<String> = archive.file_names().flatten().map(|name| name.into_owned()).collect();
            Err(contents::other_archive(&names, &mimetype(&mut archive)))
        }
    }))
    .unwrap_or_else(|_| Err(unreadable("its parts contradict each other")))
}

pub(super) type Archive = ZipArchive<Box<dyn Anywhere>>;

fn archive(file: Box<dyn Anywhere>) -> Result<Archive, Problems> {
    ZipArchive::new(file).map_err(|error| unreadable(&error.to_string()))
}

/// What OpenDocument says of itself in a part of its own.
pub(super) fn mimetype(archive: &mut Archive) -> String {
    let mut kind = String::new();
    if let Ok(part) = archive.by_name("mimetype") {
        let _ = part.take(100).read_to_string(&mut kind);
    }
    kind
}

/// Refuses what would not fit into memory, before anything is kept of it.
fn check(archive: &mut Archive) -> Result<(), Problems> {
    let mut left = MOST_UNPACKED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|error| unreadable(&error.to_string()))?;
        // Pictures and the like are not read, so they may be as large as they are.
        if !part.name().is_ok_and(|name| name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        // What the directory says of a part's size is only said, so it is counted too.
        if part.size() > left {
            return Err(too_large("The workbook"));
        }
        let count = io::copy(&mut part.take(left + 1), &mut io::sink());
        left = left
            .checked_sub(count.map_err(|error| unreadable(&error.to_string()))?)
            .ok_or_else(|| too_large("The workbook"))?;
    }
    Ok(())
}

fn too_large(what: &str) -> Problems {
    Problems::table(
        "sheet_too_large",
        format!("{what} has more than {} MB when it is unpacked.", MOST_UNPACKED / 1_000_000),
        "Save the sheet as \"CSV UTF-8\"; a table of text may be far larger.",
    )
}

fn unreadable(why: &str) -> Problems {
    Problems::table(
        "unreadable",
        format!("The workbook cannot be read: {why}."),
        "Open it in the spreadsheet, save it anew as .xlsx or as \"CSV UTF-8\", and send that.",
    )
}

/// A workbook with a password, which turns all of it into noise.
fn locked() -> Problems {
    Problems::table(
        "format_not_supported",
        "The workbook is protected by a password, so it cannot be read here.",
        "Open it in the spreadsheet, take the password away (or save the sheet as \"CSV UTF-8\"), and send that.",
    )
}

/// A sheet as the workbook lists it.
struct Listed {
    name: String,
    hidden: bool,
}

/// The wanted sheet, or the first that holds pairs, or else the first with anything in it. `rows` reads one by its
/// place in the list.
fn choose(
    sheets: &[Listed],
    wanted: Option<&str>,
    mut rows: impl FnMut(usize) -> Result<Rows, Problems>,
) -> Result<Sheet, Problems> {
    let all: Vec<String> = sheets.iter().map(|sheet| sheet.name.clone()).collect();
    let sheet = |place: usize, rows| Sheet { name: all[place].clone(), all: all.clone(), rows };
    if let Some(wanted) = wanted {
        let Some(place) = all.iter().position(|name| name.trim() == wanted.trim()) else {
            let has = all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            return Err(Problems::table(
                "sheet_not_found",
                format!("There is no sheet \"{wanted}\". The workbook has: {has}."),
                "Choose one of them.",
            ));
        };
        return Ok(sheet(place, rows(place)?));
    }
    // A hidden sheet is read only where no other has anything.
    let (hidden, shown): (Vec<usize>, Vec<usize>) = (0..sheets.len()).partition(|&place| sheets[place].hidden);
    let mut first = None;
    for place in shown.into_iter().chain(hidden).take(MOST_SHEETS) {
        let rows = rows(place)?;
        // A page of explanations often stands before the table.
        if dialect::holds_pairs(&rows.beginning()) {
            return Ok(sheet(place, rows));
        }
        if first.is_none() && !rows.is_empty() {
            first = Some((place, rows));
        }
    }
    let (place, rows) = first.ok_or_else(super::no_rows)?;
    Ok(sheet(place, rows))
}

/// Sheets that are looked at for the one with the pairs.
const MOST_SHEETS: usize = 20;

/// A sheet's cells as they stand in memory until they become rows, one by one: their texts one after another, and 12
/// bytes each. Cells that are blank are not there: a sheet with one cell in each of two far corners would else be filled
/// up between them.
#[derive(Default)]
pub(super) struct Rows {
    text: String,
    cells: Vec<Cell>,
    /// The sheet's.
    width: usize,
    /// Of the next cell, and where its text begins.
    next: (usize, usize),
    /// Cells that are merged with those below them, the upper ones first: their value is that of all.
    merged: VecDeque<Merged>,
    /// Those of them that the present row is within.
    open: Vec<Merged>,
    /// The row that is being taken, and the bytes of its cells.
    of_row: (u32, usize),
}

/// A value that stands for several rows of its column.
struct Merged {
    column: usize,
    /// From 1.
    first: u32,
    last: u32,
    text: String,
}

/// A cell of a sheet, which has 1,048,576 rows and here a thousand columns at most.
struct Cell {
    row: u32,
    /// Where its text ends; a sheet has less than 4 GiB.
    end: u32,
    column: u16,
    date: bool,
    /// A formula whose value was never computed.
    formula: bool,
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Takes a cell, its row counted from 1. Of cells without a value only a formula is kept, which was never computed.
    fn put(
        &mut self,
        (row, column): (u32, usize),
        value: &DataRef<'_>,
        never_computed: bool,
        tally: &mut Tally,
    ) -> Result<(), Problems> {
        let Some((text, date)) = written(value).or_else(|| never_computed.then_some((Cow::Borrowed("="), false)))
        else {
            return tally.count(0);
        };
        self.of_row = (row, text.len() + if self.of_row.0 == row { self.of_row.1 } else { 0 });
        if self.of_row.1 > LONGEST_RECORD {
            return Err(super::row_too_long(row as usize));
        }
        tally.count(text.len() as u64)?;
        self.push(row, column, &text, date, never_computed)
    }

    fn push(&mut self, row: u32, column: usize, text: &str, date: bool, formula: bool) -> Result<(), Problems> {
        if column >= MOST_COLUMNS {
            return Err(super::too_many_columns(column + 1));
        }
        if let Some(last) = self.cells.last().filter(|last| last.row > row) {
            return Err(unreadable(&format!("row {row} stands after row {}", last.row)));
        }
        self.text.push_str(text);
        let (end, column) = (self.text.len() as u32, column as u16);
        self.cells.push(Cell { row, end, column, date, formula });
        if self.text.len() + self.cells.len() * size_of::<Cell>() > MOST_TEXT {
            return Err(too_large("The sheet"));
        }
        self.width = self.width.max(usize::from(column) + 1);
        Ok(())
    }
}

impl Rows {
    /// The first rows' cells, as the header is looked for in them.
    fn beginning(&self) -> Vec<Vec<String>> {
        let mut rows: Vec<Vec<String>> = Vec::new();
        let (mut number, mut begin) = (0, 0);
        for cell in &self.cells {
            if cell.row != number {
                if rows.len() == dialect::SAMPLE {
                    break;
                }
                number = cell.row;
                rows.push(vec![String::new(); self.width]);
            }
            if let Some(row) = rows.last_mut() {
                self.text[begin..cell.end as usize].clone_into(&mut row[usize::from(cell.column)]);
            }
            begin = cell.end as usize;
        }
        rows
    }

    /// Puts the values of merged cells into a row.
    fn fill(&mut self, number: u32, row: &mut Row) {
        while self.merged.front().is_some_and(|merged| merged.first <= number) {
            self.open.extend(self.merged.pop_front());
        }
        self.open.retain(|merged| merged.last >= number);
        for merged in &mut self.open {
            let Some(cell) = row.cells.get_mut(merged.column) else { continue };
            if merged.first == number {
                merged.text.clone_from(cell);
            } else if cell.is_empty() && !merged.text.is_empty() {
                cell.clone_from(&merged.text);
                row.merged.push(merged.column);
            }
        }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        let (first, mut begin) = self.next;
        let number = self.cells.get(first)?.row;
        // Blank cells at the end of a row are not written into the file, and are there all the same.
        let mut row = Row { row: number as usize, line: number as usize, ..Row::default() };
        row.cells.resize(self.width, String::new());
        let cells = self.cells[first..].iter().take_while(|cell| cell.row == number);
        for cell in cells {
            let (column, end) = (usize::from(cell.column), cell.end as usize);
            self.text[begin..end].clone_into(&mut row.cells[column]);
            if cell.date {
                row.dates.push(column);
            }
            if cell.formula {
                row.unreadable.push((column, Unreadable::Formula));
            }
            begin = end;
            self.next = (self.next.0 + 1, end);
        }
        self.fill(number, &mut row);
        Some(row)
    }
}

/// Cells that are merged over several rows, by their first one.
fn below(merged: &[Dimensions]) -> VecDeque<Merged> {
    let tall = merged.iter().filter(|of| of.end.0 > of.start.0).take(MOST_MERGED);
    let mut below: Vec<Merged> = tall
        .map(|of| Merged {
            column: of.start.1 as usize,
            first: of.start.0.saturating_add(1),
            last: of.end.0.saturating_add(1),
            text: String::new(),
        })
        .collect();
    below.sort_by_key(|merged| merged.first);
    below.into()
}

/// Merged cells of a sheet that are looked at.
const MOST_MERGED: usize = 1 << 17;

/// What stands in a cell, and whether the workbook says it is a date; `None` for nothing, or an error such as
/// `#N/A`.
fn written<'a>(value: &'a DataRef<'_>) -> Option<(Cow<'a, str>, bool)> {
    let text: Cow<'_, str> = match value {
        DataRef::Int(number) => number.to_string().into(),
        DataRef::Float(number) => number.to_string().into(),
        DataRef::String(text) => text.into(),
        DataRef::SharedString(text) => (*text).into(),
        DataRef::Bool(value) => value.to_string().into(),
        DataRef::DateTime(date) if date.is_datetime() => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            return Some((format!("{year:04}-{month:02}-{day:02}").into(), true));
        }
        DataRef::DateTime(span) => span.as_f64().to_string().into(),
        DataRef::DateTimeIso(date) => return Some((date.chars().take(10).collect(), true)),
        DataRef::DurationIso(span) => span.into(),
        DataRef::Error(_) | DataRef::Empty => return None,
    };
    (!text.is_empty()).then_some((text, false))
}
