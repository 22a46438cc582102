//! The page at `/`: served whole, from this server alone, over the public API.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

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

#[tokio::test]
async fn a_program_is_told_where_to_go_on_and_a_browser_gets_the_page() {
    let app = App::start();
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
    let app = App::start();
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
