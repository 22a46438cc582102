//! Every wrong request is a problem document: status, stable code, what happened, what to do.

use reqwest::multipart::Form;
use serde_json::{Value, json};

use crate::api::Reply;
use crate::app::App;
use crate::shared;
use crate::tiny::DIMENSIONS;

fn is_problem(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, reply.text("code").as_str()), (status, code), "{}", reply.body);
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!(reply.body["status"], status);
    assert_eq!(reply.text("type"), format!("/docs/errors#{code}"));
    assert!(!reply.text("title").is_empty() && !reply.text("detail").is_empty() && !reply.text("hint").is_empty());
    assert_eq!(reply.text("request_id"), reply.header("x-request-id"));
}

#[tokio::test]
async fn wrong_requests_are_told_what_is_wrong() {
    let app = shared::tiny();
    let embed = |body: Value| app.post("/embed", body);
    let many = vec!["x"; 2049];
    let graded: Vec<Value> = (0..10).map(|i| json!(["a", format!("b{i}"), f64::from(i) / 10.0])).collect();
    let same: Vec<Value> = (0..10).map(|i| json!(["a", format!("b{i}"), 0.5])).collect();
    let cases = [
        (embed(json!({ "input": "x" })).await, 422, "unknown_field", "did you mean \"inputs\"?"),
        (embed(json!({ "texts": [] })).await, 422, "no_inputs", "empty"),
        (embed(json!({ "texts": ["a", " "] })).await, 422, "empty_text", "Text 1"),
        (embed(json!({ "inputs": [[1, 2]] })).await, 422, "token_ids_not_supported", "needs text"),
        (embed(json!({ "texts": [true] })).await, 422, "wrong_type", "no string"),
        (embed(json!({})).await, 422, "missing_field", "no texts"),
        (embed(json!({ "texts": ["x"], "inputs": "x" })).await, 422, "form_unclear", "Both"),
        (embed(json!({ "texts": ["x"], "model": 3 })).await, 422, "wrong_type", "Model"),
        (
            embed(json!({ "texts": ["x"], "model": "defualt" })).await,
            404,
            "model_not_found",
            "Did you mean \"default\"?",
        ),
        (embed(json!({ "texts": ["x"], "dimensions": DIMENSIONS + 1 })).await, 422, "dimensions_out_of_range", "16"),
        (embed(json!({ "inputs": "x", "prompt_name": "query" })).await, 422, "prompt_not_found", "query"),
        (embed(json!({ "inputs": "x", "truncation_direction": "Up" })).await, 422, "unknown_value", "Up"),
        (embed(json!({ "texts": many })).await, 413, "too_many_inputs", "2049 texts"),
        (app.post("/similarity", json!({})).await, 422, "form_unclear", "nothing"),
        (app.post("/similarity", json!({ "pairs": [["a"]] })).await, 422, "wrong_type", "Pair 0"),
        (
            app.post("/similarity", json!({ "pairs": [], "queries": "x", "documents": "y" })).await,
            422,
            "form_unclear",
            "More",
        ),
        (
            app.post("/similarity", json!({ "pairs": [["a", "b"]], "measure": "cosin" })).await,
            422,
            "unknown_value",
            "\"cosine\"?",
        ),
        (app.post("/jobs", json!({})).await, 422, "missing_field", "nothing to learn"),
        (app.post("/jobs", json!({ "dataset_id": "ds_0" })).await, 404, "dataset_not_found", "ds_0"),
        (app.post("/jobs", json!({ "pairs": [["a", "b", 1]] })).await, 422, "too_few_pairs", "1 pairs"),
        (
            app.post("/jobs", json!({ "pairs": [{ "base": "a", "ref": "b", "similarity": "seven" }] })).await,
            422,
            "rows_have_problems",
            "1 cell",
        ),
        (app.post("/jobs", json!({ "pairs": [], "recipe": "tutorail" })).await, 422, "unknown_value", "\"tutorial\"?"),
        (
            app.post("/jobs", json!({ "pairs": [], "config": { "epoch": 3 } })).await,
            422,
            "unknown_field",
            "\"epochs\"?",
        ),
        (app.post("/jobs", json!({ "pairs": [], "name": "../x" })).await, 422, "name_not_usable", "../x"),
        (
            app.post("/jobs", json!({ "pairs": [], "titles": ["one"] })).await,
            422,
            "out_of_range",
            "a list of 1 is outside 2 to 50",
        ),
        (app.post("/jobs", json!({ "pairs": [], "model": "bert" })).await, 404, "model_not_found", "bert"),
        (
            app.post("/jobs", json!({ "pairs": [], "config": { "epochs": "5" } })).await,
            422,
            "wrong_type",
            "a whole number",
        ),
        (
            app.post("/jobs", json!({ "pairs": graded, "config": { "loss": "contrastive" } })).await,
            422,
            "config_not_usable",
            "needs the scores 0 and 1",
        ),
        (
            app.post("/jobs", json!({ "pairs": same, "config": { "loss": "cosent" } })).await,
            422,
            "config_not_usable",
            "are the same",
        ),
        (
            app.post("/jobs", json!({ "pairs": graded, "config": { "scale": 20 } })).await,
            422,
            "config_not_usable",
            "no meaning for this loss",
        ),
        (
            app.post("/jobs", json!({ "pairs": graded, "config": { "loss": "cosnet" } })).await,
            422,
            "unknown_value",
            "\"cosent\"?",
        ),
        (embed(json!([["hello"], null, null])).await, 422, "wrong_type", "reads an object"),
        (
            embed(json!({ "texts": ["x"], "model": "y".repeat(100_000) })).await,
            422,
            "out_of_range",
            "100000 characters",
        ),
        (embed(json!({ "te`xts": ["x"] })).await, 422, "unknown_field", "te"),
        (
            app.send(app.request("POST", "/datasets").multipart(Form::new().text("file", "x").text("file", "y"))).await,
            422,
            "part_repeated",
            "file",
        ),
        (
            app.send(app.request("POST", "/datasets").multipart(
                (0..65).fold(Form::new().text("file", "x"), |form, number| form.text(format!("part{number}"), "")),
            ))
            .await,
            413,
            "body_too_large",
            "more than 64 parts",
        ),
        (app.post("/datasets", json!({ "pairs": graded, "version_of": 5 })).await, 422, "wrong_type", "ersion_of"),
        (app.post("/jobs", json!({ "pairs": null })).await, 422, "missing_field", "nothing to learn"),
        (app.get("/jobs/job_0").await, 404, "job_not_found", "job_0"),
        (app.get("/jobs/job_0/events").await, 404, "job_not_found", "job_0"),
        (app.get("/jobs?stauts=queued").await, 422, "unknown_field", "\"status\"?"),
        (app.get("/jobs?status=done").await, 422, "unknown_value", "done"),
        (app.get("/models/nobody").await, 404, "model_not_found", "nobody"),
        (app.get("/embeds").await, 404, "route_not_found", "Did you mean /embed?"),
        (app.get("/embed").await, 405, "method_not_allowed", "GET"),
        (app.post("/models", json!({})).await, 405, "method_not_allowed", "POST"),
        (app.post_csv("/embed", "x").await, 415, "unsupported_media_type", "text/csv"),
        (
            app.send(app.request("POST", "/datasets").header("content-type", "text/html").body("x")).await,
            415,
            "unsupported_media_type",
            "text/html",
        ),
        (app.post_csv("/jobs", "x").await, 415, "unsupported_media_type", "text/csv"),
        (app.post_csv("/datasets", "name,age\na,1\n").await, 422, "columns_unclear", "name, age"),
        (
            app.post_csv("/datasets", b"base,ref,similarity\n\xff,b,1\n".as_slice()).await,
            422,
            "encoding_unclear",
            "encodings",
        ),
        (app.post_csv("/datasets", "base,ref,similarity\n\"a,b,1\n").await, 422, "quote_not_closed", "row 2"),
        (
            app.send(app.request("POST", "/datasets").multipart(Form::new().text("nmae", "x"))).await,
            422,
            "unknown_field",
            "\"name\"?",
        ),
        (
            app.send(app.request("POST", "/jobs").multipart(Form::new().text("name", "x"))).await,
            422,
            "missing_field",
            "nothing to learn",
        ),
    ];
    for (reply, status, code, said) in &cases {
        is_problem(reply, *status, code);
        assert!(reply.body.to_string().len() < 4000, "{code}: a long error");
        assert!(reply.text("detail").contains(said), "{code}: {:?} does not say {said:?}", reply.text("detail"));
    }
    // Nothing was stored or queued by any of them but the one good table of a single pair.
    assert_eq!(app.get("/jobs").await.body["jobs"], json!([]));
}

#[tokio::test]
async fn a_body_that_is_no_json_is_told_where() {
    let app = shared::tiny();
    let send = |body: &'static str| {
        app.send(app.request("POST", "/embed").header("content-type", "application/json").body(body))
    };
    let reply = send("{\"texts\": [\"a\"],\n \"model\" \"x\"}").await;
    is_problem(&reply, 400, "not_json");
    assert!(reply.text("detail").contains("line 2, column 10"), "{}", reply.body);
    is_problem(&send("").await, 400, "not_json");
    is_problem(&send("{} {}").await, 400, "not_json");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let app = App::with(&["--max-body", "1000", "--max-upload", "2000"]);
    is_problem(&app.post("/embed", json!({ "texts": ["x".repeat(2000)] })).await, 413, "body_too_large");
    is_problem(&app.post_csv("/datasets", "x".repeat(3000)).await, 413, "body_too_large");
    is_problem(&app.post_job("x".repeat(3000), &[]).await, 413, "body_too_large");
    assert_eq!(app.post_csv("/datasets", "base,ref,similarity\na,b,1\n").await.status, 201);
}

#[tokio::test]
async fn the_allow_header_lists_what_is_possible() {
    let app = shared::tiny();
    assert!(app.get("/embed").await.header("allow").contains("POST"));
}

/// A table may come in three ways: its faults are told of the part of the request that it is.
#[tokio::test]
async fn a_table_that_cannot_be_used_is_told_of_the_part_that_brought_it() {
    let app = App::start();
    let part = |reply: &Reply| (reply.status, reply.text("code"), reply.text("param"));
    let said = |param: &str| (422, "column_not_found".to_owned(), param.to_owned());
    for path in ["/datasets", "/datasets/inspect"] {
        let path = format!("{path}?mapping={{\"score\":\"points\"}}");
        let path = path.as_str();
        let table = "base,ref,similarity\na,b,1\n";
        let raw = app.request("POST", path).header("content-type", "text/csv").body(table);
        let file = reqwest::multipart::Part::text(table).file_name("table.csv");
        let form = app.request("POST", path).multipart(Form::new().part("file", file));
        assert_eq!(part(&app.send(raw).await), said("the body"), "{path}");
        assert_eq!(part(&app.send(form).await), said("file"), "{path}");
        assert_eq!(part(&app.post(path, json!({ "pairs": [["a", "b", 1]] })).await), said("pairs"), "{path}");
    }
    let job = json!({ "pairs": [["a", "b", 1]], "mapping": { "score": "points" } });
    assert_eq!(part(&app.post("/jobs", job).await), said("pairs"));
}
