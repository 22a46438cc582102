//! What a key may use at a time.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::api::Reply;
use crate::app::{App, few};
use crate::wire::{connect, reply};

const LIMITS: [&str; 6] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

async fn with_key(app: &App, key: &str, path: &str, body: Value) -> Reply {
    app.send(app.request("POST", path).bearer_auth(key).json(&body)).await
}

#[tokio::test]
async fn a_key_has_its_tokens_a_minute_embedded_and_is_told_what_is_left() {
    let app = App::with(&["--tokens-per-minute", "5000"]);
    let admin = app.post("/keys", json!({ "name": "admin", "scopes": ["admin"] })).await.text("key");
    let make = async |limits: Value| {
        let mut body = json!({ "name": "k", "scopes": ["embed"] });
        body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
        with_key(&app, &admin, "/keys", body).await
    };
    let made = make(json!({ "tokens_per_minute": 100, "requests_at_once": 3 })).await;
    assert_eq!((&made.body["tokens_per_minute"], &made.body["jobs_waiting"]), (&json!(100), &Value::Null));
    let key = made.text("key");
    // The tiny model reads bytes: 64 of them and two markers are 66 tokens.
    let texts = json!({ "texts": ["x".repeat(64)] });
    let first = with_key(&app, &key, "/embed", texts.clone()).await;
    assert_eq!((first.status, first.header("x-compute-tokens")), (200, "66"));
    let told = |reply: &Reply| LIMITS.map(|name| reply.header(name).to_owned());
    assert_eq!(told(&first)[..5], ["3", "3", "0s", "100", "34"], "{:?}", told(&first));
    assert!(["39s", "40s"].contains(&first.header("x-ratelimit-reset-tokens")), "{:?}", told(&first));
    // There is a token left, so one more is let in, and those behind it wait until its debt is paid.
    let second = with_key(&app, &key, "/similarity", json!({ "pairs": [["x".repeat(64), "y"]] })).await;
    assert_eq!((second.status, second.header("x-ratelimit-remaining-tokens")), (200, "0"));
    let (body, of_openai) = (json!({ "input": "x" }), json!("rate_limit_error"));
    for (path, body) in [
        ("/embed", &texts),
        ("/", &json!({ "inputs": "x" })),
        ("/tokenize", &json!({ "inputs": "x" })),
        ("/v1/embeddings", &body),
    ] {
        let refused = with_key(&app, &key, path, body.clone()).await;
        let error = if path.starts_with("/v1") { &refused.body["error"] } else { &refused.body };
        assert_eq!((refused.status, error["code"].as_str()), (429, Some("too_many_tokens")), "{}", refused.body);
        assert!(!path.starts_with("/v1") || error["type"] == of_openai, "{}", refused.body);
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((15..=30).contains(&seconds), "{seconds}: 34 of 69 tokens are owed, and 100 come back in a minute");
        assert_eq!(told(&refused)[3..5], ["100", "0"]);
    }
    let compared = app.send(app.request("GET", "/compare?text=a&text=b").bearer_auth(&key)).await;
    assert_eq!((compared.status, compared.text("code").as_str()), (429, "too_many_tokens"));
    // What is no question to a model is answered, and other keys are others: one without limits has the server's.
    assert_eq!(app.send(app.request("GET", "/models").bearer_auth(&key)).await.status, 200);
    let other = with_key(&app, &admin, "/embed", texts).await;
    assert_eq!(told(&other)[..5], ["", "", "", "5000", "4934"], "{:?}", told(&other));
    assert_eq!(make(json!({ "tokens_per_minute": 0 })).await.status, 422);
}

#[tokio::test]
async fn without_keys_all_callers_share_the_requests_at_once_and_where_nothing_is_set_nothing_is_told() {
    let app = App::with(&["--requests-at-once", "1"]);
    let mut hanging = connect(&app).await;
    let head = "POST /embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    hanging.write_all(head.as_bytes()).await.unwrap();
    assert!(reply(&mut hanging).await.starts_with("HTTP/1.1 100"));
    let refused = app.post("/embed", json!({ "texts": ["x"] })).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (429, "too_many_requests"));
    assert_eq!((refused.header("retry-after"), refused.header("x-ratelimit-remaining-requests")), ("1", "0"));
    hanging.write_all(b"{}").await.unwrap();
    assert!(reply(&mut hanging).await.starts_with("HTTP/1.1 422"));
    assert_eq!(app.post("/embed", json!({ "texts": ["x"] })).await.status, 200);

    let reply = crate::shared::tiny().post("/embed", json!({ "texts": ["x"] })).await;
    assert_eq!(LIMITS.map(|name| reply.header(name).to_owned()), [const { String::new() }; 6]);
}

#[tokio::test]
async fn a_key_has_no_more_jobs_waiting_than_it_may() {
    let app = App::with(&["--jobs-waiting", "1"]);
    let config = json!({ "epochs": 10_000, "early_stopping": null });
    let table = app.post_csv("/datasets", few(40)).await.text("id");
    let body = |name: &str| json!({ "dataset_id": table, "recipe": "tutorial", "config": config, "name": name });
    let running = app.post("/jobs", body("running")).await.text("id");
    app.wait_for(&format!("/jobs/{running}"), |job| job["status"] == "running").await;
    let waits = |name: &str| app.request("POST", "/jobs").header("idempotency-key", name.to_owned()).json(&body(name));
    let waiting = app.send(waits("waiting")).await;
    assert_eq!(waiting.status, 202);
    let refused = app.send(waits("refused")).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (429, "too_many_jobs_waiting"));
    assert_eq!(refused.header("retry-after"), "60");
    let openai = app.post("/v1/fine_tuning/jobs", json!({ "model": "default", "training_file": table })).await;
    assert_eq!((openai.status, &openai.body["error"]["code"]), (429, &json!("too_many_jobs_waiting")));
    assert_eq!(app.send(waits("waiting")).await.status, 200, "a repeat makes no other job");
    app.send(app.request("POST", &format!("/jobs/{}/cancel", waiting.text("id")))).await;
    assert_eq!(app.send(waits("refused")).await.status, 202);
}
