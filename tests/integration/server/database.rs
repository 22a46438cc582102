//! What a server does when its database is locked, full, removed, damaged.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;

use crate::api::{Api, Reply};
use crate::app::{App, PROGRAM, few, serve};
use crate::tiny::{self, TINY};

/// Another process with the database open.
async fn beside(data: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(data.join("shamisen.db")).connect().await.unwrap()
}

async fn alter(data: &Path, sql: &'static str) {
    let mut other = beside(data).await;
    sqlx::query("pragma ignore_check_constraints = on").execute(&mut other).await.unwrap();
    sqlx::query(sql).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
}

fn is(reply: &Reply, status: u16, code: &str) {
    // OpenAI's envelope holds the code one level deeper.
    let found = reply.body["code"].as_str().or(reply.body["error"]["code"].as_str());
    assert_eq!((reply.status, found), (status, Some(code)), "{}", reply.body);
    assert_eq!(reply.header("retry-after").is_empty(), status != 503, "{}", reply.body);
}

/// Asks until the server says this of its readiness.
async fn ready(api: &Api, status: u16, code: Option<&str>) {
    loop {
        let reply = api.get("/health/ready").await;
        if (reply.status, reply.body["code"].as_str()) == (status, code) {
            return;
        }
    }
}

async fn writable(api: &Api) -> bool {
    let figures = api.get("/metrics").await.body;
    let mut lines = figures.as_str().unwrap().lines();
    lines.any(|line| line == "shamisen_database_writable 1")
}

async fn embeds(api: &Api) -> bool {
    api.post("/embed", json!({ "texts": ["nurse"] })).await.status == 200
}

/// A server's end before it is ready: what it says of it.
fn refused(data: &Path) -> String {
    let Output { status, stderr, .. } =
        Command::new(PROGRAM).args(["serve", "--port", "0", "--data"]).arg(data).output().unwrap();
    assert!(!status.success());
    String::from_utf8(stderr).unwrap()
}

#[tokio::test]
async fn writes_that_another_process_holds_up_are_refused_for_now_and_texts_are_embedded() {
    let app = App::start();
    let mut other = beside(app.data.path()).await;
    let held = other.begin_with("begin immediate").await.unwrap();
    let pin = format!("/models/{TINY}/pin");
    let file = || reqwest::multipart::Part::bytes(few(12)).file_name("a.csv");
    let v1 = || reqwest::multipart::Form::new().part("file", file()).text("purpose", "fine-tune");
    let put = |path: &str, body: Value| app.send(app.request("PUT", path).json(&body));
    let put_pin = || app.send(app.request("PUT", &pin));
    let (alias, model) = ("/aliases/prod", json!({ "model": TINY }));
    let (a, b, c, d, e, f) = futures_util::join!(
        app.post_job(few(20), &[]),
        app.post_csv("/datasets", few(16)),
        app.post("/keys", json!({ "name": "a", "scopes": ["embed"] })),
        put(alias, model.clone()),
        put_pin(),
        app.send(app.request("POST", "/v1/files").multipart(v1())),
    );
    for reply in [&a, &b, &c, &d, &e, &f] {
        is(reply, 503, "database_busy");
    }
    ready(&app, 503, Some("database_busy")).await;
    assert!(!writable(&app).await && embeds(&app).await);
    assert_eq!(app.get("/jobs").await.body["jobs"], json!([]));

    held.rollback().await.unwrap();
    ready(&app, 200, None).await;
    assert!(writable(&app).await);
    assert_eq!(app.post_job(few(20), &[]).await.status, 202);
    assert_eq!(app.post_csv("/datasets", few(16)).await.status, 201);
    assert_eq!((put(alias, model).await.status, put_pin().await.status), (200, 200));
    assert_eq!(app.send(app.request("POST", "/v1/files").multipart(v1())).await.status, 200);
    assert_eq!(app.post("/keys", json!({ "name": "a", "scopes": ["embed"] })).await.status, 201);
}

#[tokio::test]
async fn a_write_that_the_disk_refuses_breaks_no_later_one() {
    let data = TempDir::new().unwrap();
    // What a disk does that fails, a limit does too: no file grows beyond it, and the signal for that is not heeded.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM]);
    let (mut child, _stdout, address) = serve(command, data.path(), &[], Stdio::inherit());
    let (api, pid) = (Api::at(address), Pid::from_child(&child));
    assert_eq!(api.post_csv("/datasets", few(12)).await.status, 201);
    let log = std::fs::metadata(data.path().join("shamisen.db-wal")).unwrap().len();
    let limit = |current| {
        let maximum = getrlimit(Resource::Fsize).maximum;
        prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum }).unwrap();
    };
    limit(Some(log));
    for _ in 0..2 {
        is(&api.post_csv("/datasets", few(20)).await, 503, "database_unreachable");
    }
    ready(&api, 503, Some("database_unreachable")).await;
    assert!(embeds(&api).await);
    limit(None);
    ready(&api, 200, None).await;
    assert_eq!(api.post_csv("/datasets", few(20)).await.status, 201);
    assert_eq!(api.post_job(few(15), &[]).await.status, 202);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_database_that_was_removed_takes_no_write_and_says_so() {
    let app = App::start();
    let (file, away) = (app.data.path().join("shamisen.db"), app.data.path().join("away"));
    std::fs::rename(&file, &away).unwrap();
    is(&app.post_csv("/datasets", few(12)).await, 503, "database_gone");
    is(&app.post_job(few(20), &[]).await, 503, "database_gone");
    ready(&app, 503, Some("database_gone")).await;
    assert!(!writable(&app).await && embeds(&app).await);
    std::fs::rename(&away, &file).unwrap();
    ready(&app, 200, None).await;
    assert_eq!(app.post_job(few(20), &[]).await.status, 202);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_hides_no_other() {
    let app = App::start();
    let first = app.post_csv("/datasets", few(12)).await.text("id");
    let second = app.post_csv("/datasets", few(13)).await.text("id");
    let job = app.post("/jobs", json!({ "dataset_id": second, "recipe": "tutorial" })).await.text("id");
    let other = app.post("/jobs", json!({ "dataset_id": second, "recipe": "tutorial" })).await.text("id");
    for id in [&job, &other] {
        app.get(&format!("/jobs/{id}?wait=60")).await;
    }
    alter(app.data.path(), "update dataset set kind = 'odd' where dataset_id = (select min(dataset_id) from dataset)")
        .await;
    alter(app.data.path(), "update job set titles = '[' where job_id = (select min(job_id) from job)").await;

    let ids = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    };
    for (path, list, readable, unreadable, detail) in [
        ("/datasets", "datasets", &second, &first, "Its kind cannot be read."),
        ("/v1/files", "data", &second, &first, "Its kind cannot be read."),
        ("/jobs", "jobs", &other, &job, "Its titles cannot be read."),
        ("/v1/fine_tuning/jobs", "data", &other, &job, "Its titles cannot be read."),
    ] {
        let body = app.get(path).await.body;
        assert_eq!(
            (ids(&body[list]), ids(&body["unreadable"])),
            (vec![readable.clone()], vec![unreadable.clone()]),
            "{path}"
        );
        assert_eq!(body["unreadable"][0]["detail"], detail, "{path}");
    }
    for path in [format!("/datasets/{first}"), format!("/v1/files/{first}"), format!("/jobs/{job}")] {
        is(&app.get(&path).await, 500, "row_not_readable");
    }
}

#[tokio::test]
async fn a_start_waits_for_a_database_that_is_locked() {
    let data = TempDir::new().unwrap();
    tiny::put_into(data.path());
    let mut other = beside(data.path()).await;
    let held = other.begin_with("begin immediate").await.unwrap();
    let log = data.path().join("log");
    let starting = {
        let file = std::fs::File::create(&log).unwrap();
        tokio::task::spawn_blocking(move || App::logging(data, &[], file.into()))
    };
    while !std::fs::read_to_string(&log).unwrap().contains("it is tried again") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    held.rollback().await.unwrap();
    let app = starting.await.unwrap();
    assert_eq!(app.post_csv("/datasets", few(12)).await.status, 201);
}

#[tokio::test]
async fn a_damaged_database_is_not_worked_on() {
    let (data, _) = App::start().stop();
    let file = data.path().join("shamisen.db");
    let mut bytes = std::fs::read(&file).unwrap();
    // Every page but the first, a part of each.
    for page in bytes.chunks_mut(4096).skip(1) {
        page[..16].fill(0x5a);
    }
    std::fs::write(&file, bytes).unwrap();
    let told = refused(data.path());
    assert!(told.contains("the database is damaged") && told.contains("shamisen restore"), "{told}");
}

#[tokio::test]
async fn a_server_whose_keys_were_lost_lets_nobody_in() {
    let app = App::start();
    assert_eq!(app.post("/keys", json!({ "name": "a", "scopes": ["admin"] })).await.status, 201);
    let (data, _) = app.stop();
    for left_over in ["shamisen.db", "shamisen.db-wal", "shamisen.db-shm"] {
        let _ = std::fs::remove_file(data.path().join(left_over));
    }
    let marker = data.path().join("KEYS");
    let told = refused(data.path());
    let remedy = format!("shamisen restore`, or, to go on without keys, remove the file {}", marker.display());
    assert!(told.contains(&remedy), "{told}");
    // On purpose it goes on.
    std::fs::remove_file(&marker).unwrap();
    assert_eq!(App::over(data, &[]).get("/models").await.status, 200);
}
