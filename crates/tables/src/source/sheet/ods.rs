//! OpenDocument spreadsheets (.ods, and .fods in one piece).

use std::io::Read;
use std::ops::Range;

use calamine::{DataRef, Dimensions};
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::{Archive, Listed, MOST_UNPACKED, Rows, Sheet, Tally, below, choose, locked, mimetype, unreadable};
use crate::problems::Problems;
use crate::source::contents::SPREADSHEET;
use crate::source::delimited::LONGEST_RECORD;
use crate::source::row_too_long;

/// Whether an archive is one.
pub(super) fn is_spreadsheet(archive: &mut Archive) -> bool {
    mimetype(archive).starts_with(SPREADSHEET)
}

/// The part of an archive that has the cells.
pub(super) fn content(archive: &mut Archive) -> Result<Vec<u8>, Problems> {
    let manifest = part(archive, "META-INF/manifest.xml").unwrap_or_default();
    if manifest.windows(15).any(|words| words == b"encryption-data") {
        return Err(locked());
    }
    part(archive, "content.xml")
}

fn part(archive: &mut Archive, name: &str) -> Result<Vec<u8>, Problems> {
    let mut bytes = Vec::new();
    let part = archive.by_name(name).map_err(|error| unreadable(&error.to_string()))?;
    part.take(MOST_UNPACKED).read_to_end(&mut bytes).map_err(|error| unreadable(&error.to_string()))?;
    Ok(bytes)
}

pub(super) fn sheet(content: Vec<u8>, wanted: Option<&str>, tally: &mut Tally) -> Result<Sheet, Problems> {
    let content = String::from_utf8(content).map_err(|_| unreadable("its text is no UTF-8"))?;
    let (sheets, places) = sheets(&content)?;
    choose(&sheets, wanted, |sheet| Table::read(&content[places[sheet].clone()], tally))
}

/// The sheets, and where each stands.
fn sheets(content: &str) -> Result<(Vec<Listed>, Vec<Range<usize>>), Problems> {
    let mut reader = Reader::from_str(content);
    let (mut sheets, mut places) = (Vec::new(), Vec::new());
    let (mut style, mut hidden_styles) = (String::new(), Vec::new());
    let mut within: Vec<String> = Vec::new();
    loop {
        match event(&mut reader)? {
            Event::Start(tag)
                if tag.name().as_ref() == "table:table" && within.ends_with(&["office:spreadsheet".into()]) =>
            {
                let style = attribute(&tag, "table:style-name")?;
                let hidden = style.is_some_and(|style| hidden_styles.contains(&style));
                let name = attribute(&tag, "table:name")?.unwrap_or_default();
                let place = reader.read_to_end(tag.name()).map_err(|error| unreadable(&error.to_string()))?;
                sheets.push(Listed { name, hidden });
                places.push(place.start as usize..place.end as usize);
            }
            Event::Start(tag) => {
                if tag.name().as_ref() == "style:style" {
                    style = attribute(&tag, "style:name")?.unwrap_or_default();
                }
                if hides(&tag)? {
                    hidden_styles.push(style.clone());
                }
                within.push(tag.name().as_ref().to_owned());
            }
            Event::Empty(tag) if hides(&tag)? => hidden_styles.push(style.clone()),
            Event::End(_) => _ = within.pop(),
            Event::Eof if within.is_empty() => return Ok((sheets, places)),
            Event::Eof => return Err(unreadable("it ends in the middle")),
            _ => {}
        }
    }
}

/// Whether a style's properties hide the sheets that have it.
fn hides(tag: &BytesStart<'_>) -> Result<bool, Problems> {
    Ok(tag.name().as_ref() == "style:table-properties" && attribute(tag, "table:display")?.as_deref() == Some("false"))
}

/// A sheet that is being read.
#[derive(Default)]
struct Table {
    rows: Rows,
    merged: Vec<Dimensions>,
    /// Rows that were read.
    row: u32,
}

/// A cell with something in it, and how many columns have the same.
struct Cell {
    column: usize,
    repeated: usize,
    value: DataRef<'static>,
    never_computed: bool,
}

impl Table {
    fn read(content: &str, tally: &mut Tally) -> Result<Rows, Problems> {
        let (mut reader, mut table) = (Reader::from_str(content), Self::default());
        loop {
            match event(&mut reader)? {
                Event::Start(tag) => match tag.name().as_ref() {
                    "table:table-row" => {
                        let repeated = times(&tag, "table:number-rows-repeated")?;
                        let cells = table.cells(&mut reader, tally)?;
                        table.take(&cells, repeated, tally)?;
                    }
                    // Rows stand in groups, which are folded, or repeated on each page.
                    "table:table-row-group" | "table:table-header-rows" | "table:table-rows" => {}
                    _ => skip(&mut reader, &tag)?,
                },
                Event::Empty(tag) if tag.name().as_ref() == "table:table-row" => {
                    table.row = table.row.saturating_add(times(&tag, "table:number-rows-repeated")?);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        table.rows.merged = below(&table.merged);
        Ok(table.rows)
    }

    /// The cells of a row whose tag was read.
    fn cells(&mut self, reader: &mut Reader<&[u8]>, tally: &mut Tally) -> Result<Vec<Cell>, Problems> {
        let (mut cells, mut column) = (Vec::new(), 0_usize);
        loop {
            let (tag, is_empty) = match event(reader)? {
                Event::Start(tag) => (tag, false),
                Event::Empty(tag) => (tag, true),
                Event::End(_) | Event::Eof => return Ok(cells),
                _ => continue,
            };
            let covered = match tag.name().as_ref() {
                "table:table-cell" => false,
                // Below or beside a cell that is merged with it: what it has is not shown.
                "table:covered-table-cell" => true,
                _ if is_empty => continue,
                _ => {
                    skip(reader, &tag)?;
                    continue;
                }
            };
            tally.count(0)?;
            let repeated = times(&tag, "table:number-columns-repeated")? as usize;
            let text = if is_empty { String::new() } else { text(reader, self.row)? };
            let rows = times(&tag, "table:number-rows-spanned")?;
            if rows > 1 {
                let end = self.row.saturating_add(rows - 1);
                self.merged.push(Dimensions::new((self.row, column as u32), (end, column as u32)));
            }
            let value = if covered { DataRef::Empty } else { value(&tag, text)? };
            let never_computed = !covered
                && matches!(value, DataRef::Empty)
                && attribute(&tag, "table:formula")?.is_some()
                && attribute(&tag, "office:value-type")?.is_none();
            if never_computed || !matches!(value, DataRef::Empty) {
                cells.push(Cell { column, repeated, value, never_computed });
            }
            column = column.saturating_add(repeated);
        }
    }

    /// Takes a row as often as it stands there.
    fn take(&mut self, cells: &[Cell], repeated: u32, tally: &mut Tally) -> Result<(), Problems> {
        if cells.is_empty() {
            self.row = self.row.saturating_add(repeated);
            return Ok(());
        }
        for _ in 0..repeated {
            self.row = self.row.saturating_add(1);
            for cell in cells {
                for column in cell.column..cell.column.saturating_add(cell.repeated) {
                    self.rows.put((self.row, column), &cell.value, cell.never_computed, tally)?;
                }
            }
        }
        Ok(())
    }
}

/// What a cell holds by its type; the text is what it shows.
fn value(tag: &BytesStart<'_>, text: String) -> Result<DataRef<'static>, Problems> {
    if attribute(tag, "calcext:value-type")?.as_deref() == Some("error") {
        return Ok(DataRef::Empty);
    }
    let of = |name| attribute(tag, name);
    Ok(match of("office:value-type")?.as_deref() {
        Some("float" | "percentage" | "currency") => {
            let number = of("office:value")?;
            number.and_then(|number| number.trim().parse().ok()).map_or(DataRef::String(text), DataRef::Float)
        }
        Some("boolean") => {
            of("office:boolean-value")?.map_or(DataRef::String(text), |yes| DataRef::Bool(yes == "true"))
        }
        Some("date") => of("office:date-value")?.map_or(DataRef::String(text), DataRef::DateTimeIso),
        Some("string") => DataRef::String(of("office:string-value")?.unwrap_or(text)),
        _ if text.is_empty() => DataRef::Empty,
        _ => DataRef::String(text),
    })
}

/// The text of a cell whose tag was read: its paragraphs, one a line, without notes and pictures.
fn text(reader: &mut Reader<&[u8]>, row: u32) -> Result<String, Problems> {
    let (mut text, mut depth, mut paragraphs) = (String::new(), 1_u32, 0_u32);
    loop {
        let event = event(reader)?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let is_empty = matches!(event, Event::Empty(_));
                match tag.name().as_ref() {
                    "text:p" | "text:h" => {
                        paragraphs += 1;
                        if paragraphs > 1 {
                            text.push('\n');
                        }
                    }
                    "text:s" => {
                        let count = times(tag, "text:c")? as usize;
                        text.extend(std::iter::repeat_n(' ', count.min(LONGEST_RECORD + 1)));
                    }
                    "text:tab" => text.push('\t'),
                    "text:line-break" => text.push('\n'),
                    "text:span" | "text:a" | "text:ruby" | "text:ruby-base" => {}
                    // A note, how a word is read aloud, a picture, a field's settings.
                    "office:annotation" | "text:note" | "text:ruby-text" => {
                        if !is_empty {
                            skip(reader, tag)?;
                        }
                        continue;
                    }
                    name if name.starts_with("draw:") || name.starts_with("office:") => {
                        if !is_empty {
                            skip(reader, tag)?;
                        }
                        continue;
                    }
                    _ => {}
                }
                depth += u32::from(!is_empty);
            }
            Event::End(_) if depth == 1 => return Ok(text),
            Event::End(_) => depth -= 1,
            // Outside of paragraphs stands only what makes the XML easier to look at.
            Event::Text(words) if depth > 1 => push_words(&mut text, &words.xml10_content()),
            Event::CData(words) if depth > 1 => push_words(&mut text, &words.xml10_content()),
            Event::GeneralRef(reference) if depth > 1 => text.push_str(&meant(reference)?),
            Event::Eof => return Err(unreadable("it ends in the middle")),
            _ => {}
        }
        if text.len() > LONGEST_RECORD {
            return Err(row_too_long(row as usize + 1));
        }
    }
}

/// Adds words; blanks and line ends one after another are one blank, and none at a line's beginning (OpenDocument 1.2,
/// 6.1.2).
fn push_words(text: &mut String, words: &str) {
    for character in words.chars() {
        if matches!(character, ' ' | '\t' | '\r' | '\n') {
            if !text.is_empty() && !text.ends_with([' ', '\n', '\t']) {
                text.push(' ');
            }
        } else {
            text.push(character);
        }
    }
}

/// What `&amp;` or `&#12354;` stands for.
fn meant(reference: &BytesRef<'_>) -> Result<String, Problems> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| unreadable(&error.to_string()))? {
        return Ok(character.to_string());
    }
    let name = reference.xml10_content();
    let known = quick_xml::escape::resolve_predefined_entity(&name);
    known.map(str::to_owned).ok_or_else(|| unreadable(&format!("&{name}; means nothing")))
}

fn event<'a>(reader: &mut Reader<&'a [u8]>) -> Result<Event<'a>, Problems> {
    reader.read_event().map_err(|error| unreadable(&error.to_string()))
}

fn skip(reader: &mut Reader<&[u8]>, tag: &BytesStart<'_>) -> Result<(), Problems> {
    reader.read_to_end(tag.name()).map(drop).map_err(|error| unreadable(&error.to_string()))
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Result<Option<String>, Problems> {
    let found = tag.try_get_attribute(name).map_err(|error| unreadable(&error.to_string()))?;
    let value = |found: Attribute<'_>| found.normalized_value(XmlVersion::Implicit1_0).map(|value| value.into_owned());
    found.map(value).transpose().map_err(|error| unreadable(&error.to_string()))
}

/// How many rows, columns or blanks a tag stands for.
fn times(tag: &BytesStart<'_>, name: &str) -> Result<u32, Problems> {
    Ok(attribute(tag, name)?.and_then(|count| count.trim().parse().ok()).unwrap_or(1))
}
