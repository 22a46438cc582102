//! What a job would take, before it is posted.

use serde_json::json;

use crate::app::{App, example, few};
use crate::shared;

#[tokio::test]
async fn a_dry_run_tells_steps_time_and_bytes_and_leaves_nothing_behind() {
    let app = App::real();
    let rows: Vec<serde_json::Value> = String::from_utf8(few(60))
        .unwrap()
        .lines()
        .skip(1)
        .map(|line| json!([line.split(',').next().unwrap(), line.split(',').nth(1).unwrap(), 0.5]))
        .collect();
    let request = json!({ "pairs": rows, "recipe": "tutorial", "config": { "epochs": 3 } });
    let plan = app.post("/jobs?dry_run=true", request.clone()).await;
    assert_eq!(plan.status, 200, "{}", plan.body);
    let training = plan.body["rows"]["training"].as_u64().unwrap();
    assert_eq!(plan.body["steps_per_epoch"].as_u64().unwrap(), training.div_ceil(8));
    assert_eq!(plan.body["config"]["epochs"], 3);
    assert!(plan.body["seconds"]["step"].as_f64().unwrap() > 0.0);
    assert!(plan.body["seconds"]["total"].as_f64().unwrap() > plan.body["seconds"]["evaluation"].as_f64().unwrap());
    assert_eq!(app.get("/jobs").await.body["jobs"], json!([]));
    assert_eq!(app.get("/datasets").await.body["datasets"], json!([]));

    // What it said of steps and bytes comes true.
    let id = app.post("/jobs", request).await.text("id");
    let events = app.follow(&id, None, |event| event["type"] == "progress").await;
    assert_eq!(events.last().unwrap()["data"]["total_steps"], plan.body["total_steps"]);
    let job = app.finished(&id).await;
    let file = app.data.path().join("models").join(job["model"].as_str().unwrap()).join("model.safetensors");
    let (planned, found) = (plan.body["bytes"].as_u64().unwrap(), file.metadata().unwrap().len());
    assert!(found >= planned && found < planned + 16_384, "{planned} bytes were planned, {found} are there");
}

#[tokio::test]
async fn a_dry_run_of_a_job_that_would_be_refused_says_why() {
    let app = shared::tiny();
    let reply = app.post("/jobs?dry_run=true", json!({ "pairs": [["a", "b", 0.5]] })).await;
    assert_eq!((reply.status, reply.body["code"].as_str()), (422, Some("too_few_pairs")));
    let file = reqwest::multipart::Part::bytes(example()).file_name("pairs.csv");
    let form = reqwest::multipart::Form::new().part("file", file).text("config", r#"{"freeze": ["roof"]}"#);
    let reply = app.send(app.request("POST", "/jobs?dry_run=true").multipart(form)).await;
    assert_eq!((reply.status, reply.body["code"].as_str()), (422, Some("job_not_feasible")), "{}", reply.body);
    assert!(reply.body["detail"].as_str().unwrap().contains("embeddings"), "{}", reply.body);
}

/// A dry run of the example's table.
fn dry_run(app: &App) -> reqwest::RequestBuilder {
    let file = reqwest::multipart::Part::bytes(example()).file_name("pairs.csv");
    app.request("POST", "/jobs?dry_run=true").multipart(reqwest::multipart::Form::new().part("file", file))
}

fn files(app: &App, folder: &str) -> usize {
    std::fs::read_dir(app.data.path().join(folder)).map_or(0, Iterator::count)
}

/// Waits until the server's folders are as wanted.
async fn until(wanted: impl Fn() -> bool) {
    for _ in 0..6000 {
        if wanted() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("this did not come within a minute");
}

#[tokio::test]
async fn a_dry_run_whose_client_hangs_up_leaves_nothing() {
    let app = App::start();
    let request = tokio::spawn(dry_run(&app).send());
    until(|| files(&app, "plans") > 0).await;
    request.abort();
    until(|| files(&app, "plans") == 0).await;
    assert_eq!(files(&app, "datasets"), 0);
    assert_eq!(app.get("/datasets").await.body["datasets"], json!([]));
}

#[tokio::test]
async fn a_dry_run_leaves_the_dataset_alone_that_another_client_was_given_meanwhile() {
    let app = App::start();
    let planned = tokio::spawn(dry_run(&app).send());
    until(|| files(&app, "plans") > 0).await;
    let id = app.post_csv("/datasets", example()).await.text("id");
    assert_eq!(planned.await.unwrap().unwrap().status(), 200);
    let found = app.get(&format!("/datasets/{id}")).await;
    assert_eq!(found.status, 200, "{}", found.body);
    assert_eq!(app.get(&format!("/datasets/{id}/rows")).await.status, 200);
    // The table and its pairs.
    assert_eq!(files(&app, "datasets"), 2);
}

/// What can be known without the model is told when the job is posted, the rest by the plan.
#[tokio::test]
async fn settings_of_layers_and_factors_are_refused_by_name() {
    let app = shared::real();
    let id = app.post_csv("/datasets", example()).await.text("id");
    let post = async |path: &str, config: serde_json::Value| {
        app.post(path, json!({ "dataset_id": id, "config": config })).await.body
    };
    for (config, param) in [
        (json!({ "lora": { "rank": 0 } }), "config.lora.rank"),
        (json!({ "lora": { "alpha": -1 } }), "config.lora.alpha"),
        (json!({ "last_layers": 0 }), "config.last_layers"),
        (json!({ "early_stopping": { "patience": 0 } }), "config.early_stopping.patience"),
        (json!({ "early_stopping": { "patience": "three" } }), "config.early_stopping.patience"),
        (json!({ "early_stopping": { "patienc": 3 } }), "config.early_stopping.patienc"),
        (json!({ "forgetting": { "max_drop": 2 } }), "config.forgetting.max_drop"),
        (json!({ "epoch": 3 }), "config.epoch"),
    ] {
        assert_eq!(post("/jobs", config).await["param"], param);
    }
    for (config, told) in [
        (json!({ "lora": { "targets": ["query"] } }), ["Lora.targets: ", "ResidualHidden_0"]),
        (json!({ "last_layers": 9 }), ["Last_layers: ", "ngrams"]),
    ] {
        let reply = post("/jobs?dry_run=true", config).await;
        let detail = reply["detail"].as_str().unwrap();
        assert!(told.iter().all(|part| detail.contains(part)), "{reply}");
    }
    // Factors take little room.
    let bytes = async |config| post("/jobs?dry_run=true", config).await["bytes"].as_u64().unwrap();
    assert!(bytes(json!({ "lora": {} })).await < bytes(json!({})).await / 10);
}
