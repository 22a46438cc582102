//! Apps' own clients, from the package index, against the real server: what they get, and what they make of
//! errors.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::app::App;
use crate::fixtures::{python, script};

fn vectors(value: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// Whether two lists of vectors are equal, each coordinate to 1e-6.
fn near(a: &Value, b: &Value) -> bool {
    let (a, b) = (vectors(a), vectors(b));
    let coordinates = a.iter().flatten().zip(b.iter().flatten());
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| a.len() == b.len())
        && coordinates.into_iter().all(|(a, b)| (a - b).abs() <= 1e-6)
}

#[tokio::test]
async fn apps_clients_work_as_they_are() {
    let app = App::real();
    let pairs = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/occupations.csv");
    let address = app.address.clone();
    let run = move || script(python("clients"), "client_replies.py", &[Path::new(&address), &pairs]);
    let told = tokio::task::spawn_blocking(run).await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();

    let embed = |body: Value| app.post("/embed", body);
    let ours = embed(json!({ "texts": told["texts"] })).await.body["embeddings"].clone();
    let short = embed(json!({ "texts": told["texts"], "dimensions": 8 })).await.body["embeddings"].clone();
    let first = json!([ours[0]]);
    let openai = &told["embeddings"];
    for (what, found, expected) in [
        ("openai", &openai["base64"], &ours),
        ("openai, numbers", &openai["float"], &ours),
        ("openai, one text", &openai["one_text"], &first),
        ("openai, dimensions", &openai["short"], &short),
        ("openai, async", &told["embeddings_async"], &ours),
        ("InferenceClient", &told["hugging_face"]["embed"], &ours),
        ("InferenceClient, one text", &told["hugging_face"]["one_text"], &first),
        ("InferenceClient, dimensions", &told["hugging_face"]["short"], &short),
        ("InferenceClient, the root", &told["hugging_face"]["root"], &ours),
        ("InferenceClient, async", &told["hugging_face"]["async"], &ours),
        ("LangChain, OpenAI", &told["langchain"]["openai"], &ours),
        ("LangChain, OpenAI, a query", &json!([told["langchain"]["openai_query"]]), &first),
        ("LangChain, OpenAI, async", &told["langchain"]["openai_async"], &ours),
        ("LangChain, Hugging Face", &told["langchain"]["hugging_face"], &ours),
        ("LangChain, Hugging Face, a query", &json!([told["langchain"]["hugging_face_query"]]), &first),
    ] {
        assert!(near(found, expected), "{what}: other vectors than /embed's");
    }
    for short in vectors(&openai["short"]) {
        assert!((short.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-6, "shortened vectors have length 1");
    }
    let tokens = embed(json!({ "texts": told["texts"] })).await.body["tokens"].clone();
    let tokens: u64 = tokens.as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(openai["usage"], json!({ "prompt_tokens": tokens, "total_tokens": tokens }));
    let model = app.get("/models/default").await.body;
    assert_eq!(
        (&openai["headers"]["x-model"], &openai["headers"]["x-model-fingerprint"]),
        (&model["id"], &model["fingerprint"])
    );

    let body = json!({ "source_sentence": told["texts"][0], "sentences": [told["texts"][1], told["texts"][2]] });
    let scores = app.post("/similarity", body).await.body["scores"].clone();
    for found in [&told["hugging_face"]["similarity"], &told["hugging_face"]["root_similarity"]] {
        assert!(near(&json!([found]), &json!([scores])), "{found} {scores}");
    }

    errors(&told);
    files(&told);
    fine_tuning(&told, &ours);
}

#[test]
fn the_documents_snippets_run_as_they_stand() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/clients.md")).unwrap();
    let blocks: String =
        document.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("python\n")).collect();
    let app = App::real();
    let run = Command::new(python("clients"))
        .args(["-c", &blocks.replace("http://127.0.0.1:8080", &app.address)])
        .env("HF_HUB_DISABLE_TELEMETRY", "1")
        .current_dir(root)
        .output()
        .unwrap();
    let (out, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{complaints}");
    for expected in ["512 use-multilingual-v3 ", "The job succeeded.", "\noccupations-", "(2, 512)"] {
        assert!(out.contains(expected), "no {expected:?} in:\n{out}");
    }
}

/// The class of the client's exception, the error's code, and a word of what it tells.
fn is_refused(error: &Value, class: &str, code: &str, word: &str) {
    let message = error["message"].as_str().unwrap_or_else(|| panic!("no error: {error}"));
    assert_eq!((error["error"].as_str(), error["code"].as_str()), (Some(class), Some(code)), "{error}");
    assert!(message.contains(word), "{message}");
    assert!(error["body"]["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{error}");
}

fn errors(told: &Value) {
    let errors = &told["errors"];
    is_refused(&errors["unknown_model"], "NotFoundError", "model_not_found", "Did you mean \"default\"?");
    let ids = &errors["token_ids"];
    is_refused(ids, "UnprocessableEntityError", "token_ids_not_supported", "check_embedding_ctx_length=False");
    is_refused(&errors["empty_text"], "UnprocessableEntityError", "empty_text", "Text 1");
    let dimensions = &errors["too_many_dimensions"];
    is_refused(dimensions, "UnprocessableEntityError", "dimensions_out_of_range", "1 to 512");
    assert_eq!(dimensions["param"], "dimensions");
    is_refused(&errors["unknown_field"], "UnprocessableEntityError", "unknown_field", "temperature");
    is_refused(&errors["unknown_route"], "NotFoundError", "route_not_found", "/v1/chat/completions");
    is_refused(&errors["unknown_file"], "NotFoundError", "dataset_not_found", "ds_none");
    is_refused(&errors["unknown_job"], "NotFoundError", "job_not_found", "job_none");
}

fn files(told: &Value) {
    let files = &told["files"];
    assert_eq!((&files["training"]["purpose"], &files["training"]["rows"]), (&json!("fine-tune"), &json!(40)));
    assert_eq!(files["one"], files["training"]);
    assert_eq!(files["content_is_what_was_sent"], true);
    let [spare, training] = [&files["spare"]["id"], &files["training"]["id"]];
    // The newest first, and no page misses one.
    assert_eq!(files["listed"], json!([spare, told["validation"], training]));
    assert_eq!((&files["first_page"], &files["has_more"]), (&json!([spare, told["validation"]]), &json!(true)));
    assert_eq!(files["evals"], json!([spare]));
    let deleted = &files["deleted"];
    assert_eq!((&deleted["id"], &deleted["object"], &deleted["deleted"]), (spare, &json!("file"), &json!(true)));
    // Beside OpenAI's own fields: what still holds a part of it.
    assert_eq!((&deleted["left"]["models"], &deleted["left"]["jobs"]), (&json!([]), &json!([])));
    is_refused(&files["gone"], "NotFoundError", "dataset_not_found", spare.as_str().unwrap());
    is_refused(&files["chat"], "UnprocessableEntityError", "not_pairs", "text1");
    is_refused(&files["wrong_lines"], "UnprocessableEntityError", "rows_have_problems", "2 cells or rows of 3");
    let lines: Vec<&Value> =
        files["wrong_lines"]["body"]["errors"].as_array().unwrap().iter().map(|error| &error["line"]).collect();
    assert_eq!(lines, [2, 3]);
    is_refused(&files["wrong_purpose"], "UnprocessableEntityError", "unknown_value", "Send fine-tune");
}

fn fine_tuning(told: &Value, base: &Value) {
    let tuning = &told["fine_tuning"];
    let (created, done) = (&tuning["created"], &tuning["done"]);
    assert_eq!((&created["fine_tuned_model"], &created["finished_at"]), (&Value::Null, &Value::Null));
    assert_eq!(done["status"], "succeeded", "{done}");
    assert_eq!((&done["training_file"], &done["validation_file"]), (&told["training"], &told["validation"]));
    assert_eq!((&done["seed"], &done["recipe"]), (&json!(7), &json!("tutorial")));
    assert_eq!(done["metadata"], json!({ "team": "data", "why": "a trial" }));
    let hyperparameters = json!({ "n_epochs": 1, "batch_size": 8, "learning_rate_multiplier": 2.0 });
    assert_eq!(done["hyperparameters"], hyperparameters);
    assert_eq!(done["method"], json!({ "type": "supervised", "supervised": { "hyperparameters": hyperparameters } }));
    let model = done["fine_tuned_model"].as_str().unwrap();
    assert!(model.starts_with("trial-"), "{model}");
    assert_eq!((&tuning["tuned_model"], &tuning["in_models"]), (&json!(model), &json!(true)));
    assert!(
        vectors(&tuning["tuned"]).len() == 3 && !near(&tuning["tuned"], base),
        "the tuned model's vectors are its own"
    );

    is_refused(&tuning["base_kept"], "ConflictError", "model_is_base", "base model");
    let deleted = &tuning["deleted"];
    assert_eq!(
        (&deleted["id"], &deleted["object"], &deleted["deleted"]),
        (&json!(model), &json!("model"), &json!(true))
    );
    // Beside OpenAI's own fields: the table that it learnt from, and its job.
    assert_eq!(deleted["left"]["jobs"].as_array().unwrap().len(), 1);
    is_refused(&tuning["gone"], "NotFoundError", "model_not_found", model);

    let events = tuning["events"].as_array().unwrap();
    let numbers: Vec<usize> =
        events.iter().map(|event| event["id"].as_str().unwrap().rsplit_once('-').unwrap().1.parse().unwrap()).collect();
    assert!(numbers.iter().rev().copied().eq(1..=events.len()), "all pages, the newest first: {numbers:?}");
    assert!(events[0]["message"].as_str().unwrap().starts_with("The job succeeded."), "{}", events[0]);
    let losses: Vec<f64> = events
        .iter()
        .filter(|event| event["type"] == "metrics")
        .filter_map(|event| event["data"]["train_loss"].as_f64())
        .collect();
    assert!(!losses.is_empty() && losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    let [checkpoint] = tuning["checkpoints"].as_array().unwrap().as_slice() else { panic!("one checkpoint") };
    assert_eq!(
        (&checkpoint["fine_tuned_model_checkpoint"], &checkpoint["fine_tuning_job_id"]),
        (&json!(model), &done["id"])
    );
    // 32 of 40 pairs train, 8 at a time.
    assert_eq!(
        (&checkpoint["step_number"], checkpoint["metrics"]["valid_loss"].is_f64()),
        (&json!(4), true),
        "{checkpoint}"
    );

    let long = &tuning["cancelled"];
    assert_eq!((long["status"].as_str(), long["finished_at"].is_i64()), (Some("cancelled"), true), "{long}");
    is_refused(&tuning["cancelled_again"], "ConflictError", "job_is_over", "cancelled");
    assert_eq!(tuning["listed"], json!([long["id"], done["id"]]));
    assert_eq!(tuning["first_page"], json!([long["id"]]));
    assert_eq!((&tuning["of_team"], &tuning["of_nobody"]), (&json!([done["id"]]), &json!([])));

    let refused = &tuning["refused"];
    is_refused(&refused["dpo"], "UnprocessableEntityError", "unknown_value", "supervised");
    is_refused(&refused["integrations"], "UnprocessableEntityError", "not_supported", "integrations");
    is_refused(&refused["no_file"], "NotFoundError", "dataset_not_found", "ds_none");
    is_refused(&refused["no_model"], "NotFoundError", "model_not_found", "gpt-4o-mini");
    is_refused(&refused["same_file"], "UnprocessableEntityError", "validation_file_is_training_file", "Send another");
    is_refused(&refused["epochs"], "UnprocessableEntityError", "config_not_usable", "between 1 and 10000");
    assert_eq!(refused["epochs"]["param"], "n_epochs");
}
