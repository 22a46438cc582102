//! Whose the texts are that jobs learned from.

use std::collections::BTreeSet;

use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::app::App;
use crate::contract::{Operation, operations};

/// All requests to an operation that the parameters make which it knows.
fn requests(operation: &Operation, ids: &[(&str, &str)]) -> Vec<String> {
    let mut path = operation.path.to_owned();
    for name in operation.parameters("path") {
        let of_this = |prefix: &str, id: &str| path.starts_with(prefix).then(|| id.to_owned());
        let id = ids.iter().find_map(|(prefix, id)| of_this(prefix, id)).unwrap_or_else(|| "default".to_owned());
        path = path.replace(&format!("{{{name}}}"), &id);
    }
    let of = |prefix: &str| ids.iter().find(|(known, _)| *known == prefix).unwrap().1;
    let (dataset, model) = (of("/datasets"), of("/models"));
    let queries = [
        vec![],
        vec![("text", "clerk"), ("text", "nurse"), ("tuned", model)],
        vec![("tuned", model)],
        vec![("text", "clerk"), ("dataset", dataset)],
        vec![("text", "clerk"), ("model", model)],
        vec![("text", "clerk"), ("models", "base,職種"), ("dataset", dataset)],
        vec![("model", model)],
        vec![("base", model)],
    ];
    let known: BTreeSet<&str> = operation.parameters("query").collect();
    let query = |parameters: Vec<(&str, &str)>| {
        let known: Vec<String> = parameters
            .iter()
            .filter(|(name, _)| known.contains(name))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{path}?{}", known.join("&"))
    };
    queries.into_iter().map(query).collect::<BTreeSet<_>>().into_iter().collect()
}

#[tokio::test]
async fn a_key_that_may_embed_reads_no_text_of_a_table_or_a_job_by_any_route() {
    let app = App::start();
    let rows: String = (0..40).map(|i| format!("canary a{i},canary b{i},0.{}\n", i % 10)).collect();
    let table = format!("base,ref,similarity\n{rows}");
    let config = json!({ "epochs": 1, "split": "random" }).to_string();
    let form = Form::new()
        .part("file", Part::bytes(table.into_bytes()).file_name("pairs.csv"))
        .text("recipe", "tutorial")
        .text("config", config)
        .text("name", "職種")
        .text("titles", r#"["canary one", "canary two"]"#);
    let job = app.send(app.request("POST", "/jobs").multipart(form)).await.text("id");
    let done = app.finished(&job).await;
    let (dataset, model) = (done["dataset"]["id"].as_str().or(done["dataset_id"].as_str()), done["model"].as_str());
    let (dataset, model) = (dataset.expect("the job names its table"), model.expect("the job made a model"));
    let ids = [
        ("/datasets", dataset),
        ("/v1/files", dataset),
        ("/jobs", &*job),
        ("/v1/fine_tuning", &*job),
        ("/models", model),
        ("/v1/models", model),
    ];
    let admin = app.post("/keys", json!({ "name": "admin", "scopes": ["admin"] })).await.text("key");
    let make = app.request("POST", "/keys").bearer_auth(&admin).json(&json!({ "name": "e", "scopes": ["embed"] }));
    let embed = app.send(make).await.text("key");

    let mut told = BTreeSet::new();
    for operation in operations().filter(|operation| operation.method == "get") {
        for path in requests(&operation, &ids) {
            for key in [&embed, &admin] {
                let reply = app.send(app.request("GET", &path).bearer_auth(key)).await;
                let tells = reply.body.to_string().contains("canary");
                assert!(key == &admin || !tells, "{path} tells a key that may embed: {}", reply.body);
                if tells {
                    told.insert(operation.path);
                }
            }
        }
    }
    // The same walk finds the texts with a key that may read them.
    let some =
        ["/neighbours", "/compare", "/models/{model}/card", "/datasets/{id}/rows", "/datasets/{id}/file", "/jobs/{id}"];
    assert!(some.iter().all(|path| told.contains(path)), "{told:?}");
    // What writes says no more.
    for operation in operations().filter(|operation| operation.method != "get") {
        for path in requests(&operation, &ids) {
            let method = operation.method.to_uppercase();
            for body in [json!({}), json!({ "inputs": "clerk" }), json!({ "inputs": "clerk", "model": model })] {
                let reply = app.send(app.request(&method, &path).bearer_auth(&embed).json(&body)).await;
                assert!(!reply.body.to_string().contains("canary"), "{method} {path}: {}", reply.body);
            }
        }
    }
    // Comparing texts of one's own is for whoever may embed.
    let own = format!("/compare?tuned={model}&text=clerk&text=nurse");
    let reply = app.send(app.request("GET", &own).bearer_auth(&embed)).await;
    assert_eq!((reply.status, reply.body["movers"].is_null(), reply.body["verdict"].is_null()), (200, true, false));
}
