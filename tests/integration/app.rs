//! A server as users run it: the real binary on a free port, over a data folder of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;

use crate::contract;
use crate::fixtures::BASE_FOLDER;

pub(crate) struct App {
    child: Child,
    /// Held open, so that the server can write to it.
    _stdout: BufReader<ChildStdout>,
    pub(crate) data: TempDir,
    pub(crate) address: String,
    client: Client,
}

/// A reply, read whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {}", self.body)).to_owned()
    }
}

impl App {
    pub(crate) fn start() -> Self {
        Self::over(TempDir::new().unwrap(), &[])
    }

    /// A server over a folder that an earlier one may have left behind.
    pub(crate) fn over(data: TempDir, arguments: &[&str]) -> Self {
        Self::logging(data, arguments, Stdio::inherit())
    }

    /// The same, with a place for its log.
    pub(crate) fn logging(data: TempDir, arguments: &[&str], log: Stdio) -> Self {
        let models = data.path().join("models");
        std::fs::create_dir_all(&models).unwrap();
        let base = models.join("use-multilingual-v3");
        if !base.exists() {
            std::os::unix::fs::symlink(&*BASE_FOLDER, base).unwrap();
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_shamisen"))
            .args(["serve", "--port", "0", "--data"])
            .arg(data.path())
            .args(arguments)
            .env_remove("SHAMISEN_STS")
            .env("SHAMISEN_LOG", "warn")
            .env("SHAMISEN_STOP_WAIT", "0")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let mut address = String::new();
        // It listens before its models are loaded, and says when they are.
        while !line.contains("is ready") {
            line.clear();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "the server ended before it was ready");
            if let Some((_, rest)) = line.split_once("listens on ") {
                address = rest.split('/').take(3).collect::<Vec<_>>().join("/");
            }
        }
        let client = Client::builder().timeout(Duration::from_secs(300)).build().unwrap();
        Self { child, _stdout: stdout, data, address, client }
    }

    /// Ends the server as a power cut would, and leaves its folder.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.data, TempDir::new().unwrap())
    }

    /// Ends the server politely; its folder and its exit status.
    pub(crate) fn stop(self) -> (TempDir, std::process::ExitStatus) {
        self.terminate();
        self.ended()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the server's end; its folder and its exit status.
    pub(crate) fn ended(mut self) -> (TempDir, std::process::ExitStatus) {
        let status = self.child.wait().unwrap();
        (std::mem::replace(&mut self.data, TempDir::new().unwrap()), status)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        self.client.request(method.parse().unwrap(), format!("{}{path}", self.address))
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let request = request.build().unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let reply: Response = self.client.execute(request).await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let bytes = reply.bytes().await.unwrap();
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        contract::check(&method, &path, status, kind, &bytes);
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
        Reply { status, headers, body }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(self.request("POST", path).json(&body)).await
    }

    pub(crate) async fn post_csv(&self, path: &str, csv: impl Into<Vec<u8>>) -> Reply {
        self.send(self.request("POST", path).header("content-type", "text/csv").body(csv.into())).await
    }

    /// `POST /jobs` as a form: the table and text fields. Without a recipe, the tutorial's, whose small
    /// batches make many steps of few rows.
    pub(crate) async fn post_job(&self, csv: impl Into<Vec<u8>>, fields: &[(&'static str, &str)]) -> Reply {
        let file = Part::bytes(csv.into()).file_name("pairs.csv");
        let recipe = [("recipe", "tutorial")];
        let recipe = if fields.iter().any(|(name, _)| *name == "recipe") { &[][..] } else { &recipe };
        let form = fields
            .iter()
            .chain(recipe)
            .fold(Form::new().part("file", file), |form, (name, value)| form.text(*name, (*value).to_owned()));
        self.send(self.request("POST", "/jobs").multipart(form)).await
    }

    /// A resource as soon as it is what is waited for.
    pub(crate) async fn wait_for(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..600 {
            let reply = self.get(path).await;
            if is(&reply.body) {
                return reply.body;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} did not become what was waited for within a minute");
    }

    /// The job when it is over.
    pub(crate) async fn finished(&self, job: &str) -> Value {
        for _ in 0..10 {
            let reply = self.get(&format!("/jobs/{job}?wait=60")).await;
            if reply.body["is_terminal"] == true {
                return reply.body;
            }
        }
        panic!("the job is not over after ten minutes");
    }

    /// A job's events as they arrive, until one satisfies `last`.
    pub(crate) async fn follow(&self, job: &str, last_seen: Option<i64>, last: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut request = self.request("GET", &format!("/jobs/{job}/events")).header("accept", "text/event-stream");
        if let Some(seq) = last_seen {
            request = request.header("last-event-id", seq);
        }
        let mut reply = request.send().await.unwrap();
        assert_eq!(reply.headers()["content-type"], "text/event-stream");
        let (mut events, mut text) = (Vec::new(), String::new());
        while let Some(chunk) = reply.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
            while let Some((block, rest)) = text.split_once("\n\n") {
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                    events.push(serde_json::from_str(data).unwrap());
                }
                text = rest.to_owned();
                if events.last().is_some_and(&last) {
                    return events;
                }
            }
        }
        events
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The repository's example pairs.
pub(crate) fn example() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/occupations.csv")).unwrap()
}

/// The first `rows` of the example pairs.
pub(crate) fn few(rows: usize) -> Vec<u8> {
    let text = String::from_utf8(example()).unwrap();
    text.lines().take(rows + 1).flat_map(|line| [line, "\n"]).collect::<String>().into_bytes()
}
