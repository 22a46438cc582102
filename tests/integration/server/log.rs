//! What is logged, and what never is.

use std::collections::BTreeSet;
use std::process::Stdio;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;

#[tokio::test]
async fn the_log_is_json_with_request_ids_and_holds_no_text_no_key_and_no_file() {
    let data = TempDir::new().unwrap();
    let log = data.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let app = App::logging(data, &["--log", "debug", "--log-format", "json"], Stdio::from(file));
    let canary = |text: &str| format!("canary {text} 看護師");
    app.post("/embed", json!({ "texts": [canary("text")] })).await;
    app.post("/embed", json!({ "texts": [canary("text")], "truncate": "canary" })).await;
    app.post("/similarity", json!({ "pairs": [[canary("left"), canary("right")]] })).await;
    app.get("/jobs?status=canary").await;
    app.send(app.request("POST", "/embed").header("content-type", "application/json").body("{\"canary")).await;
    let rows: String = (0..20).map(|i| format!("canary a{i},canary b{i},0.{i}\n")).collect();
    let table = format!("base,ref,similarity\n{rows}");
    assert_eq!(app.post_csv("/datasets", table.clone()).await.status, 201);
    app.post_csv("/datasets", "base,ref,similarity\ncanary,canary,canary\n").await;
    let form = Form::new().part("file", Part::bytes(table.into_bytes()).file_name("canary.csv"));
    let job = app.send(app.request("POST", "/jobs").multipart(form.text("config", r#"{"epochs": 1}"#))).await;
    assert_eq!(app.finished(&job.text("id")).await["status"], "succeeded");
    let key = app.post("/keys", json!({ "name": "k", "scopes": ["embed"] })).await.text("key");
    for key in [key.as_str(), "sk_canary_canary"] {
        app.send(app.request("GET", "/models").bearer_auth(key)).await;
        app.send(app.request("GET", "/models").header("x-api-key", key)).await;
    }
    // A client's words for its request and for what to do are not the log's.
    app.send(app.request("CANARY", "/embed").header("x-request-id", "a \"canary\" of a client")).await;
    app.send(app.request("canary", "/canary").header("x-request-id", "canary".repeat(50))).await;
    let wrong = app.send(app.request("GET", "/jobs").header("x-request-id", "trace-7")).await;
    assert_eq!(wrong.header("x-request-id"), "trace-7");
    let (data, _) = app.stop();

    let text = std::fs::read_to_string(data.path().join("log")).unwrap();
    let secret = key.splitn(3, '_').nth(2).unwrap();
    for word in ["canary", "看護師", secret] {
        let line = text.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "the log holds {word:?}: {}", line.unwrap());
    }
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.len() >= 12, "{}", answered.len());
    let ids: BTreeSet<&str> = answered.iter().map(|line| line["span"]["request_id"].as_str().unwrap()).collect();
    assert!(ids.len() == answered.len() && ids.contains(wrong.header("x-request-id")));
}
