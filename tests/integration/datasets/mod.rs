//! `/datasets`.

mod file;
mod hard_negatives;
mod inspect;
mod public_tables;
mod taxonomy;
mod turns;
mod verdict;
mod versions;

use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::app::App;
use crate::shared;

/// Files in the datasets' folder.
pub(crate) fn files(app: &App) -> usize {
    std::fs::read_dir(app.data.path().join("datasets")).unwrap().count()
}

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
    // The bytes and the pairs.
    assert_eq!(files(&app), 2);

    let benchmark = app.post_csv("/datasets?benchmark=true", TABLE).await;
    assert_eq!((benchmark.status, benchmark.text("purpose").as_str()), (201, "benchmark"));
    assert_eq!(app.get("/datasets").await.body["datasets"].as_array().unwrap().len(), 2);
    let rows = app.get(&format!("/datasets/{id}/rows?offset=1")).await;
    assert_eq!(
        rows.body["rows"],
        json!([
            { "row": 3, "line": 3, "left": "a, quoted\ncell", "right": "car", "negative": null, "score": 0.5 }
        ])
    );

    assert_eq!(app.send(app.request("DELETE", &format!("/datasets/{id}"))).await.status, 200);
    assert_eq!(app.get(&format!("/datasets/{id}")).await.status, 404);
    // The benchmark still shares the file.
    assert_eq!(app.get(&format!("/datasets/{}/rows", benchmark.text("id"))).await.body["total"], 2);
}

#[tokio::test]
async fn json_pairs_are_a_dataset() {
    let app = shared::tiny();
    let pairs = json!([
        { "sentence1": "a", "sentence2": "b", "score": 0.25 }, { "sentence1": "c", "sentence2": "d", "score": 1 }
    ]);
    let created = app.post("/datasets", json!({ "name": "inline", "pairs": pairs })).await;
    assert_eq!((created.status, created.body["rows"].clone()), (201, json!(2)));
    let lists = app.post("/datasets", json!({ "pairs": [["c", "d", 1], ["a", "b", 0.25]] })).await;
    assert_eq!((lists.status, &lists.body["rows"], &lists.body["columns"]), (201, &json!(2), &json!(null)));
    let benchmark = app.post("/datasets", json!({ "benchmark": true, "pairs": [["a", "b", 4.5]] })).await;
    assert_eq!(benchmark.text("purpose"), "benchmark");
}

#[tokio::test]
async fn a_table_with_problems_is_told_with_rows_and_lines_and_not_stored() {
    let app = App::start();
    let bad = format!("{TABLE}x,y,perhaps\n,z,0.5\n");
    let reply = app.post_csv("/datasets", bad).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (422, "rows_have_problems"));
    assert_eq!(reply.header("content-type"), "application/problem+json");
    assert_eq!((&reply.body["errors_total"], &reply.body["errors_shown"]), (&json!(2), &json!(2)));
    let first = &reply.body["errors"][0];
    assert_eq!((&first["row"], &first["line"]), (&json!(4), &json!(5)));
    assert_eq!((&first["column"], &first["column_name"]), (&json!(3), &json!("similarity")));
    assert_eq!((&first["value"], &first["code"]), (&json!("perhaps"), &json!("score_not_a_number")));
    assert_eq!(app.get("/datasets").await.body["datasets"], json!([]));
    assert_eq!(files(&app), 0);
}

#[tokio::test]
async fn a_large_body_of_pairs_goes_by_the_disk_and_is_the_same_table_as_a_small_one() {
    let app = App::start();
    let post = async |blanks: usize, path: &str| {
        let body = format!(r#"{{"pairs":[["a","b",0.5],{}["c","d",1]],"name":"x"}}"#, " ".repeat(blanks));
        app.send(app.request("POST", path).header("content-type", "application/json").body(body)).await
    };
    let small = post(0, "/datasets").await;
    assert_eq!((small.status, &small.body["rows"]), (201, &json!(2)), "{}", small.body);
    let large = post(500_000, "/datasets").await;
    assert_eq!((large.status, large.text("id")), (200, small.text("id")));
    let seen = post(500_000, "/datasets/inspect").await;
    assert_eq!(seen.body["file"]["sha256"], small.body["sha256"]);
    let refused = post(2_000_000, "/datasets").await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "line_too_long"), "{}", refused.body);
    let job = post(500_000, "/jobs").await;
    assert_eq!((job.status, job.text("code").as_str()), (422, "too_few_pairs"), "{}", job.body);
    assert_eq!(files(&app), 2);
}

#[tokio::test]
async fn rows_are_found_by_their_texts_and_scores_and_sorted() {
    let app = shared::tiny();
    let table = "a,b,score\nNurse,Doctor,0.7\nＮＵＲＳＥ,看護師,1\nDriver,nurse aide,0.2\nCook,Chef,0\n";
    let id = app.post_csv("/datasets?scale=0-1&lowest_means=unrelated", table).await.text("id");
    let rows = async |query: &str| {
        let reply = app.get(&format!("/datasets/{id}/rows?{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let rows: Vec<u64> =
            reply.body["rows"].as_array().unwrap().iter().map(|row| row["row"].as_u64().unwrap()).collect();
        (rows, reply.body["matching"].as_u64().unwrap())
    };
    assert_eq!(rows("q=nurse").await, (vec![2, 3, 4], 3));
    assert_eq!(rows("q=nurse&score=0.2-0.7&limit=1").await, (vec![2], 2));
    assert_eq!(rows("sort=-score&limit=2").await, (vec![3, 2], 4));
    assert_eq!(rows("sort=score&offset=1").await, (vec![4, 2, 3], 4));
    let with_base = app.get(&format!("/datasets/{id}/rows?base=default&limit=1")).await;
    assert!((0.0..1.0).contains(&with_base.body["rows"][0]["base"].as_f64().unwrap()), "{}", with_base.body);
    assert_eq!(app.get(&format!("/datasets/{id}/rows?score=much")).await.text("code"), "wrong_type");
}

#[tokio::test]
async fn a_repeated_request_with_a_key_gives_the_same_dataset() {
    let app = App::start();
    let post = async |key: &str, table: &'static str| {
        let request = app.request("POST", "/datasets").header("content-type", "text/csv");
        app.send(request.header("idempotency-key", key).body(table)).await
    };
    let first = post("once", TABLE).await;
    let again = post("once", TABLE).await;
    assert_eq!((first.status, again.status, again.text("id")), (201, 200, first.text("id")));
    let other = post("once", "base,ref,similarity\na,b,0.5\n").await;
    assert_eq!((other.status, other.text("code").as_str()), (422, "idempotency_key_reused"));
    assert_eq!(files(&app), 2);
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_too_large_leaves_nothing_behind() {
    let app = App::with(&["--max-upload", "100000"]);
    let large = app.post_csv("/datasets", "x,y,0.5\n".repeat(20_000)).await;
    assert_eq!((large.status, large.text("code").as_str()), (413, "body_too_large"));
    assert_eq!(files(&app), 0);
    // A client that says how much it will send, sends a part, and goes.
    let mut stream = std::net::TcpStream::connect(app.address.trim_start_matches("http://")).unwrap();
    let head = "POST /datasets HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/csv\r\ncontent-length: 1000\r\n\r\n";
    std::io::Write::write_all(&mut stream, format!("{head}left,right,score\n").as_bytes()).unwrap();
    let begun = || files(&app) == 1;
    for _ in 0..600 {
        if begun() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(begun(), "the table goes to the disk as it comes");
    drop(stream);
    for _ in 0..600 {
        if files(&app) == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("what was begun is still there");
}

#[tokio::test]
async fn a_table_on_another_scale_is_learnt_on_the_scale_from_0_to_1() {
    let app = App::start();
    let table = "text_a,text_b,score\na,b,0\nc,d,5\ne,f,3\ng,h,1\n";
    let created = app.post_csv("/datasets", table).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.body["choices"]["scale"], json!({ "lowest": 0.0, "highest": 5.0 }));
    assert_eq!(created.body["lowest_means"], json!(null));
    let rows = app.get(&format!("/datasets/{}/rows", created.text("id"))).await;
    let scores: Vec<f64> =
        rows.body["rows"].as_array().unwrap().iter().map(|row| row["score"].as_f64().unwrap()).collect();
    assert_eq!(scores, [0.0, 1.0, 0.6, 0.2]);
    // Read in another way, the same bytes are another dataset.
    let other = app.post_csv("/datasets?scale=0-10&lowest_means=opposite", table).await;
    assert_eq!((other.status, other.text("lowest_means").as_str()), (201, "opposite"));
    assert_ne!(other.text("id"), created.text("id"));
    assert_eq!(files(&app), 3);
}

#[tokio::test]
async fn datasets_from_before_choices_were_kept_are_read_as_they_were() {
    let app = App::start();
    let id = app.post_csv("/datasets?lowest_means=unrelated", TABLE).await.text("id");
    let pairs = app.data.path().join("datasets").join(format!("{id}.pairs"));
    let before = std::fs::read(&pairs).unwrap();
    let data = app.kill();
    let store = shamisen::store::Store::open(&data.path().join("shamisen.db")).await.unwrap();
    store.close().await;
    // As the migration leaves a row of that time.
    let database = sqlx::sqlite::SqliteConnectOptions::new().filename(data.path().join("shamisen.db"));
    let database = sqlx::SqlitePool::connect_with(database).await.unwrap();
    sqlx::query("update dataset set choices = '{}', lowest_means = null").execute(&database).await.unwrap();
    database.close().await;
    std::fs::remove_file(&pairs).unwrap();
    let app = App::over(data, &[]);
    let made = std::fs::read(app.data.path().join("datasets").join(format!("{id}.pairs"))).unwrap();
    assert_eq!(made, before);
    assert_eq!(app.get(&format!("/datasets/{id}")).await.body["lowest_means"], json!(null));
}
