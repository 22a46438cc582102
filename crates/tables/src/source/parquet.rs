//! Columns in binary, read as rows: one group of rows after the other.

mod delta;
mod pages;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::Repetition;
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use self::pages::{Chunks, Watch};
use super::delimited::LONGEST_RECORD;
use super::pack::{self, Origin, told};
use super::{Compression, Fault, Input, Place, Row, Tally, Unreadable, next_row};
use crate::problems::Problems;

pub(super) struct Columns {
    pub(super) names: Vec<String>,
    layout: Layout,
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
    let names: Vec<String> = fields.iter().map(|field| field.name().trim().to_owned()).collect();
    let classes = classes(metadata.file_metadata().key_value_metadata(), fields);
    // Lists and groups are not even unpacked: a few bytes may stand for any number of values.
    let one = |field: &Type| field.is_primitive() && field.get_basic_info().repetition() != Repetition::REPEATED;
    let (plain, nested): (Vec<usize>, Vec<usize>) = (0..fields.len()).partition(|&place| one(&fields[place]));
    let nested = nested
        .into_iter()
        .map(|place| (place, if fields[place].is_group() { Unreadable::Object } else { Unreadable::List }));
    let schema = metadata.file_metadata().schema_descr().root_schema();
    let kept = plain.iter().map(|&place| Arc::clone(&fields[place])).collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(kept).build();
    let projection = projection.map_err(|error| unreadable(&error.to_string()))?;
    let nested: Vec<(usize, Unreadable)> = nested.collect();
    if plain.is_empty() {
        return Err(Problems::table(
            "column_nested",
            format!(
                "Each column holds lists or groups of values ({}); one value in each cell is needed.",
                names.join(", ")
            ),
            "Write the file with the texts in columns of their own.",
        ));
    }
    let pages = pages::File { file: reader, watch: Arc::clone(&watch) };
    let rows = guarded(|| RowIter::from_file_into(Box::new(pages)).project(Some(projection)))?;
    Ok(Columns {
        layout: Layout { width: names.len(), plain, nested, classes },
        names,
        rows,
        watch,
        row: 0,
        ended: false,
    })
}

/// Where a row's values stand.
struct Layout {
    width: usize,
    /// Columns of one value in each cell, in their order.
    plain: Vec<usize>,
    /// The others.
    nested: Vec<(usize, Unreadable)>,
    /// Of a column whose numbers stand for classes, what these are called.
    classes: Vec<Option<Vec<String>>>,
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
        let (rows, number, layout) = (&mut self.rows, self.row + 1, &self.layout);
        let read = guarded(|| Ok(rows.next().transpose()?.map(|read| row(&read, number, layout))));
        self.row = number;
        let read = read.map_err(|problems| self.watch.refused().unwrap_or(problems));
        next_row(&mut self.ended, read.map_err(Fault::Table).and_then(Option::transpose))
    }
}

fn row(read: &parquet::record::Row, number: usize, layout: &Layout) -> Result<Row, Fault> {
    let mut row = Row { row: number, line: number, unreadable: layout.nested.clone(), ..Row::default() };
    row.cells.resize(layout.width, String::new());
    for &(column, why) in &layout.nested {
        // It is there, and not read.
        row.cells[column] = if matches!(why, Unreadable::List) { "[..]" } else { "{..}" }.to_owned();
    }
    for (&column, (_, field)) in layout.plain.iter().zip(read.get_column_iter()) {
        let Some((text, date)) = cell(field) else {
            row.unreadable.push((column, Unreadable::Object));
            continue;
        };
        let class = layout.classes.get(column).and_then(Option::as_ref);
        let class = class.and_then(|names| names.get(text.parse::<usize>().ok()?));
        if date {
            row.dates.push(column);
        }
        row.cells[column] = class.cloned().unwrap_or(text);
    }
    if row.cells.iter().map(String::len).sum::<usize>() > LONGEST_RECORD {
        return Err(super::row_too_long(number).into());
    }
    Ok(row)
}

/// What numbers of a column stand for, as the library `datasets` writes it beside the table.
fn classes(written: Option<&Vec<KeyValue>>, fields: &[Arc<Type>]) -> Vec<Option<Vec<String>>> {
    let told =
        written.into_iter().flatten().find(|entry| entry.key == "huggingface").and_then(|entry| entry.value.as_ref());
    let told: Option<serde_json::Value> = told.and_then(|text| serde_json::from_str(text).ok());
    let of = |name: &str| {
        let feature = &told.as_ref()?["info"]["features"][name];
        (feature["_type"] == "ClassLabel").then(|| serde_json::from_value(feature["names"].clone()).ok())?
    };
    fields.iter().map(|field| of(field.name())).collect()
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
