//! Replies that say what was done: which model, how much was read, what failed, what changed.

use serde_json::{Value, json};

use crate::app::App;
use crate::models::tuned;

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("no numbers: {value}"))
}

#[tokio::test]
async fn headers_tell_the_tokens_and_what_each_stage_took() {
    let app = App::start();
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
async fn one_text_that_cannot_be_used_fails_alone_where_that_is_asked_for() {
    let app = App::start();
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
    let app = App::start();
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

#[tokio::test]
async fn a_request_that_counts_on_a_fingerprint_gets_that_model_or_412() {
    let app = App::start();
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
async fn several_models_answer_in_one_call_and_the_difference_is_told() {
    let app = App::start();
    let (model, _) = tuned(&app, "mine", 30, &[]).await;
    let question = json!({ "source_sentence": "data scientist", "sentences": ["nurse", "data analyst", "welder"] });
    let ask = |extra: Value| {
        let mut body = question.clone();
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        app.post("/similarity", body)
    };
    let both = ask(json!({ "models": ["base", "mine"] })).await;
    assert_eq!(both.status, 200, "{}", both.body);
    let [base, tuned] = both.body["models"].as_array().unwrap().as_slice() else { panic!("{}", both.body) };
    assert_eq!((&base["model"], &tuned["model"]), (&json!("use-multilingual-v3"), &json!(model)));
    assert_ne!(base["fingerprint"], tuned["fingerprint"]);
    assert!(base["delta"].is_null() && base["rank_change"].is_null());
    let single = ask(json!({ "model": "mine" })).await;
    let (before, after, delta) = (numbers(&base["scores"]), numbers(&tuned["scores"]), numbers(&tuned["delta"]));
    for text in 0..3 {
        assert!((numbers(&single.body["scores"])[text] - after[text]).abs() < 1e-6);
        assert!((after[text] - before[text] - delta[text]).abs() < 1e-9);
    }
    assert_eq!(numbers(&tuned["rank_change"]).iter().sum::<f64>(), 0.0);
    assert!(both.header("server-timing").contains("total;dur="));
    let pairs = json!({ "pairs": [["nurse", "看護師"]], "models": ["base", "mine"] });
    assert!(app.post("/similarity", pairs).await.body["models"][1]["rank_change"].is_null());

    let embed = app.post("/embed", json!({ "texts": ["nurse"], "models": ["mine", "base"] })).await;
    assert_eq!(embed.body["models"][1]["model"], "use-multilingual-v3");
    assert_ne!(embed.body["models"][0]["embeddings"], embed.body["models"][1]["embeddings"]);

    for (extra, status, code) in [
        (json!({ "models": ["mine"] }), 422, "models_not_usable"),
        (json!({ "models": ["base", "mine", "mine", "mine", "mine"] }), 422, "models_not_usable"),
        (json!({ "models": ["base", "mien"] }), 404, "model_not_found"),
        (json!({ "models": ["base", "mine"], "model": "mine" }), 422, "form_unclear"),
        (json!({ "models": ["base", "mine"], "expected_fingerprint": "0" }), 422, "form_unclear"),
    ] {
        let refused = ask(extra).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (status, code), "{}", refused.body);
    }
    let bare = app.post("/embed", json!({ "inputs": ["nurse"], "models": ["base", "mine"] })).await;
    assert_eq!((bare.status, bare.text("code").as_str()), (422, "form_unclear"));
}

#[tokio::test]
async fn dimensions_are_checked_before_anything_is_computed_and_prompts_go_by_side() {
    let app = App::start();
    let reply = app.post("/embed", json!({ "texts": ["nurse"], "dimensions": 513 })).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "dimensions_out_of_range"));
    let sides = json!({ "queries": ["a"], "documents": ["b"], "document_prompt_name": "passage" });
    let reply = app.post("/similarity", sides).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "prompt_not_found"));
    let pairs = json!({ "pairs": [["a", "b"]], "query_prompt_name": "query" });
    assert_eq!(app.post("/similarity", pairs).await.text("code"), "form_unclear");
}

/// A model with enough validation pairs for a calibration, and what it is like beside its base.
#[tokio::test]
async fn a_model_is_compared_with_its_base_by_texts_neighbours_and_its_own_scale() {
    let app = App::start();
    let (model, job) = tuned(&app, "mine", 374, &[("alias", "live"), ("alias_if", "win")]).await;
    // A gate opens just for a win.
    let won = job["report"]["verdict"]["overall"] == "win";
    assert_eq!(job["alias_result"]["moved"], won, "{}", job["report"]["verdict"]);
    assert_eq!(app.get("/models/live").await.status, if won { 200 } else { 404 });
    let calibration = &job["report"]["calibration"];
    assert!(calibration["pairs"].as_u64().unwrap() >= 30, "{calibration}");

    let pairs =
        json!({ "pairs": [["data scientist", "data scientist"], ["data scientist", "welder"]], "model": "mine" });
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
    let told = app.get("/compare?tuned=mine").await;
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
    let texts = app.get("/compare?tuned=mine&text=nurse&text=%E7%9C%8B%E8%AD%B7%E5%B8%AB&text=welder").await.body;
    assert_eq!(texts["texts"], json!(["nurse", "看護師", "welder"]));
    let changes: Vec<f64> =
        texts["moved"].as_array().unwrap().iter().map(|pair| pair["change"].as_f64().unwrap().abs()).collect();
    assert!(changes.len() == 3 && changes.is_sorted_by(|a, b| a >= b), "{changes:?}");

    let near = app.get("/neighbours?models=base,mine&text=Data%20Scientist&k=5").await;
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
    let again = app.get("/neighbours?models=base,mine&text=Data%20Scientist&k=5").await;
    let texts = |body: &Value| -> Vec<Value> {
        body["models"][1]["neighbours"].as_array().unwrap().iter().map(|near| near["text"].clone()).collect()
    };
    assert_eq!(texts(&again.body), texts(&near.body));

    for (path, status, code) in [
        ("/compare", 422, "nothing_to_compare"),
        ("/compare?tuned=mine&text=one", 422, "texts_not_usable"),
        ("/compare?tuend=mine", 422, "unknown_field"),
        ("/compare?tuned=nobody", 404, "model_not_found"),
        ("/neighbours?text=x", 422, "dataset_missing"),
        ("/neighbours?text=x&dataset=ds_0", 404, "dataset_not_found"),
        ("/neighbours?text=x&model=mine&k=51", 422, "k_out_of_range"),
        ("/neighbours?text=&model=mine", 422, "empty_text"),
        ("/neighbours?text=x&model=mine&models=base,mine", 422, "form_unclear"),
        ("/neighbours?model=mine", 422, "missing_field"),
    ] {
        let refused = app.get(path).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (status, code), "{path}: {}", refused.body);
    }
}
