//! Columns in binary, read as rows: one group of rows after the other.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;

use super::super::{Problem, Problems};
use super::delimited::LONGEST_RECORD;
use super::pack::{self, Origin, told};
use super::{Compression, Fault, Input, Row};

/// A file's columns and rows.
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    rows: RowIter<'static>,
    row: usize,
    ended: bool,
}

/// Opens a file of columns.
pub(super) fn open(origin: &Origin, compression: Option<Compression>) -> Result<Columns, Problems> {
    let reader: Box<dyn FileReader> = match (origin, compression) {
        (Origin::Input(Input::File(path)), None) => {
            let file = File::open(path).map_err(told)?;
            guarded(|| SerializedFileReader::new(file).map(|reader| Box::new(reader) as Box<dyn FileReader>))?
        }
        (Origin::Input(Input::Bytes(bytes)), None) => {
            let bytes = Bytes::from_owner(std::sync::Arc::clone(bytes));
            guarded(|| SerializedFileReader::new(bytes).map(|reader| Box::new(reader) as Box<dyn FileReader>))?
        }
        _ => {
            let bytes = Bytes::from(super::sheet::in_memory(origin, compression)?);
            guarded(|| SerializedFileReader::new(bytes).map(|reader| Box::new(reader) as Box<dyn FileReader>))?
        }
    };
    let metadata = reader.metadata();
    let unpacked = metadata.row_groups().iter().map(|group| group.total_byte_size().max(0) as u64);
    if unpacked.fold(0_u64, u64::saturating_add) > pack::MOST_UNPACKED {
        return Err(Problems::table(
            "unpacks_too_large",
            format!("The file unpacks to more than {} GiB.", pack::MOST_UNPACKED >> 30),
            "Send a part of it, and of its columns those that are needed.",
        ));
    }
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    if fields.len() > super::MOST_COLUMNS {
        return Err(super::too_many_columns(fields.len()));
    }
    if let Some(field) = fields.iter().find(|field| field.is_group()) {
        return Err(Problems::table(
            "column_nested",
            format!(
                "The column \"{}\" holds lists or groups of values; one value in each cell is needed.",
                field.name()
            ),
            "Write the file without that column, or with its values in columns of their own.",
        ));
    }
    let names = fields.iter().map(|field| field.name().trim().to_owned()).collect();
    Ok(Columns { names, rows: RowIter::from_file_into(reader), row: 0, ended: false })
}

/// The file may be anybody's; what contradicts itself may end in a panic of the library.
fn guarded<T>(read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, Problems> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| unreadable(&error.to_string())),
        Err(_) => Err(unreadable("its parts contradict each other")),
    }
}

fn unreadable(why: &str) -> Problems {
    Problems::table(
        "unreadable",
        format!("The Parquet file cannot be read: {why}."),
        "Check that it is whole, or write the table as CSV UTF-8, and send it again.",
    )
}

impl Iterator for Columns {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let rows = &mut self.rows;
        let read = match guarded(|| rows.next().transpose()) {
            Ok(Some(row)) => row,
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Err(problems) => {
                self.ended = true;
                return Some(Err(Fault::Table(problems)));
            }
        };
        self.row += 1;
        let mut row = Row { row: self.row, line: self.row, ..Row::default() };
        for (column, (name, field)) in read.get_column_iter().enumerate() {
            match cell(field) {
                Some((text, date)) => {
                    if date {
                        row.dates.push(column);
                    }
                    row.cells.push(text);
                }
                None => {
                    return Some(Err(Fault::Row(Problem {
                        row: self.row,
                        line: self.row,
                        column: Some(column + 1),
                        column_name: Some(name.clone()),
                        value: String::new(),
                        code: "value_nested",
                        message: format!("The value of \"{name}\" is no text and no number."),
                        suggestion: None,
                    })));
                }
            }
        }
        if row.cells.iter().map(String::len).sum::<usize>() > LONGEST_RECORD {
            self.ended = true;
            let what = format!("Row {} has more than {LONGEST_RECORD} bytes; {LONGEST_RECORD} are allowed.", self.row);
            return Some(Err(Fault::Table(Problems::table(
                "line_too_long",
                what,
                "Keep the two texts and the score.",
            ))));
        }
        Some(Ok(row))
    }
}

/// A value as a cell, and whether it is a date.
fn cell(field: &Field) -> Option<(String, bool)> {
    let text = match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Bytes(bytes) => std::str::from_utf8(bytes.data()).ok()?.to_owned(),
        Field::Float(number) => number.to_string(),
        Field::Double(number) => number.to_string(),
        Field::Float16(number) => number.to_f32().to_string(),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => return None,
        Field::Date(_) | Field::TimestampMillis(_) | Field::TimestampMicros(_) => {
            return Some((field.to_string().chars().take(10).collect(), true));
        }
        _ => field.to_string(),
    };
    Some((text, false))
}
