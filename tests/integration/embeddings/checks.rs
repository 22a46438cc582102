//! What is checked before anything is computed, and what headers tell of what was.

use serde_json::json;

use crate::shared;
use crate::tiny::DIMENSIONS;

#[tokio::test]
async fn headers_tell_the_tokens_and_what_each_stage_took() {
    let app = shared::tiny();
    for (route, body) in [
        ("/embed", json!({ "inputs": ["Data Scientist", "看護師"] })),
        ("/similarity", json!({ "inputs": { "source_sentence": "Data Scientist", "sentences": ["看護師"] } })),
    ] {
        let reply = app.post(route, body).await;
        let ours = app.post("/embed", json!({ "texts": ["Data Scientist", "看護師"] })).await;
        let tokens: u64 = ours.body["tokens"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(reply.header("x-compute-tokens"), tokens.to_string());
        let timing = reply.header("server-timing");
        let parts: Vec<(&str, f64)> = timing
            .split(", ")
            .map(|part| part.split_once(";dur=").map(|(name, took)| (name, took.parse().unwrap())).unwrap())
            .collect();
        let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["tokenize", "queue", "infer", "total"]);
        assert!(parts[2].1 > 0.0 && parts[3].1 >= parts[2].1, "{timing}");
        assert!(timing.split(", ").all(|part| part.rsplit_once('.').unwrap().1.len() == 2), "{timing}");
    }
}

#[tokio::test]
async fn a_request_that_counts_on_a_fingerprint_gets_that_model_or_412() {
    let app = shared::tiny();
    let fingerprint = app.get("/models/default").await.text("fingerprint");
    let bodies = |expected: &str| {
        [
            ("/embed", json!({ "texts": ["nurse"], "expected_fingerprint": expected })),
            ("/similarity", json!({ "pairs": [["nurse", "welder"]], "expected_fingerprint": expected })),
        ]
    };
    for (route, body) in bodies(&fingerprint) {
        assert_eq!(app.post(route, body).await.status, 200);
    }
    for (route, body) in bodies("0123") {
        let refused = app.post(route, body).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (412, "fingerprint_mismatch"));
        assert!(refused.text("detail").contains("0123") && refused.text("detail").contains(&fingerprint));
        assert_eq!(refused.header("content-type"), "application/problem+json");
    }
    // Clients of other shapes say it in a header.
    let with = |expected: &str| {
        let request = app.request("POST", "/embed").header("x-expected-fingerprint", expected);
        app.send(request.json(&json!({ "inputs": "nurse" })))
    };
    assert_eq!(with(&fingerprint).await.status, 200);
    assert_eq!(with("0123").await.status, 412);
}

#[tokio::test]
async fn dimensions_are_checked_before_anything_is_computed_and_prompts_go_by_side() {
    let app = shared::tiny();
    let reply = app.post("/embed", json!({ "texts": ["nurse"], "dimensions": DIMENSIONS + 1 })).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "dimensions_out_of_range"));
    let sides = json!({ "queries": ["a"], "documents": ["b"], "document_prompt_name": "passage" });
    let reply = app.post("/similarity", sides).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "prompt_not_found"));
    let pairs = json!({ "pairs": [["a", "b"]], "query_prompt_name": "query" });
    assert_eq!(app.post("/similarity", pairs).await.text("code"), "form_unclear");
}
