//! `/models`: what is in memory, what stays there, and what must not be served.

mod aliases;
mod compare;
pub(crate) mod export;
mod import;
mod integrity;
mod neighbours;

use std::path::PathBuf;

use serde_json::{Value, json};
use shamisen::ml::encoder::{self, GoldenVectors, ModelFiles, Origin, Place};
use tempfile::TempDir;

use crate::api::Reply;
use crate::app::{App, few};
use crate::fixtures::base;
use crate::jobs::ENDLESS;
use crate::shared;
use crate::tiny::TINY;

/// A tuned model that is clearly another one than its base, and its job.
pub(crate) async fn tuned(app: &App, name: &str, rows: usize, fields: &[(&'static str, &str)]) -> (String, Value) {
    let config = ("config", r#"{"epochs": 1, "learning_rate": 1e-3}"#);
    let posted = app.post_job(few(rows), &[&[("name", name), config], fields].concat()).await;
    assert_eq!(posted.status, 202, "{}", posted.body);
    let job = app.finished(&posted.text("id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    (job["model"].as_str().unwrap().to_owned(), job)
}

async fn state(app: &App, model: &str) -> String {
    app.get(&format!("/models/{model}")).await.text("state")
}

async fn ask(app: &App, model: &str) -> Reply {
    app.post("/embed", json!({ "texts": ["看護師", "data scientist"], "model": model })).await
}

fn weights(app: &App, model: &str) -> PathBuf {
    app.data.path().join("models").join(model).join("model.safetensors")
}

#[tokio::test]
async fn a_model_is_loaded_on_first_use_and_says_where_it_stands() {
    let app = App::start();
    let (model, _) = tuned(&app, "first", 30, &[]).await;
    let before = app.get(&format!("/models/{model}")).await.body;
    assert_eq!((&before["state"], &before["resident_bytes"]), (&json!("available"), &Value::Null));
    assert_eq!((&before["last_used_at"], &before["last_error"]), (&Value::Null, &Value::Null));

    let replies = futures_util::future::join_all((0..8).map(|_| ask(&app, &model))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    let after = app.get("/models/first").await.body;
    assert_eq!(after["state"], "ready");
    assert!(after["last_used_at"].is_string());
    assert!(after["resident_bytes"].is_u64(), "{after}");

    let base = app.post("/models/tiny/unload", json!({})).await;
    assert_eq!((base.status, base.text("code").as_str()), (409, "base_in_use"));
    let unloaded = app.post("/models/first/unload", json!({})).await;
    assert_eq!(unloaded.status, 200, "{}", unloaded.body);
    // It is draining as long as a request that was answered holds it still.
    app.wait_for("/models/first", |model| model["state"] == "available").await;
    assert_eq!(app.post("/models/tiny/unload", json!({})).await.status, 200);
    let loaded = app.post("/models/first/load", json!({})).await;
    assert_eq!((loaded.status, loaded.text("state").as_str()), (200, "ready"));
    assert_eq!(ask(&app, &model).await.body["embeddings"], replies[0].body["embeddings"]);
    assert_eq!(app.post("/models/nobody/load", json!({})).await.status, 404);
}

/// Its own weights, tuned rows and packed copies, and not the table of 262 MB.
#[tokio::test]
async fn a_tuned_model_shares_its_bases_table_in_memory() {
    let app = shared::tuned();
    let asked = app.post("/embed", json!({ "texts": ["nurse"], "model": app.model() })).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let bytes = app.get(&format!("/models/{}", app.model())).await.body["resident_bytes"].as_u64().unwrap();
    assert!((10_000..40_000_000).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn the_least_recently_used_goes_first_and_a_pinned_one_never_also_after_a_restart() {
    let app = App::with(&["--max-model-bytes", "1"]);
    let (a, _) = tuned(&app, "a", 20, &[]).await;
    let (b, _) = tuned(&app, "b", 30, &[]).await;
    assert_eq!((ask(&app, &a).await.status, ask(&app, &b).await.status), (200, 200));
    assert_eq!((state(&app, &a).await.as_str(), state(&app, &b).await.as_str()), ("available", "ready"));

    let pinned = app.send(app.request("PUT", "/models/a/pin")).await;
    assert_eq!((pinned.status, &pinned.body["pinned"], pinned.text("state").as_str()), (200, &json!(true), "ready"));
    assert_eq!(state(&app, &b).await, "available");
    assert_eq!(ask(&app, &b).await.status, 200);
    assert_eq!((state(&app, &a).await.as_str(), state(&app, &b).await.as_str()), ("ready", "ready"));
    let refused = app.post("/models/a/unload", json!({})).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (409, "model_pinned"));

    let (data, _) = app.stop();
    let app = App::over(data, &["--max-model-bytes", "1"]);
    app.wait_for("/models/a", |body| body["state"] == "ready").await;
    assert_eq!(state(&app, &b).await, "available");
    let unpinned = app.send(app.request("DELETE", "/models/a/pin")).await;
    assert_eq!((unpinned.status, &unpinned.body["pinned"]), (200, &json!(false)));
    assert_eq!(ask(&app, &b).await.status, 200);
    assert_eq!(state(&app, &a).await, "available");
}

#[tokio::test]
async fn a_damaged_model_and_one_that_says_something_else_than_when_it_was_made_are_not_served_until_they_are_whole() {
    let app = App::start();
    let (model, _) = tuned(&app, "golden", 30, &[]).await;
    let file = weights(&app, &model);
    let whole = std::fs::read(&file).unwrap();

    // One bit of the weights is another: the file is well formed, and few vectors tell.
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&file, &damaged).unwrap();
    let refused = ask(&app, &model).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (500, "model_damaged"), "{}", refused.body);
    assert!(refused.text("detail").contains("model.safetensors is damaged"), "{}", refused.body);
    // The next request is answered at once, from what is known.
    assert_eq!(ask(&app, &model).await.text("code"), "model_damaged");
    let told = app.get(&format!("/models/{model}")).await.body;
    assert_eq!((&told["state"], &told["last_error"]["code"]), (&json!("failed"), &json!("model_damaged")));
    assert_eq!(told["last_error"]["attempts"], 1);
    // An alias does not move to it.
    let put = app.send(app.request("PUT", "/aliases/prod").json(&json!({ "model": model }))).await;
    assert_eq!((put.status, put.text("code").as_str()), (500, "model_damaged"));
    assert_eq!(app.get("/aliases/prod").await.status, 404);
    assert_eq!(app.get(&format!("/models/{model}")).await.body["last_error"]["attempts"], 2);

    // Everything that training changed is missing: what would be served is the base.
    let empty: [(&str, safetensors::tensor::TensorView<'_>); 0] = [];
    std::fs::write(&file, safetensors::serialize(empty, None).unwrap()).unwrap();
    assert_eq!(ask(&app, &model).await.text("code"), "model_damaged");

    // What may pass by itself says when to come again.
    std::fs::remove_file(&file).unwrap();
    let missing = ask(&app, &model).await;
    assert_eq!((missing.status, missing.text("code").as_str()), (503, "model_files_not_readable"));
    assert!(missing.header("retry-after").parse::<u64>().unwrap() >= 1);

    // Its folder is whole again: no pause.
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(ask(&app, &model).await.status, 200);
    let told = app.get(&format!("/models/{model}")).await.body;
    assert_eq!((&told["state"], &told["last_error"]), (&json!("ready"), &Value::Null));
    assert_eq!(ask(&app, "default").await.status, 200);

    // Every file is what the card says, and the model says something else than it did: another libtorch, say.
    assert_eq!(app.post(&format!("/models/{model}/unload"), json!({})).await.status, 200);
    let folder = app.data.path().join("models").join(&model);
    let probes = folder.join("probes.json");
    let mut other: Value = serde_json::from_slice(&std::fs::read(&probes).unwrap()).unwrap();
    other["probes"][3]["vector"][0] = json!(100.0);
    std::fs::write(&probes, other.to_string()).unwrap();
    integrity::unseal(&folder);
    let refused = ask(&app, &model).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (500, "self_check_failed"), "{}", refused.body);
    assert!(refused.text("detail").contains("cosine"), "{}", refused.body);
}

#[test]
fn probes_tell_another_base_under_the_same_fingerprint() {
    let below = TempDir::new().unwrap();
    let folder = below.path().join("tuned");
    encoder::save_tuned(&folder, "tuned", &base(), &base(), None).unwrap();
    let texts = ["nurse", "看護師"].map(|text| (Origin::Table, text.to_owned()));
    GoldenVectors::of(&base(), texts.to_vec()).unwrap().write(&folder).unwrap();
    let probes = ModelFiles::open(&folder, Place::File).unwrap().golden().unwrap().unwrap();
    let mut frozen = encoder::load_tuned(&folder, &base()).unwrap();
    frozen.encoder.prepare_inference(&std::sync::Arc::default());
    assert_eq!(probes.check(&frozen), Ok(()));

    let mut other = base();
    let variables = other.encoder.variables().into_iter();
    let changed = variables.map(|(_, weights)| weights.detach() * 1.01 + 0.001).collect();
    other.encoder.set_variables(changed);
    let wrong = encoder::load_tuned(&folder, &other).unwrap();
    assert!(probes.check(&wrong).unwrap_err().contains("cosine"));
    assert_eq!(probes.without_table(), GoldenVectors::default());
}

#[tokio::test]
async fn a_tuned_model_can_be_deleted_unless_something_needs_it() {
    let app = App::start();
    let (model, _) = tuned(&app, "old", 20, &[("alias", "prod")]).await;
    let delete = |name: &str| app.send(app.request("DELETE", &format!("/models/{name}")));
    for (name, status, code) in
        [("old", 409, "model_has_alias"), (TINY, 409, "model_is_base"), ("nobody", 404, "model_not_found")]
    {
        let refused = delete(name).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (status, code));
    }
    assert_eq!(app.send(app.request("DELETE", "/aliases/prod")).await.status, 204);
    let running = app.post_job(few(60), &[("model", "old"), ENDLESS]).await.text("id");
    assert_eq!(delete("old").await.text("code"), "model_in_use");
    assert_eq!(app.post(&format!("/jobs/{running}/cancel"), json!({})).await.status, 202);
    app.finished(&running).await;

    assert_eq!(ask(&app, "old").await.status, 200);
    assert_eq!(delete("old").await.status, 200);
    assert_eq!(ask(&app, &model).await.status, 404);
    assert!(!app.data.path().join("models").join(&model).exists());
    // Its name is free again, and its job still tells what it made.
    let (again, _) = tuned(&app, "old", 20, &[]).await;
    assert_ne!(again, model);
    let (data, _) = app.stop();
    let app = App::over(data, &[]);
    let names: Vec<Value> = app.get("/models").await.body["models"].as_array().unwrap().clone();
    assert!(names.iter().all(|row| row["id"] != model.as_str()));
    assert_eq!(ask(&app, "old").await.status, 200);
}
