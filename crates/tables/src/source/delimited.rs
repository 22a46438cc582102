//! Cells between separators, row by row.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};

use csv::{ReaderBuilder, StringRecord};

use super::dialect::Quoting;
use super::pack::{BUFFER, told};
use super::{Fault, Row, next_row};
use crate::problems::Problems;

/// Bytes that a record may have.
pub(super) const LONGEST_RECORD: usize = 1 << 20;

/// The rows of a text. Blank ones are among them, so that none is lost from the count.
pub(super) struct Delimited<R> {
    reader: csv::Reader<Records<R>>,
    record: StringRecord,
    /// The record was read, and blank rows before it are still to be told.
    pending: bool,
    ended: bool,
}

impl<R: Read> Delimited<R> {
    /// Rows of a text whose cells are separated by a character of ASCII. `skip`: the first line is no row of the
    /// table, nor one in a spreadsheet: it names the separator.
    pub(super) fn new(text: R, delimiter: char, quoting: Quoting, skip: bool) -> Result<Self, Problems> {
        let mut text = BufReader::with_capacity(BUFFER, text);
        if skip {
            skip_line(&mut text).map_err(told)?;
        }
        let delimiter = delimiter as u8;
        let records = Records {
            text,
            delimiter,
            quoting,
            state: State::FieldStart,
            found: VecDeque::new(),
            at: Place { row: 1, line: 1 + usize::from(skip) },
            begun: Place::default(),
            quote: Place::default(),
            length: 0,
            after_return: false,
        };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .quoting(quoting != Quoting::None)
            .double_quote(quoting == Quoting::Doubled)
            .escape((quoting == Quoting::Backslash).then_some(b'\\'))
            .buffer_capacity(BUFFER)
            .from_reader(records);
        Ok(Self { reader, record: StringRecord::new(), pending: false, ended: false })
    }

    fn read(&mut self) -> Result<Option<Row>, Fault> {
        if !self.pending {
            self.pending = self.reader.read_record(&mut self.record).map_err(unreadable)?;
        }
        let (place, cells) = match self.reader.get_mut().found.pop_front() {
            Some(Found::Blank(place, count)) => {
                if count > 1 {
                    let next = Place { row: place.row + 1, line: place.line + 1 };
                    self.reader.get_mut().found.push_front(Found::Blank(next, count - 1));
                }
                (place, vec![String::new()])
            }
            Some(Found::Unclosed(place)) => return Err(unclosed(place, "is never closed").into()),
            Some(Found::Record(place)) if self.pending => {
                self.pending = false;
                (place, self.record.iter().map(str::to_owned).collect())
            }
            _ => return Ok(None),
        };
        Ok(Some(Row { row: place.row, line: place.line, cells, ..Row::default() }))
    }
}

impl<R: Read> Iterator for Delimited<R> {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        next_row(&mut self.ended, read)
    }
}

fn skip_line(text: &mut impl BufRead) -> io::Result<()> {
    let mut returned = false;
    while let Some(&byte) = text.fill_buf()?.first() {
        if returned && byte != b'\n' {
            break;
        }
        text.consume(1);
        if byte == b'\n' {
            break;
        }
        returned = byte == b'\r';
    }
    Ok(())
}

fn unreadable(error: csv::Error) -> Problems {
    let said = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => told(error),
        _ => Problems::table(
            "unreadable",
            format!("The table cannot be read: {said}."),
            "Save it as CSV UTF-8 and send it again.",
        ),
    }
}

fn unclosed(place: Place, how: &str) -> Problems {
    Problems::table(
        "quote_not_closed",
        format!("A quoted cell that begins in row {} (line {}) {how}.", place.row, place.line),
        "Close it with a second \", and write a quote inside a quoted text twice: \"\".",
    )
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    row: usize,
    line: usize,
}

/// What the parser is given.
#[derive(Clone, Copy, Debug)]
enum Found {
    Record(Place),
    /// Lines without anything; the parser passes over them.
    Blank(Place, usize),
    /// The text ends in a quoted cell.
    Unclosed(Place),
}

/// Where in a record a byte stands: the parser's own rules (RFC 4180, and what is beside a quoted part of a cell
/// belongs to the cell).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote in a quoted cell.
    QuoteInQuoted,
    /// After a backslash there, where it takes a quote's meaning away.
    Escaped,
}

/// A text on its way to the parser, which has no bound of its own and does not tell what a spreadsheet's row is:
/// a record that has no end is stopped here, and each one's place is noted.
struct Records<R> {
    text: BufReader<R>,
    delimiter: u8,
    quoting: Quoting,
    state: State,
    found: VecDeque<Found>,
    /// Where the next byte stands.
    at: Place,
    /// Where the present record began.
    begun: Place,
    /// Where the last quoted cell began.
    quote: Place,
    /// Bytes of the present record so far.
    length: usize,
    after_return: bool,
}

impl<R: Read> Read for Records<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.text.read(out)?;
        if count == 0 && !out.is_empty() {
            self.finish();
        }
        self.pass(&out[..count]).map_err(io::Error::other)?;
        Ok(count)
    }
}

impl<R> Records<R> {
    fn pass(&mut self, bytes: &[u8]) -> Result<(), Problems> {
        for &byte in bytes {
            if matches!(byte, b'\n' | b'\r') {
                let second = byte == b'\n' && self.after_return;
                self.after_return = byte == b'\r';
                if matches!(self.state, State::Quoted | State::Escaped) {
                    self.state = State::Quoted;
                    self.length += 1;
                } else if !second {
                    self.end_record();
                }
                self.at.line += usize::from(!second);
                continue;
            }
            self.after_return = false;
            if self.length == 0 {
                self.begun = self.at;
            }
            self.length += 1;
            self.state = match self.state {
                State::FieldStart | State::Plain | State::QuoteInQuoted if byte == self.delimiter => State::FieldStart,
                State::FieldStart if byte == b'"' && self.quoting != Quoting::None => {
                    self.quote = self.at;
                    State::Quoted
                }
                State::Quoted if byte == b'"' => State::QuoteInQuoted,
                State::QuoteInQuoted if byte == b'"' && self.quoting == Quoting::Doubled => State::Quoted,
                State::Quoted if byte == b'\\' && self.quoting == Quoting::Backslash => State::Escaped,
                State::Quoted | State::Escaped => State::Quoted,
                _ => State::Plain,
            };
            if self.length > LONGEST_RECORD {
                return Err(self.too_long());
            }
        }
        Ok(())
    }

    fn end_record(&mut self) {
        if self.length > 0 {
            self.found.push_back(Found::Record(self.begun));
        } else if let Some(Found::Blank(_, count)) = self.found.back_mut() {
            *count += 1;
        } else {
            self.found.push_back(Found::Blank(self.at, 1));
        }
        self.at.row += 1;
        self.length = 0;
        self.state = State::FieldStart;
    }

    fn finish(&mut self) {
        if self.length > 0 {
            let quoted = matches!(self.state, State::Quoted | State::Escaped);
            self.found.push_back(if quoted { Found::Unclosed(self.quote) } else { Found::Record(self.begun) });
            self.length = 0;
        }
    }

    fn too_long(&self) -> Problems {
        if self.state == State::Quoted && self.quote.line < self.at.line {
            return unclosed(self.quote, &format!("is not closed within {LONGEST_RECORD} bytes"));
        }
        let Place { row, line } = self.begun;
        Problems::table(
            "line_too_long",
            format!("Row {row} (line {line}) has more than {LONGEST_RECORD} bytes; {LONGEST_RECORD} are allowed."),
            "Check that each row stands on a line of its own, and that every quoted text is closed.",
        )
    }
}
