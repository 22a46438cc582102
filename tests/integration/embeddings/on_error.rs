//! Texts that cannot be used, beside others that can.

use serde_json::{Value, json};

use super::numbers;
use crate::shared;

#[tokio::test]
async fn one_text_that_cannot_be_used_fails_alone_where_that_is_asked_for() {
    let app = shared::tiny();
    let long = "occupation ".repeat(1000);
    let texts = json!(["nurse", "", long, 7, "welder", null]);
    let strict = app.post("/embed", json!({ "texts": texts })).await;
    assert_eq!((strict.status, strict.text("code").as_str()), (422, "empty_text"));
    let lenient = json!({ "texts": texts, "truncate": false, "on_error": "null" });
    let reply = app.post("/embed", lenient).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let embeddings = reply.body["embeddings"].as_array().unwrap();
    let there: Vec<bool> = embeddings.iter().map(|vector| !vector.is_null()).collect();
    assert_eq!(there, [true, false, false, false, true, false]);
    let errors = reply.body["errors"].as_array().unwrap();
    let told: Vec<(u64, &str)> =
        errors.iter().map(|error| (error["index"].as_u64().unwrap(), error["code"].as_str().unwrap())).collect();
    let expected = [(1, "empty_text"), (2, "text_too_long"), (3, "token_ids_not_supported"), (5, "wrong_type")];
    assert_eq!(told, expected);
    assert!(errors[1]["detail"].as_str().unwrap().contains("the model reads 512"));
    let alone = app.post("/embed", json!({ "texts": ["nurse", "welder"] })).await.body;
    for (place, of_alone) in [(0, 0), (4, 1)] {
        let (vector, alone) = (numbers(&embeddings[place]), numbers(&alone["embeddings"][of_alone]));
        assert!(vector.iter().zip(alone).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    assert_eq!(reply.body["tokens"][1], 0);
    assert!(alone["errors"].is_null());

    // TEI's bare array has nulls; a text that is only cut is no error.
    let bare = app.post("/embed", json!({ "inputs": ["", "nurse", long], "on_error": "null" })).await;
    assert_eq!((bare.status, &bare.body[0], bare.body[2].is_null()), (200, &Value::Null, false));
    assert_eq!(bare.header("x-truncated-inputs"), "2");
    let none = app.post("/embed", json!({ "texts": [""], "on_error": "null" })).await;
    assert_eq!((none.status, &none.body["embeddings"]), (200, &json!([null])));
}

#[tokio::test]
async fn a_text_that_cannot_be_used_leaves_the_other_similarities_where_that_is_asked_for() {
    let app = shared::tiny();
    let long = "occupation ".repeat(1000);
    let ask = async |body: Value, others: Value| {
        let mut body = body;
        body.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        app.post("/similarity", body).await
    };
    let lenient = || json!({ "truncate": false, "on_error": "null" });
    let told = |body: &Value| -> Vec<(u64, String)> {
        let errors = body["errors"].as_array().unwrap().iter();
        errors.map(|error| (error["index"].as_u64().unwrap(), error["code"].as_str().unwrap().to_owned())).collect()
    };
    let score = |body: &Value| body["scores"][0].as_f64().unwrap();
    let alone = score(&ask(json!({ "pairs": [["nurse", "welder"]] }), json!({})).await.body);

    let pairs = json!({ "pairs": [["nurse", ""], ["nurse", "welder"], [long, "nurse"]] });
    let strict = ask(pairs.clone(), json!({})).await;
    assert_eq!((strict.status, strict.text("code").as_str()), (422, "empty_text"));
    let reply = ask(pairs, lenient()).await.body;
    let scores = &reply["scores"];
    assert!(scores[0].is_null() && scores[2].is_null(), "{reply}");
    assert!((scores[1].as_f64().unwrap() - alone).abs() < 1e-6, "{reply}");
    assert_eq!(told(&reply), [(1, "empty_text".to_owned()), (4, "text_too_long".to_owned())]);

    let matrix = json!({ "queries": ["", "nurse"], "documents": ["welder", 7] });
    let reply = ask(matrix, lenient()).await.body;
    assert_eq!((&reply["scores"][0], &reply["scores"][1][1]), (&json!([null, null]), &Value::Null));
    assert!((reply["scores"][1][0].as_f64().unwrap() - alone).abs() < 1e-6, "{reply}");
    assert_eq!(told(&reply), [(0, "empty_text".to_owned()), (3, "token_ids_not_supported".to_owned())]);

    let many = json!({ "source_sentence": "nurse", "sentences": ["", "welder"], "models": ["base", "default"] });
    let reply = ask(many, lenient()).await.body;
    let second = &reply["models"][1];
    assert_eq!(
        (&second["scores"][0], &second["delta"], &second["rank_change"]),
        (&Value::Null, &json!([null, 0.0]), &json!([null, 0]))
    );
    let bare = json!({ "inputs": { "source_sentence": "nurse", "sentences": ["welder", ""] } });
    let reply = ask(bare, lenient()).await.body;
    assert!((reply[0].as_f64().unwrap() - alone).abs() < 1e-6 && reply[1].is_null(), "{reply}");
    let nothing = ask(json!({ "source_sentence": "", "sentences": ["nurse"] }), lenient()).await;
    assert_eq!((nothing.status, &nothing.body["scores"]), (200, &json!([null])));
}
