//! `/v1`: OpenAI's routes on the wire.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::app::{App, few};
use crate::shared;

/// What replies must have, by public descriptions of the two APIs.
fn facts() -> Value {
    serde_json::from_str(include_str!("../../golden/replies.json")).unwrap()
}

/// Panics where a value is not what a fact says. `place` is for the message.
fn assert_fits(value: &Value, fact: &Value, facts: &Value, place: &str) {
    if let Some(name) = fact["$fact"].as_str() {
        let fact = facts.get(name).unwrap_or_else(|| panic!("{place}: there is no fact {name}"));
        return assert_fits(value, fact, facts, place);
    }
    let words = |name: &str| match &fact[name] {
        Value::Array(words) => words.clone(),
        Value::Null => Vec::new(),
        word => vec![word.clone()],
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types = words("type");
    let fits = types.iter().any(|name| *name == kind || (*name == "number" && kind == "integer"));
    assert!(types.is_empty() || fits, "{place}: {value} is no {types:?}");
    let allowed = words("enum");
    assert!(allowed.is_empty() || allowed.contains(value), "{place}: {value} is none of {allowed:?}");
    if let Value::Object(members) = value {
        for name in words("required") {
            assert!(members.contains_key(name.as_str().unwrap()), "{place}: {name} is missing in {value}");
        }
        for (name, fact) in fact["properties"].as_object().into_iter().flatten() {
            members.get(name).into_iter().for_each(|value| assert_fits(value, fact, facts, &format!("{place}.{name}")));
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        assert_fits(item, &fact["items"], facts, &format!("{place}[{index}]"));
    }
}

#[test]
#[should_panic(expected = "x.data[0].object: \"modle\" is none of")]
fn what_does_not_fit_the_facts_is_found() {
    let model = json!({ "id": "a", "object": "modle", "created": 1, "owned_by": "b" });
    let facts = &facts()["openai"];
    assert_fits(&json!({ "object": "list", "data": [model] }), &facts["ListModels"], facts, "x");
}

async fn upload(app: &Api, purpose: &str, name: &'static str, bytes: impl Into<Vec<u8>>) -> Reply {
    let file = Part::bytes(bytes.into()).file_name(name);
    let form = Form::new().text("purpose", purpose.to_owned()).part("file", file);
    app.send(app.request("POST", "/v1/files").multipart(form)).await
}

#[tokio::test]
async fn replies_are_what_the_clients_schemas_say() {
    let app = App::start();
    let facts = facts();
    let fits = |api: &str, name: &str, status: u16, reply: &Reply| {
        assert_eq!(reply.status, status, "{name}: {}", reply.body);
        assert_fits(&reply.body, &facts[api][name], &facts[api], name);
    };
    let openai = |name: &str, reply: &Reply| fits("openai", name, 200, reply);

    let file = upload(&app, "fine-tune", "pairs.csv", few(30)).await;
    openai("File", &file);
    let spare = upload(&app, "user_data", "spare.csv", few(20)).await;
    openai("File", &spare);
    let id = file.text("id");
    openai("File", &app.get(&format!("/v1/files/{id}")).await);
    let list = app.get("/v1/files?limit=1&order=asc&purpose=fine-tune").await;
    openai("ListFiles", &list);
    assert_eq!((&list.body["data"][0]["id"], &list.body["has_more"]), (&json!(id), &json!(true)));
    let rest = app.get(&format!("/v1/files?limit=1&order=asc&after={id}")).await;
    assert_eq!((&rest.body["first_id"], &rest.body["has_more"]), (&spare.body["id"], &json!(false)));
    openai("DeleteFile", &app.send(app.request("DELETE", &format!("/v1/files/{}", spare.text("id")))).await);

    let ask =
        json!({ "model": "default", "training_file": id, "hyperparameters": { "n_epochs": 1 }, "recipe": "tutorial" });
    let again = || app.request("POST", "/v1/fine_tuning/jobs").header("idempotency-key", "once").json(&ask);
    let job = app.send(again()).await;
    openai("FineTuningJob", &job);
    assert_eq!(app.send(again()).await.body["id"], job.body["id"], "the same key gives the same job");
    let job = job.text("id");
    app.finished(&job).await;
    let path = |rest: &str| format!("/v1/fine_tuning/jobs/{job}{rest}");
    let done = app.get(&path("")).await;
    openai("FineTuningJob", &done);
    openai("ListFineTuningJobs", &app.get("/v1/fine_tuning/jobs").await);
    openai("ListFineTuningEvents", &app.get(&path("/events?limit=100")).await);
    openai("ListFineTuningCheckpoints", &app.get(&path("/checkpoints")).await);
    let end = app.get(&path(&format!("/events?after={job}-1"))).await;
    assert_eq!(
        (&end.body["data"], &end.body["has_more"]),
        (&json!([]), &json!(false)),
        "nothing is older than the first"
    );
    for list in ["/events?after=job_none-1", "/checkpoints?after=ft_none"] {
        let reply = app.get(&path(list)).await;
        assert_eq!((reply.status, &reply.body["error"]["code"]), (422, &json!("cursor_not_usable")), "{list}");
    }
    openai("ListModels", &app.get("/v1/models").await);
    openai("Model", &app.get(&format!("/v1/models/{}", done.text("fine_tuned_model"))).await);
    for format in ["float", "base64"] {
        let embedding = app.post("/v1/embeddings", json!({ "input": "x", "encoding_format": format })).await;
        openai("CreateEmbedding", &embedding);
    }
    let gone = app.send(app.request("DELETE", &format!("/v1/files/{id}"))).await;
    openai("DeleteFile", &gone);
    assert_eq!(gone.body["left"]["jobs"], json!([job]));
    // The job still tells what it learnt from.
    let after = app.get(&path("")).await;
    openai("FineTuningJob", &after);
    assert_eq!(after.text("training_file"), id);
    fits("openai", "Error", 409, &app.send(app.request("POST", &path("/cancel"))).await);

    let tei = |name: &str, reply: &Reply| fits("tei", name, 200, reply);
    tei("Embed", &app.post("/embed", json!({ "inputs": "x" })).await);
    let similarity = json!({ "inputs": { "source_sentence": "x", "sentences": ["y"] } });
    tei("Similarity", &app.post("/similarity", similarity).await);
    tei("Tokenize", &app.post("/tokenize", json!({ "inputs": ["x", "y z"] })).await);
    tei("Info", &app.get("/info").await);
}

#[tokio::test]
async fn every_error_below_v1_has_openais_form() {
    let app = App::with(&["--max-body", "20000", "--max-upload", "40000"]);
    let json_body = |method: &str, path: &str, body: &'static str| {
        app.send(app.request(method, path).header("content-type", "application/json").body(body))
    };
    let cases = [
        (app.get("/v1/nothing").await, 404, "route_not_found"),
        (app.get("/v1").await, 404, "route_not_found"),
        (json_body("PUT", "/v1/models", "{}").await, 405, "method_not_allowed"),
        (json_body("POST", "/v1/embeddings", "{\"input\": ").await, 400, "not_json"),
        (json_body("POST", "/v1/embeddings", "[1]").await, 422, "wrong_type"),
        (app.send(app.request("POST", "/v1/embeddings").body("x")).await, 415, "unsupported_media_type"),
        (app.send(app.request("POST", "/v1/files").json(&json!({}))).await, 415, "unsupported_media_type"),
        (app.send(app.request("POST", "/v1/fine_tuning/jobs").body("x")).await, 415, "unsupported_media_type"),
        (app.post("/v1/embeddings", json!({ "input": "x".repeat(30_000) })).await, 413, "body_too_large"),
        (upload(&app, "fine-tune", "pairs.csv", "x".repeat(50_000)).await, 413, "body_too_large"),
        // A table may be larger than other bodies.
        (upload(&app, "fine-tune", "pairs.csv", "x".repeat(30_000)).await, 422, "columns_unclear"),
        (app.post("/v1/embeddings", json!({ "input": vec!["x"; 2049] })).await, 413, "too_many_inputs"),
        (app.post("/v1/embeddings", json!({ "input": "x", "encoding_format": "int8" })).await, 422, "unknown_value"),
        (app.send(app.request("GET", "/v1/models").header("host", "example.org")).await, 403, "host_not_allowed"),
        (app.get("/v1/files?purpose=vision").await, 422, "unknown_value"),
        (app.get("/v1/files?after=ds_none").await, 404, "dataset_not_found"),
        (app.get("/v1/fine_tuning/jobs?after=job_none").await, 404, "job_not_found"),
        (app.get("/v1/fine_tuning/jobs?limit=x").await, 422, "wrong_type"),
        (app.get("/v1/fine_tuning/jobs?metadata=null").await, 422, "wrong_type"),
        (app.get("/v1/fine_tuning/jobs/job_none/events").await, 404, "job_not_found"),
        (app.get("/v1/fine_tuning/jobs?status=queued").await, 422, "unknown_field"),
        (app.post("/v1/fine_tuning/jobs/job_none/cancel", json!({})).await, 404, "job_not_found"),
    ];
    let facts = facts();
    for (reply, status, code) in cases {
        assert_fits(&reply.body, &facts["openai"]["Error"], &facts["openai"], code);
        let error = &reply.body["error"];
        assert_eq!((reply.status, error["code"].as_str().unwrap()), (status, code), "{error}");
        assert_eq!(reply.header("content-type"), "application/json");
        assert_eq!(error["request_id"], reply.header("x-request-id"));
    }
    // A path that only looks like one of them is ours.
    let ours = app.get("/v1x").await;
    assert_eq!((ours.header("content-type"), ours.body["status"].as_u64()), ("application/problem+json", Some(404)));
}

#[tokio::test]
async fn a_file_of_json_lines_is_a_dataset_wherever_it_is_sent() {
    let app = shared::tiny();
    let lines: String = (0..12)
        .map(|i| json!({ "text1": "a", "text2": format!("b{i}"), "score": 0.05 * f64::from(i) }).to_string() + "\n")
        .collect();
    let file = upload(&app, "fine-tune", "pairs.jsonl", lines.clone()).await;
    assert_eq!((file.status, &file.body["rows"]), (200, &json!(12)), "{}", file.body);
    let id = file.text("id");
    let content = app.get(&format!("/v1/files/{id}/content")).await;
    assert_eq!(
        (content.body.as_str(), content.header("content-type")),
        (Some(lines.as_str()), "application/octet-stream")
    );
    let rows = app.get(&format!("/datasets/{id}/rows?offset=11")).await;
    assert_eq!(
        rows.body["rows"],
        json!([{ "row": 12, "line": 12, "left": "a", "right": "b11", "negative": null, "score": 0.55 }])
    );

    let raw = app.request("POST", "/datasets").header("content-type", "application/x-ndjson").body(lines.clone());
    assert_eq!(app.send(raw).await.text("id"), id);
    let part = Part::text(lines).file_name("again.jsonl");
    let form = app.request("POST", "/datasets").multipart(Form::new().part("file", part));
    assert_eq!(app.send(form).await.text("id"), id);

    let wrong =
        upload(&app, "fine-tune", "wrong.jsonl", "{\"text1\": \"a\", \"text2\": \"b\", \"score\": 1}\n\n{\"x\": 1}\n")
            .await;
    let error = &wrong.body["error"];
    assert_eq!((wrong.status, &error["errors"][0]["line"]), (422, &json!(3)), "{error}");
    let wrong = upload(&app, "assistants", "pairs.jsonl", "{}").await;
    assert!(wrong.body["error"]["message"].as_str().unwrap().contains("Send fine-tune"), "{}", wrong.body);
}

#[tokio::test]
async fn a_validation_file_measures_and_a_multiplier_multiplies_the_recipes_rate() {
    let app = App::start();
    let training = upload(&app, "fine-tune", "training.csv", few(30)).await.text("id");
    // A benchmark may be on any scale; a file that was sent to train with is one, too.
    let graded = "text1,text2,score\na nurse,a doctor,0.4\nred,blue,0.3\ncar,truck,0.9\n";
    let validation = upload(&app, "fine-tune", "validation.csv", graded).await.text("id");
    let body = json!({
        "model": "default", "training_file": training, "validation_file": validation, "suffix": "mine", "seed": 3,
        "recipe": "recommended", "alias": "prod",
        "method": { "type": "supervised", "supervised": { "hyperparameters": {
            "n_epochs": 1, "batch_size": 4, "learning_rate_multiplier": 0.5 } } },
    });
    let job = app.post("/v1/fine_tuning/jobs", body).await;
    assert_eq!(
        (job.status, job.text("validation_file"), &job.body["seed"]),
        (200, validation.clone(), &json!(3)),
        "{}",
        job.body
    );
    let id = job.text("id");
    let ours = app.finished(&id).await;
    let config = &ours["config"];
    assert_eq!(
        (&config["epochs"], &config["batch_size"], &config["learning_rate"]),
        (&json!(1), &json!(4), &json!(1e-5))
    );
    assert_eq!(ours["report"]["before"]["benchmark"]["pairs"], 3, "{ours}");
    let done = app.get(&format!("/v1/fine_tuning/jobs/{id}")).await;
    let name = done.text("fine_tuned_model");
    assert!(name.starts_with("mine-"), "{name}");
    let embed =
        |model: String| app.post("/v1/embeddings", json!({ "model": model, "input": "a nurse", "dimensions": 4 }));
    let (by_name, by_alias) = (embed(name.clone()).await, embed("prod".to_owned()).await);
    assert_eq!((by_name.status, by_name.body["data"].clone()), (200, by_alias.body["data"].clone()));
    assert_eq!(by_alias.body["model"], name);
    assert_eq!(by_name.header("x-model"), app.get("/models/prod").await.text("id"));
}

#[tokio::test]
async fn a_running_job_says_when_it_will_end_and_is_over_when_its_cancellation_is_answered() {
    let app = App::start();
    let file = upload(&app, "fine-tune", "pairs.csv", few(60)).await.text("id");
    let hyperparameters = json!({ "n_epochs": 10_000 });
    let body = json!({
        "model": "default", "training_file": file, "hyperparameters": hyperparameters, "recipe": "tutorial",
        "config": { "early_stopping": null },
    });
    let job = app.post("/v1/fine_tuning/jobs", body).await.text("id");
    app.follow(&job, None, |event| event["type"] == "epoch").await;
    let path = format!("/v1/fine_tuning/jobs/{job}");
    let running = app.get(&path).await;
    assert_eq!(running.text("status"), "running");
    let (created, finish) = (running.body["created_at"].as_i64(), running.body["estimated_finish"].as_i64());
    assert!(finish > created && created > Some(0), "{}", running.body);
    assert_eq!(app.get(&format!("{path}/checkpoints")).await.body["data"], json!([]));
    let cancelled = app.send(app.request("POST", &format!("{path}/cancel"))).await;
    assert_eq!((cancelled.status, cancelled.text("status").as_str()), (200, "cancelled"), "{}", cancelled.body);
    let ended =
        (&cancelled.body["finished_at"], &cancelled.body["fine_tuned_model"], &cancelled.body["estimated_finish"]);
    assert!(ended.0.is_i64() && ended.1.is_null() && ended.2.is_null(), "{}", cancelled.body);
}
