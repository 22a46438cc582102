//! Pairs as JSON: objects with the columns' names, or arrays of two texts and a score, in one list; or
//! JSON Lines, one object a line.

use serde_json::Value;

use super::{
    Cell, MOST_ROWS, Pair, PairDataset, Place, Problem, Problems, Scores, TableKind, check_kind, find_columns, pair,
    too_many_rows,
};

pub(super) fn read(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    // A list begins with a bracket; what begins with a brace is the first of many lines.
    if bytes.trim_ascii_start().first() == Some(&b'{') { lines(bytes, scores) } else { list(bytes, scores) }
}

fn list(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    let unreadable = |error: String| {
        Problems::table(
            "pairs_unreadable",
            format!("The pairs cannot be read: {error}."),
            "Send an array of objects such as {\"base\": \"..\", \"ref\": \"..\", \"similarity\": 0.5}, or of [text, text, score].",
        )
    };
    let rows: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    if rows.len() > MOST_ROWS {
        return Err(too_many_rows());
    }
    let mut table = Table::new(scores);
    for (row, value) in (1..).zip(&rows) {
        table.add(Place { row, line: row }, value)?;
    }
    table.finish()
}

/// JSON Lines. A blank line is no row.
fn lines(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    let mut table = Table::new(scores);
    for (line, text) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if table.rows == MOST_ROWS {
            return Err(too_many_rows());
        }
        let place = Place { row: line, line };
        match serde_json::from_slice(text) {
            Ok(value) => table.add(place, &value)?,
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.split(" at line ").next().unwrap_or(&reason);
                let message =
                    format!("The line is not JSON, column {}: {reason}. Write one object a line.", error.column());
                table.refuse(place, &String::from_utf8_lossy(text), "line_not_json", message);
            }
        }
    }
    table.finish()
}

/// The rows that were read so far.
struct Table {
    scores: Scores,
    /// What the first row that could be read says the others must be.
    first: Option<(TableKind, Option<Vec<String>>)>,
    rows: usize,
    pairs: Vec<Pair>,
    problems: Problems,
}

impl Table {
    fn new(scores: Scores) -> Self {
        Self { scores, first: None, rows: 0, pairs: Vec::new(), problems: Problems::default() }
    }

    /// Adds a row, or notes what is wrong with it; `Err` where the whole table is of another kind.
    fn add(&mut self, place: Place, value: &Value) -> Result<(), Problems> {
        if let Some(field) = ["messages", "prompt"].into_iter().find(|field| value.get(field).is_some()) {
            return Err(Problems::table(
                "not_pairs",
                format!(
                    "Line {} holds {field:?}: it is for a model that writes texts. This server tunes models that compare them.",
                    place.line
                ),
                "Send pairs, one object a line: {\"text1\": \"..\", \"text2\": \"..\", \"score\": 0.8}, or {\"anchor\": \"..\", \"positive\": \"..\"}.",
            ));
        }
        match Row::of(value).filter(|found| self.first.as_ref().is_none_or(|(kind, _)| *kind == found.kind)) {
            Some(Row { kind, names, cells }) => {
                self.rows += 1;
                let name = |index: usize| names.as_ref().map_or("", |names| names[index].as_str());
                let cells: Vec<Cell<'_>> =
                    (0..).zip(&cells).map(|(index, cell)| (cell.as_str(), index, name(index))).collect();
                self.pairs.extend(pair(place, kind, &cells, self.scores, &mut self.problems));
                self.first.get_or_insert((kind, names));
            }
            None => self.refuse(place, &value.to_string(), "not_a_pair", "This is no pair: an object with base, ref, similarity (or sentence1, sentence2, score; anchor, positive; anchor, positive, negative; the same in each row), or [text, text, score].".to_owned()),
        }
        Ok(())
    }

    fn refuse(&mut self, place: Place, value: &str, code: &'static str, message: String) {
        self.rows += 1;
        let value = value.chars().take(80).collect();
        let Place { row, line } = place;
        self.problems.push(Problem {
            suggestion: None,
            row,
            line,
            column: None,
            column_name: None,
            value,
            code,
            message,
        });
    }

    fn finish(self) -> Result<PairDataset, Problems> {
        if self.rows == 0 {
            return Err(Problems::table("no_rows", "There are no pairs.", "Send at least one pair."));
        }
        self.problems.into_result(self.rows)?;
        let (kind, columns) = self.first.unwrap_or_default();
        check_kind(kind, self.scores)?;
        Ok(PairDataset { columns, kind: kind.refine(&self.pairs), pairs: self.pairs })
    }
}

/// A row as it is written.
struct Row {
    kind: TableKind,
    names: Option<Vec<String>>,
    cells: Vec<String>,
}

impl Row {
    /// `None` where the value is no pair.
    fn of(value: &Value) -> Option<Self> {
        let written = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Null => Some(String::new()),
            _ => None,
        };
        match value {
            Value::Array(cells) => {
                let [left, right, score] = cells.as_slice() else { return None };
                let cells = vec![left.as_str()?.to_owned(), right.as_str()?.to_owned(), written(score)?];
                Some(Self { kind: TableKind::PairScore, names: None, cells })
            }
            Value::Object(fields) => {
                let names: Vec<&str> = fields.keys().map(String::as_str).collect();
                let layout = find_columns(&names)?;
                let cells = layout.places.iter().map(|&place| written(fields.get(names[place])?));
                let cells: Vec<String> = cells.collect::<Option<_>>()?;
                let names = layout.places.iter().map(|&place| names[place].to_owned()).collect();
                Some(Self { kind: layout.kind, names: Some(names), cells })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_arrays_are_pairs() {
        let table = read(br#"[{"similarity": 0.5, "base": "a", "ref": "b"}, ["c", "d", 1]]"#, Scores::Unit).unwrap();
        assert_eq!(table.pairs[0].left, "a");
        assert_eq!(table.pairs[1].score, 1.0);
        assert_eq!(table.columns.unwrap()[2], "similarity");
        let table =
            read(br#"[{"anchor": "a", "positive": "b"}, {"positive": "d", "anchor": "c"}]"#, Scores::Unit).unwrap();
        assert_eq!((table.kind, table.pairs[1].left.as_str()), (TableKind::PairPositive, "c"));
        assert!(read(br#"[["a", "b", 1], {"anchor": "a", "positive": "b"}]"#, Scores::Unit).is_err());
    }

    #[test]
    fn problems_name_the_row() {
        let problems = read(br#"[["a","b",0.1],["a","",2],{"x":1},["a","b",null]]"#, Scores::Unit).unwrap_err();
        let told: Vec<_> = problems.shown.iter().map(|problem| (problem.row, problem.code)).collect();
        assert_eq!(told, [(2, "text_missing"), (2, "score_out_of_range"), (3, "not_a_pair"), (4, "score_missing")]);
    }

    #[test]
    fn json_lines_are_the_same_table_as_their_list() {
        let list = read(
            br#"[{"text1": "a", "text2": "b", "score": 0.5}, {"score": 1, "text1": "c", "text2": "d"}]"#,
            Scores::Unit,
        );
        let lines = "\u{feff}{\"text1\": \"a\", \"text2\": \"b\", \"score\": 0.5}\r\n{\"score\": 1, \"text1\": \"c\", \"text2\": \"d\"}\n";
        assert_eq!(read(lines.as_bytes(), Scores::Unit), list);
        let triplets = "{\"anchor\": \"a\", \"positive\": \"b\", \"negative\": \"c\"}\n";
        assert_eq!(read(triplets.as_bytes(), Scores::Unit).unwrap().kind, TableKind::Triplet);
    }

    #[test]
    fn problems_of_json_lines_name_the_line() {
        let lines = "{\"text1\": \"a\", \"text2\": \"b\", \"score\": 0.5}\n\n{\"text1\": \"a\"\n{\"text1\": \"\", \"text2\": \"b\", \"score\": 2}\n{\"x\": 1}\n";
        let problems = read(lines.as_bytes(), Scores::Unit).unwrap_err();
        let told: Vec<_> = problems.shown.iter().map(|problem| (problem.line, problem.code)).collect();
        assert_eq!(told, [(3, "line_not_json"), (4, "text_missing"), (4, "score_out_of_range"), (5, "not_a_pair")]);
        assert!(problems.what.contains("of 4 rows"), "{}", problems.what);
        let many = "{\"text1\": \"a\", \"text2\": \"b\", \"score\": 1}\n".repeat(MOST_ROWS + 1);
        assert_eq!(read(many.as_bytes(), Scores::Unit).unwrap_err().code, "too_many_rows");
    }

    #[test]
    fn a_chat_is_told_what_to_send() {
        let chat = br#"{"messages": [{"role": "user", "content": "hi"}]}"#;
        let told = read(chat, Scores::Unit).unwrap_err();
        assert_eq!(told.code, "not_pairs");
        assert!(told.what.contains("\"messages\"") && told.hint.contains("text1"), "{told:?}");
    }
}
