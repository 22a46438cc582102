//! Columns in binary, read as rows: one group of rows after the other.

mod delta;
mod pages;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Repetition;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use self::pages::{Chunks, Watch};
use super::delimited::LONGEST_RECORD;
use super::pack::{self, Origin, told};
use super::{Compression, Fault, Input, Place, Row, Tally, next_row};
use crate::problems::{Problem, Problems};

pub(super) struct Columns {
    pub(super) names: Vec<String>,
    rows: RowIter<'static>,
    watch: Arc<Watch>,
    row: usize,
    ended: bool,
}

pub(super) fn open(origin: &Origin, compression: Option<Compression>) -> Result<Columns, Problems> {
    let watch = Watch::new(Tally::of(origin)?);
    let reader = match (origin, compression) {
        (Origin::Input(Input { place: Place::File(path), .. }), None) => {
            reader(File::open(path).map_err(told)?, &watch)
        }
        (Origin::Input(Input { place: Place::Bytes(bytes), .. }), None) => {
            reader(Bytes::from_owner(Arc::clone(bytes)), &watch)
        }
        _ => reader(Bytes::from(super::sheet::in_memory(origin, compression)?), &watch),
    }?;
    watch.opened();
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
    let one = |field: &Type| field.is_primitive() && field.get_basic_info().repetition() != Repetition::REPEATED;
    if let Some(field) = fields.iter().find(|field| !one(field)) {
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
    let pages = pages::File { file: reader, watch: Arc::clone(&watch) };
    Ok(Columns { names, rows: RowIter::from_file_into(Box::new(pages)), watch, row: 0, ended: false })
}

fn reader(bytes: impl ChunkReader + 'static, watch: &Arc<Watch>) -> Result<Box<dyn FileReader>, Problems> {
    let chunks = Chunks { bytes, watch: Arc::clone(watch) };
    guarded(|| Ok(Box::new(SerializedFileReader::new(chunks)?) as Box<dyn FileReader>))
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
        let (rows, number) = (&mut self.rows, self.row + 1);
        let read = guarded(|| Ok(rows.next().transpose()?.map(|read| row(&read, number))));
        self.row = number;
        let read = read.map_err(|problems| self.watch.refused().unwrap_or(problems));
        next_row(&mut self.ended, read.map_err(Fault::Table).and_then(Option::transpose))
    }
}

fn row(read: &parquet::record::Row, number: usize) -> Result<Row, Fault> {
    let mut row = Row { row: number, line: number, ..Row::default() };
    for (column, (name, field)) in read.get_column_iter().enumerate() {
        let Some((text, date)) = cell(field) else {
            let message = format!("The value of \"{name}\" is no text and no number.");
            return Err(Fault::Row(Problem {
                row: number,
                line: number,
                column: Some(column + 1),
                column_name: Some(name.clone()),
                ..Problem::new("value_nested", message)
            }));
        };
        if date {
            row.dates.push(column);
        }
        row.cells.push(text);
    }
    if row.cells.iter().map(String::len).sum::<usize>() > LONGEST_RECORD {
        return Err(super::row_too_long(number).into());
    }
    Ok(row)
}

/// A day of the proleptic Gregorian calendar, counted from 1970-01-01. The library's own conversion ends in a panic
/// at days that no calendar has.
pub(super) fn day(since_1970: i64) -> String {
    // Years that begin in March: the leap day is the last, so months are 153 days in each five.
    let since_0 = since_1970.saturating_add(719_468);
    let (era, of_era) = (since_0.div_euclid(146_097), since_0.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, early) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", 400 * era + year + early)
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
        Field::Date(days) => return Some((day(i64::from(*days)), true)),
        Field::TimestampMillis(since) => return Some((day(since.div_euclid(86_400_000)), true)),
        Field::TimestampMicros(since) => return Some((day(since.div_euclid(86_400_000_000)), true)),
        _ => field.to_string(),
    };
    Some((text, false))
}
