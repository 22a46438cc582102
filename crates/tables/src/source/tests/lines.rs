//! JSON.

use super::super::*;
use super::{cells, error, open, rows};

fn problems(text: &str) -> Vec<(usize, usize, &'static str)> {
    let faults = open(text.as_bytes()).unwrap().filter_map(Result::err);
    faults
        .map(|fault| match fault {
            Fault::Row(problem) => (problem.row, problem.line, problem.code),
            Fault::Table(problems) => (0, 0, problems.code),
        })
        .collect()
}

#[test]
fn a_list_and_lines_are_the_same_table() {
    let list = r#" [{"text1": "a", "text2": "é \"看\" \n", "score": 0.50}, {"score": 1, "text2": "d", "text1": "c"},
        {"text1": null, "text2": true}]"#;
    let lines = "\u{feff}{\"text1\": \"a\", \"text2\": \"é \\\"\\u770b\\\" \\n\", \"score\": 0.50}\r\n\r\n{\"score\": 1, \"text2\": \"d\", \"text1\": \"c\"}\r{\"text1\": null, \"text2\": true}";
    for (text, format) in [(list, FileFormat::Json), (lines, FileFormat::Jsonl)] {
        let source = open(text.as_bytes()).unwrap();
        assert_eq!(source.dialect.format, format);
        assert_eq!(
            cells(source),
            [["text1", "text2", "score"], ["a", "é \"看\" \n", "0.50"], ["c", "d", "1"], ["", "true", ""]]
        );
    }
    let places = |text: &str| rows(text.as_bytes()).iter().map(|row| (row.row, row.line)).collect::<Vec<_>>();
    assert_eq!(places(list), [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(places(lines), [(1, 1), (3, 3), (4, 4)]);
}

#[test]
fn a_key_that_the_first_object_lacks_is_a_column_and_what_nobody_needs_spoils_nothing() {
    let lines = "{\"text1\": \"a\", \"text2\": \"b\"}\n{\"text1\": \"c\", \"text2\": \"d\", \"score\": 1, \"meta\": {\"x\": [1]}}\n{\"text1\": \"e\", \"text2\": \"NaN, f\", \"score\": NaN}\n";
    let source = open(lines.as_bytes()).unwrap();
    assert_eq!(source.header.as_deref().unwrap(), ["text1", "text2", "score", "meta"]);
    let rows: Vec<_> = source.map(|row| row.unwrap()).collect();
    assert_eq!(rows[0].cells, ["a", "b", "", ""]);
    assert_eq!(rows[1].unreadable, [(3, super::super::Unreadable::Object)]);
    assert_eq!(rows[2].cells, ["e", "NaN, f", "", ""]);
}

#[test]
fn lists_of_positives_and_negatives_are_as_many_rows_as_they_stand_for() {
    let lines = |text: &str| cells(open(text.as_bytes()).unwrap());
    let flag = "{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": [\"m\", \"n\"], \"id\": 7}\n{\"query\": \"r\", \"pos\": [{\"text\": \"s\"}], \"neg\": [\"t\"]}\n";
    let expected =
        [["query", "id", "positive", "negative"], ["q", "7", "p", "m"], ["q", "7", "p", "n"], ["r", "", "s", "t"]];
    assert_eq!(lines(flag), expected);
    let sets = flag.lines().map(|line| format!("{{\"set\": {line}}}\n")).collect::<String>();
    assert_eq!(lines(&sets).len(), 4);
    let texts = "{\"texts\": [\"a\", \"b\"], \"label\": 0.5}\n{\"texts\": [\"c\", \"d\"], \"label\": 1}\n";
    assert_eq!(lines(texts), [["text1", "text2", "label"], ["a", "b", "0.5"], ["c", "d", "1"]]);
    let triplets = "[{\"texts\": [\"a\", \"b\", \"c\"]}]";
    assert_eq!(lines(triplets), [["anchor", "positive", "negative"], ["a", "b", "c"]]);
    let negatives = "anchor,positive,negative_1,negative_2\na,b,c,d\ne,f,,g\n";
    assert_eq!(
        lines(negatives),
        [["anchor", "positive", "negative_1"], ["a", "b", "c"], ["a", "b", "d"], ["e", "f", "g"]]
    );
    // However long a list is.
    let long: Vec<String> = (0..100).map(|text| format!("\"n{text}\"")).collect();
    let long = format!("{{\"query\": \"q\", \"pos\": [\"p\"], \"neg\": [{}]}}\n", long.join(", "));
    assert_eq!(rows(long.as_bytes()).len(), super::super::lists::MOST);
}

#[test]
fn lists_are_rows_too() {
    let expected = vec![vec!["a", "b", "0.5"], vec!["c", "d", "1"]];
    assert_eq!(cells(open(br#"[["a", "b", 0.5], ["c", "d", 1]]"#).unwrap()), expected);
    assert_eq!(cells(open(b"[\"a\", \"b\", 0.5]\n[\"c\", \"d\", 1]\n").unwrap()), expected);
}

#[test]
fn a_bad_row_is_told_and_the_next_is_read() {
    let text = "{\"text1\": \"a\", \"score\": 1}\n\n{\"text1\": \"a\"\n{\"text1\": [\"x\"]}\n{\"x\": 1}\n[1]\n7\n{\"text1\": \"\\ud800\"}\n{\"text1\": \"b\"}\n";
    assert_eq!(problems(text), [(3, 3, "line_not_json"), (6, 6, "not_a_pair"), (7, 7, "not_a_pair")]);
    let list = "[{\"a\": \"b\", \"score\": 1},\n {\"a\": \"b\", \"score\": nan},\n {\"a\": \"b\"}]";
    assert_eq!(problems(list), [(2, 2, "line_not_json")]);
}

#[test]
fn a_table_without_one_good_row_tells_what_is_wrong_with_them() {
    let told = error(b"{\"text1\": \n{\"text1\": \n");
    assert_eq!((told.code, told.total, told.shown[1].line), ("rows_have_problems", 2, 2));
}

#[test]
fn a_list_that_is_none_is_told_with_its_line() {
    for (text, what) in [
        ("[{\"a\": 1},\n {\"a\": 2},\n]", "comma too many stands in line 3"),
        ("[{\"a\": 1},\n {\"a\": 2", "ends in the middle, in line 2 (row 2)"),
        ("[{\"a\": 1}", "ends in the middle, in line 1 (row 1)"),
        ("[{\"a\": 1}]\n{", "follows the list, in line 2"),
        ("[{\"a\": \"1}]", "ends in the middle"),
    ] {
        let told = error(text.as_bytes());
        assert_eq!(told.code, "pairs_unreadable", "{text}");
        assert!(told.what.contains(what), "{text}: {told:?}");
    }
}

#[test]
fn a_chat_is_told_what_to_send() {
    for chat in [
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n",
        "[{\"prompt\": \"x\", \"completion\": \"y\"}]",
    ] {
        let told = error(chat.as_bytes());
        assert_eq!(told.code, "not_pairs");
        assert!(told.hint.contains("text1"), "{told:?}");
    }
}

#[test]
fn one_object_over_many_lines_is_told() {
    let told = error(b"{\n  \"pairs\": [\n    {\"a\": \"b\"}\n  ]\n}\n");
    assert_eq!(told.code, "pairs_unreadable");
    let told = error(b"{\"text1\": \"a\",\n \"text2\": \"b\"}\n");
    assert_eq!(told.code, "pairs_unreadable");
}

#[test]
fn brackets_without_end_are_no_trouble() {
    for byte in ["[", "{\"a\":", "[\"", "[[],"] {
        let text = byte.repeat(200_000);
        let codes = ["line_not_json", "pairs_unreadable", "line_too_long", "rows_have_problems"];
        assert!(codes.contains(&match open(text.as_bytes()) {
            Err(problems) => problems.code,
            Ok(source) => match source.filter_map(Result::err).next() {
                Some(Fault::Row(problem)) => problem.code,
                Some(Fault::Table(problems)) => problems.code,
                None => "nothing",
            },
        }));
    }
}
