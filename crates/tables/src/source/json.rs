//! Rows as JSON: one list of objects or of lists, or one object or list a line.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::delimited::LONGEST_RECORD;
use super::pack::{BUFFER, told};
use super::{Fault, Row, next_row};
use crate::choices::FileFormat;
use crate::problems::{Problem, Problems};

/// How a text of JSON is laid out: a list is one value; anything else is a value a line.
pub(super) fn is_json(text: &str) -> Option<FileFormat> {
    let mut begins = text.chars().filter(|c| !c.is_ascii_whitespace());
    match (begins.next()?, begins.next()) {
        ('{', Some('"' | '}') | None) => Some(FileFormat::Jsonl),
        ('[', Some('"')) => Some(FileFormat::Jsonl),
        ('[', Some('{' | '[' | ']') | None) => Some(FileFormat::Json),
        _ => None,
    }
}

enum Element {
    Object(Vec<(String, Box<RawValue>)>),
    List(Vec<Box<RawValue>>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Of;
        impl<'de> Visitor<'de> for Of {
            type Value = Element;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object or a list")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
                std::iter::from_fn(|| map.next_entry().transpose()).collect::<Result<_, _>>().map(Element::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Element, A::Error> {
                std::iter::from_fn(|| list.next_element().transpose()).collect::<Result<_, _>>().map(Element::List)
            }
        }
        deserializer.deserialize_any(Of)
    }
}

/// What a value is as a cell: a text as it is, a number as it is written, nothing for null; else what it is instead.
fn cell(value: &RawValue) -> Result<String, String> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'"') => serde_json::from_str(written).map_err(|error| reason(&error)),
        Some(b'n') => Ok(String::new()),
        Some(b'{') => Err("an object".to_owned()),
        Some(b'[') => Err("a list".to_owned()),
        _ => Ok(written.to_owned()),
    }
}

fn reason(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.split(" at line ").next().unwrap_or(&said).to_owned()
}

pub(super) struct Json<R> {
    text: BufReader<R>,
    list: bool,
    /// The keys of the first object; `None` before it, and in a table of lists.
    pub(super) keys: Option<Vec<String>>,
    /// A list was seen; objects do not follow.
    listed: bool,
    begun: bool,
    ended: bool,
    row: usize,
    /// Of the next byte.
    line: usize,
    after_return: bool,
    bytes: Vec<u8>,
}

impl<R: Read> Json<R> {
    pub(super) fn new(text: R, list: bool) -> Self {
        Self {
            text: BufReader::with_capacity(BUFFER, text),
            list,
            keys: None,
            listed: false,
            begun: false,
            ended: false,
            row: 0,
            line: 1,
            after_return: false,
            bytes: Vec::new(),
        }
    }

    /// The next value's bytes are in `self.bytes`; its line.
    fn take(&mut self) -> Result<Option<usize>, Problems> {
        self.bytes.clear();
        if self.list { self.take_element() } else { self.take_line() }
    }

    fn count(&mut self, byte: u8) {
        self.line += usize::from(byte == b'\r' || (byte == b'\n' && !self.after_return));
        self.after_return = byte == b'\r';
    }

    /// A line that is not blank.
    fn take_line(&mut self) -> Result<Option<usize>, Problems> {
        loop {
            let line = self.line;
            while let Some(byte) = self.byte()? {
                self.count(byte);
                if matches!(byte, b'\n' | b'\r') {
                    break;
                }
                self.keep(byte, line)?;
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
            self.bytes.clear();
            if self.text.fill_buf().map_err(told)?.is_empty() {
                return Ok(None);
            }
        }
    }

    /// An element of the list: all up to a comma or the bracket that ends the list.
    fn take_element(&mut self) -> Result<Option<usize>, Problems> {
        let ends =
            |line: usize, row: usize| unreadable(&format!("the list ends in the middle, in line {line} (row {row})"));
        if !self.begun {
            self.begun = true;
            if self.peek()? != Some(b'[') {
                return Err(unreadable("the file does not begin with a list"));
            }
            self.text.consume(1);
            if self.peek()? == Some(b']') {
                self.text.consume(1);
                return self.after_list();
            }
        }
        let Some(_) = self.peek()? else { return Err(ends(self.line, self.row)) };
        let line = self.line;
        let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
        loop {
            let Some(byte) = self.byte()? else { return Err(ends(line, self.row + 1)) };
            self.count(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' | b'[' => depth += 1,
                b',' if depth == 0 => break,
                b']' if depth == 0 => {
                    self.ended = true;
                    break;
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.keep(byte, line)?;
        }
        if self.bytes.trim_ascii().is_empty() {
            return Err(unreadable(&format!("a comma too many stands in line {}", self.line)));
        }
        if self.ended {
            self.after_list()?;
        }
        Ok(Some(line))
    }

    /// Nothing but blanks may follow the list.
    fn after_list(&mut self) -> Result<Option<usize>, Problems> {
        self.ended = true;
        match self.peek()? {
            None => Ok(None),
            Some(_) => Err(unreadable(&format!("something follows the list, in line {}", self.line))),
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, Problems> {
        let byte = self.text.fill_buf().map_err(told)?.first().copied();
        self.text.consume(usize::from(byte.is_some()));
        Ok(byte)
    }

    /// The next byte that is not blank, which is not taken.
    fn peek(&mut self) -> Result<Option<u8>, Problems> {
        while let Some(&byte) = self.text.fill_buf().map_err(told)?.first() {
            if !byte.is_ascii_whitespace() {
                return Ok(Some(byte));
            }
            self.text.consume(1);
            self.count(byte);
        }
        Ok(None)
    }

    fn keep(&mut self, byte: u8, line: usize) -> Result<(), Problems> {
        if self.bytes.len() == LONGEST_RECORD {
            return Err(Problems::table(
                "line_too_long",
                format!(
                    "The row that begins in line {line} has more than {LONGEST_RECORD} bytes; {LONGEST_RECORD} are allowed."
                ),
                "Check that every text is closed with a \", and that each row is an object or a list of its own.",
            ));
        }
        self.bytes.push(byte);
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Row>, Fault> {
        let Some(line) = self.take()? else { return Ok(None) };
        self.row = if self.list { self.row + 1 } else { line };
        self.row(self.row, line).map(Some)
    }

    /// What was taken, as a row.
    fn row(&mut self, row: usize, line: usize) -> Result<Row, Fault> {
        let at = (row, line);
        let strange = |json: &Self| json.refused(at, "not_a_pair", None, NOT_A_PAIR.to_owned());
        let cells: Result<_, _> = match self.element(at)? {
            Element::List(_) if self.keys.is_some() => return Err(strange(self)),
            Element::List(values) => {
                self.listed = true;
                values.iter().map(|value| self.cell(at, None, value)).collect()
            }
            Element::Object(fields) => {
                let has = |name: &&str| fields.iter().any(|(field, _)| field == name);
                if let Some(field) = ["messages", "prompt"].into_iter().find(has) {
                    return Err(chat(field, line).into());
                }
                if self.listed {
                    return Err(strange(self));
                }
                let keys = self.keys.get_or_insert_with(|| keys(&fields));
                // Of a key that is there twice the last counts, as everywhere.
                let values: Vec<_> = keys.iter().map(|key| fields.iter().rfind(|(field, _)| field == key)).collect();
                if values.iter().all(Option::is_none) {
                    return Err(strange(self));
                }
                let cell = |(name, value): &(String, Box<RawValue>)| self.cell(at, Some(name), value);
                values.into_iter().map(|value| value.map_or_else(|| Ok(String::new()), cell)).collect()
            }
        };
        Ok(Row { row, line, cells: cells?, dates: Vec::new() })
    }

    fn element(&mut self, at: (usize, usize)) -> Result<Element, Fault> {
        let parsed = serde_json::from_slice(&self.bytes);
        let first = !std::mem::replace(&mut self.begun, true) && !self.list;
        if first && parsed.as_ref().is_err_and(serde_json::Error::is_eof) {
            let next = self.peek()?;
            if next.is_some_and(|next| !matches!(next, b'{' | b'[')) {
                return Err(unreadable("an object reaches over several lines").into());
            }
        }
        parsed.map_err(|error| {
            let (reason, line, column) = (reason(&error), at.1 + error.line() - 1, error.column());
            if error.is_data() {
                return self.refused(at, "not_a_pair", None, NOT_A_PAIR.to_owned());
            }
            let message = if self.list {
                format!("The row is not JSON, line {line}, column {column}: {reason}.")
            } else {
                format!("The line is not JSON, column {column}: {reason}. Write one object a line.")
            };
            self.refused(at, "line_not_json", None, message)
        })
    }

    fn cell(&self, at: (usize, usize), name: Option<&str>, value: &RawValue) -> Result<String, Fault> {
        cell(value).map_err(|what| {
            let place = name.map_or_else(String::new, |name| format!(" of \"{name}\""));
            let message = format!("The value{place} is {what}; a text or a number is needed.");
            self.refused(at, "value_nested", name, message)
        })
    }

    fn refused(&self, at: (usize, usize), code: &'static str, column: Option<&str>, message: String) -> Fault {
        Fault::Row(Problem {
            row: at.0,
            line: at.1,
            column_name: column.map(str::to_owned),
            value: String::from_utf8_lossy(&self.bytes).trim().chars().take(80).collect(),
            ..Problem::new(code, message)
        })
    }
}

fn keys(fields: &[(String, Box<RawValue>)]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::with_capacity(fields.len());
    for (name, _) in fields {
        if !keys.contains(name) {
            keys.push(name.clone());
        }
    }
    keys
}

const NOT_A_PAIR: &str = "This is no pair: an object with base, ref, similarity (or sentence1, sentence2, score; anchor, positive; anchor, positive, negative; the same in each row), or [text, text, score].";

fn unreadable(why: &str) -> Problems {
    Problems::table(
        "pairs_unreadable",
        format!("The pairs cannot be read: {why}."),
        "Send an array of objects such as {\"base\": \"..\", \"ref\": \"..\", \"similarity\": 0.5}, or of [text, text, score].",
    )
}

fn chat(field: &str, line: usize) -> Problems {
    Problems::table(
        "not_pairs",
        format!(
            "Line {line} holds {field:?}: it is for a model that writes texts. This server tunes models that compare them."
        ),
        "Send pairs, one object a line: {\"text1\": \"..\", \"text2\": \"..\", \"score\": 0.8}, or {\"anchor\": \"..\", \"positive\": \"..\"}.",
    )
}

impl<R: Read> Iterator for Json<R> {
    type Item = Result<Row, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        next_row(&mut self.ended, read)
    }
}
