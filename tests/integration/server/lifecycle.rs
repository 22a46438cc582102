//! What an operator sees: stages, figures, logs, pages of other sites.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::{App, PROGRAM};
use crate::tiny::TINY;

#[tokio::test]
async fn a_server_that_stops_says_so_first_and_answers_meanwhile() {
    let app = App::with(&["--stop-wait", "2"]);
    assert_eq!(app.get("/health/ready").await.status, 200);
    let told = Instant::now();
    app.terminate();
    let unready = loop {
        let reply = app.get("/health/ready").await;
        if reply.status != 200 {
            break reply;
        }
    };
    assert_eq!((unready.status, unready.text("code").as_str()), (503, "stopping"));
    assert_eq!((app.get("/health/live").await.status, unready.header("retry-after")), (200, "5"));
    assert_eq!(app.post("/embed", json!({ "texts": ["nurse"] })).await.status, 200);
    let (_, status) = app.ended();
    assert!(status.success() && told.elapsed() >= Duration::from_secs(2), "{status} after {:?}", told.elapsed());
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_server_ends() {
    let app = App::real();
    let texts = vec!["a word or two more ".repeat(60); 100];
    let request = app.request("POST", "/embed").json(&json!({ "texts": texts }));
    let answer = tokio::spawn(async move { request.send().await.unwrap().status().as_u16() });
    let busy = |figures: &str| figures.lines().any(|line| line.starts_with("shamisen_batch_texts_count"));
    while !busy(app.get("/metrics").await.body.as_str().unwrap()) {}
    let (_, status) = tokio::task::spawn_blocking(|| app.stop()).await.unwrap();
    assert_eq!((answer.await.unwrap(), status.success()), (200, true));
}

#[tokio::test]
async fn the_second_signal_ends_the_server_at_once() {
    let app = App::with(&["--stop-wait", "600"]);
    app.terminate();
    while app.get("/health/ready").await.status == 200 {}
    app.terminate();
    let (_, status) = app.ended();
    assert!(!status.success());
}

#[tokio::test]
async fn while_models_load_the_server_is_alive_and_not_ready() {
    // A first start registers the model; then a file of it becomes a pipe that nobody writes to.
    let (data, _) = App::start().stop();
    let models = data.path().join("models");
    let link = models.join(TINY);
    let folder = std::fs::read_link(&link).unwrap();
    std::fs::remove_file(&link).unwrap();
    std::fs::create_dir(&link).unwrap();
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = file.file_name().unwrap();
        if name == "model.safetensors" {
            assert!(Command::new("mkfifo").arg(link.join(name)).status().unwrap().success());
        } else {
            std::os::unix::fs::symlink(&file, link.join(name)).unwrap();
        }
    }
    let mut child = Command::new(PROGRAM)
        .args(["serve", "--port", "0", "--log", "warn", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.filter_map(|line| Some(line.split_once("listens on ")?.1.to_owned())).next().unwrap();
    // What it says from here on nobody hears, and that does it no harm.
    let address = address.split('/').take(3).collect::<Vec<_>>().join("/");
    let get = async |path: &str| {
        let reply = reqwest::get(format!("{address}{path}")).await.unwrap();
        let retry = reply.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (reply.status().as_u16(), retry, reply.text().await.unwrap())
    };
    assert_eq!(get("/health/live").await.0, 200);
    assert_eq!(get("/").await.0, 200);
    for path in ["/health/ready", "/health", "/models", "/jobs"] {
        let (status, retry, body) = get(path).await;
        assert_eq!((status, retry.as_deref()), (503, Some("2")), "{path} {body}");
        assert!(body.contains("\"code\":\"loading\""), "{path} {body}");
    }
    // A polite stop is possible also now, and does not wait for the model for ever.
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let app = App::start();
    // Whoever removes the lock's file opens no door.
    std::fs::remove_file(app.data.path().join("LOCK")).unwrap();
    let second = std::process::Command::new(PROGRAM)
        .args(["serve", "--port", "0", "--data"])
        .arg(app.data.path())
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another server works in"));
}

#[test]
fn a_server_without_keys_does_not_listen_to_other_machines() {
    let refused = std::process::Command::new(PROGRAM)
        .args(["serve", "--host", "0.0.0.0", "--port", "0", "--data"])
        .arg(tempfile::TempDir::new().unwrap().path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("SHAMISEN_ALLOW_ANYONE"));
}
