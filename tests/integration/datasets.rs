//! `/datasets`.

use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::app::App;

const TABLE: &str = "base,ref,similarity\nnurse,doctor,0.7\n\"a, quoted\ncell\",car,0.5\n";

#[tokio::test]
async fn the_same_bytes_are_stored_once_however_they_are_sent() {
    let app = App::start();
    let created = app.post_csv("/datasets?name=jobs", TABLE).await;
    assert_eq!((created.status, created.text("name").as_str()), (201, "jobs"));
    let id = created.text("id");
    assert_eq!(created.header("location"), format!("/datasets/{id}"));
    assert_eq!(created.body["rows"], 2);
    assert_eq!(created.body["columns"], json!(["base", "ref", "similarity"]));
    let scores = json!({ "lowest": 0.5, "highest": 0.7, "mean": 0.6, "distinct": 2, "positives": 1 });
    assert_eq!(created.body["scores"], scores);

    let form = Form::new().part("file", Part::text(TABLE).file_name("again.csv"));
    let again = app.send(app.request("POST", "/datasets").multipart(form)).await;
    assert_eq!((again.status, again.text("id")), (200, id.clone()));
    assert_eq!(std::fs::read_dir(app.data.path().join("datasets")).unwrap().count(), 1);

    let benchmark = app.post_csv("/datasets?benchmark=true", TABLE).await;
    assert_eq!((benchmark.status, benchmark.text("purpose").as_str()), (201, "benchmark"));
    assert_eq!(app.get("/datasets").await.body["datasets"].as_array().unwrap().len(), 2);
    let rows = app.get(&format!("/datasets/{id}/rows?offset=1")).await;
    assert_eq!(rows.body["rows"], json!([{ "row": 3, "left": "a, quoted\ncell", "right": "car", "score": 0.5 }]));

    assert_eq!(app.send(app.request("DELETE", &format!("/datasets/{id}"))).await.status, 204);
    assert_eq!(app.get(&format!("/datasets/{id}")).await.status, 404);
    // The benchmark still shares the file.
    assert_eq!(app.get(&format!("/datasets/{}/rows", benchmark.text("id"))).await.body["total"], 2);
}

#[tokio::test]
async fn json_pairs_are_a_dataset() {
    let app = App::start();
    let pairs = json!([{ "sentence1": "a", "sentence2": "b", "score": 0.25 }, ["c", "d", 1]]);
    let created = app.post("/datasets", json!({ "name": "inline", "pairs": pairs })).await;
    assert_eq!((created.status, created.body["rows"].clone()), (201, json!(2)));
    let benchmark = app.post("/datasets", json!({ "benchmark": true, "pairs": [["a", "b", 4.5]] })).await;
    assert_eq!(benchmark.text("purpose"), "benchmark");
}

#[tokio::test]
async fn a_table_with_problems_is_told_with_rows_and_lines_and_not_stored() {
    let app = App::start();
    let bad = format!("{TABLE}x,y,high\n,z,0.5\n");
    let reply = app.post_csv("/datasets", bad).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "rows_have_problems"));
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!((&reply.body["errors_total"], &reply.body["errors_shown"]), (&json!(2), &json!(2)));
    let first = &reply.body["errors"][0];
    assert_eq!((&first["row"], &first["line"]), (&json!(4), &json!(5)));
    assert_eq!((&first["column"], &first["column_name"]), (&json!(3), &json!("similarity")));
    assert_eq!((&first["value"], &first["code"]), (&json!("high"), &json!("score_not_a_number")));
    assert_eq!(app.get("/datasets").await.body["datasets"], json!([]));
    assert_eq!(std::fs::read_dir(app.data.path().join("datasets")).unwrap().count(), 0);
}
