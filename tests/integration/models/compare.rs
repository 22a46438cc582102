//! `/compare` and `/neighbours`: a model beside its base.

use serde_json::{Value, json};

use crate::embeddings::numbers;
use crate::shared::{self, MINE};

/// A model with enough validation pairs for a calibration, and what it is like beside its base.
#[tokio::test]
async fn a_model_is_compared_with_its_base_by_texts_neighbours_and_its_own_scale() {
    let app = shared::tuned();
    let (model, job) = (app.model(), app.job);
    // A gate opens just for a win.
    let won = job["report"]["verdict"]["overall"] == "win";
    assert_eq!(job["alias_result"]["moved"], won, "{}", job["report"]["verdict"]);
    assert_eq!(app.get("/models/live").await.status, if won { 200 } else { 404 });
    let calibration = &job["report"]["calibration"];
    assert!(calibration["pairs"].as_u64().unwrap() >= 30, "{calibration}");

    let pairs = json!({ "pairs": [["data scientist", "data scientist"], ["data scientist", "welder"]], "model": MINE });
    let scored = app.post("/similarity", pairs.clone()).await.body;
    let (probability, threshold) = (numbers(&scored["probability"]), &scored["threshold"]);
    assert!(probability[0] > probability[1], "{scored}");
    assert!(probability.iter().all(|score| (0.0..=1.0).contains(score)));
    let least = threshold["similarity"].as_f64().unwrap();
    let expected: Vec<bool> = numbers(&scored["scores"]).iter().map(|score| *score >= least).collect();
    assert_eq!(scored["decision"], json!(expected));
    let mut angular = pairs;
    angular["measure"] = json!("angular");
    let angular = app.post("/similarity", angular).await.body;
    assert_eq!((&angular["decision"], &angular["probability"]), (&scored["decision"], &scored["probability"]));
    let base = app.post("/similarity", json!({ "pairs": [["a", "b"]] })).await.body;
    assert!(base["probability"].is_null());

    // With the job's own titles, then with texts.
    let told = app.get(&format!("/compare?tuned={MINE}")).await;
    assert_eq!(told.status, 200, "{}", told.body);
    assert_eq!(
        (&told.body["tuned"]["model"], &told.body["base"]["name"]),
        (&json!(model), &json!("use-multilingual-v3"))
    );
    assert_eq!(told.body["verdict"], job["report"]["verdict"]);
    assert_eq!(told.body["movers"], job["report"]["movers"]);
    for (live, measured) in [("before", "before"), ("after", "after")] {
        let live = numbers(&told.body[live][1]);
        let measured = numbers(&job["report"]["heatmap"][measured][1]);
        assert!(live.iter().zip(measured).all(|(a, b)| (a - b).abs() < 1e-4));
    }
    let texts = "text=nurse&text=%E7%9C%8B%E8%AD%B7%E5%B8%AB&text=welder";
    let texts = app.get(&format!("/compare?tuned={MINE}&{texts}")).await.body;
    assert_eq!(texts["texts"], json!(["nurse", "看護師", "welder"]));
    let changes: Vec<f64> =
        texts["moved"].as_array().unwrap().iter().map(|pair| pair["change"].as_f64().unwrap().abs()).collect();
    assert!(changes.len() == 3 && changes.is_sorted_by(|a, b| a >= b), "{changes:?}");

    let nearest = format!("/neighbours?models=base,{MINE}&text=Data%20Scientist&k=5");
    let near = app.get(&nearest).await;
    assert_eq!(near.status, 200, "{}", near.body);
    let [base, tuned] = near.body["models"].as_array().unwrap().as_slice() else { panic!("{}", near.body) };
    for of_model in [base, tuned] {
        let list = of_model["neighbours"].as_array().unwrap();
        let scores: Vec<f64> = list.iter().map(|near| near["score"].as_f64().unwrap()).collect();
        assert!(scores.len() == 5 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
        assert!(list.iter().all(|near| near["text"] != "Data Scientist"));
    }
    assert!(base["neighbours"][0]["rank_change"].is_null() && tuned["neighbours"][0]["rank_change"].is_i64());
    assert_eq!(near.body["searched"], near.body["total"]);
    // The same again, out of what is kept.
    let again = app.get(&nearest).await;
    let texts = |body: &Value| -> Vec<Value> {
        body["models"][1]["neighbours"].as_array().unwrap().iter().map(|near| near["text"].clone()).collect()
    };
    assert_eq!(texts(&again.body), texts(&near.body));

    for (path, status, code) in [
        ("/compare", 422, "nothing_to_compare"),
        ("/compare?tuned=mine&text=one", 422, "out_of_range"),
        ("/compare?tuend=mine", 422, "unknown_field"),
        ("/compare?tuned=nobody", 404, "model_not_found"),
        ("/neighbours?text=x", 422, "dataset_missing"),
        ("/neighbours?text=x&dataset=ds_0", 404, "dataset_not_found"),
        ("/neighbours?text=x&model=mine&k=51", 422, "out_of_range"),
        ("/neighbours?text=&model=mine", 422, "empty_text"),
        ("/neighbours?text=x&model=mine&models=base,mine", 422, "form_unclear"),
        ("/neighbours?model=mine", 422, "missing_field"),
    ] {
        let refused = app.get(&path.replace("mine", MINE)).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (status, code), "{path}: {}", refused.body);
    }
}
