//! Every status that is described comes about.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::examples;
use crate::api::Reply;
use crate::app::{App, few};
use crate::contract::{Operation, operations};
use crate::fixtures::BASE_FOLDER;
use crate::tiny;

/// What a request's body is.
enum Body {
    /// The description's first example; none where it describes no body.
    Example,
    Json(Value),
    Bytes(&'static str, Vec<u8>),
    Form(Form),
}

/// A request, and the status that it gets.
struct Case {
    operation: Operation,
    status: u16,
    at: Vec<(&'static str, String)>,
    query: String,
    headers: Vec<(&'static str, &'static str)>,
    body: Body,
    /// Sends many at once, one of which gets the status.
    crowd: bool,
}

/// A request to an operation with parameters that name nothing and the description's own example.
fn case(id: &str, status: u16) -> Case {
    let operation = operations().find(|operation| operation.id() == id).unwrap_or_else(|| panic!("no operation {id}"));
    Case {
        operation,
        status,
        at: Vec::new(),
        query: String::new(),
        headers: Vec::new(),
        body: Body::Example,
        crowd: false,
    }
}

impl Case {
    /// The path's parameter.
    fn at(mut self, name: &'static str, value: &str) -> Self {
        self.at.push((name, value.to_owned()));
        self
    }

    fn query(self, query: impl Into<String>) -> Self {
        Self { query: query.into(), ..self }
    }

    fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    fn json(self, body: Value) -> Self {
        Self { body: Body::Json(body), ..self }
    }

    fn bytes(self, kind: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        Self { body: Body::Bytes(kind, bytes.into()), ..self }
    }

    fn form(self, form: Form) -> Self {
        Self { body: Body::Form(form), ..self }
    }

    fn crowd(self) -> Self {
        Self { crowd: true, ..self }
    }

    fn example(&self) -> Option<&'static Value> {
        let json = &self.operation.is["requestBody"]["content"]["application/json"];
        examples(json).into_iter().next()
    }

    fn request(&mut self, app: &App) -> reqwest::RequestBuilder {
        let mut path = self.operation.path.to_owned();
        for name in self.operation.parameters("path") {
            let given = self.at.iter().find(|(known, _)| *known == name).map_or("nobody", |(_, value)| value);
            path = path.replace(&format!("{{{name}}}"), given);
        }
        let method = self.operation.method.to_uppercase();
        let mut request = app.request(&method, &format!("{path}{}", self.query));
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        match std::mem::replace(&mut self.body, Body::Example) {
            Body::Example => match self.example() {
                Some(example) => request.json(example),
                None => request,
            },
            Body::Json(body) => request.json(&body),
            Body::Bytes(kind, bytes) => request.header("content-type", kind).body(bytes),
            Body::Form(form) => request.multipart(form),
        }
    }

    async fn reply(&mut self, app: &App) -> Reply {
        if !self.crowd {
            let request = self.request(app);
            return app.send(request).await;
        }
        for _ in 0..50 {
            let requests: Vec<_> = (0..64).map(|_| self.request(app)).collect();
            let replies = join_all(requests.into_iter().map(|request| app.send(request))).await;
            if let Some(reply) = replies.into_iter().find(|reply| reply.status == self.status) {
                return reply;
            }
        }
        panic!("{}: no request of a crowd got {}", self.operation.id(), self.status);
    }
}

/// The largest body that any route of the test's server reads: so small that a refused one has arrived
/// whole, and the client is not cut off while it still writes.
const MAX_UPLOAD: usize = 6000;

/// What operations share, each status by a request that fits any operation of its kind.
fn shared() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in operations() {
        let with = |status| case(operation.id(), status);
        let documented = |status: &str| operation.is["responses"].get(status).is_some();
        let content = operation.is["requestBody"]["content"].as_object();
        let kind = match content {
            Some(content) if content.contains_key("application/json") => "application/json",
            _ => "multipart/form-data; boundary=x",
        };
        if documented("403") {
            cases.push(with(403).header("host", "elsewhere.example"));
        }
        if let (true, Some(name)) = (documented("400"), operation.parameters("path").next()) {
            cases.push(with(400).at(name, "%FF"));
        }
        if documented("404") && operation.parameters("path").next().is_some() && operation.method != "put" {
            cases.push(with(404));
        }
        if content.is_some() {
            cases.push(with(400).bytes(kind, "{"));
            cases.push(with(413).bytes(kind, "x".repeat(MAX_UPLOAD + 1)));
            cases.push(with(415).bytes("application/weird", "x"));
            if kind == "application/json" {
                cases.push(with(422).json(json!({ "no_such_field": 1 })));
            }
        }
        if operation.parameters("query").next().is_some() {
            cases.push(with(422).query("?no_such_parameter=1"));
        }
    }
    cases
}

/// A status that no single request brings about: as many exports as may be are held while one more waits.
async fn exports_are_busy(app: &App) -> Reply {
    // One that is too large to be sent before it is asked for.
    let path = "/models/use-multilingual-v3/export";
    let held = [app.request("GET", path).send().await.unwrap(), app.request("GET", path).send().await.unwrap()];
    assert!(held.iter().all(|reply| reply.status() == 200));
    app.get(path).await
}

async fn lose_keys(app: &App) {
    let database = SqliteConnectOptions::new().filename(app.data.path().join("shamisen.db"));
    let mut database = database.connect().await.unwrap();
    sqlx::query("delete from api_key").execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn every_documented_status_is_produced_and_no_other() {
    let limits =
        ["--max-body", "3000", "--max-upload", &MAX_UPLOAD.to_string(), "--max-waiting", "4", "--threads", "1"];
    let data = TempDir::new().unwrap();
    tiny::put_into(data.path());
    let large = data.path().join("models/use-multilingual-v3");
    std::os::unix::fs::symlink(&*BASE_FOLDER, large).unwrap();
    let app = App::over(data, &limits);
    let table = app.post_csv("/datasets?name=used", few(40)).await.text("id");
    let unused = app.post_csv("/datasets?name=unused", few(41)).await.text("id");
    let config = json!({ "dataset_id": table, "name": "tuned", "recipe": "tutorial", "config": { "epochs": 1 } });
    let done = app.post("/jobs", config).await.text("id");
    let model = app.finished(&done).await["model"].as_str().unwrap().to_owned();
    // A model whose files are gone, and an alias that meant it before.
    let broken = app
        .post(
            "/jobs",
            json!({ "dataset_id": table, "name": "broken", "recipe": "tutorial", "config": { "epochs": 1 } }),
        )
        .await;
    let broken = app.finished(&broken.text("id")).await["model"].as_str().unwrap().to_owned();
    for model in [&*broken, "default"] {
        app.send(app.request("PUT", "/aliases/was-broken").json(&json!({ "model": model }))).await;
    }
    app.send(app.request("POST", "/models/broken/unload")).await;
    std::fs::rename(app.data.path().join("models").join(&broken), app.data.path().join("elsewhere")).unwrap();
    let lost = app.data.path().join("models/lost");
    tiny::copy(&app.data.path().join("models").join(tiny::TINY), &lost);
    assert_eq!(app.get("/models/lost").await.status, 200);
    std::fs::remove_dir_all(lost).unwrap();
    // Waits long enough to be cancelled, and keeps the queue's one place.
    let long =
        json!({ "dataset_id": table, "recipe": "tutorial", "config": { "epochs": 10_000, "early_stopping": null } });
    let running = app.post("/jobs", long.clone()).await.text("id");
    let waiting = app.post("/jobs", long.clone()).await.text("id");
    let unused_file = app.post_csv("/datasets", few(44)).await.text("id");
    let upload = || Form::new().text("purpose", "fine-tune").part("file", Part::bytes(few(45)).file_name("pairs.csv"));
    let file = || Part::bytes(few(40)).file_name("pairs.csv");
    let export = |format| case("export_model", 200).at("model", "use-multilingual-v3").query(format);

    #[rustfmt::skip]
    let cases = vec![
        case("show_start", 200),
        case("show_start", 200).header("accept", "text/html"),
        case("show_description", 200),
        case("live", 200),
        case("ready", 200),
        case("health", 200),
        case("embed", 200),
        case("embed", 200).json(json!({ "inputs": "x" })),
        case("embed", 404).json(json!({ "texts": ["x"], "model": "nobody" })),
        case("embed", 413).json(json!({ "texts": vec!["x"; 2049] })),
        case("embed", 503).json(json!({ "texts": ["x", "y"] })).crowd(),
        case("similarity", 200),
        case("similarity", 200).json(json!({ "queries": "x", "documents": ["y", "z"] })),
        case("similarity", 200).json(json!({ "inputs": { "source_sentence": "x", "sentences": ["y"] } })),
        case("similarity", 404).json(json!({ "pairs": [["x", "y"]], "model": "nobody" })),
        case("similarity", 503).crowd(),
        case("create_dataset", 201),
        case("create_dataset", 200),
        case("create_dataset", 201).bytes("text/csv", few(42)),
        case("create_dataset", 201).form(Form::new().part("file", Part::bytes(few(43)))),
        case("create_dataset", 422).bytes("text/csv", "base,ref,similarity\na,,7\n"),
        case("create_dataset", 404).bytes("text/csv", few(46)).query("?version_of=nobody"),
        case("inspect_table", 200).bytes("text/csv", few(42)),
        case("create_from_taxonomy", 201).bytes("text/csv", "id,parent,label,description\n1,A,nurse,Cares for people.\n2,A,midwife,Helps at births.\n"),
        case("list_datasets", 200),
        case("find_dataset", 200).at("id", &table),
        case("list_rows", 200).at("id", &table).query("?limit=2"),
        case("download_dataset", 200).at("id", &table),
        case("list_versions", 200).at("id", &table),
        case("compare_versions", 200).at("id", &table).query(format!("?against={unused}")),
        case("delete_dataset", 409).at("id", &table),
        case("delete_dataset", 200).at("id", &unused),
        case("create_job", 202).json(long.clone()).header("idempotency-key", "k"),
        case("create_job", 200).json(long).header("idempotency-key", "k"),
        case("create_job", 202).form(Form::new().part("file", file()).text("recipe", "gentle")),
        case("create_job", 200).form(Form::new().part("file", file()).text("config", "{\"epochs\": 1}")).query("?dry_run=true"),
        case("create_job", 404).json(json!({ "dataset_id": "nobody" })),
        case("create_job", 409).json(json!({ "dataset_id": table, "name": "tuned" })),
        case("list_jobs", 200).query("?limit=3"),
        case("find_job", 200).at("id", &done),
        case("find_job", 200).at("id", &running),
        case("list_events", 200).at("id", &done),
        case("list_events", 200).at("id", &done).header("accept", "text/event-stream"),
        case("list_metrics", 200).at("id", &done),
        case("cancel_job", 202).at("id", &running),
        case("cancel_job", 409).at("id", &done),
        case("judge_need", 200).at("id", &table),
        case("judge_need", 503).at("id", &table).query("?base=broken"),
        case("mine_negatives", 201).at("id", &table),
        case("mine_negatives", 200).at("id", &table),
        case("mine_negatives", 503).at("id", &table).json(json!({ "model": "broken" })),
        case("suggest_pairs", 200).at("id", &done),
        case("suggest_pairs", 409).at("id", &running),
        case("suggest_pairs", 503).at("id", &broken.replacen("ft_", "job_", 1)),
        case("delete_job", 409).at("id", &waiting),
        case("delete_job", 200).at("id", &broken.replacen("ft_", "job_", 1)),
        case("list_losses", 200),
        case("list_models", 200),
        case("find_model", 200).at("model", &model),
        case("show_card", 200).at("model", &model),
        case("show_card", 503).at("model", "broken"),
        export("?format=torchscript"),
        case("set_alias", 200).at("name", "live").json(json!({ "model": model })),
        case("set_alias", 404).at("name", "live").json(json!({ "model": "nobody" })),
        case("set_alias", 409).at("name", "tuned"),
        case("set_alias", 200).at("name", "live"),
        case("set_alias", 503).at("name", "live").json(json!({ "model": "broken" })),
        case("list_aliases", 200),
        case("find_alias", 200).at("name", "live"),
        case("roll_back", 200).at("name", "live"),
        case("roll_back", 409).at("name", "default"),
        case("roll_back", 503).at("name", "was-broken"),
        case("delete_alias", 409).at("name", "default"),
        case("delete_alias", 204).at("name", "live"),
        case("compare", 200).query("?tuned=tuned&text=x&text=y"),
        case("list_neighbours", 200).query("?model=tuned&text=nurse"),
        case("compare", 503).query("?tuned=tuned").crowd(),
        case("list_neighbours", 503).query("?model=tuned&text=nurse").crowd(),
        case("compare", 404).query("?tuned=nobody"),
        case("list_neighbours", 404).query("?model=nobody&text=nurse"),
        case("load_model", 200).at("model", "tuned"),
        case("load_model", 503).at("model", "broken"),
        case("unload_model", 200).at("model", "tuned"),
        case("pin_model", 200).at("model", "tuned"),
        case("pin_model", 404),
        case("pin_model", 503).at("model", "broken"),
        case("unload_model", 409).at("model", "tuned"),
        case("unpin_model", 200).at("model", "tuned"),
        case("delete_model", 409).at("model", "default"),
        case("delete_model", 200).at("model", "tuned"),
        case("embed", 412).json(json!({ "texts": "x", "expected_fingerprint": "other" })),
        case("similarity", 412).json(json!({ "pairs": [["x", "y"]], "expected_fingerprint": "other" })),
        case("answer_root", 200).json(json!({ "inputs": "x" })),
        case("answer_root", 404).json(json!({ "inputs": "x", "model": "nobody" })),
        case("tokenize", 503).json(json!({ "inputs": "x", "model": "broken" })),
        case("tokenize", 200).json(json!({ "inputs": "x" })),
        case("tokenize", 404).json(json!({ "inputs": "x", "model": "nobody" })),
        case("info", 200),
        case("info", 404).query("?model=nobody"),
        case("info", 503).query("?model=lost"),
        case("create_embeddings_at_root", 200),
        case("create_embeddings_at_root", 404).json(json!({ "input": "x", "model": "nobody" })),
        case("rerank", 200).json(json!({ "query": "x", "texts": ["y"] })),
        case("rerank", 404).json(json!({ "query": "x", "texts": ["y"], "model": "nobody" })),
        case("rerank_v1", 200).json(json!({ "query": "x", "documents": ["y"] })),
        case("rerank_v1", 404).json(json!({ "query": "x", "documents": ["y"], "model": "nobody" })),
        case("rerank_v2", 200).json(json!({ "query": "x", "documents": ["y"] })),
        case("rerank_v2", 404).json(json!({ "query": "x", "documents": ["y"], "model": "nobody" })),
        case("create_embeddings", 200),
        case("create_embeddings", 404).json(json!({ "input": "x", "model": "nobody" })),
        case("list_openai_models", 200),
        case("find_openai_model", 200).at("model", "default"),
        case("delete_openai_model", 409).at("model", "default"),
        case("create_file", 200).form(upload()),
        case("create_file", 422).form(Form::new().text("purpose", "vision")),
        case("list_files", 200),
        case("list_files", 404).query("?after=nobody"),
        case("find_file", 200).at("file_id", &table),
        case("read_file", 200).at("file_id", &table),
        case("delete_file", 409).at("file_id", &table),
        case("delete_file", 200).at("file_id", &unused_file),
        case("create_fine_tuning_job", 200).json(json!({ "model": "default", "training_file": table })),
        case("create_fine_tuning_job", 404),
        case("create_fine_tuning_job", 409).json(json!({ "model": "default", "training_file": table, "alias": "broken" })),
        case("delete_openai_model", 200).at("model", "broken"),
        case("list_fine_tuning_jobs", 200),
        case("list_fine_tuning_jobs", 404).query("?after=nobody"),
        case("find_fine_tuning_job", 200).at("job_id", &done),
        case("cancel_fine_tuning_job", 200).at("job_id", &waiting),
        case("cancel_fine_tuning_job", 409).at("job_id", &done),
        case("list_fine_tuning_events", 200).at("job_id", &done),
        case("list_fine_tuning_checkpoints", 200).at("job_id", &done),
        case("create_key", 422).json(json!({ "name": " ", "scopes": ["embed"] })),
        case("list_keys", 200),
        case("revoke_key", 404),
        case("scrape", 200),
    ];

    let mut produced = BTreeSet::new();
    let mut produce = |operation: Operation, reply: &Reply| {
        let kind = reply.header("content-type").split(';').next().unwrap_or_default().to_owned();
        produced.insert((operation.id(), reply.status, kind));
    };
    for mut case in cases.into_iter().chain(shared()) {
        let reply = case.reply(&app).await;
        assert_eq!(reply.status, case.status, "{}{}: {}", case.operation.id(), case.query, reply.body);
        produce(case.operation, &reply);
    }
    let busy = exports_are_busy(&app).await;
    assert_eq!(busy.status, 503, "{}", busy.body);
    produce(case("export_model", 503).operation, &busy);
    // From the first key on, whoever has none is refused.
    let key = case("create_key", 201).json(json!({ "name": "test", "scopes": ["admin"] })).reply(&app).await;
    produce(case("create_key", 201).operation, &key);
    for operation in operations().filter(|operation| operation.is["responses"].get("401").is_some()) {
        let reply = case(operation.id(), 401).reply(&app).await;
        assert_eq!(reply.status, 401, "{}: {}", operation.id(), reply.body);
        produce(operation, &reply);
    }
    let mut revoke = case("revoke_key", 204).at("id", &key.text("id"));
    let request = revoke.request(&app).bearer_auth(key.text("key"));
    produce(revoke.operation, &app.send(request).await);
    let not_now = || operations().filter(|operation| operation.is["responses"].get("503").is_some());
    // A database that has lost its keys answers nobody, and one that is not there makes nobody welcome.
    lose_keys(&app).await;
    std::fs::rename(app.data.path().join("shamisen.db"), app.data.path().join("away")).unwrap();
    while app.get("/health").await.status != 503 || app.get("/models").await.status != 503 {}
    for operation in not_now() {
        let reply = case(operation.id(), 503).reply(&app).await;
        assert_eq!(reply.status, 503, "{}: {}", operation.id(), reply.body);
        produce(operation, &reply);
    }

    let documented = operations().flat_map(|operation| {
        let responses = operation.is["responses"].as_object().unwrap().iter();
        responses.filter(|(status, _)| *status != "default").flat_map(move |(status, response)| {
            let kinds: Vec<String> = response["content"]
                .as_object()
                .map_or(vec![String::new()], |content| content.keys().cloned().collect());
            kinds.into_iter().map(move |kind| (operation.id(), status.parse::<u16>().unwrap(), kind))
        })
    });
    let documented: BTreeSet<_> = documented.collect();
    let missing: Vec<_> = documented.difference(&produced).collect();
    let more: Vec<_> = produced.difference(&documented).collect();
    assert!(missing.is_empty() && more.is_empty(), "never produced: {missing:#?}\nnot documented: {more:#?}");
}
