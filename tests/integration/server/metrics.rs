//! `/metrics`.

use serde_json::json;

use crate::app::{App, example};
use crate::jobs::ENDLESS;

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
    let answered = [&embed[..], &["status=\"200\"", "model=\"tiny\""]].concat();
    assert!((value("shamisen_requests_total", &answered) - 1.0).abs() < 1e-9);
    assert!((value("shamisen_request_seconds_count", &embed) - 2.0).abs() < 1e-9);
    assert!((value("shamisen_texts_total", &["model=\"tiny\""]) - 2.0).abs() < 1e-9);
    assert!(value("shamisen_tokens_total", &["model=\"tiny\""]) >= 6.0);
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
    let job = app.post_job(example(), &[ENDLESS]).await.text("id");
    app.follow(&job, None, |event| event["type"] == "progress").await;
    let rate = |figures: &[(String, f64)]| {
        figures.iter().find(|(name, _)| name == "shamisen_training_steps_per_second").map(|(_, rate)| *rate)
    };
    while rate(&self::figures(&app).await).unwrap() <= 0.0 {
        assert_eq!(app.get(&format!("/jobs/{job}")).await.body["is_terminal"], false, "it never had a rate");
    }
    app.send(app.request("POST", &format!("/jobs/{job}/cancel"))).await;
}
