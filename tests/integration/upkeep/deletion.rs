//! Deleting means gone: canaries are looked for in every byte of the data folder.

use std::path::Path;

use serde_json::{Value, json};

use super::files;
use crate::app::App;

/// The files, by their paths in the data folder, that hold a word.
fn holding(data: &Path, word: &str) -> Vec<String> {
    let holds = |file: &Path| std::fs::read(file).unwrap().windows(word.len()).any(|part| part == word.as_bytes());
    let found = files(data).into_iter().filter(|file| holds(file));
    let mut found: Vec<String> = found.map(|file| file.strip_prefix(data).unwrap().display().to_string()).collect();
    found.sort();
    found
}

#[tokio::test]
async fn what_was_deleted_is_in_no_file_and_what_is_left_is_what_is_told() {
    let app = App::with(&["--vector-cache-bytes", "1000000"]);
    let canary = "Kanarienvogel";
    let rows: String = (0..40).map(|row| format!("{canary} {row},{canary} and {row},0.{}\n", row % 10)).collect();
    let table = format!("base,ref,similarity\n{rows}");
    let upload = app.request("POST", &format!("/datasets?name={canary}")).header("content-type", "text/csv");
    let dataset = app.send(upload.header("idempotency-key", canary).body(table)).await.text("id");
    let ask = json!({
        "dataset_id": dataset, "name": "made", "recipe": "tutorial", "config": { "epochs": 2 },
        "titles": [format!("{canary} title"), "nurse"]
    });
    assert_eq!(app.post("/jobs?dry_run=true", ask.clone()).await.status, 200);
    let job = app.post("/jobs", ask).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    assert_eq!(app.get(&format!("/datasets/{dataset}/verdict")).await.status, 200);
    assert_eq!(app.get(&format!("/neighbours?text=nurse&model=made&dataset={dataset}")).await.status, 200);
    app.post("/embed", json!({ "texts": [canary], "model": "made" })).await;
    let data = app.data.path();
    assert!(holding(data, canary).iter().any(|file| file.starts_with("datasets/")));

    let gone = app.send(app.request("DELETE", &format!("/datasets/{dataset}"))).await;
    assert_eq!((gone.status, &gone.body["id"], &gone.body["deleted"]), (200, &json!(dataset), &json!(true)));
    let left = &gone.body["left"];
    assert_eq!((&left["jobs"], &left["models"], &left["datasets"]), (&json!([job]), &json!([model]), &json!([])));
    assert!(left["message"].as_str().unwrap().contains(&model), "{left}");
    // The report and the events are in the database, texts to check with in the model's folder: as was told.
    let folder = format!("models/{model}/");
    let found = holding(data, canary);
    assert!(found.iter().all(|file| file.starts_with(&folder) || file == "shamisen.db"), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(app.get(&format!("/jobs/{job}")).await.text("dataset_name"), dataset);

    let gone = app.send(app.request("DELETE", &format!("/jobs/{job}"))).await;
    assert_eq!((&gone.body["left"]["models"], &gone.body["left"]["datasets"]), (&json!([model]), &json!([])));
    let found = holding(data, canary);
    assert!(!found.is_empty() && found.iter().all(|file| file.starts_with(&folder)), "{found:?}");
    assert_eq!(app.get(&format!("/models/{model}")).await.body["job_id"], Value::Null);
    assert_eq!(app.get(&format!("/jobs/{job}")).await.status, 404);

    let gone = app.send(app.request("DELETE", &format!("/models/{model}"))).await;
    let nothing = json!({
        "datasets": [], "jobs": [], "models": [], "copies": [],
        "message": "Nothing of it is left in the data folder. Backups that were made before still hold it."
    });
    assert_eq!(gone.body, json!({ "id": model, "deleted": true, "left": nothing }));
    assert_eq!(holding(data, canary), [""; 0]);
    assert_eq!(holding(data, "Kanarien"), [""; 0]);
    // After a restart, too.
    let app = App::over(app.stop().0, &[]);
    assert_eq!(holding(app.data.path(), canary), [""; 0]);
}

#[tokio::test]
async fn a_table_that_was_made_of_another_is_told_when_that_goes() {
    let app = App::start();
    let pairs: String = (0..30).map(|row| format!("text {row},other {row},{}\n", row % 2)).collect();
    let table = app.post_csv("/datasets", format!("base,ref,similarity\n{pairs}")).await.text("id");
    let mined = app.post(&format!("/datasets/{table}/hard-negatives"), json!({ "margin": 0 })).await;
    assert_eq!(mined.status, 201, "{}", mined.body);
    let gone = app.send(app.request("DELETE", &format!("/v1/files/{table}"))).await;
    assert_eq!((&gone.body["object"], &gone.body["deleted"]), (&json!("file"), &json!(true)));
    assert_eq!(gone.body["left"]["datasets"], json!([mined.text("id")]));
}
