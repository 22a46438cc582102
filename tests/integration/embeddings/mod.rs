//! `/embed`, `/similarity`, `/models`.

mod as_sent;
mod checks;
mod engine;
mod on_error;
mod several;

use serde_json::{Value, json};
use tables::similarity::cosine;

use crate::app::App;
use crate::shared;
use crate::tiny::TINY;

/// The numbers of a list.
pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("no numbers: {value}"))
}

fn vector(value: &Value) -> Vec<f32> {
    serde_json::from_value(value.clone()).unwrap()
}

fn near(a: &Value, b: f64) -> bool {
    (a.as_f64().unwrap() - b).abs() < 1e-5
}

#[tokio::test]
async fn teis_bodies_are_answered_in_teis_shape() {
    let app = shared::real();
    let one = app.post("/embed", json!({ "inputs": "Data Scientist" })).await;
    let many = app.post("/embed", json!({ "inputs": ["Data Scientist", "看護師"], "normalize": true, "truncate": true, "truncation_direction": "Right" })).await;
    assert_eq!((one.status, many.status), (200, 200));
    assert_eq!(one.body.as_array().unwrap().len(), 1);
    assert_eq!(vector(&one.body[0]).len(), 512);
    assert!(cosine(&vector(&one.body[0]), &vector(&many.body[0])) > 0.999999);
    assert_eq!(one.header("x-model"), "use-multilingual-v3");
    assert_eq!(one.header("x-model-fingerprint").len(), 64);

    let inputs = json!({ "source_sentence": "Data Scientist", "sentences": ["Data Scientist", "看護師"] });
    let similarity = app.post("/similarity", json!({ "inputs": inputs, "parameters": {} })).await;
    assert!(near(&similarity.body[0], 1.0));
    assert!(near(&similarity.body[1], cosine(&vector(&many.body[0]), &vector(&many.body[1]))));
}

#[tokio::test]
async fn our_body_says_which_model_answered_and_what_was_read() {
    let app = shared::real();
    let reply = app.post("/embed", json!({ "texts": ["Data Scientist", "Nurse"], "model": "default" })).await;
    assert_eq!(reply.body["model"], "use-multilingual-v3");
    assert_eq!(reply.body["dimensions"], 512);
    assert_eq!(reply.body["tokens"][0], 4);
    assert_eq!(reply.body["truncated"], json!([]));
    assert_eq!(reply.body["embeddings"].as_array().unwrap().len(), 2);

    let short = app.post("/embed", json!({ "texts": ["Data Scientist"], "dimensions": 64 })).await;
    let short = vector(&short.body["embeddings"][0]);
    assert_eq!(short.len(), 64);
    assert!((short.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    let both = json!({ "texts": ["Data Scientist", "Nurse"], "dimensions": 64, "normalize": false });
    let raw = app.post("/embed", both).await;
    assert_eq!(vector(&raw.body["embeddings"][0]), vector(&reply.body["embeddings"][0])[..64]);
}

#[tokio::test]
async fn a_text_longer_than_the_model_reads_is_cut_and_the_reply_says_so() {
    let app = shared::real();
    let long = "occupation ".repeat(1000);
    let reply = app.post("/embed", json!({ "texts": ["short", long] })).await;
    assert_eq!(reply.body["truncated"][0]["index"], 1);
    assert_eq!(reply.body["tokens"][1], 512);
    let (tokens, dropped) = (&reply.body["truncated"][0]["tokens"], &reply.body["truncated"][0]["tokens_dropped"]);
    assert_eq!(tokens.as_u64().unwrap() - dropped.as_u64().unwrap(), 512);
    assert_eq!(app.post("/embed", json!({ "inputs": ["short", long] })).await.header("x-truncated-inputs"), "1");

    let refused = app.post("/embed", json!({ "inputs": [long], "truncate": false })).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "text_too_long"));
    let first = "nurse ".to_owned() + &long;
    let ends = app.post("/similarity", json!({ "pairs": [[first, long]], "truncate": true })).await;
    assert!(ends.body["scores"][0].as_f64().unwrap() < 1.0);
    let left = json!({ "inputs": { "source_sentence": first, "sentences": [long] }, "parameters": { "truncation_direction": "Left" } });
    assert!(near(&app.post("/similarity", left).await.body[0], 1.0));
}

#[tokio::test]
async fn similarities_of_pairs_a_matrix_and_one_to_many_agree() {
    let app = shared::real();
    let pairs = app.post("/similarity", json!({ "pairs": [["nurse", "doctor"], ["nurse", "car"]] })).await;
    let many = app.post("/similarity", json!({ "source_sentence": "nurse", "sentences": ["doctor", "car"] })).await;
    let matrix = app.post("/similarity", json!({ "queries": ["nurse", "car"], "documents": ["doctor", "car"] })).await;
    for (index, score) in pairs.body["scores"].as_array().unwrap().iter().enumerate() {
        let score = score.as_f64().unwrap();
        assert!(near(&many.body["scores"][index], score));
        assert!(near(&matrix.body["scores"][0][index], score));
    }
    assert!(near(&matrix.body["scores"][1][1], 1.0));
    let angular = app.post("/similarity", json!({ "pairs": [["nurse", "doctor"]], "measure": "angular" })).await;
    let expected = 1.0 - pairs.body["scores"][0].as_f64().unwrap().acos() / std::f64::consts::PI;
    assert!(near(&angular.body["scores"][0], expected));
    assert_eq!(angular.body["measure"], "angular");
}

#[tokio::test]
async fn requests_that_wait_together_get_each_their_own_vectors() {
    let app = shared::real();
    let texts: Vec<String> =
        (0..48).map(|index| format!("{} engineer number {index}", "senior ".repeat(index % 7))).collect();
    let alone = app.post("/embed", json!({ "texts": texts })).await;
    let requests = texts.iter().map(|text| app.post("/embed", json!({ "inputs": text })));
    for (index, reply) in futures_util::future::join_all(requests).await.into_iter().enumerate() {
        let expected = vector(&alone.body["embeddings"][index]);
        let furthest = vector(&reply.body[0]).iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 1e-6, "text {index} is off by {furthest}");
    }
}

#[tokio::test]
async fn a_model_goes_by_id_and_by_alias() {
    let app = App::start();
    let models = app.get("/models").await;
    let model = &models.body["models"][0];
    assert_eq!((&model["id"], &model["kind"]), (&json!(TINY), &json!("base")));
    assert_eq!(model["aliases"], json!(["default"]));
    let put = app.send(app.request("PUT", "/aliases/本番").json(&json!({ "model": TINY }))).await;
    assert_eq!((put.status, put.text("model").as_str()), (200, TINY));
    assert_eq!(app.get("/models/本番").await.body["aliases"], json!(["default", "本番"]));
    assert_eq!(app.post("/embed", json!({ "texts": ["x"], "model": "本番" })).await.status, 200);
    let taken = app.send(app.request("PUT", "/aliases/tiny").json(&json!({ "model": "default" }))).await;
    assert_eq!((taken.status, taken.text("code").as_str()), (409, "name_taken"));
}

#[tokio::test]
async fn a_foreign_page_can_neither_read_nor_write() {
    let app = shared::tiny();
    let rebound = app.send(app.request("GET", "/models").header("host", "evil.example")).await;
    assert_eq!((rebound.status, rebound.text("code").as_str()), (403, "host_not_allowed"));
    let cross = app.request("POST", "/jobs").header("sec-fetch-site", "cross-site").json(&json!({}));
    assert_eq!(app.send(cross).await.text("code"), "cross_site");
    assert_eq!(app.get("/health/ready").await.status, 200);
    assert_eq!(app.get("/health/live").await.body["status"], "ok");
}
