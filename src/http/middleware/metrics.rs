//! What is counted and measured, for Prometheus.
//!
//! Every label has few values, and none is a client's: routes are templates, methods and statuses are HTTP's,
//! codes are the program's own, and a model's id is one that has answered.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::error::Result;
use crate::http::routes;
use crate::http::state::AppState;
use crate::store::Status;

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(scrape))
}

/// From half a millisecond to a minute.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Texts of a pass.
const TEXTS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];
/// Tokens of a pass.
const TOKENS: [f64; 10] = [8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// Where all that is counted and measured comes together.
#[derive(Clone, Debug)]
pub struct Meter(PrometheusHandle);

impl Meter {
    /// Begins to count, for the whole process.
    ///
    /// # Errors
    /// Where the process counts already.
    pub fn install() -> std::result::Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .set_buckets_for_metric(Matcher::Full("shamisen_batch_texts".to_owned()), &TEXTS)?
            .set_buckets_for_metric(Matcher::Full("shamisen_batch_tokens".to_owned()), &TOKENS)?
            .install_recorder()?;
        describe();
        gauge!("shamisen_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(recorder))
    }

    /// Gathers what was measured since, every few seconds for as long as the process lives: nobody may be
    /// scraping, and single measurements would fill the memory.
    pub async fn keep_up(self) {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            self.0.run_upkeep();
        }
    }
}

fn describe() {
    describe_counter!("shamisen_requests_total", "Requests by route, method, status, and the model that answered.");
    describe_histogram!(
        "shamisen_request_seconds",
        Unit::Seconds,
        "From a request's head to its answer's, by route and method."
    );
    describe_counter!("shamisen_errors_total", "Requests that were refused or failed, by the error's code.");
    describe_gauge!("shamisen_connections", "Connections that are open.");
    describe_counter!("shamisen_texts_total", "Texts that were embedded, by model.");
    describe_counter!("shamisen_tokens_total", "Tokens that were embedded, by model.");
    describe_histogram!(
        "shamisen_stage_seconds",
        Unit::Seconds,
        "What a request's texts took: tokenize, queue (waiting for a thread), infer (the forward pass)."
    );
    describe_gauge!(
        "shamisen_queue_parts",
        "Parts of requests that wait for an inference thread; a small request has one."
    );
    describe_gauge!("shamisen_queue_texts", "Texts that wait for an inference thread.");
    describe_gauge!("shamisen_queue_tokens", "Tokens that wait for an inference thread.");
    describe_histogram!("shamisen_batch_texts", "Texts of one forward pass.");
    describe_histogram!(
        "shamisen_batch_tokens",
        "Tokens of one forward pass. None of them is padding: there is none, by design."
    );
    describe_gauge!(
        "shamisen_token_cache_bytes",
        Unit::Bytes,
        "What frozen models keep of single tokens, of at most 64 MiB."
    );
    describe_counter!("shamisen_token_cache_hits_total", "Tokens whose first layers were kept.");
    describe_counter!("shamisen_token_cache_misses_total", "Tokens whose first layers were computed.");
    describe_gauge!("shamisen_vector_cache_bytes", Unit::Bytes, "Vectors that are kept, where they are.");
    describe_counter!("shamisen_vector_cache_hits_total", "Texts whose vectors were kept.");
    describe_counter!("shamisen_vector_cache_misses_total", "Texts whose vectors were not.");
    describe_gauge!("shamisen_models_loaded", "Models in memory.");
    describe_gauge!(
        "shamisen_resident_bytes",
        Unit::Bytes,
        "The process's memory, mapped tables included as far as they were read."
    );
    describe_gauge!("shamisen_jobs", "Training jobs by status.");
    describe_gauge!("shamisen_training_step", "The running job's step, from 1; 0 while none trains.");
    describe_gauge!(
        "shamisen_training_steps_per_second",
        "The running job's rate, as its estimate of the time left has it."
    );
    describe_gauge!("shamisen_build_info", "1, with the program's version.");
}

/// Counts each request and how long its answer took to begin.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = match route.as_ref().map(MatchedPath::as_str) {
        // The page's files are one route: nobody watches them one by one.
        Some(route) if routes::is_page(route) => "/{file}",
        Some(route) => route,
        None => "none",
    };
    let status = response.status().as_u16().to_string();
    let model = response.headers().get("x-model").and_then(|model| model.to_str().ok()).unwrap_or_default();
    counter!("shamisen_requests_total",
        "route" => route.to_owned(), "method" => method, "status" => status, "model" => model.to_owned())
    .increment(1);
    let seconds = started.elapsed().as_secs_f64();
    histogram!("shamisen_request_seconds", "route" => route.to_owned(), "method" => method).record(seconds);
    response
}

/// A client may invent methods.
fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

/// What the server counts and measures.
///
/// In the text format of Prometheus. Once there are keys, it asks for one with the scope `metrics` or `admin`.
#[utoipa::path(get, path = "/metrics", tag = "Server",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain")))]
async fn scrape(State(state): State<AppState>) -> Result<Response> {
    look_around(&state).await?;
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((headers, state.meter.0.render()).into_response())
}

/// Sets the gauges of what is asked for only now.
async fn look_around(state: &AppState) -> Result<()> {
    let depth = state.engine.waiting();
    gauge!("shamisen_queue_parts").set(depth.requests as f64);
    gauge!("shamisen_queue_texts").set(depth.texts as f64);
    gauge!("shamisen_queue_tokens").set(depth.tokens as f64);
    gauge!("shamisen_models_loaded").set(state.pool.resident().len() as f64);
    let tokens = state.pool.token_cache();
    gauge!("shamisen_token_cache_bytes").set(tokens.bytes() as f64);
    counter!("shamisen_token_cache_hits_total").absolute(tokens.hits());
    counter!("shamisen_token_cache_misses_total").absolute(tokens.misses());
    if let Some(vectors) = state.engine.cache() {
        gauge!("shamisen_vector_cache_bytes").set(vectors.bytes() as f64);
        counter!("shamisen_vector_cache_hits_total").absolute(vectors.hits());
        counter!("shamisen_vector_cache_misses_total").absolute(vectors.misses());
    }
    if let Some(bytes) = resident_bytes() {
        gauge!("shamisen_resident_bytes").set(bytes as f64);
    }
    let store = &state.store;
    let counts = store.job_counts().await?;
    for (status, name) in STATUSES {
        let count = counts.iter().find(|(counted, _)| *counted == status).map_or(0, |(_, count)| *count);
        gauge!("shamisen_jobs", "status" => name).set(count as f64);
    }
    let (step, rate) = match store.training_progress().await? {
        Some(progress) if progress.seconds_remaining > 0.0 => {
            let left = progress.total_steps.saturating_sub(progress.step) as f64;
            (progress.step as f64, left / progress.seconds_remaining)
        }
        Some(progress) => (progress.step as f64, 0.0),
        None => (0.0, 0.0),
    };
    gauge!("shamisen_training_step").set(step);
    gauge!("shamisen_training_steps_per_second").set(rate);
    Ok(())
}

const STATUSES: [(Status, &str); 5] = [
    (Status::Queued, "queued"),
    (Status::Running, "running"),
    (Status::Succeeded, "succeeded"),
    (Status::Failed, "failed"),
    (Status::Cancelled, "cancelled"),
];

/// The process's memory, where the system has a `/proc` that tells.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
