use std::sync::Arc;

use crate::choices::{Scale, TableOptions};
use crate::inspect::{InspectContext, Inspection, inspect, store};
use crate::pair::{Scores, TableKind};
use crate::source::Input;

fn table(header: &str, row: impl Fn(usize) -> String, rows: usize) -> Vec<u8> {
    let rows: String = (0..rows).map(|number| row(number) + "\n").collect();
    format!("{header}\n{rows}").into_bytes()
}

fn seen(table: &[u8], choices: &TableOptions) -> Inspection {
    inspect(&Input::bytes(Arc::from(table)), choices, &InspectContext::default()).unwrap()
}

fn codes(inspection: &Inspection) -> Vec<&'static str> {
    inspection.findings.iter().map(|finding| finding.code).collect()
}

/// What a table is refused with, its sentence and its way out.
fn refused(table: &[u8], choices: &TableOptions) -> (&'static str, String, String) {
    let problems = store(&Input::bytes(Arc::from(table)), &seen(table, choices), &mut Vec::new()).unwrap_err();
    (problems.code, problems.what, problems.hint)
}

fn said(choices: serde_json::Value) -> TableOptions {
    serde_json::from_value(choices).unwrap()
}

fn scores(table: &[u8], choices: &TableOptions) -> Vec<f64> {
    let (mut out, input) = (Vec::new(), Input::bytes(Arc::from(table)));
    store(&input, &seen(table, choices), &mut out).unwrap();
    crate::stored::read(out.as_slice(), TableKind::PairScore).unwrap().pairs.iter().map(|pair| pair.score).collect()
}

#[test]
fn rows_belong_together_only_where_no_column_could_say_that_they_do_not() {
    // Numbers, and words of no language that is known, beside two texts that are.
    for (header, cell) in
        [("text1,text2,zork", "7"), ("query,answer,zork", "7"), ("question1,question2,verdict", "zip")]
    {
        let cell = |row: usize| if row.is_multiple_of(2) { cell.to_owned() } else { format!("{cell}9") };
        let csv = table(header, |row| format!("text {row},other {row},{}", cell(row)), 24);
        let inspection = seen(&csv, &TableOptions::default());
        let by_content = header.starts_with("text1");
        if by_content {
            // The one column of numbers beside two named texts is their score.
            assert_eq!(inspection.kind, Some(TableKind::PairScore), "{header}");
            continue;
        }
        assert_eq!((inspection.kind, &inspection.blocked_by[..]), (None, &["columns_unclear"][..]), "{header}");
        let name = header.rsplit(',').next().unwrap();
        let (code, what, hint) = refused(&csv, &TableOptions::default());
        assert_eq!(code, "columns_unclear");
        assert!(what.contains(name) && hint.contains(name) && hint.contains("pair_positive"), "{what} {hint}");
        let positive = said(serde_json::json!({ "kind": "pair_positive" }));
        assert_eq!(seen(&csv, &positive).blocked_by, [""; 0], "the way out leads out");
    }
    // What counts rows, and what is the same everywhere, says nothing of them.
    for (header, cell) in [("anchor,positive,id", "row"), ("anchor,positive,language", "en")] {
        let cell = |row: usize| if cell == "row" { (row * 7919 % 1000).to_string() } else { cell.to_owned() };
        let csv = table(header, |row| format!("text {row},other {row},{}", cell(row)), 24);
        assert_eq!(seen(&csv, &TableOptions::default()).kind, Some(TableKind::PairPositive), "{header}");
    }
}

#[test]
fn scores_are_known_by_their_names_in_all_languages_and_in_part() {
    for name in
        ["relevance", "Bewertung", "Ähnlichkeit", "similarité", "相関度", "标签", "유사도", "human_mean", "correct"]
    {
        let csv = table(
            &format!("query,document,{name},votes"),
            |row| format!("q {row},d {row},{},{}", row % 2, row % 7),
            24,
        );
        let inspection = seen(&csv, &TableOptions::default());
        let score = inspection.columns.iter().find(|column| column.becomes == Some("score"));
        assert_eq!(score.and_then(|column| column.name.as_deref()), Some(name));
    }
    for [yes, no] in
        [["ja", "nein"], ["oui", "non"], ["да", "нет"], ["예", "아니오"], ["evet", "hayır"], ["是", "否"], ["نعم", "لا"]]
    {
        let csv = table(
            "texta,textb,x",
            |row| format!("q {row},d {row},{}", if row.is_multiple_of(2) { yes } else { no }),
            24,
        );
        assert_eq!(scores(&csv, &TableOptions::default())[..2], [1.0, 0.0], "{yes}");
    }
}

#[test]
fn a_distance_is_no_similarity_before_somebody_says_which_end_is_near() {
    let csv = table("text1,text2,cosine_distance", |row| format!("a {row},b {row},{}", (row % 10) as f64 / 10.0), 30);
    let (code, what, hint) = refused(&csv, &TableOptions::default());
    assert_eq!(code, "columns_unclear");
    assert!(what.contains("cosine_distance") && hint.contains("1-0"), "{what} {hint}");
    // Said to be the score: which end is near is still a question.
    let mapped = said(serde_json::json!({ "mapping": { "score": "cosine_distance" } }));
    let (code, what, hint) = refused(&csv, &mapped);
    assert_eq!(code, "scores_unclear");
    assert!(what.contains("distance") && hint.contains("1..0"), "{what} {hint}");
    let falling = TableOptions { scale: Some(Scale { lowest: 1.0, highest: 0.0 }), ..mapped.clone() };
    assert_eq!(scores(&csv, &falling)[..3], [1.0, 0.9, 0.8]);
    let rising = TableOptions { scale: Some(Scale { lowest: 0.0, highest: 1.0 }), ..mapped };
    assert_eq!(scores(&csv, &rising)[..3], [0.0, 0.1, 0.2]);
    // A benchmark is read by the order of its scores, so that falls as well.
    let context = InspectContext { scores: Scores::Any, ..InspectContext::default() };
    let benchmark = inspect(&Input::bytes(Arc::from(csv.as_slice())), &falling, &context).unwrap();
    assert!(benchmark.facts[0].score > benchmark.facts[1].score && benchmark.blocked_by.is_empty());
}

#[test]
fn numbers_of_classes_are_no_scale_before_somebody_says_so() {
    for header in ["premise,hypothesis,label", "sentence1,sentence2,gold_label", "premise,hypothesis,x"] {
        let csv = table(header, |row| format!("a {row},b {row},{}", row % 3), 30);
        let (code, what, hint) = refused(&csv, &TableOptions::default());
        assert_eq!(code, "scores_unclear", "{header}");
        assert!(what.contains("entailment") && hint.contains("words=") && hint.contains("0-2"), "{what} {hint}");
        let classes = said(serde_json::json!({ "words": { "0": 1, "1": 0.5, "2": 0 } }));
        assert_eq!(scores(&csv, &classes)[..3], [1.0, 0.5, 0.0]);
        let scale = said(serde_json::json!({ "scale": { "lowest": 0, "highest": 2 } }));
        assert_eq!(scores(&csv, &scale)[..3], [0.0, 0.5, 1.0]);
    }
    // 0 and 1 are clear but for inferences, where 0 is entailment.
    let csv = |header: &str| table(header, |row| format!("a {row},b {row},{}", row % 2), 30);
    assert!(seen(&csv("sentence1,sentence2,label"), &TableOptions::default()).blocked_by.is_empty());
    assert_eq!(refused(&csv("premise,hypothesis,label"), &TableOptions::default()).0, "scores_unclear");
    // Their words are clear.
    let words = ["entailment", "neutral", "contradiction"];
    let csv = table("premise,hypothesis,label", |row| format!("a {row},b {row},{}", words[row % 3]), 30);
    assert_eq!(scores(&csv, &TableOptions::default())[..3], [1.0, 0.5, 0.0]);
}

#[test]
fn the_same_scores_have_the_same_scale_however_many_they_are() {
    for rows in [12, 30, 96, 400] {
        let csv = table("text1,text2,score", |row| format!("a {row},b {row},{}", 1 + row % 3), rows);
        let inspection = seen(&csv, &TableOptions::default());
        let scale = inspection.scale.as_ref().unwrap();
        assert_eq!((scale.lowest, scale.highest), (1.0, 3.0), "{rows}");
        assert!(codes(&inspection).contains(&"scale_not_sure"), "{rows}");
    }
    let csv = table("text1,text2,score", |row| format!("a {row},b {row},{}", row % 6), 30);
    assert!(!codes(&seen(&csv, &TableOptions::default())).contains(&"scale_not_sure"));
}

#[test]
fn a_first_row_with_a_number_is_no_header_whatever_its_words() {
    let csv = table("base,foundation,0.9", |row| format!("text {row},other {row},{}", (row % 10) as f64 / 10.0), 20);
    let inspection = seen(&csv, &TableOptions::default());
    assert_eq!((inspection.dialect.header, inspection.rows.usable), (false, 21));
}

#[test]
fn a_few_letters_that_read_as_different_words_are_asked() {
    let polish = "text1,text2,score\nksi\u{ea}gowy,pi\u{ea}kny,1\nplain,other,0\n";
    let bytes: Vec<u8> = polish.chars().map(|c| c as u8).collect();
    let inspection = seen(&bytes, &TableOptions::default());
    assert_eq!(inspection.blocked_by, ["encoding_unclear"]);
    let (code, what, hint) = refused(&bytes, &TableOptions::default());
    assert_eq!(code, "encoding_unclear");
    assert!(what.contains("księgowy") && what.contains("ksiêgowy") && hint.contains("encoding="), "{what} {hint}");
    let told = said(serde_json::json!({ "read_as": { "encoding": "windows-1250" } }));
    assert!(seen(&bytes, &told).blocked_by.is_empty());
}
