//! Pairs as JSON: objects with the columns' names, or arrays of three.

use serde_json::Value;

use super::{MOST_ROWS, PairDataset, Place, Problem, Problems, Scores, find_columns, pair, too_many_rows};

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
    let mut columns = None;
    let mut pairs = Vec::new();
    for (row, value) in (1..).zip(&rows) {
        let place = Place { row, line: row };
        match cells(value) {
            Some((names, cells)) => {
                let name = |index: usize| names.as_ref().map_or("", |names| names[index].as_str());
                let cell = |index: usize| (cells[index].as_str(), index, name(index));
                pairs.extend(pair(place, [cell(0), cell(1), cell(2)], scores, &mut problems));
                columns = columns.or(names);
            }
            None => problems.push(Problem {
                row,
                line: row,
                column: None,
                column_name: None,
                value: value.to_string().chars().take(80).collect(),
                code: "not_a_pair",
                message: "This is no pair: an object with base, ref, similarity (or sentence1, sentence2, score), or [text, text, score].".to_owned(),
            }),
        }
    }
    problems.into_result(rows.len())?;
    Ok(PairDataset { columns, pairs })
}

type Cells = (Option<[String; 3]>, [String; 3]);

/// The two texts and the score as they are written; `None` where the value is no pair.
fn cells(value: &Value) -> Option<Cells> {
    let written = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null => Some(String::new()),
        _ => None,
    };
    match value {
        Value::Array(cells) => {
            let [left, right, score] = cells.as_slice() else { return None };
            Some((None, [left.as_str()?.to_owned(), right.as_str()?.to_owned(), written(score)?]))
        }
        Value::Object(fields) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let places = find_columns(&names)?;
            let cells: Option<Vec<String>> = places.iter().map(|&place| written(fields.get(names[place])?)).collect();
            Some((Some(places.map(|place| names[place].to_owned())), cells?.try_into().ok()?))
        }
        _ => None,
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
    }

    #[test]
    fn problems_name_the_row() {
        let problems = read(br#"[["a","b",0.1],["a","",2],{"x":1},["a","b",null]]"#, Scores::Unit).unwrap_err();
        let told: Vec<_> = problems.shown.iter().map(|problem| (problem.row, problem.code)).collect();
        assert_eq!(told, [(2, "text_missing"), (2, "score_out_of_range"), (3, "not_a_pair"), (4, "score_missing")]);
    }
}
