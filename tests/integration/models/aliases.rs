//! `/aliases`: a name moves from model to model, and nobody who asks for it notices but by the answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::tuned;
use crate::app::{App, few};
use crate::tiny::TINY;

async fn put(app: &App, alias: &str, model: &str) -> u16 {
    app.send(app.request("PUT", &format!("/aliases/{alias}")).json(&json!({ "model": model }))).await.status
}

#[tokio::test]
async fn an_alias_remembers_where_it_pointed_and_goes_back_move_by_move() {
    let app = App::start();
    let base = TINY;
    let (a, _) = tuned(&app, "a", 20, &[("alias", "prod")]).await;
    let (b, _) = tuned(&app, "b", 30, &[]).await;
    let none = app.post("/aliases/nobody/rollback", json!({})).await;
    assert_eq!((none.status, none.text("code").as_str()), (404, "alias_not_found"));
    let first = app.post("/aliases/prod/rollback", json!({})).await;
    assert_eq!((first.status, first.text("code").as_str()), (409, "nothing_before"));

    assert_eq!((put(&app, "prod", base).await, put(&app, "prod", "b").await), (200, 200));
    let alias = app.get("/aliases/prod").await.body;
    assert_eq!((&alias["model"], &alias["previous"]), (&json!(b), &json!(base)));
    let moves: Vec<&Value> = alias["history"].as_array().unwrap().iter().map(|step| &step["model"]).collect();
    assert_eq!(moves, [&json!(b), &json!(base), &json!(a)]);
    assert_eq!(alias["history"][2]["reason"], "job");

    let back = app.post("/aliases/prod/rollback", json!({})).await;
    assert_eq!((back.status, back.text("model").as_str(), back.text("previous").as_str()), (200, base, a.as_str()));
    let back = app.post("/aliases/prod/rollback", json!({})).await;
    assert_eq!((back.text("model"), &back.body["previous"]), (a.clone(), &Value::Null));
    assert_eq!(app.post("/aliases/prod/rollback", json!({})).await.status, 409);
    assert_eq!(app.get("/aliases/prod").await.body["history"][0]["reason"], "rollback");

    // A model that is gone is passed over.
    assert_eq!((put(&app, "prod", "b").await, put(&app, "prod", base).await), (200, 200));
    assert_eq!(app.send(app.request("DELETE", "/models/b")).await.status, 200);
    assert_eq!(app.post("/aliases/prod/rollback", json!({})).await.text("model"), a);

    let all = app.get("/aliases").await.body;
    let names: Vec<&Value> = all["aliases"].as_array().unwrap().iter().map(|alias| &alias["alias"]).collect();
    assert_eq!(names, ["default", "prod"]);
    let kept = app.send(app.request("DELETE", "/aliases/default")).await;
    assert_eq!((kept.status, kept.text("code").as_str()), (409, "alias_is_needed"));
    assert_eq!(app.send(app.request("DELETE", "/aliases/prod")).await.status, 204);
    assert_eq!(app.send(app.request("DELETE", "/aliases/prod")).await.status, 404);
    assert_eq!(put(&app, "a", base).await, 409);
    assert_eq!(put(&app, "prod", "nobody").await, 404);
    assert_eq!(put(&app, "ft_x", base).await, 422);
}

#[tokio::test]
async fn an_alias_that_asks_for_a_win_stays_where_it_was_without_one_and_the_job_says_why() {
    let app = App::start();
    assert_eq!(put(&app, "prod", TINY).await, 200);
    // Four validation rows tell nothing.
    let (model, job) = tuned(&app, "careful", 20, &[("alias", "prod"), ("alias_if", "win")]).await;
    assert_eq!((&job["alias_if"], &job["alias_result"]["moved"]), (&json!("win"), &json!(false)));
    assert_eq!(job["alias_result"]["code"], "not_a_win");
    assert!(job["alias_result"]["message"].as_str().unwrap().contains("too_few"), "{job}");
    assert_eq!(app.get("/aliases/prod").await.text("model"), TINY);
    let events = app.follow(job["id"].as_str().unwrap(), None, |_| false).await;
    let told = events.iter().find(|event| event["type"] == "alias").unwrap();
    assert_eq!((&told["data"]["moved"], &told["data"]["alias"]), (&json!(false), &json!("prod")));
    assert_eq!(events.last().unwrap()["type"], "succeeded");

    let (moved, job) = tuned(&app, "bold", 20, &[("alias", "prod")]).await;
    assert_ne!(moved, model);
    assert_eq!((&job["alias_result"]["moved"], &job["alias_if"]), (&json!(true), &Value::Null));
    // It was loaded and checked before the alias moved.
    let now = app.get("/models/prod").await.body;
    assert_eq!((&now["id"], &now["state"]), (&json!(moved), &json!("ready")));
    assert_eq!(app.get(&format!("/models/{model}")).await.text("state"), "available");

    let alone = app.post("/jobs", json!({ "pairs": [], "alias_if": "win" })).await;
    assert_eq!((alone.status, alone.text("code").as_str()), (422, "alias_missing"));
    let other = app.post("/jobs", json!({ "pairs": [], "alias": "x", "alias_if": "always" })).await;
    assert_eq!((other.status, other.text("code").as_str()), (422, "unknown_value"));
}

/// The largest difference of two vectors in a coordinate.
fn apart(a: &Value, b: &Value) -> f64 {
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    numbers(a).iter().zip(numbers(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[tokio::test]
async fn an_alias_that_is_moved_under_load_refuses_nobody_and_mixes_nothing() {
    const CLIENTS: usize = 6;
    const FLIPS: usize = 60;
    let app = App::start();
    let (a, _) = tuned(&app, "a", 20, &[]).await;
    let (b, _) = tuned(&app, "b", 40, &[]).await;
    let texts = ["data scientist", "看護師", "registered nurse", "welder"];
    let ask = |model: &'static str| app.post("/embed", json!({ "texts": texts, "model": model }));
    let ask_id = |model: String| app.post("/embed", json!({ "texts": texts, "model": model }));
    assert_eq!(put(&app, "live", "a").await, 200);

    let stop = AtomicBool::new(false);
    let hammer = async || {
        let mut replies = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            replies.push(ask("live").await);
        }
        replies
    };
    let moves = async {
        for flip in 0..FLIPS {
            assert_eq!(put(&app, "live", if flip % 2 == 0 { "b" } else { "a" }).await, 200);
        }
        assert_eq!(app.post("/aliases/live/rollback", json!({})).await.status, 200);
        // And once by the end of a job, whose model nobody has asked for yet.
        let (c, _) = tuned(&app, "c", 60, &[("alias", "live")]).await;
        // Some more answers of the new one.
        for _ in 0..20 {
            assert_eq!(ask("live").await.text("model"), c);
        }
        stop.store(true, Ordering::Relaxed);
        c
    };
    let (replies, c) = tokio::join!(futures_util::future::join_all((0..CLIENTS).map(|_| hammer())), moves);

    let mut expected = BTreeMap::new();
    for model in [a, b, c] {
        let reply = ask_id(model).await.body;
        expected.insert(reply["fingerprint"].as_str().unwrap().to_owned(), reply);
    }
    let vectors: Vec<&Value> = expected.values().map(|reply| &reply["embeddings"][0]).collect();
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        assert!(apart(vectors[one], vectors[other]) > 1e-3, "the models are hardly different");
    }
    let mut answers = BTreeMap::new();
    for reply in replies.iter().flatten() {
        assert_eq!(reply.status, 200, "refused: {}", reply.body);
        let fingerprint = reply.text("fingerprint");
        assert_eq!(reply.header("x-model-fingerprint"), fingerprint);
        let of_model = &expected[&fingerprint];
        assert_eq!(reply.body["model"], of_model["model"]);
        for text in 0..texts.len() {
            let far = apart(&reply.body["embeddings"][text], &of_model["embeddings"][text]);
            assert!(far < 1e-6, "text {text} is off by {far}");
        }
        *answers.entry(fingerprint).or_insert(0_usize) += 1;
    }
    assert_eq!(answers.len(), 3, "each model has answered: {answers:?}");
    eprintln!(
        "{} answers while the alias moved {} times, by model {answers:?}",
        replies.iter().flatten().count(),
        FLIPS + 2
    );
}

#[tokio::test]
async fn a_form_asks_for_a_gate_too() {
    let app = App::start();
    let posted = app.post_job(few(20), &[("alias", "prod"), ("alias_if", ""), ("config", r#"{"epochs": 1}"#)]).await;
    assert_eq!((posted.status, &posted.body["alias_if"]), (202, &Value::Null));
    let posted = app.post_job(few(20), &[("alias", "prod"), ("alias_if", "wni")]).await;
    assert_eq!((posted.status, posted.text("param").as_str()), (422, "alias_if"));
}
