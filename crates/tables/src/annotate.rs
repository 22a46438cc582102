//! A user's own file with columns beside it: what became of each row, why, and what was probably meant.
//!
//! The cells of the user's columns are written as they were read, in their order, in the encoding, with the separator
//! and the line ends of the file. Packing, formats of cells and quotes that were not needed do not come back; Parquet
//! comes back as CSV.

use std::borrow::Cow;
use std::io::{self, Write};

use rust_xlsxwriter::{Workbook, XlsxError};
use serde_json::{Value, json};

use super::reading::{Outcome, Reader};
use super::source::{Dialect, Fault, Input, Row, Source};
use crate::choices::{Encoding, FileFormat, TableOptions};
use crate::pair::Scores;
use crate::problems::{Problem, Problems};

/// The words of what is added, in the user's language.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Names of the columns: status, problem, suggestion.
    pub columns: [&'static str; 3],
    /// What became of a row.
    pub used: &'static str,
    /// It can be used, and a fix left it out.
    pub left_out: &'static str,
    /// It cannot be used.
    pub unusable: &'static str,
    /// A problem as a sentence.
    pub problem: fn(&Problem) -> String,
}

/// A column of similarities.
pub struct Similarities {
    /// Its name.
    pub name: String,
    /// One for each kept pair, in their order.
    pub values: Vec<f64>,
}

/// What is to be told of each row.
pub struct Notes<'a> {
    /// In which words.
    pub words: Words,
    /// The rows of the pairs that were kept, ascending.
    pub kept: &'a [usize],
    /// What models say of those pairs.
    pub similarities: &'a [Similarities],
}

/// Writes the annotated file. `choices` are those of the table's inspection.
pub fn annotate(
    input: &Input,
    choices: &TableOptions,
    scores: Scores,
    notes: &Notes<'_>,
    out: &mut dyn Write,
) -> Result<(), AnnotateError> {
    let mut source = Source::open_as_written(input, &choices.read_as)?;
    let first = source.next();
    let width = match (&source.header, &first) {
        (Some(header), _) => header.len(),
        (None, Some(Ok(row))) => row.cells.len(),
        (None, _) => 0,
    };
    let reader = Reader::new(source.header.as_deref(), width, choices, scores)?;
    let score = reader.layout.score;
    let mut copy = Copy::new(&source.dialect, source.header.clone(), score, out)?;
    if source.header.is_some() {
        copy.header(notes)?;
    }
    for row in first.into_iter().chain(source) {
        let (row, outcome) = match row {
            Ok(row) => {
                let outcome = reader.read(&row);
                (row, outcome)
            }
            Err(Fault::Row(problem)) => {
                (Row { row: problem.row, line: problem.line, ..Row::default() }, Outcome::Bad(vec![problem]))
            }
            Err(Fault::Table(problems)) => return Err(problems.into()),
        };
        copy.row(&row, width, &told(&outcome, row.row, notes))?;
    }
    copy.finish()
}

/// Why there is no annotated file.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// The file cannot be read in this way.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The copy cannot be written.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The copy does not fit into a workbook.
    #[error(transparent)]
    Workbook(#[from] XlsxError),
}

/// What is added to a row.
struct Told {
    /// Status, problem, suggestion.
    cells: [String; 3],
    similarities: Vec<Option<f64>>,
}

fn told(outcome: &Outcome, row: usize, notes: &Notes<'_>) -> Told {
    let words = &notes.words;
    let place = notes.kept.binary_search(&row).ok();
    let problems = match outcome {
        Outcome::Bad(problems) => problems.as_slice(),
        _ => &[],
    };
    let status = match outcome {
        Outcome::Blank => "",
        Outcome::Bad(_) => words.unusable,
        Outcome::Pair(..) if place.is_some() => words.used,
        Outcome::Pair(..) => words.left_out,
    };
    let sentences: Vec<String> = problems.iter().map(words.problem).collect();
    let suggestion = problems.iter().find_map(|problem| problem.suggestion.clone());
    let similarity = |column: &Similarities| column.values.get(place?).copied();
    Told {
        cells: [status.to_owned(), harmless(sentences.join(" ")), harmless(suggestion.unwrap_or_default())],
        similarities: notes.similarities.iter().map(similarity).collect(),
    }
}

/// A cell that no spreadsheet takes for a formula.
fn harmless(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell }
}

/// The copy, in the file's own format.
struct Copy<'a> {
    out: &'a mut dyn Write,
    names: Option<Vec<String>>,
    score: Option<usize>,
    rows: u32,
    form: Form,
}

enum Form {
    Delimited { encoding: Encoding, format: Box<csv::WriterBuilder> },
    Json { list: bool },
    Workbook(Box<Workbook>),
}

impl<'a> Copy<'a> {
    fn new(
        dialect: &Dialect,
        names: Option<Vec<String>>,
        score: Option<usize>,
        out: &'a mut dyn Write,
    ) -> Result<Self, AnnotateError> {
        let form = match dialect.format {
            FileFormat::Json => Form::Json { list: true },
            FileFormat::Jsonl => Form::Json { list: false },
            FileFormat::Xlsx => {
                let mut book = Box::new(Workbook::new());
                let sheet = book.add_worksheet();
                if let Some(name) = &dialect.sheet {
                    // A name that this writer refuses is one that the sheet need not have.
                    let _ = sheet.set_name(name);
                }
                Form::Workbook(book)
            }
            FileFormat::Csv | FileFormat::Parquet => {
                let encoding = dialect.encoding.unwrap_or(Encoding::Utf8);
                if dialect.bom {
                    out.write_all(&encoded("\u{feff}", encoding))?;
                }
                let ending = match dialect.line_ending.as_deref() {
                    Some("\r\n") => csv::Terminator::CRLF,
                    Some("\r") => csv::Terminator::Any(b'\r'),
                    _ => csv::Terminator::Any(b'\n'),
                };
                let delimiter = dialect.delimiter.and_then(|c| u8::try_from(c).ok()).unwrap_or(b',');
                let mut format = Box::new(csv::WriterBuilder::new());
                format.delimiter(delimiter).terminator(ending).flexible(true).buffer_capacity(1 << 10);
                Form::Delimited { encoding, format }
            }
        };
        Ok(Self { out, names, score, rows: 0, form })
    }

    fn header(&mut self, notes: &Notes<'_>) -> Result<(), AnnotateError> {
        let added = notes.words.columns.iter().copied().chain(notes.similarities.iter().map(|column| &*column.name));
        let names = self.names.clone().unwrap_or_default();
        let names = names.iter().map(String::as_str);
        match &mut self.form {
            Form::Delimited { encoding, format } => {
                self.out.write_all(&encoded(&record(format, names.chain(added))?, *encoding))?;
            }
            // The names keep their order, which a map's need not.
            Form::Json { .. } => self.names.get_or_insert_default().extend(added.map(str::to_owned)),
            Form::Workbook(book) => {
                let sheet = book.worksheet_from_index(0)?;
                for (column, name) in (0..).zip(names.chain(added)) {
                    sheet.write_string(0, column, name)?;
                }
                self.rows = 1;
            }
        }
        Ok(())
    }

    fn row(&mut self, row: &Row, width: usize, told: &Told) -> Result<(), AnnotateError> {
        let added = &told.cells;
        // A row that has more cells than columns keeps them, before what is added; blank ones are none.
        let filled = row.cells.iter().rposition(|cell| !cell.trim().is_empty()).map_or(0, |last| last + 1);
        let width = width.max(filled);
        let own = &row.cells[..row.cells.len().min(width)];
        let blank = std::iter::repeat_n("", width - own.len());
        let cells = own.iter().map(String::as_str).chain(blank);
        match &mut self.form {
            Form::Delimited { encoding, format } => {
                let number = |value: &Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
                let numbers: Vec<String> = told.similarities.iter().map(number).collect();
                let all = cells.chain(added.iter().chain(&numbers).map(String::as_str));
                self.out.write_all(&encoded(&record(format, all)?, *encoding))?;
            }
            Form::Workbook(book) => {
                let sheet = book.worksheet_from_index(0)?;
                for (column, cell) in (0..).zip(cells) {
                    match cell.parse::<f64>().ok().filter(|number| number.is_finite()) {
                        Some(number) if self.score == Some(usize::from(column)) => {
                            sheet.write_number(self.rows, column, number)?;
                        }
                        _ if cell.is_empty() => {}
                        _ => {
                            sheet.write_string(self.rows, column, cell)?;
                        }
                    }
                }
                let mut columns = (width..).map(|column| u16::try_from(column).unwrap_or(u16::MAX));
                for (cell, column) in added.iter().zip(columns.by_ref()) {
                    sheet.write_string(self.rows, column, cell)?;
                }
                for (value, column) in told.similarities.iter().zip(columns) {
                    if let Some(value) = value {
                        sheet.write_number(self.rows, column, (value * 1e4).round() / 1e4)?;
                    }
                }
            }
            Form::Json { list } => {
                let value = |(column, cell): (usize, &str)| match serde_json::from_str::<Value>(cell) {
                    Ok(number @ Value::Number(_)) if self.score == Some(column) => number,
                    _ => Value::from(cell),
                };
                let own: Vec<Value> = cells.enumerate().map(value).collect();
                let numbers =
                    told.similarities.iter().map(|value| json!(value.map(|value| (value * 1e4).round() / 1e4)));
                let added: Vec<Value> = added.iter().map(|cell| json!(cell)).chain(numbers).collect();
                let line = match &self.names {
                    Some(names) => {
                        let member =
                            |(name, value): (&String, Value)| format!("{}:{value}", Value::from(name.as_str()));
                        let members: Vec<String> = names.iter().zip(own.into_iter().chain(added)).map(member).collect();
                        format!("{{{}}}", members.join(","))
                    }
                    None => Value::from([own, added].concat()).to_string(),
                };
                let before = match (*list, self.rows) {
                    (true, 0) => "[\n",
                    (true, _) => ",\n",
                    (false, _) => "",
                };
                write!(self.out, "{before}{line}{}", if *list { "" } else { "\n" })?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> Result<(), AnnotateError> {
        match self.form {
            Form::Json { list: true } if self.rows == 0 => self.out.write_all(b"[]\n")?,
            Form::Json { list: true } => self.out.write_all(b"\n]\n")?,
            Form::Delimited { .. } | Form::Json { list: false } => {}
            Form::Workbook(mut book) => self.out.write_all(&book.save_to_buffer()?)?,
        }
        Ok(self.out.flush()?)
    }
}

fn record<'a>(format: &csv::WriterBuilder, cells: impl Iterator<Item = &'a str>) -> io::Result<String> {
    let mut writer = format.from_writer(Vec::new());
    writer.write_record(cells).map_err(io::Error::other)?;
    let bytes = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Text in a file's encoding. What the encoding lacks (of what is added, nothing) becomes a numbered entity.
fn encoded(text: &str, encoding: Encoding) -> Cow<'_, [u8]> {
    let units = || text.encode_utf16();
    match encoding {
        Encoding::Utf16Le => units().flat_map(u16::to_le_bytes).collect::<Vec<u8>>().into(),
        Encoding::Utf16Be => units().flat_map(u16::to_be_bytes).collect::<Vec<u8>>().into(),
        other => other.reader().encode(text).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::Scale;

    const JAPANESE: [&str; 3] = ["状態", "問題", "提案"];

    fn annotated(bytes: &[u8], kept: &[usize], similarities: &[Similarities]) -> Vec<u8> {
        let words = Words {
            columns: JAPANESE,
            used: "使用",
            left_out: "除外",
            unusable: "使用不可",
            problem: |problem| format!("={}", problem.code),
        };
        let choices = TableOptions { scale: Some(Scale { lowest: 0.0, highest: 5.0 }), ..TableOptions::default() };
        let (input, mut out) = (Input::bytes(bytes.into()), Vec::new());
        let choices = crate::inspect::inspect(&input, &choices, &Default::default()).unwrap().choices;
        annotate(&input, &choices, Scores::Unit, &Notes { words, kept, similarities }, &mut out).unwrap();
        out
    }

    #[test]
    fn a_spreadsheets_own_file_comes_back_in_its_encoding_with_what_became_of_each_row() {
        let table = "職種A;職種B;点数;メモ\r\n看護師;看護助手;1;=1+1\r\n准看護師;看護師;多分;\r\n医師;看護師;2;\r\n";
        let (bytes, _, _) = encoding_rs::SHIFT_JIS.encode(table);
        let similarities = [Similarities { name: "base_similarity".to_owned(), values: vec![-0.25] }];
        let out = annotated(&bytes, &[2], &similarities);
        let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&out);
        assert!(!broken);
        let expected = "職種A;職種B;点数;メモ;状態;問題;提案;base_similarity\r\n\
            看護師;看護助手;1;=1+1;使用;;;-0.2500\r\n\
            准看護師;看護師;多分;;使用不可;'=score_not_a_number;;\r\n\
            医師;看護師;2;;除外;;;\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn json_keeps_its_members_and_gets_more() {
        let out = annotated(br#"{"text_a":"nurse","text_b":"doctor","score":4}"#, &[1], &[]);
        let line: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(line["score"], json!(4));
        assert_eq!((&line["text_a"], &line["状態"]), (&json!("nurse"), &json!("使用")));
    }
}
