//! What an operator sees: stages, figures, logs, pages of other sites.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::App;

#[tokio::test]
async fn a_server_that_stops_says_so_first_and_answers_meanwhile() {
    let app = App::over(TempDir::new().unwrap(), &["--stop-wait", "2"]);
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
    let app = App::start();
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
    let app = App::over(TempDir::new().unwrap(), &["--stop-wait", "600"]);
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
    let link = models.join("use-multilingual-v3");
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
    let mut child = Command::new(env!("CARGO_BIN_EXE_shamisen"))
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

/// The samples of a scrape: name with labels, and value.
async fn figures(app: &App) -> Vec<(String, f64)> {
    let reply = app.get("/metrics").await;
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = reply.body.as_str().unwrap().to_owned();
    let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

#[tokio::test]
async fn the_figures_tell_what_was_done_and_no_client_can_invent_labels() {
    let app = App::start();
    app.post("/embed", json!({ "texts": ["nurse", "doctor"] })).await;
    app.post("/embed", json!({ "texts": ["nurse"], "model": "canary-model" })).await;
    app.get("/canary-path?canary=query").await;
    app.send(app.request("CANARY", "/embed")).await;
    app.get("/jobs/canary-job").await;
    let figures = figures(&app).await;
    let value = |name: &str, labels: &[&str]| {
        let of = |sample: &str| sample.split('{').next() == Some(name) && labels.iter().all(|l| sample.contains(l));
        let found: Vec<f64> = figures.iter().filter(|(sample, _)| of(sample)).map(|(_, value)| *value).collect();
        assert!(!found.is_empty(), "no {name} {labels:?} in {figures:#?}");
        found.iter().sum::<f64>()
    };
    let embed = ["route=\"/embed\"", "method=\"POST\""];
    let answered = [&embed[..], &["status=\"200\"", "model=\"use-multilingual-v3\""]].concat();
    assert!((value("shamisen_requests_total", &answered) - 1.0).abs() < 1e-9);
    assert!((value("shamisen_request_seconds_count", &embed) - 2.0).abs() < 1e-9);
    assert!((value("shamisen_texts_total", &["model=\"use-multilingual-v3\""]) - 2.0).abs() < 1e-9);
    assert!(value("shamisen_tokens_total", &["model=\"use-multilingual-v3\""]) >= 6.0);
    for stage in ["tokenize", "queue", "infer"] {
        assert!(value("shamisen_stage_seconds_count", &[&format!("stage=\"{stage}\"")]) >= 1.0);
    }
    assert!(value("shamisen_batch_texts_sum", &[]) >= 2.0 && value("shamisen_batch_tokens_sum", &[]) >= 6.0);
    assert!(value("shamisen_errors_total", &["code=\"model_not_found\""]) >= 1.0);
    assert!(value("shamisen_errors_total", &["code=\"route_not_found\""]) >= 1.0);
    assert!(value("shamisen_resident_bytes", &[]) > 1e7 && value("shamisen_connections", &[]) >= 1.0);
    assert!((value("shamisen_models_loaded", &[]) - 1.0).abs() < 1e-9);
    assert_eq!(value("shamisen_queue_texts", &[]) + value("shamisen_jobs", &["status=\"succeeded\""]), 0.0);
    value("shamisen_build_info", &["version="]);
    assert!(!figures.iter().any(|(sample, _)| sample.to_lowercase().contains("canary")), "{figures:#?}");

    // A job's rate, while it trains.
    let job = app.post_job(crate::app::example(), &[("config", r#"{"epochs": 2}"#)]).await.text("id");
    app.follow(&job, None, |event| event["type"] == "progress").await;
    let rate = |figures: &[(String, f64)]| {
        figures.iter().find(|(name, _)| name == "shamisen_training_steps_per_second").map(|(_, rate)| *rate)
    };
    while rate(&self::figures(&app).await).unwrap() <= 0.0 {
        assert_eq!(app.get(&format!("/jobs/{job}")).await.body["is_terminal"], false, "it never had a rate");
    }
    app.send(app.request("POST", &format!("/jobs/{job}/cancel"))).await;
}

#[tokio::test]
async fn the_log_is_json_with_request_ids_and_holds_no_text_no_key_and_no_file() {
    let data = TempDir::new().unwrap();
    let log = data.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let app = App::logging(data, &["--log", "debug", "--log-format", "json"], Stdio::from(file));
    let canary = |text: &str| format!("canary {text} 看護師");
    app.post("/embed", json!({ "texts": [canary("text")] })).await;
    app.post("/embed", json!({ "texts": [canary("text")], "truncate": "canary" })).await;
    app.post("/similarity", json!({ "pairs": [[canary("left"), canary("right")]] })).await;
    app.get("/jobs?status=canary").await;
    app.send(app.request("POST", "/embed").header("content-type", "application/json").body("{\"canary")).await;
    let rows: String = (0..20).map(|i| format!("canary a{i},canary b{i},0.{i}\n")).collect();
    let table = format!("base,ref,similarity\n{rows}");
    assert_eq!(app.post_csv("/datasets", table.clone()).await.status, 201);
    app.post_csv("/datasets", "base,ref,similarity\ncanary,canary,canary\n").await;
    let form = Form::new().part("file", Part::bytes(table.into_bytes()).file_name("canary.csv"));
    let job = app.send(app.request("POST", "/jobs").multipart(form.text("config", r#"{"epochs": 1}"#))).await;
    assert_eq!(app.finished(&job.text("id")).await["status"], "succeeded");
    let key = app.post("/keys", json!({ "name": "k", "scopes": ["embed"] })).await.text("key");
    for key in [key.as_str(), "sk_canary_canary"] {
        app.send(app.request("GET", "/models").bearer_auth(key)).await;
        app.send(app.request("GET", "/models").header("x-api-key", key)).await;
    }
    let wrong = app.send(app.request("GET", "/jobs")).await;
    let (data, _) = app.stop();

    let text = std::fs::read_to_string(data.path().join("log")).unwrap();
    let secret = key.splitn(3, '_').nth(2).unwrap();
    for word in ["canary", "看護師", secret] {
        let line = text.lines().find(|line| line.contains(word));
        assert!(line.is_none(), "the log holds {word:?}: {}", line.unwrap());
    }
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let answered: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert!(answered.len() >= 12, "{}", answered.len());
    let ids: BTreeSet<&str> = answered.iter().map(|line| line["span"]["request_id"].as_str().unwrap()).collect();
    assert!(ids.len() == answered.len() && ids.contains(wrong.header("x-request-id")));
}

#[tokio::test]
async fn pages_of_named_sites_may_call_with_a_key_and_preflights_need_none() {
    let app = App::over(TempDir::new().unwrap(), &["--cors-origin", "https://app.example,http://localhost:3000"]);
    let key = app.post("/keys", json!({ "name": "k", "scopes": ["embed"] })).await.text("key");
    let preflight = |origin: &'static str| {
        app.request("OPTIONS", "/embed")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
    };
    let allowed = app.send(preflight("https://app.example")).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, "https://app.example"));
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization,content-type");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert_eq!(allowed.header("access-control-allow-credentials"), "");
    assert_eq!(app.send(preflight("https://evil.example")).await.header("access-control-allow-origin"), "");

    let post = |origin: &'static str, key: Option<&str>| {
        let request = app.request("POST", "/embed").header("origin", origin).header("sec-fetch-site", "cross-site");
        let request = request.json(&json!({ "inputs": "nurse" }));
        if let Some(key) = key { request.bearer_auth(key) } else { request }
    };
    let reply = app.send(post("http://localhost:3000", Some(&key))).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "http://localhost:3000"));
    for exposed in ["x-model", "x-model-fingerprint", "x-request-id", "server-timing", "retry-after"] {
        assert!(reply.header("access-control-expose-headers").contains(exposed), "{exposed}");
    }
    // A page must be able to read that its key is wrong.
    let refused = app.send(post("http://localhost:3000", None)).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, "http://localhost:3000"));
    let foreign = app.send(post("https://evil.example", Some(&key))).await;
    assert_eq!((foreign.status, foreign.text("code").as_str()), (403, "cross_site"));
    assert_eq!(foreign.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn without_the_setting_no_other_site_may_call_and_with_a_star_all_may() {
    let of = async |app: &App| {
        let request = app.request("POST", "/embed").header("origin", "https://any.example");
        let request = request.header("sec-fetch-site", "cross-site").json(&json!({ "inputs": "nurse" }));
        let reply = app.send(request).await;
        (reply.status, reply.header("access-control-allow-origin").to_owned())
    };
    assert_eq!(of(&App::start()).await, (403, String::new()));
    assert_eq!(of(&App::over(TempDir::new().unwrap(), &["--cors-origin", "*"])).await, (200, "*".to_owned()));
    let wrong = Command::new(env!("CARGO_BIN_EXE_shamisen"))
        .args(["serve", "--port", "0", "--cors-origin", "app.example/", "--data"])
        .arg(TempDir::new().unwrap().path())
        .output()
        .unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no origin"));
}
