//! The page at `/`: served whole, from this server alone, over the public API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shared;

fn page_files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read_to_string(path).unwrap())
    });
    files.collect()
}

#[tokio::test]
async fn every_file_of_the_page_is_served_with_a_policy_that_allows_no_other_code() {
    let app = shared::tiny();
    for (name, text) in page_files() {
        let path = match name.as_str() {
            "index.html" => "/",
            "docs.html" => "/docs",
            "errors.html" => "/docs/errors",
            "reference.html" => "/docs/reference",
            _ => &format!("/{name}"),
        };
        let reply = app.send(app.request("GET", path).header("accept", "text/html")).await;
        assert_eq!(reply.status, 200, "{name}");
        // The codes are written into their page.
        let text = text.split("<!-- codes -->").next().unwrap();
        assert!(reply.body.as_str().unwrap().starts_with(text), "{name}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'self'"), "{name}");
        let kind = reply.header("content-type");
        assert!(!name.ends_with(".js") || kind.starts_with("text/javascript"), "{name} is {kind}");
    }
}

/// The page has no words of its own for codes: it reads those of the server's table.
#[tokio::test]
async fn the_page_knows_every_code_of_errors_jobs_and_rows_in_both_languages() {
    let app = shared::tiny();
    let reply = app.get("/words_errors.js").await;
    assert!(reply.header("content-type").starts_with("text/javascript"));
    let script = reply.body.as_str().unwrap().to_owned();
    let table = |name: &str| -> serde_json::Map<String, Value> {
        let (_, table) = script.split_once(&format!("export const {name} = ")).unwrap();
        serde_json::from_str(table.split_once(";\n").unwrap().0).unwrap()
    };
    let document = app.get("/openapi.json").await.body;
    for (name, schemas) in [("ERRORS", &["Problem", "JobError"][..]), ("ROWS", &["RowProblem"])] {
        let lists =
            schemas.iter().map(|schema| &document["components"]["schemas"][schema]["properties"]["code"]["enum"]);
        let codes: BTreeSet<&str> =
            lists.flat_map(|list| list.as_array().unwrap()).map(|c| c.as_str().unwrap()).collect();
        let table = table(name);
        assert_eq!(table.keys().map(String::as_str).collect::<BTreeSet<_>>(), codes, "{name}");
        for (code, words) in &table {
            for what in ["meaning", "remedy"] {
                let is_japanese =
                    |language: usize| words[what][language].as_str().unwrap().contains(|c| ('ぁ'..='ヿ').contains(&c));
                assert!(!is_japanese(0) && is_japanese(1), "{code}: {words}");
            }
        }
    }
}

#[tokio::test]
async fn a_program_is_told_where_to_go_on_and_a_browser_gets_the_page() {
    let app = shared::tiny();
    let told = app.get("/").await;
    for field in ["docs", "openapi", "models"] {
        assert_eq!(app.get(&told.text(field)).await.status, 200, "{field}");
    }
    assert_eq!(told.header("vary"), "Accept");
    let example = Command::new("sh").args(["-c", &told.text("example")]).output().unwrap();
    assert!(String::from_utf8_lossy(&example.stdout).contains("\"embeddings\":[["), "{example:?}");
    let page = app.send(app.request("GET", "/").header("accept", "text/html,*/*;q=0.8")).await;
    assert!(page.body.as_str().unwrap().starts_with("<!doctype html>"));
}

#[tokio::test]
async fn the_reference_is_whole_and_runs_no_inline_code() {
    let app = shared::tiny();
    let policy = app.get("/docs/reference").await.header("content-security-policy").to_owned();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("script-src"), "{policy}");
    for file in ["swagger-ui.css", "swagger-ui-bundle.js"] {
        let reply = app.get(&format!("/docs/reference/{file}")).await;
        assert!(reply.status == 200 && reply.body.as_str().unwrap().len() > 100_000, "{file}");
    }
    let other = app.get("/docs/reference/oauth2-redirect.html").await;
    assert_eq!((other.status, other.text("code").as_str()), (404, "route_not_found"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    for (name, text) in page_files() {
        for line in text.lines().filter(|line| line.contains("://")) {
            assert!(
                line.contains("http://www.w3.org/") || line.contains("location") || line.contains("://\""),
                "{name}: {line}"
            );
        }
    }
}

/// Every string of the page by its key: `"key": ["English", "日本語"],` on one line or on several, in every file that
/// has a table of them.
fn strings() -> BTreeMap<String, Vec<String>> {
    let mut strings = BTreeMap::new();
    for (name, text) in page_files() {
        let Some((_, table)) = text.split_once("STRINGS = {\n") else { continue };
        let (table, _) = table.split_once("\n};").unwrap_or_else(|| panic!("{name}: the table ends"));
        for entry in format!("\n{table}").split("\n  \"").skip(1) {
            let (key, values) = entry.split_once("\": [").unwrap_or_else(|| panic!("{entry}"));
            let values = values[..values.rfind(']').unwrap()].trim().trim_end_matches(',');
            let values = format!("[{values}]");
            let values: Vec<String> = serde_json::from_str(&values).unwrap_or_else(|error| panic!("{entry}: {error}"));
            assert!(strings.insert(key.to_owned(), values).is_none(), "{key} is there twice");
        }
    }
    strings
}

#[test]
fn both_languages_have_every_string() {
    let strings = strings();
    for (key, values) in &strings {
        assert_eq!(values.len(), 2, "{key}");
        assert!(values.iter().all(|value| !value.trim().is_empty()), "{key}");
    }
    assert!(strings.len() > 500);
}

#[test]
fn japanese_says_nothing_that_english_does_not_know() {
    let names = |text: &str| -> BTreeSet<String> {
        let braces = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
        braces.map(|(name, _)| name.split('|').next().unwrap().to_owned()).collect()
    };
    for (key, values) in strings() {
        // A part of a shell command or of JSON is no value.
        let (english, japanese) = (names(&values[0]), names(&values[1]));
        assert!(japanese.is_subset(&english), "{key}: {japanese:?} against {english:?}");
    }
}

#[test]
fn every_string_that_a_module_names_is_there() {
    let strings = strings();
    let mut named = 0;
    for (name, text) in page_files().into_iter().filter(|(name, _)| name.ends_with(".js")) {
        // `tx("key")`, `t("key", ..)` and what makes fields, headings and cards of a key.
        for call in ["t(\"", "tx(\"", "card(\"", "field(\"", "heads(\"", "cell(\""] {
            for (at, _) in text.match_indices(call) {
                if text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '.' || before == '_') {
                    continue;
                }
                let key = text[at + call.len()..].split('"').next().unwrap();
                assert!(strings.contains_key(key), "{name}: {key}");
                named += 1;
            }
        }
    }
    assert!(named > 300);
}

#[test]
fn what_is_found_about_pairs_can_be_told_in_both_languages() {
    let strings = strings();
    let codes = [
        "too_few_pairs",
        "one_score_only",
        "nothing_below_middle",
        "contradicting_scores",
        "repeated_pairs",
        "identical_texts",
        "sorted_by_score",
        "hub_text",
        "one_label_only",
        "lone_labels",
        "texts_with_several_labels",
        "labels_look_like_lists",
        "texts_too_long",
        "stray_characters",
        "damaged_text",
        "benchmark_overlap",
        "languages",
        "dates_as_scores",
        "rows_unusable",
    ];
    for code in codes {
        assert!(strings.contains_key(&format!("finding.{code}")), "{code}");
        assert!(strings.contains_key(&format!("finding.{code}.hint")), "{code}");
    }
}

/// The legend of the heatmaps was an empty box: its class was the desk's, too, which spread it out.
#[test]
fn a_class_that_the_second_sheet_styles_bare_is_none_of_the_first() {
    let sheets: BTreeMap<String, String> = page_files().into_iter().collect();
    let selectors =
        |sheet: &str| sheets[sheet].lines().filter_map(|line| Some(line.split_once(" {")?.0.to_owned())).collect();
    let (first, second): (Vec<String>, Vec<String>) = (selectors("style.css"), selectors("data.css"));
    let bare = second
        .iter()
        .filter(|selector| selector.starts_with('.') && !selector[1..].contains(['.', ' ', ':', ',', '>']));
    let bare: BTreeSet<&String> = bare.collect();
    assert!(bare.len() > 10, "{bare:?}");
    for class in bare {
        let is_it = |selector: &String| {
            let mut ends =
                selector.match_indices(class.as_str()).map(|(at, _)| selector[at + class.len()..].chars().next());
            ends.any(|end| !end.is_some_and(|c| c.is_alphanumeric() || c == '-'))
        };
        assert!(!first.iter().any(is_it), "{class} of data.css is in style.css, too");
    }
}
