//! Workbooks of Excel 97 to 2003 (.xls): a compound file with a stream of records in it.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use calamine::{DataRef, Dimensions, ExcelDateTime, ExcelDateTimeType};
use cfb::CompoundFile;

use super::biff::{Fields, Record, cut_off};
use super::{Listed, MOST_UNPACKED, Rows, Sheet, Tally, below, choose, locked, too_large, unreadable};
use crate::problems::Problems;
use crate::source::contents;

/// The kinds of records that are read (\[MS-XLS\] 2.3.1).
mod kind {
    pub(super) const FORMULA: u16 = 0x0006;
    pub(super) const EOF: u16 = 0x000a;
    pub(super) const DATE_1904: u16 = 0x0022;
    pub(super) const FILE_PASS: u16 = 0x002f;
    pub(super) const BOUND_SHEET: u16 = 0x0085;
    pub(super) const MUL_RK: u16 = 0x00bd;
    pub(super) const R_STRING: u16 = 0x00d6;
    pub(super) const XF: u16 = 0x00e0;
    pub(super) const MERGE_CELLS: u16 = 0x00e5;
    pub(super) const SST: u16 = 0x00fc;
    pub(super) const LABEL_SST: u16 = 0x00fd;
    pub(super) const NUMBER: u16 = 0x0203;
    pub(super) const LABEL: u16 = 0x0204;
    pub(super) const BOOL_ERR: u16 = 0x0205;
    pub(super) const STRING: u16 = 0x0207;
    pub(super) const RK: u16 = 0x027e;
    pub(super) const FORMAT: u16 = 0x041e;
    pub(super) const BOF: u16 = 0x0809;
}

/// The version that records of Excel 97 and later begin with.
const BIFF8: u16 = 0x0600;

pub(super) fn sheet(bytes: Vec<u8>, wanted: Option<&str>, tally: &mut Tally) -> Result<Sheet, Problems> {
    let stream = workbook(bytes)?;
    let book = Book::read(&stream, tally)?;
    choose(&book.sheets, wanted, |place| book.rows(place, tally))
}

/// The stream of a compound file that has the workbook.
fn workbook(bytes: Vec<u8>) -> Result<Vec<u8>, Problems> {
    check_sectors(&bytes)?;
    // The library speaks of sectors, which say nothing to who made the workbook.
    let damaged = |_| unreadable("it is damaged, or was cut off");
    let mut file = CompoundFile::open(Cursor::new(bytes)).map_err(damaged)?;
    let has = |name: &str| file.is_stream(format!("/{name}"));
    if has("EncryptedPackage") {
        return Err(locked());
    }
    if !has("Workbook") {
        return Err(contents::other_compound(has));
    }
    let part = file.open_stream("/Workbook").map_err(damaged)?;
    let mut stream = Vec::new();
    part.take(MOST_UNPACKED + 1).read_to_end(&mut stream).map_err(damaged)?;
    if stream.len() as u64 > MOST_UNPACKED {
        return Err(too_large("The workbook"));
    }
    Ok(stream)
}

/// Refuses a compound file whose table of sectors (\[MS-CFB\] 2.5) is larger than its sectors ask for: the library
/// reads each part of the table that is listed, and one may be listed a million times.
fn check_sectors(bytes: &[u8]) -> Result<(), Problems> {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).ok_or_else(cut_off)
    };
    const FREE: u32 = 0xffff_fffa;
    let size = 1_usize << (number(0x1e)? & 0xffff).clamp(9, 12);
    let listed = |from: usize, count: usize| -> Result<usize, Problems> {
        (0..count).try_fold(0, |sum, place| Ok(sum + usize::from(number(from + place * 4)? < FREE)))
    };
    let most = bytes.len() / size / (size / 4) + 2;
    let mut parts = listed(0x4c, 109)?;
    let mut next = number(0x44)?;
    // Zeros fill what is left of a list that somebody else wrote; the library takes them away.
    while next < FREE && parts <= most + size {
        let begin = (next as usize + 1).checked_mul(size).ok_or_else(cut_off)?;
        parts += listed(begin, size / 4 - 1)?;
        next = number(begin + size - 4)?;
    }
    if parts > most + size { Err(unreadable("its parts contradict each other")) } else { Ok(()) }
}

/// Texts that cells share: one after another, and where each ends.
#[derive(Default)]
struct Texts {
    all: String,
    ends: Vec<u32>,
}

impl Texts {
    fn read(mut fields: Fields<'_>, tally: &mut Tally) -> Result<Self, Problems> {
        fields.u32()?;
        let (count, mut texts) = (fields.u32()?, Self::default());
        for _ in 0..count {
            let characters = fields.u16()?;
            texts.all.push_str(&fields.text(usize::from(characters))?);
            texts.ends.push(texts.all.len() as u32);
            tally.stop.check()?;
        }
        Ok(texts)
    }

    fn get(&self, place: usize) -> Result<&str, Problems> {
        let end = self.ends.get(place).ok_or_else(|| unreadable("a cell has a text that is not there"))?;
        let begin = if place == 0 { 0 } else { self.ends[place - 1] };
        Ok(&self.all[begin as usize..*end as usize])
    }
}

/// What is told before the first sheet.
struct Book<'a> {
    stream: &'a [u8],
    sheets: Vec<Listed>,
    /// Where each sheet begins.
    begins: Vec<usize>,
    texts: Texts,
    /// Of each cell format whether it shows a date.
    dates: Vec<bool>,
    since_1904: bool,
}

impl<'a> Book<'a> {
    fn read(stream: &'a [u8], tally: &mut Tally) -> Result<Self, Problems> {
        let (mut sheets, mut begins, mut texts) = (Vec::new(), Vec::new(), Texts::default());
        let (mut formats, mut of_cells, mut since_1904) = (HashMap::new(), Vec::new(), false);
        let mut next = Record::first(stream)?;
        check_begin(next)?;
        while let Some(record) = next.filter(|record| record.kind != kind::EOF) {
            let mut fields = record.fields();
            match record.kind {
                kind::FILE_PASS => return Err(locked()),
                kind::DATE_1904 => since_1904 = fields.u16()? == 1,
                kind::FORMAT => {
                    let (number, characters) = (fields.u16()?, fields.u16()?);
                    formats.insert(number, is_date(&fields.text(usize::from(characters))?));
                }
                kind::XF => {
                    fields.skip(2)?;
                    of_cells.push(fields.u16()?);
                }
                kind::BOUND_SHEET => {
                    let (begin, visible, what) = (fields.u32()?, fields.u8()?, fields.u8()?);
                    let characters = fields.u8()?;
                    // The others are charts and macros.
                    if what == 0 {
                        let name = fields.text(usize::from(characters))?;
                        sheets.push(Listed { name, hidden: visible & 3 != 0 });
                        begins.push(begin as usize);
                    }
                }
                kind::SST => texts = Texts::read(fields, tally)?,
                _ => {}
            }
            next = record.next()?;
        }
        if next.is_none() {
            return Err(cut_off());
        }
        let shows_date = |number| formats.get(number).copied().unwrap_or_else(|| is_date_by_number(*number));
        let dates = of_cells.iter().map(shows_date).collect();
        Ok(Self { stream, sheets, begins, texts, dates, since_1904 })
    }

    fn rows(&self, place: usize, tally: &mut Tally) -> Result<Rows, Problems> {
        let mut next = Record::first(self.stream.get(self.begins[place]..).ok_or_else(cut_off)?)?;
        check_begin(next)?;
        let (mut rows, mut merged, mut depth) = (Rows::default(), Vec::new(), 0_u32);
        // Of a formula whose text follows in a record of its own.
        let mut waits = None;
        while let Some(record) = next {
            let mut fields = record.fields();
            match record.kind {
                kind::BOF => depth += 1,
                kind::EOF if depth == 1 => break,
                kind::EOF => depth -= 1,
                // A chart within the sheet.
                _ if depth != 1 => {}
                kind::MERGE_CELLS => {
                    for _ in 0..fields.u16()? {
                        let [top, bottom, left, right] =
                            [fields.u16()?, fields.u16()?, fields.u16()?, fields.u16()?].map(u32::from);
                        merged.push(Dimensions::new((top, left), (bottom, right)));
                    }
                }
                kind::STRING => {
                    if let Some(cell) = waits.take() {
                        let characters = fields.u16()?;
                        let text = fields.text(usize::from(characters))?;
                        rows.put(cell, &DataRef::String(text), false, tally)?;
                    }
                }
                kind::MUL_RK => {
                    let (row, mut column) = place_of(&mut fields)?;
                    // Six bytes for each cell, and then the last column.
                    while fields.left() >= 8 {
                        let format = fields.u16()?;
                        let value = self.number(rk(fields.u32()?), format);
                        rows.put((row, column), &value, false, tally)?;
                        column += 1;
                    }
                }
                kind::FORMULA
                | kind::LABEL
                | kind::R_STRING
                | kind::LABEL_SST
                | kind::NUMBER
                | kind::RK
                | kind::BOOL_ERR => {
                    let cell = place_of(&mut fields)?;
                    let format = fields.u16()?;
                    let value = match record.kind {
                        kind::FORMULA => {
                            let computed = fields.eight()?;
                            if computed[6..] == [0xff; 2] && computed[0] == 0 {
                                waits = Some(cell);
                            }
                            self.computed(computed, format)
                        }
                        _ => self.value(record.kind, &mut fields, format)?,
                    };
                    rows.put(cell, &value, false, tally)?;
                }
                _ => {}
            }
            next = record.next()?;
        }
        if next.is_none() {
            return Err(cut_off());
        }
        rows.merged = below(&merged);
        Ok(rows)
    }

    /// What stands in a cell of this kind.
    fn value(&self, kind: u16, fields: &mut Fields<'_>, format: u16) -> Result<DataRef<'_>, Problems> {
        Ok(match kind {
            kind::LABEL_SST => DataRef::SharedString(self.texts.get(fields.u32()? as usize)?),
            kind::NUMBER => self.number(f64::from_le_bytes(fields.eight()?), format),
            kind::RK => self.number(rk(fields.u32()?), format),
            kind::BOOL_ERR => {
                let (value, is_error) = (fields.u8()?, fields.u8()?);
                if is_error == 0 { DataRef::Bool(value != 0) } else { DataRef::Empty }
            }
            _ => {
                let characters = fields.u16()?;
                DataRef::String(fields.text(usize::from(characters))?)
            }
        })
    }

    /// The value that a formula had: a number, or what its last two bytes say is none. A text follows.
    fn computed(&self, value: [u8; 8], format: u16) -> DataRef<'_> {
        match value {
            [1, _, yes, .., 0xff, 0xff] => DataRef::Bool(yes != 0),
            [.., 0xff, 0xff] => DataRef::Empty,
            _ => self.number(f64::from_le_bytes(value), format),
        }
    }

    fn number(&self, value: f64, format: u16) -> DataRef<'_> {
        if self.dates.get(usize::from(format)) == Some(&true) {
            return DataRef::DateTime(ExcelDateTime::new(value, ExcelDateTimeType::DateTime, self.since_1904));
        }
        DataRef::Float(value)
    }
}

fn check_begin(record: Option<Record<'_>>) -> Result<(), Problems> {
    match record {
        Some(record) if record.kind == kind::BOF && record.fields().u16()? == BIFF8 => Ok(()),
        Some(record) if record.kind & 0xff == 0x09 => Err(contents::unsupported("a workbook of Excel 95 or before")),
        _ => Err(unreadable("a sheet does not begin where it should")),
    }
}

/// A cell's row, from 1, and its column.
fn place_of(fields: &mut Fields<'_>) -> Result<(u32, usize), Problems> {
    Ok((u32::from(fields.u16()?) + 1, usize::from(fields.u16()?)))
}

/// A number in 30 bits: a whole one, or the upper part of a double; a hundredth of it where bit 0 says so.
fn rk(packed: u32) -> f64 {
    let number = match packed & 2 {
        0 => f64::from_bits(u64::from(packed & !3) << 32),
        _ => f64::from(packed.cast_signed() >> 2),
    };
    if packed & 1 == 0 { number } else { number / 100.0 }
}

/// Formats of dates and times that have a number instead of a code; 27 to 36 and 50 to 58 are those of China, Japan and
/// Korea.
fn is_date_by_number(number: u16) -> bool {
    matches!(number, 14..=22 | 27..=36 | 45 | 47 | 50..=58)
}

/// Whether a format's code shows a number as a date or a time of day.
fn is_date(code: &str) -> bool {
    let mut characters = code.chars();
    while let Some(character) = characters.next() {
        match character.to_ascii_lowercase() {
            '"' => _ = characters.find(|&character| character == '"'),
            '\\' | '_' | '*' => _ = characters.next(),
            '[' => {
                let inside: String = characters.by_ref().take_while(|&character| character != ']').collect();
                // Hours of a span, which may be more than 24; otherwise a colour, a language or a condition.
                if !inside.is_empty() && inside.chars().all(|character| "hmsHMS".contains(character)) {
                    return false;
                }
            }
            'y' | 'm' | 'd' | 'h' | 's' => return true,
            ';' => return false,
            _ => {}
        }
    }
    false
}
