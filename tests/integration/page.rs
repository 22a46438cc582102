//! The page at `/`: served whole, from this server alone, over the public API.

use std::collections::BTreeSet;
use std::path::Path;

use crate::app::App;

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
    let app = App::start();
    for (name, text) in page_files() {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let reply = app.get(&path).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, Some(text.as_str())), "{name}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'self'"), "{name}");
        let kind = reply.header("content-type");
        assert!(!name.ends_with(".js") || kind.starts_with("text/javascript"), "{name} is {kind}");
    }
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

#[test]
fn both_languages_have_every_string() {
    let (_, strings) = page_files().into_iter().find(|(name, _)| name == "i18n.js").unwrap();
    // Each entry is `"key": ["English", "日本語"],`, on one line or on several.
    let (_, table) = strings.split_once("STRINGS = {").expect("the table begins");
    let (table, _) = table.split_once("\n};").expect("the table ends");
    let entries = table.split("\n  \"").skip(1).map(|entry| {
        let (key, values) = entry.split_once("\": [").unwrap_or_else(|| panic!("{entry}"));
        let values = values[..values.rfind(']').unwrap()].trim().trim_end_matches(',');
        let values = format!("[{values}]");
        let values: Vec<String> = serde_json::from_str(&values).unwrap_or_else(|error| panic!("{entry}: {error}"));
        (key.to_owned(), values)
    });
    let mut keys = BTreeSet::new();
    for (key, values) in entries {
        assert_eq!(values.len(), 2, "{key}");
        assert!(values.iter().all(|value| !value.trim().is_empty()), "{key}");
        assert!(keys.insert(key.clone()), "{key} is there twice");
    }
    assert!(keys.len() > 100);
}
