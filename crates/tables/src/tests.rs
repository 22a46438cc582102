//! Whole tables, as users have them.

mod cases;

use std::sync::Arc;

use super::inspect::{InspectContext, Inspection, inspect, store};
use super::source::Input;
use super::*;
use crate::choices::{Column, Fix, Mapping, OnBadRow, Scale, TableOptions, Why};

/// A file of the public data sets that the project may not ship.
pub(crate) fn public_data(file: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("SHAMISEN_TEST_DATA").map(std::path::PathBuf::from);
    let bytes = folder.and_then(|folder| std::fs::read(folder.join(file)).ok());
    if bytes.is_none() {
        eprintln!("SKIPPED: {file} is not there (SHAMISEN_TEST_DATA names its folder)");
    }
    bytes
}

/// Rows of texts and scores, numbered as below a header.
pub(crate) fn pairs_of(rows: &[(&str, &str, f64)]) -> Vec<Pair> {
    let pair = |(row, &(left, right, score)): (usize, &(&str, &str, f64))| Pair {
        left: left.to_owned(),
        right: right.to_owned(),
        negative: None,
        score,
        row,
    };
    (2..).zip(rows).map(pair).collect()
}

fn unit(text: &str) -> Result<PairDataset, Problems> {
    read(text.as_bytes(), Scores::Unit)
}

fn look(bytes: &[u8], choices: &TableOptions) -> Result<Inspection, Problems> {
    let context = InspectContext::default();
    inspect(&Input::bytes(Arc::from(bytes)), choices, &context)
}

fn told(problems: &[Problem]) -> Vec<(usize, &'static str)> {
    problems.iter().map(|problem| (problem.row, problem.code)).collect()
}

#[test]
fn rows_are_a_spreadsheets_and_lines_an_editors() {
    let table = "base,ref,similarity\na,b,0.5\n\"two\nlines\",c,1\n\nd,e,x\n";
    let problems = unit(table).unwrap_err();
    assert_eq!((problems.shown[0].row, problems.shown[0].line), (5, 6));
    assert_eq!(problems.shown[0].code, "score_not_a_number");
    let table = unit(&table.replace("d,e,x", "d,e,0")).unwrap();
    assert_eq!(table.pairs[1].left, "two\nlines");
    assert_eq!(table.pairs.iter().map(|pair| pair.row).collect::<Vec<_>>(), [2, 3, 5]);
}

#[test]
fn a_mark_carriage_returns_and_other_separators_change_nothing() {
    let plain = unit("base,ref,similarity\na,\"b, c\",0.5\n").unwrap();
    assert_eq!(unit("\u{feff}base,ref,similarity\r\na,\"b, c\",0.5\r\n").unwrap(), plain);
    assert_eq!(unit("base\tref\tsimilarity\na\tb, c\t0.5").unwrap(), plain);
    assert_eq!(unit("base;ref;similarity\na;b, c;0.5").unwrap(), plain);
    assert_eq!(unit("similarity,ref,id,BASE \n0.5,\"b, c\",7,a\n").unwrap().pairs, plain.pairs);
}

#[test]
fn a_table_without_a_header_is_read_by_place() {
    let table = read(b"a,b,5.0\nc,d,0\n", Scores::Any).unwrap();
    assert_eq!((table.columns, table.pairs.len(), table.pairs[0].row), (None, 2, 1));
    assert_eq!(table.pairs[0].score, 5.0);
}

#[test]
fn pairs_that_belong_together_and_triplets_are_told_by_their_columns() {
    let table = unit("anchor;positive\na;b, c\n").unwrap();
    assert_eq!(
        (table.kind, table.pairs[0].right.as_str(), table.pairs[0].score),
        (TableKind::PairPositive, "b, c", 1.0)
    );
    let table = unit("id,positive,anchor,negative\n1,b,a,c\n").unwrap();
    assert_eq!((table.kind, table.pairs[0].negative.as_deref()), (TableKind::Triplet, Some("c")));
    assert_eq!(unit("anchor,positive,negative\na,b,\n").unwrap_err().shown[0].code, "text_missing");
    assert_eq!(unit("base,ref,similarity\na,b,1\nc,d,0\n").unwrap().kind, TableKind::PairClass);
    assert_eq!(unit("base,ref,similarity\na,b,1\nc,d,0.5\n").unwrap().kind, TableKind::PairScore);
    assert_eq!(read(b"anchor,positive\na,b\n", Scores::Any).unwrap_err().code, "no_scores");
}

#[test]
fn all_problems_are_told_together_and_counted() {
    let good = "a,b,0.5\n".repeat(10_000);
    let rows = "a,b,7\n".repeat(99);
    let problems = unit(&format!("sentence1,sentence2,score\n,b,0.1\na,b\n,b,7\n{rows}{good}")).unwrap_err();
    assert_eq!((problems.total, problems.shown.len()), (103, 100));
    assert_eq!(problems.shown[0].code, "text_missing");
    assert_eq!(problems.shown[0].column_name.as_deref(), Some("sentence1"));
    assert_eq!(problems.shown[1].code, "uneven_row");
    assert_eq!(
        told(&problems.shown[2..5]),
        [(4, "text_missing"), (4, "score_out_of_range"), (5, "score_out_of_range")]
    );
    assert!(problems.hint.contains("from 0 to 1"), "{}", problems.hint);
    assert!(problems.shown[3].message.contains("7 is above 1"), "{}", problems.shown[3].message);
}

#[test]
fn blank_rows_and_a_named_separator_before_the_header_do_no_harm() {
    for (before, row) in [("\n", 3), (" \n", 3), (",,\n", 3)] {
        let table = unit(&format!("{before}base,ref,similarity\na,b,0.5\n")).unwrap();
        assert_eq!((table.pairs.len(), table.pairs[0].row), (1, row), "{before:?}");
    }
    assert_eq!(unit("sep=;\nbase;ref;similarity\na;b;0.5\n").unwrap().pairs.len(), 1);
}

#[test]
fn a_table_without_measure_is_refused() {
    let code = |text: &str| unit(text).unwrap_err().code;
    assert_eq!(code(&",".repeat(2 << 20)), "line_too_long");
    assert_eq!(code(&format!("x{}", ",x".repeat(2000))), "too_many_columns");
    let rows = "a,b,1\n".repeat(MOST_ROWS + 1);
    assert_eq!(code(&format!("base,ref,similarity\n{rows}")), "too_many_rows");
}

#[test]
fn a_table_that_is_none_is_named() {
    let code = |text: &str| unit(text).unwrap_err().code;
    assert_eq!(code(""), "no_rows");
    assert_eq!(code("base,ref,similarity\n"), "no_rows");
    assert_eq!(code("name,age\na,3\n"), "columns_unclear");
    assert_eq!(code("base,ref,similarity\n\"a,b,0.5\nc,d,0.5\n"), "quote_not_closed");
}

#[test]
fn json_objects_and_lists_are_pairs() {
    let table =
        unit(r#"[{"similarity": 0.5, "base": "a", "ref": "b"}, {"base": "c", "ref": "d", "similarity": 1}]"#).unwrap();
    assert_eq!((table.pairs[0].left.as_str(), table.pairs[1].score), ("a", 1.0));
    assert_eq!(table.columns.unwrap()[2], "similarity");
    assert_eq!(unit(r#"[["c", "d", 1], ["e", "f", 0.5]]"#).unwrap().pairs[1].score, 0.5);
    let table = unit(r#"[{"anchor": "a", "positive": "b"}, {"positive": "d", "anchor": "c"}]"#).unwrap();
    assert_eq!((table.kind, table.pairs[1].left.as_str()), (TableKind::PairPositive, "c"));
    assert!(unit(r#"[["a", "b", 1], {"anchor": "a", "positive": "b"}]"#).is_err());
}

#[test]
fn problems_of_json_name_the_row() {
    let problems =
        unit(r#"[["a","b",0.1],["a","",200],{"x":1},["a","b",null],["c","d",0.7],["e","f",1]]"#).unwrap_err();
    assert_eq!(told(&problems.shown), [(2, "text_missing"), (3, "not_a_pair"), (4, "score_missing")]);
}

#[test]
fn json_lines_are_the_same_table_as_their_list() {
    let list = unit(r#"[{"text1": "a", "text2": "b", "score": 0.5}, {"score": 1, "text1": "c", "text2": "d"}]"#);
    let lines = "\u{feff}{\"text1\": \"a\", \"text2\": \"b\", \"score\": 0.5}\r\n{\"score\": 1, \"text1\": \"c\", \"text2\": \"d\"}\n";
    assert_eq!(unit(lines), list);
    let triplets = "{\"anchor\": \"a\", \"positive\": \"b\", \"negative\": \"c\"}\n";
    assert_eq!(unit(triplets).unwrap().kind, TableKind::Triplet);
}

#[test]
fn problems_of_json_lines_name_the_line() {
    let lines = "{\"text1\": \"a\", \"text2\": \"b\", \"score\": 0.5}\n\n{\"text1\": \"a\"\n{\"text1\": \"\", \"text2\": \"b\", \"score\": 1}\n[1]\n";
    let problems = unit(lines).unwrap_err();
    let told: Vec<_> = problems.shown.iter().map(|problem| (problem.line, problem.code)).collect();
    assert_eq!(told, [(3, "line_not_json"), (4, "text_missing"), (5, "not_a_pair")]);
    assert!(problems.what.contains("of 4 rows"), "{}", problems.what);
}

#[test]
fn a_chat_is_told_what_to_send() {
    let told = unit(r#"{"messages": [{"role": "user", "content": "hi"}]}"#).unwrap_err();
    assert_eq!(told.code, "not_pairs");
    assert!(told.what.contains("\"messages\"") && told.hint.contains("text1"), "{told:?}");
}

/// The journey's file: saved by a Japanese spreadsheet, two people's scores from 0 to 5, some marks, three without a
/// score, one that the spreadsheet made a date of, one full-width number.
fn spreadsheet() -> Vec<u8> {
    let mut text = String::from(
        "職種A,職種B,点数,メモ\r\n看護師,看護助手,1,\r\n准看護師,看護師,4,要確認\r\nデータ分析者,データアナリスト,5,\r\n",
    );
    for number in 0..40 {
        text.push_str(&format!("営業担当{number},調理師{number},{},\r\n", number % 6));
    }
    text.push_str("医師,\"医者\r\n（内科）\",○,\r\n薬剤師,運転手,×,\r\n教師,先生,△,\r\n");
    text.push_str("保健師,助産師,,\r\n記者,編集者,4月5日,\r\n大工,建築家,４．５,\r\n左官,塗装工,,\r\n歌手,俳優, ,\r\n");
    let (bytes, _, lost) = encoding_rs::SHIFT_JIS.encode(&text);
    assert!(!lost);
    bytes.into_owned()
}

#[test]
fn a_japanese_spreadsheets_csv_is_read_without_help() {
    let bytes = spreadsheet();
    let seen = look(&bytes, &TableOptions::default()).unwrap();
    assert_eq!(seen.dialect.encoding, Some(choices::Encoding::Windows31J));
    let becomes: Vec<_> =
        seen.columns.iter().map(|column| (column.name.as_deref(), column.becomes, column.why)).collect();
    assert_eq!(
        becomes,
        [
            (Some("職種A"), Some("text_a"), Some(Why::Name)),
            (Some("職種B"), Some("text_b"), Some(Why::Name)),
            (Some("点数"), Some("score"), Some(Why::Name)),
            (Some("メモ"), None, None),
        ]
    );
    assert_eq!(seen.kind, Some(TableKind::PairScore));
    let scale = seen.scale.as_ref().unwrap();
    assert_eq!((scale.lowest, scale.highest, scale.why), (0.0, 5.0, Why::Content));
    assert_eq!(scale.words, [("×", 0.0), ("△", 0.5), ("○", 1.0)].map(|(word, part)| (word.to_owned(), part)).into());
    let found = scale.found;
    assert_eq!((found.numbers, found.words, found.dates, found.empty), (44, 3, 1, 3));
    assert_eq!((seen.rows.read, seen.rows.bad, seen.rows.usable), (51, 4, 47));
    let problems: Vec<_> = seen.problems.iter().map(|problem| (problem.row, problem.line, problem.code)).collect();
    assert_eq!(
        problems,
        [(48, 49, "score_missing"), (49, 50, "score_is_a_date"), (51, 52, "score_missing"), (52, 53, "score_missing")]
    );
    let date = &seen.problems[1];
    assert_eq!(
        (date.value.as_str(), date.column, date.column_name.as_deref(), date.suggestion.as_deref()),
        ("4月5日", Some(3), Some("点数"), Some("0.8"))
    );
    assert_eq!(seen.blocked_by, ["rows_have_problems"]);
    let meaning = seen.lowest_means.as_ref().unwrap();
    assert_eq!((meaning.value, meaning.question), (None, true));
    assert_eq!((seen.preview[0].score, seen.preview[0].cells[1].as_str()), (Some(0.2), "看護助手"));
    assert_eq!(seen.choices.mapping.text_a, Some(Column::Name("職種A".to_owned())));
    assert_eq!(seen.histogram.as_ref().unwrap().counts.iter().sum::<usize>(), 47);
}

#[test]
fn a_date_is_a_fraction_where_somebody_says_so_and_bad_rows_are_left_out() {
    let bytes = spreadsheet();
    let seen = look(&bytes, &TableOptions::default()).unwrap();
    let mut choices = seen.choices;
    choices.apply.insert(Fix::DatesAsFractions);
    choices.on_bad_row = OnBadRow::Skip;
    let seen = look(&bytes, &choices).unwrap();
    assert_eq!((seen.rows.bad, seen.rows.usable, seen.blocked_by.len()), (3, 48, 0));
    assert_eq!(seen.choices, choices);
    let mut out = Vec::new();
    let stored = store(&Input::bytes(Arc::from(bytes)), &seen, &mut out).unwrap();
    assert_eq!((stored.rows, stored.skipped, stored.fixed_out), (48, 3, 0));
    let table = stored::read(out.as_slice(), TableKind::PairScore).unwrap();
    let score = |row: usize| table.pairs.iter().find(|pair| pair.row == row).map(|pair| pair.score);
    assert_eq!((score(49), score(50), score(45), score(47)), (Some(0.8), Some(0.9), Some(1.0), Some(0.5)));
    assert_eq!(table.pairs[43].right, "医者\r\n（内科）");
    assert_eq!(stored.scores.lowest, 0.0);
    assert_eq!(stored.scores.highest, 1.0);
}

#[test]
fn a_table_is_read_the_same_way_ever_after() {
    let bytes = spreadsheet();
    let seen = look(&bytes, &TableOptions { on_bad_row: OnBadRow::Skip, ..TableOptions::default() }).unwrap();
    let again = look(&bytes, &seen.choices).unwrap();
    assert_eq!((again.facts, again.choices.clone(), again.problems), (seen.facts, seen.choices, seen.problems));
    let told = serde_json::to_string(&again.choices).unwrap();
    assert_eq!(serde_json::from_str::<TableOptions>(&told).unwrap(), again.choices);
}

#[test]
fn scores_of_every_kind_become_the_same_pairs() {
    let parts = [0.0, 0.2, 0.8, 1.0, 0.4, 0.6];
    let plain = |factor: f64| parts.map(|part| format!("{}", (part * factor * 1000.0).round() / 1000.0));
    let tables: [(&str, [String; 6]); 9] = [
        ("unit", plain(1.0)),
        ("0-5", plain(5.0)),
        ("0-100", plain(100.0)),
        ("percent", plain(100.0).map(|score| format!("{score}%"))),
        (
            "full width",
            plain(5.0).map(|score| {
                score
                    .chars()
                    .map(|c| if c == '.' { '．' } else { char::from_u32(c as u32 + 0xfee0).unwrap() })
                    .collect()
            }),
        ),
        ("comma", plain(1.0).map(|score| score.replace('.', ","))),
        ("fraction", plain(5.0).map(|score| format!("{score}/5"))),
        ("points", plain(5.0).map(|score| format!("{score}点"))),
        ("-1 to 1", parts.map(|part| format!("{:.1}", part * 2.0 - 1.0))),
    ];
    for (name, scores) in tables {
        for header in ["文1\t文2\t類似度\n", "sentence1\tsentence2\tscore\n", ""] {
            let rows: String =
                scores.iter().enumerate().map(|(n, score)| format!("一つの文 {n}\t別の文 {n}\t{score}\n")).collect();
            let table = unit(&format!("{header}{rows}")).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
            let read: Vec<f64> = table.pairs.iter().map(|pair| pair.score).collect();
            assert!(
                read.iter().zip(parts).all(|(read, part)| (read - part).abs() < 1e-12),
                "{name} {header:?}: {read:?}"
            );
        }
    }
}

#[test]
fn words_alone_make_a_scale() {
    let seen = look(
        "文A,文B,判定\n看護師の仕事,看護の仕事,○\n医師の仕事,石工の仕事,×\n教師,先生,△\n".as_bytes(),
        &TableOptions::default(),
    )
    .unwrap();
    assert_eq!(seen.facts.iter().map(|row| row.score).collect::<Vec<_>>(), [1.0, 0.0, 0.5]);
    let table = unit("sentence1,sentence2,same?\nwhat is it,what it is,yes\nwhere is it,who are you,no\n");
    assert_eq!(table.map(|table| table.kind), Ok(TableKind::PairClass));
    let choices =
        TableOptions { words: [("A".to_owned(), 1.0), ("C".to_owned(), 0.25)].into(), ..TableOptions::default() };
    let seen = look(b"base,ref,score\nx,y,A\nz,w,c\n", &choices).unwrap();
    assert_eq!(seen.facts.iter().map(|row| row.score).collect::<Vec<_>>(), [1.0, 0.25]);
    assert_eq!(unit("base,ref,score\nx,y,A\nz,w,0.5\n").unwrap_err().shown[0].code, "score_not_a_number");
}

#[test]
fn a_few_scores_beside_the_scale_are_told() {
    let rows: String = (0..200).map(|n| format!("left {n},right {n},{}\n", f64::from(n % 11) / 2.0)).collect();
    let problems = unit(&format!("base,ref,score\n{rows}a,b,7\nc,d,7\ne,f,7\n")).unwrap_err();
    assert_eq!(
        told(&problems.shown),
        [(202, "score_out_of_range"), (203, "score_out_of_range"), (204, "score_out_of_range")]
    );
    assert!(problems.shown[0].message.starts_with("7 is above 5"), "{}", problems.shown[0].message);
    let choices = TableOptions { scale: Some(Scale { lowest: 0.0, highest: 10.0 }), ..TableOptions::default() };
    let text = format!("base,ref,score\n{rows}a,b,7\n");
    let table = read_with(&Input::bytes(Arc::from(text.as_bytes())), &choices, Scores::Unit).unwrap();
    assert_eq!(table.pairs[200].score, 0.7);
}

#[test]
fn columns_are_those_that_somebody_named() {
    let text = "id,title,other,points,note\n1,nurse,doctor,3,x\n2,cook,baker,5,y\n3,miner,pilot,0,z\n";
    let name = |name: &str| Some(Column::Name(name.to_owned()));
    let look = |mapping| look(text.as_bytes(), &TableOptions { mapping, ..TableOptions::default() });
    let mapping = Mapping { text_a: name("Other"), text_b: Some(Column::Number(2)), ..Mapping::default() };
    let seen = look(mapping).unwrap();
    assert_eq!(seen.columns[3].becomes, Some("score"));
    assert_eq!(seen.columns[2].why, Some(Why::Said));
    let mapping = Mapping { text_a: name("titel"), ..Mapping::default() };
    let problems = look(mapping).unwrap_err();
    assert_eq!(problems.code, "column_not_found");
    assert!(
        problems.what.contains("Did you mean \"title\"?") && problems.what.contains("id, title, other"),
        "{}",
        problems.what
    );
    let mapping = Mapping { text_a: name("title"), text_b: name("title"), ..Mapping::default() };
    assert_eq!(look(mapping).unwrap_err().code, "column_taken_twice");
    let mapping = Mapping { text_a: Some(Column::Number(6)), ..Mapping::default() };
    assert_eq!(look(mapping).unwrap_err().code, "column_not_found");
}

#[test]
fn columns_without_known_names_are_found_by_what_stands_in_them() {
    let rows: String = (0..30)
        .map(|n| format!("{n},a long text about thing {n},another text about matter {n},{},x\n", n % 6))
        .collect();
    let seen = look(format!("nr,erster,zweiter,wert,art\n{rows}").as_bytes(), &TableOptions::default()).unwrap();
    let becomes: Vec<_> = seen.columns.iter().map(|column| column.becomes).collect();
    assert_eq!(becomes, [None, Some("text_a"), Some("text_b"), Some("score"), None]);
    assert_eq!(seen.columns[3].why, Some(Why::Content));
    // Three columns of texts as long as each other: nothing is chosen.
    let rows: String = (0..30)
        .map(|n| format!("text about thing {n},text about matter {n},text about other {n},{}\n", n % 6))
        .collect();
    let seen = look(format!("p,q,r,s\n{rows}").as_bytes(), &TableOptions::default()).unwrap();
    assert_eq!((seen.kind, seen.blocked_by.as_slice()), (None, ["columns_unclear"].as_slice()));
    assert!(seen.columns.iter().all(|column| column.becomes.is_none()));
    assert_eq!(unit(&format!("p,q,r,s\n{rows}")).unwrap_err().code, "columns_unclear");
}

#[test]
fn a_benchmark_keeps_its_scale() {
    let context = InspectContext { scores: Scores::Any, ..InspectContext::default() };
    let input = Input::bytes(Arc::from(b"base,ref,score\na,b,0\nc,d,2.6\ne,f,5\n".as_slice()));
    let seen = inspect(&input, &TableOptions::default(), &context).unwrap();
    assert_eq!(seen.facts.iter().map(|row| row.score).collect::<Vec<_>>(), [0.0, 2.6, 5.0]);
    assert!(seen.lowest_means.is_none());
    assert_eq!(seen.histogram.unwrap().edges[10], 5.0);
}

#[test]
fn the_mean_of_a_benchmarks_scores_is_a_number_however_large_they_are() {
    let context = InspectContext { scores: Scores::Any, ..InspectContext::default() };
    let input = Input::bytes(Arc::from(b"text_a,text_b,score\nnurse,doctor,1e308\nnurse,painter,1.5e308\n".as_slice()));
    let seen = inspect(&input, &TableOptions::default(), &context).unwrap();
    let scores = store(&input, &seen, &mut Vec::new()).unwrap().scores;
    assert_eq!((scores.lowest, scores.highest, scores.mean), (1e308, 1.5e308, 1.25e308));
}
