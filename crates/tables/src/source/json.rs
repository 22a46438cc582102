//! Rows as JSON: one list of objects or of lists, or one object or list a line.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::delimited::LONGEST_RECORD;
use super::lists::unfold;
use super::pack::{BUFFER, told};
use super::{Fault, MOST_COLUMNS, Row, Unreadable, next_row};
use crate::choices::FileFormat;
use crate::problems::{Problem, Problems};
use crate::stop::Stop;
use crate::surrogates;

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

/// What a value is as a cell: a text as it is, a number as it is written, nothing for null; a list or an object as it is
/// written, which is no text and no number.
fn cell(value: &RawValue) -> Result<(String, Option<Unreadable>), String> {
    let written = value.get();
    match written.as_bytes().first() {
        Some(b'"') => {
            let text = serde_json::from_str(written).or_else(|error| match surrogates::mended(written.as_bytes()) {
                Some(whole) => serde_json::from_slice(&whole),
                None => Err(error),
            });
            text.map(|text| (text, None)).map_err(|error| reason(&error))
        }
        Some(b'n') => Ok((String::new(), None)),
        Some(b'{') => Ok((written.to_owned(), Some(Unreadable::Object))),
        Some(b'[') => Ok((written.to_owned(), Some(Unreadable::List))),
        _ => Ok((written.to_owned(), None)),
    }
}

/// Values that JSON does not know and that programs write all the same, as nothing.
fn without_nan(bytes: &[u8]) -> Option<Vec<u8>> {
    const NOTHING: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let (mut kept, mut rest) = (Vec::with_capacity(bytes.len()), bytes);
    let (mut quoted, mut escaped, mut found) = (false, false, false);
    while let Some((&byte, after)) = rest.split_first() {
        let word = NOTHING.iter().find(|word| !quoted && rest.starts_with(word));
        if let Some(word) = word {
            kept.extend(b"null");
            (rest, found) = (&rest[word.len()..], true);
            continue;
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        kept.push(byte);
        rest = after;
    }
    found.then_some(kept)
}

fn reason(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.split(" at line ").next().unwrap_or(&said).to_owned()
}

pub(super) struct Json<R> {
    text: BufReader<R>,
    list: bool,
    /// The keys of the objects; `None` where they are not known yet, and in a table of lists.
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
    /// Rows of the last value that are still to be given.
    more: VecDeque<Row>,
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
            more: VecDeque::new(),
        }
    }

    /// The next value's bytes are in `self.bytes`; its line.
    fn next_value(&mut self) -> Result<Option<usize>, Problems> {
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
        if let Some(row) = self.more.pop_front() {
            return Ok(Some(row));
        }
        let Some(line) = self.next_value()? else { return Ok(None) };
        self.row = if self.list { self.row + 1 } else { line };
        self.row(self.row, line).map(Some)
    }

    /// What was taken, as a row.
    fn row(&mut self, row: usize, line: usize) -> Result<Row, Fault> {
        let at = (row, line);
        let strange = |json: &Self| json.refused(at, "not_a_pair", None, NOT_A_PAIR.to_owned());
        let mut row = Row { row, line, ..Row::default() };
        match self.element(at)? {
            Element::List(_) if self.keys.is_some() => return Err(strange(self)),
            Element::List(values) => {
                self.listed = true;
                for value in &values {
                    self.put(at, None, value, &mut row)?;
                }
            }
            Element::Object(fields) => {
                if let Some(field) = chat_field(&fields) {
                    return Err(chat(field, line).into());
                }
                if self.listed {
                    return Err(strange(self));
                }
                let unfolded = unfold(fields);
                if self.keys.is_none() {
                    self.keys = Some(keys(&unfolded));
                }
                for fields in unfolded {
                    let one = self.of_object(at, &fields)?;
                    self.more.push_back(one);
                }
                return self.more.pop_front().ok_or_else(|| strange(self));
            }
        }
        Ok(row)
    }

    fn of_object(&self, at: (usize, usize), fields: &[(String, Box<RawValue>)]) -> Result<Row, Fault> {
        let mut row = Row { row: at.0, line: at.1, ..Row::default() };
        let keys = self.keys.iter().flatten();
        // Of a key that is there twice the last counts, as everywhere.
        let values: Vec<_> = keys.map(|key| fields.iter().rfind(|(field, _)| field == key)).collect();
        if values.iter().all(Option::is_none) {
            return Err(self.refused(at, "not_a_pair", None, NOT_A_PAIR.to_owned()));
        }
        for value in values {
            match value {
                None => row.cells.push(String::new()),
                Some((name, value)) => self.put(at, Some(name), value, &mut row)?,
            }
        }
        Ok(row)
    }

    fn element(&mut self, at: (usize, usize)) -> Result<Element, Fault> {
        let mut parsed = serde_json::from_slice(&self.bytes);
        if parsed.as_ref().is_err_and(serde_json::Error::is_syntax)
            && let Some(bytes) = without_nan(&self.bytes)
        {
            parsed = serde_json::from_slice(&bytes);
        }
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

    /// Puts a value at the end of a row.
    fn put(&self, at: (usize, usize), name: Option<&str>, value: &RawValue, row: &mut Row) -> Result<(), Fault> {
        let (cell, unreadable) = cell(value).map_err(|what| {
            let place = name.map_or_else(String::new, |name| format!(" of \"{name}\""));
            self.refused(at, "value_nested", name, format!("The value{place} is no text: {what}."))
        })?;
        row.unreadable.extend(unreadable.map(|why| (row.cells.len(), why)));
        row.cells.push(cell);
        Ok(())
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

/// The field that shows that an object is for a model that writes texts, where it is no pair as well.
fn chat_field(fields: &[(String, Box<RawValue>)]) -> Option<&'static str> {
    let has = |name: &str| fields.iter().any(|(field, _)| field == name);
    let lone = ["messages", "conversations"].into_iter().find(|name| has(name) && fields.len() <= 3);
    lone.or_else(|| (has("prompt") && has("completion")).then_some("prompt"))
}

fn keys(rows: &[Vec<(String, Box<RawValue>)>]) -> Vec<String> {
    let mut keys = Vec::new();
    rows.iter().for_each(|fields| add_keys(&mut keys, fields));
    keys
}

fn add_keys(keys: &mut Vec<String>, fields: &[(String, Box<RawValue>)]) {
    for (name, _) in fields {
        if keys.len() <= MOST_COLUMNS && !keys.contains(name) {
            keys.push(name.clone());
        }
    }
}

/// Objects that are looked at for keys: the first need not have all of them.
const MOST_LOOKED_AT: usize = 100_000;

/// The keys of a table of objects, in the order in which they were met.
pub(super) fn all_keys<R: Read>(mut rows: Json<R>, stop: &Stop) -> Result<Option<Vec<String>>, Problems> {
    let mut all: Option<Vec<String>> = None;
    for _ in 0..MOST_LOOKED_AT {
        stop.check()?;
        // What cannot be read is told when the rows are.
        let Ok(Some(line)) = rows.next_value() else { break };
        if rows.ended && rows.bytes.is_empty() {
            break;
        }
        match rows.element((rows.row, line)) {
            Ok(Element::Object(fields)) => {
                let all = all.get_or_insert_default();
                unfold(fields).iter().for_each(|fields| add_keys(all, fields));
            }
            Ok(Element::List(_)) if all.is_none() => return Ok(None),
            _ => {}
        }
        if rows.ended {
            break;
        }
    }
    Ok(all)
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
        if self.ended && self.more.is_empty() {
            return None;
        }
        let read = self.read();
        next_row(&mut self.ended, read)
    }
}
