//! A running server's API, as a test calls it: every reply is held against the description.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use crate::contract;

pub(crate) struct Api {
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

impl Api {
    /// Of the server at an address. Each test has its own: connections end with the runtime that made them.
    pub(crate) fn at(address: String) -> Self {
        Self { address, client: Client::builder().timeout(Duration::from_secs(300)).build().unwrap() }
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
