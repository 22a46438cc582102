//! Pages of other sites.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use crate::app::{App, PROGRAM};
use crate::shared;

#[tokio::test]
async fn pages_of_named_sites_may_call_with_a_key_and_preflights_need_none() {
    let app = App::with(&["--cors-origin", "https://app.example,http://localhost:3000"]);
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
    let of = async |app: &Api| {
        let request = app.request("POST", "/embed").header("origin", "https://any.example");
        let request = request.header("sec-fetch-site", "cross-site").json(&json!({ "inputs": "nurse" }));
        let reply = app.send(request).await;
        (reply.status, reply.header("access-control-allow-origin").to_owned())
    };
    assert_eq!(of(&shared::tiny()).await, (403, String::new()));
    assert_eq!(of(&App::with(&["--cors-origin", "*"])).await, (200, "*".to_owned()));
    let wrong = Command::new(PROGRAM)
        .args(["serve", "--port", "0", "--cors-origin", "app.example/", "--data"])
        .arg(TempDir::new().unwrap().path())
        .output()
        .unwrap();
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("is no origin"));
}
