//! Several models in one request.

use serde_json::{Value, json};

use super::numbers;
use crate::shared::{self, MINE};

#[tokio::test]
async fn several_models_answer_in_one_call_and_the_difference_is_told() {
    let app = shared::tuned();
    let model = app.model();
    let question = json!({ "source_sentence": "data scientist", "sentences": ["nurse", "data analyst", "welder"] });
    let ask = |extra: Value| {
        let mut body = question.clone();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        app.post("/similarity", body)
    };
    let both = ask(json!({ "models": ["base", MINE] })).await;
    assert_eq!(both.status, 200, "{}", both.body);
    let [base, tuned] = both.body["models"].as_array().unwrap().as_slice() else { panic!("{}", both.body) };
    assert_eq!((&base["model"], &tuned["model"]), (&json!("use-multilingual-v3"), &json!(model)));
    assert_ne!(base["fingerprint"], tuned["fingerprint"]);
    assert!(base["delta"].is_null() && base["rank_change"].is_null());
    let single = ask(json!({ "model": MINE })).await;
    let (before, after, delta) = (numbers(&base["scores"]), numbers(&tuned["scores"]), numbers(&tuned["delta"]));
    for text in 0..3 {
        assert!((numbers(&single.body["scores"])[text] - after[text]).abs() < 1e-6);
        assert!((after[text] - before[text] - delta[text]).abs() < 1e-9);
    }
    assert_eq!(numbers(&tuned["rank_change"]).iter().sum::<f64>(), 0.0);
    assert!(both.header("server-timing").contains("total;dur="));
    let pairs = json!({ "pairs": [["nurse", "看護師"]], "models": ["base", MINE] });
    assert!(app.post("/similarity", pairs).await.body["models"][1]["rank_change"].is_null());

    let embed = app.post("/embed", json!({ "texts": ["nurse"], "models": [MINE, "base"] })).await;
    assert_eq!(embed.body["models"][1]["model"], "use-multilingual-v3");
    assert_ne!(embed.body["models"][0]["embeddings"], embed.body["models"][1]["embeddings"]);

    for (extra, status, code) in [
        (json!({ "models": [MINE] }), 422, "out_of_range"),
        (json!({ "models": ["base", MINE, MINE, MINE, MINE] }), 422, "out_of_range"),
        (json!({ "models": ["base", "mien"] }), 404, "model_not_found"),
        (json!({ "models": ["base", MINE], "model": MINE }), 422, "form_unclear"),
        (json!({ "models": ["base", MINE], "expected_fingerprint": "0" }), 422, "form_unclear"),
    ] {
        let refused = ask(extra).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (status, code), "{}", refused.body);
    }
    let bare = app.post("/embed", json!({ "inputs": ["nurse"], "models": ["base", MINE] })).await;
    assert_eq!((bare.status, bare.text("code").as_str()), (422, "form_unclear"));
}
