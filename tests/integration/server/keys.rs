//! API keys: who gets in, with what, and who does not.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::api::Reply;
use crate::app::{App, PROGRAM};
use crate::tiny::TINY;

fn key_command(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.arg("key").args(arguments).arg("--data").arg(data).output().unwrap()
}

/// Makes a key on the command line; its text.
fn make(data: &Path, scopes: &str) -> String {
    let made = key_command(data, &["create", "--name", "test", "--scope", scopes]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

async fn with_key(app: &App, key: &str, method: &str, path: &str, body: Option<Value>) -> Reply {
    let request = app.request(method, path).bearer_auth(key);
    app.send(if let Some(body) = body { request.json(&body) } else { request }).await
}

fn is(reply: &Reply, status: u16, code: &str) {
    // OpenAI's envelope holds the code one level deeper.
    let found = reply.body["code"].as_str().or(reply.body["error"]["code"].as_str());
    assert_eq!((reply.status, found), (status, Some(code)), "{}", reply.body);
    assert_eq!(reply.header("www-authenticate").is_empty(), status != 401, "{}", reply.body);
}

/// The templates of all routes, out of the sources: each stands behind one of two marks.
fn routes() -> BTreeSet<String> {
    fn files(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let texts = entries
            .flat_map(|path| if path.is_dir() { files(&path) } else { vec![std::fs::read_to_string(path).unwrap()] });
        texts.collect()
    }
    let sources = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http"));
    let found = sources.iter().flat_map(|text| {
        [".route(\"", "path = \""]
            .into_iter()
            .flat_map(|mark| text.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()))
    });
    found.filter(|path| path.starts_with('/')).collect()
}

#[tokio::test]
async fn once_there_is_a_key_no_route_of_the_api_answers_without_one() {
    let app = App::start();
    assert_eq!(app.get("/models").await.status, 200);
    // Clients of other services always send a key; where none is needed, any will do.
    assert_eq!(with_key(&app, "unused", "GET", "/models", None).await.status, 200);
    let made = app.post("/keys", json!({ "name": "admin", "scopes": ["admin"] })).await;
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"));

    let routes = routes();
    assert!(routes.len() >= 20 && routes.contains("/embed") && routes.contains("/keys/{id}"), "{routes:?}");
    for template in routes {
        let path = template.replace(['{', '}', '*'], "");
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let reply = app.send(app.request(method, &path)).await;
            let public = ["/health", "/docs", "/openapi.json"].iter().any(|prefix| template.starts_with(prefix));
            // At the root, a browser gets the page, and a program is told where to go on.
            if (public || template == "/") && method == "GET" {
                assert!(![401, 403].contains(&reply.status), "{method} {template}");
            } else {
                is(&reply, 401, "key_missing");
            }
        }
    }
    for page in ["/", "/app.js", "/style.css"] {
        assert_eq!(app.get(page).await.status, 200, "{page}");
    }
    is(&app.get("/nowhere").await, 401, "key_missing");
    let admin = made.text("key");
    assert_eq!(with_key(&app, &admin, "GET", "/nowhere", None).await.status, 404);
    assert_eq!(with_key(&app, &admin, "GET", "/models", None).await.status, 200);
}

#[tokio::test]
async fn each_scope_opens_what_it_is_for_and_the_refusal_names_the_one_that_is_needed() {
    let data = TempDir::new().unwrap();
    let [embed, train, metrics, admin] = ["embed", "train", "metrics", "admin"].map(|scope| make(data.path(), scope));
    let both = make(data.path(), "embed,train");
    let app = App::over(data, &[]);
    let pairs = || Some(json!({ "pairs": [["a", "b", 1]] }));
    let promoting = || Some(json!({ "pairs": [["a", "b", 1]], "alias": "live" }));
    let text = || Some(json!({ "texts": ["nurse"] }));
    let alias = || Some(json!({ "model": TINY }));
    // Method, path, body, the status for admin, and who else gets the same.
    let cases = [
        ("POST", "/embed", text(), 200, vec![&embed, &both]),
        ("GET", "/models/default", None, 200, vec![&embed, &train, &both]),
        ("POST", "/datasets", pairs(), 201, vec![]),
        ("GET", "/jobs", None, 200, vec![&train, &both]),
        ("POST", "/jobs", pairs(), 422, vec![&train, &both]),
        ("POST", "/jobs", promoting(), 422, vec![]),
        ("PUT", "/aliases/live", alias(), 200, vec![]),
        ("DELETE", "/datasets/ds_0", None, 404, vec![]),
        ("GET", "/keys", None, 200, vec![]),
        ("GET", "/metrics", None, 200, vec![&metrics]),
    ];
    for (method, path, body, status, others) in cases {
        let reply = with_key(&app, &admin, method, path, body.clone()).await;
        assert_eq!(reply.status, status, "admin: {method} {path} {}", reply.body);
        for key in [&embed, &train, &metrics, &both] {
            let reply = with_key(&app, key, method, path, body.clone()).await;
            if others.contains(&key) {
                assert_eq!(reply.status, status, "{method} {path} {}", reply.body);
            } else if path != "/datasets" {
                is(&reply, 403, "scope_missing");
                assert!(reply.text("detail").contains("has not got the scope"), "{}", reply.body);
            }
        }
    }
    assert!(with_key(&app, &embed, "GET", "/jobs", None).await.text("detail").contains("\"train\""));
    assert!(with_key(&app, &train, "PUT", "/aliases/x", alias()).await.text("detail").contains("\"admin\""));
    assert!(with_key(&app, &train, "POST", "/jobs", promoting()).await.text("detail").contains("\"admin\""));
}

#[tokio::test]
async fn a_key_is_told_once_and_refused_in_words_when_it_is_no_longer_good() {
    let app = App::start();
    let admin = app.post("/keys", json!({ "name": "admin", "scopes": ["admin"] })).await.text("key");
    let make = async |body: Value| with_key(&app, &admin, "POST", "/keys", Some(body)).await;
    let made = make(json!({ "name": "検索アプリ", "scopes": ["embed"], "expires": "90d" })).await;
    let (id, key) = (made.text("id"), made.text("key"));
    assert!(!made.text("expires_at").is_empty() && made.body["last_used_at"].is_null());

    let header = app.request("GET", "/models").header("x-api-key", &key);
    assert_eq!(app.send(header).await.status, 200);
    let lower_case = app.request("GET", "/models").header("authorization", format!("bearer {key}"));
    assert_eq!(app.send(lower_case).await.status, 200);
    is(&with_key(&app, &format!("{key}x"), "GET", "/models", None).await, 401, "key_not_valid");
    is(&app.send(app.request("GET", "/models").basic_auth("user", Some(&key))).await, 401, "key_missing");

    // Its use is noted, a moment later.
    let listed = async || {
        let list = with_key(&app, &admin, "GET", "/keys", None).await.body;
        list["keys"].as_array().unwrap().iter().find(|key| key["id"] == id.as_str()).unwrap().clone()
    };
    until(async || !listed().await["last_used_at"].is_null()).await;
    assert_eq!((&listed().await["status"], &listed().await["name"]), (&json!("active"), &json!("検索アプリ")));
    assert!(listed().await.get("key").is_none() && !listed().await.to_string().contains("sha256"));

    let revoked = with_key(&app, &admin, "DELETE", &format!("/keys/{id}"), None).await;
    assert_eq!((revoked.status, revoked.body), (204, json!("")));
    is(&with_key(&app, &key, "GET", "/models", None).await, 401, "key_revoked");
    assert_eq!(with_key(&app, &admin, "DELETE", &format!("/keys/{id}"), None).await.status, 204);
    is(&with_key(&app, &admin, "DELETE", "/keys/key_0", None).await, 404, "key_not_found");
    is(&make(json!({ "name": " ", "scopes": ["embed"] })).await, 422, "name_not_usable");
    is(&make(json!({ "name": "x", "scopes": [] })).await, 422, "out_of_range");
    is(&make(json!({ "name": "x", "scopes": ["embd"] })).await, 422, "unknown_value");
    is(&make(json!({ "name": "x", "scopes": ["embed"], "expires": "soon" })).await, 422, "expires_not_usable");

    // The server's files hold none of the secrets.
    let (data, _) = app.stop();
    for file in std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        for key in [&key, &admin] {
            let secret = key.splitn(3, '_').nth(2).unwrap().as_bytes();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.display());
        }
    }
}

/// Waits until something is so, for ten seconds at most.
async fn until(so: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !so().await {
        assert!(started.elapsed() < Duration::from_secs(10), "it did not come to be");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn keys_that_the_command_line_makes_and_revokes_count_in_a_running_server() {
    let app = App::start();
    let key = make(app.data.path(), "embed");
    until(async || app.get("/models").await.status == 401).await;
    assert_eq!(with_key(&app, &key, "GET", "/models", None).await.status, 200);

    let listed = String::from_utf8(key_command(app.data.path(), &["list"]).stdout).unwrap();
    assert!(listed.contains("active") && listed.contains("embed") && !listed.contains(&key), "{listed}");
    let id = listed.split_whitespace().next().unwrap();
    assert!(key_command(app.data.path(), &["revoke", id]).status.success());
    until(async || with_key(&app, &key, "GET", "/models", None).await.body["code"] == "key_revoked").await;
    // Taking the last key back opens nothing.
    is(&app.get("/models").await, 401, "key_missing");
    assert!(!key_command(app.data.path(), &["revoke", "key_0"]).status.success());
    let limited = ["create", "--name", "x", "--scope", "embed", "--tokens-per-minute", "7", "--jobs-waiting", "2"];
    assert!(key_command(app.data.path(), &limited).status.success());
    let listed = String::from_utf8(key_command(app.data.path(), &["list"]).stdout).unwrap();
    assert!(listed.contains("7 tokens a minute  2 jobs waiting"), "{listed}");
    let wrong = key_command(app.data.path(), &["create", "--name", "x", "--scope", "embed", "--expires", "1y"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("90d"));
}

#[tokio::test]
async fn with_a_key_a_server_may_listen_to_other_machines() {
    let data = TempDir::new().unwrap();
    let key = make(data.path(), "embed,train");
    let app = App::over(data, &["--host", "0.0.0.0"]);
    let named = |path: &str| app.request("GET", path).header("host", "shamisen.example");
    assert_eq!(app.send(named("/health/ready")).await.status, 200);
    is(&app.send(named("/models")).await, 401, "key_missing");
    assert_eq!(app.send(named("/models").bearer_auth(&key)).await.status, 200);
}
