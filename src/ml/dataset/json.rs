//! Pairs as JSON: objects with the columns' names, or arrays of two texts and a score.

use serde_json::Value;

use super::{
    Cell, MOST_ROWS, PairDataset, Place, Problem, Problems, Scores, TableKind, check_kind, find_columns, pair,
    too_many_rows,
};

pub(super) fn read(bytes: &[u8], scores: Scores) -> Result<PairDataset, Problems> {
    let unreadable = |error: String| {
        Problems::table(
            "pairs_unreadable",
            format!("The pairs cannot be read: {error}."),
            "Send an array of objects such as {\"base\": \"..\", \"ref\": \"..\", \"similarity\": 0.5}, or of [text, text, score].",
        )
    };
    let rows: Vec<Value> = serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    if rows.is_empty() {
        return Err(Problems::table("no_rows", "There are no pairs.", "Send at least one pair."));
    }
    if rows.len() > MOST_ROWS {
        return Err(too_many_rows());
    }
    let mut problems = Problems::default();
    let mut first: Option<(TableKind, Option<Vec<String>>)> = None;
    let mut pairs = Vec::new();
    for (row, value) in (1..).zip(&rows) {
        let place = Place { row, line: row };
        // The first row that can be read says what the others must be.
        let found = Row::of(value).filter(|found| first.as_ref().is_none_or(|(kind, _)| *kind == found.kind));
        match found {
            Some(Row { kind, names, cells }) => {
                let name = |index: usize| names.as_ref().map_or("", |names| names[index].as_str());
                let cells: Vec<Cell<'_>> =
                    (0..).zip(&cells).map(|(index, cell)| (cell.as_str(), index, name(index))).collect();
                pairs.extend(pair(place, kind, &cells, scores, &mut problems));
                first.get_or_insert((kind, names));
            }
            None => problems.push(Problem {
                row,
                line: row,
                column: None,
                column_name: None,
                value: value.to_string().chars().take(80).collect(),
                code: "not_a_pair",
                message: "This is no pair: an object with base, ref, similarity (or sentence1, sentence2, score; anchor, positive; anchor, positive, negative; the same in each row), or [text, text, score].".to_owned(),
            }),
        }
    }
    problems.into_result(rows.len())?;
    let (kind, columns) = first.unwrap_or_default();
    check_kind(kind, scores)?;
    Ok(PairDataset { columns, kind: kind.refine(&pairs), pairs })
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
}
