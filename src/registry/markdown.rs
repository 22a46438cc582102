//! Markdown (GitHub's) out of values and texts that users chose.

use serde_json::Value;

/// A text so that it shows as it stands, on one line: whatever Markdown or HTML gives a meaning is escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_control() => told.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '#' | '&' | '$' => {
                told.extend(['\\', character]);
            }
            character => told.push(character),
        }
    }
    told
}

/// A value for a table's cell: numbers with four significant places, texts escaped, nothing as a dash.
pub(super) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => escaped(text),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => places(float),
            _ => number.to_string(),
        },
        other => escaped(&other.to_string()),
    }
}

fn places(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.001 { format!("{number:.3e}") } else { format!("{number:.4}") }
}

/// A setting as JSON, in a code span. What users may set are numbers, switches and known words.
pub(super) fn code(value: &Value) -> String {
    format!("`{value}`")
}

pub(super) fn table<const N: usize>(heads: &[&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    wide_table(heads, rows.into_iter().map(Vec::from))
}

/// A table whose columns are known when it is written.
pub(super) fn wide_table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    let mut told = line(heads) + &line(&vec!["---"; heads.len()]);
    for row in rows {
        told += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    told
}

/// A block of code, in a fence that nothing inside can end.
pub(super) fn block(language: &str, code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{code}\n{fence}\n")
}

/// A word of a shell command that means itself.
pub(super) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_user_wrote_stays_text() {
        assert_eq!(escaped("a|b\n# *c* <b>"), r"a\|b \# \*c\* \<b\>");
        assert_eq!(cell(&json!("[x](y)")), r"\[x\](y)");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert!(block("sh", "echo '````'").starts_with("`````sh\n"));
    }

    #[test]
    fn numbers_have_four_places_and_what_was_not_measured_is_a_dash() {
        let cells = [json!(0.83457), json!(1.5e-5), json!(0.0), json!(12), json!(null)].map(|value| cell(&value));
        assert_eq!(cells, ["0.8346", "1.500e-5", "0.0000", "12", "–"]);
    }
}
