//! A workbook's sheet, row by row.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx};
use zip::ZipArchive;

use super::contents::{other, unsupported};
use super::delimited::LONGEST_RECORD;
use super::pack::{Origin, told};
use super::{Compression, Input, MOST_COLUMNS, Row};
use crate::problems::Problems;

/// Bytes that a workbook's parts may have when they are unpacked: it is held in memory.
const MOST_UNPACKED: u64 = 100_000_000;

/// Bytes of text that a sheet may have. A text that is stored once can stand in many cells.
const MOST_TEXT: usize = 300_000_000;

pub(super) struct Sheet {
    pub(super) name: String,
    /// All of the workbook.
    pub(super) all: Vec<String>,
    pub(super) rows: Vec<Row>,
}

/// A file that can be read in any order.
pub(super) trait Anywhere: Read + Seek + Send {}

impl<T: Read + Seek + Send> Anywhere for T {}

/// Opens a file to be read in any order; a packed one is unpacked into memory.
fn anywhere(origin: &Origin, compression: Option<Compression>) -> Result<Box<dyn Anywhere>, Problems> {
    match (origin, compression) {
        (Origin::Input(Input::File(path)), None) => Ok(Box::new(BufReader::new(File::open(path).map_err(told)?))),
        (Origin::Input(Input::Bytes(bytes)), None) => Ok(Box::new(Cursor::new(Arc::clone(bytes)))),
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

/// Reads a workbook's sheet: the named one, or the first that is not empty.
pub(super) fn read(origin: &Origin, compression: Option<Compression>, wanted: Option<&str>) -> Result<Sheet, Problems> {
    check(anywhere(origin, compression)?)?;
    let file = anywhere(origin, compression)?;
    // The file may be anybody's, and the library was written for workbooks that a spreadsheet wrote.
    catch_unwind(AssertUnwindSafe(|| sheet(file, wanted)))
        .unwrap_or_else(|_| Err(unreadable("its parts contradict each other")))
}

/// Refuses what is no workbook, and what would not fit into memory, before anything is kept of it.
fn check(file: Box<dyn Anywhere>) -> Result<(), Problems> {
    let mut archive = ZipArchive::new(file).map_err(|error| unreadable(&error.to_string()))?;
    let names: Vec<String> = archive.file_names().flatten().map(|name| name.into_owned()).collect();
    let has = |part: &str| names.iter().any(|name| name == part);
    if !has("xl/workbook.xml") {
        return Err(what_else(&names, &mut archive));
    }
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

/// What an archive is that is no workbook.
fn what_else(names: &[String], archive: &mut ZipArchive<Box<dyn Anywhere>>) -> Problems {
    let any = |test: &dyn Fn(&str) -> bool| names.iter().any(|name| test(name));
    if any(&|name| name == "xl/workbook.bin") {
        return unsupported("a binary workbook (.xlsb)");
    }
    if any(&|name| name.starts_with("Index/") || name == "Index.zip") {
        return unsupported("a Numbers document");
    }
    let mut kind = String::new();
    if let Ok(part) = archive.by_name("mimetype") {
        let _ = part.take(100).read_to_string(&mut kind);
    }
    if kind.contains("opendocument.spreadsheet") {
        return unsupported("an OpenDocument spreadsheet (.ods)");
    }
    if kind.contains("opendocument") || any(&|name| name.starts_with("word/")) {
        return other("a text document", "Send a table: CSV, .xlsx, JSON Lines or Parquet.");
    }
    if any(&|name| name.starts_with("ppt/")) {
        return other("a presentation", "Send a table: CSV, .xlsx, JSON Lines or Parquet.");
    }
    let files: Vec<&str> = names.iter().filter(|name| !name.ends_with('/')).take(5).map(String::as_str).collect();
    other(&format!("an archive with {}", files.join(", ")), "Unpack it, and send the table in it by itself.")
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

fn sheet(file: Box<dyn Anywhere>, wanted: Option<&str>) -> Result<Sheet, Problems> {
    let mut book = Xlsx::new(file).map_err(|error| unreadable(&error.to_string()))?;
    let sheets: Vec<_> =
        book.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).cloned().collect();
    let all: Vec<String> = sheets.iter().map(|sheet| sheet.name.clone()).collect();
    if let Some(wanted) = wanted {
        let Some(name) = all.iter().find(|name| name.trim() == wanted.trim()).cloned() else {
            let has = all.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
            return Err(Problems::table(
                "sheet_not_found",
                format!("There is no sheet \"{wanted}\". The workbook has: {has}."),
                "Choose one of them.",
            ));
        };
        let rows = rows(&mut book, &name)?;
        return Ok(Sheet { name, all, rows });
    }
    // A hidden sheet is read only where no other has anything.
    let (shown, hidden): (Vec<_>, Vec<_>) =
        sheets.into_iter().partition(|sheet| sheet.visible == SheetVisible::Visible);
    for sheet in shown.into_iter().chain(hidden) {
        let rows = rows(&mut book, &sheet.name)?;
        if !rows.is_empty() {
            return Ok(Sheet { name: sheet.name, all, rows });
        }
    }
    Err(super::no_rows())
}

/// Cells are taken one by one: a sheet with one cell in each of two far corners would else be filled up between
/// them.
fn rows(book: &mut Xlsx<Box<dyn Anywhere>>, name: &str) -> Result<Vec<Row>, Problems> {
    let mut cells = book.worksheet_cells_reader(name).map_err(|error| unreadable(&error.to_string()))?;
    let mut rows: Vec<Row> = Vec::new();
    let (mut width, mut bytes, mut of_row) = (0, 0, 0);
    while let Some(cell) = cells.next_cell().map_err(|error| unreadable(&error.to_string()))? {
        let (row, column) = (cell.get_position().0 as usize + 1, cell.get_position().1 as usize);
        let Some((text, date)) = written(cell.get_value()) else { continue };
        if column >= MOST_COLUMNS {
            return Err(super::too_many_columns(column + 1));
        }
        match rows.last() {
            Some(last) if last.row == row => {}
            Some(last) if last.row > row => {
                return Err(unreadable(&format!("row {row} stands after row {}", last.row)));
            }
            _ => {
                rows.push(Row { row, line: row, ..Row::default() });
                of_row = 0;
            }
        }
        let Some(last) = rows.last_mut() else { continue };
        width = width.max(column + 1);
        bytes += text.len() + 24;
        of_row += text.len();
        if of_row > LONGEST_RECORD {
            return Err(super::row_too_long(row));
        }
        if bytes > MOST_TEXT {
            return Err(too_large("The sheet"));
        }
        if last.cells.len() <= column {
            last.cells.resize(column + 1, String::new());
        }
        if date {
            last.dates.push(column);
        }
        last.cells[column] = text;
    }
    // Blank cells at the end of a row are not written into the file, and are there all the same.
    for row in &mut rows {
        row.cells.resize(width, String::new());
    }
    Ok(rows)
}

/// What stands in a cell, and whether the workbook says it is a date; `None` for nothing, or an error such as
/// `#N/A`.
fn written(value: &DataRef<'_>) -> Option<(String, bool)> {
    let text = match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(date) if date.is_datetime() => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            return Some((format!("{year:04}-{month:02}-{day:02}"), true));
        }
        DataRef::DateTime(span) => span.as_f64().to_string(),
        DataRef::DateTimeIso(date) => return Some((date.chars().take(10).collect(), true)),
        DataRef::DurationIso(span) => span.clone(),
        DataRef::Error(_) | DataRef::Empty => return None,
    };
    (!text.is_empty()).then_some((text, false))
}
