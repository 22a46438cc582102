//! What is counted and measured, for Prometheus.
//!
//! Every label has few values, and none is a client's: routes are templates, methods and statuses are HTTP's,
//! codes are the program's own, and a model's id is one that has answered.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use metrics::{counter, gauge, histogram};
use tables::choices::name_of;

use crate::http::error::Result;
use crate::http::routes;
use crate::http::state::AppState;
use crate::store::{self, Status};

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
pub(super) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

/// What the server counts and measures.
///
/// In the text format of Prometheus. Once there are keys, it asks for one with the scope `metrics` or `admin`.
#[utoipa::path(get, path = "/metrics", tag = "Server",
    responses((status = 200, description = "The figures.", body = String, content_type = "text/plain")))]
pub(crate) async fn scrape(State(state): State<AppState>) -> Result<Response> {
    look_around(&state);
    // The other figures are told also where the database is away.
    if let Err(error) = count_jobs(&state).await {
        tracing::warn!(%error, "the jobs cannot be counted");
    }
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((headers, state.recorder.0.render()).into_response())
}

/// Sets the gauges of what is asked for only now.
fn look_around(state: &AppState) {
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
    gauge!("shamisen_database_writable").set(f64::from(u8::from(state.store.writing().is_ok())));
}

async fn count_jobs(state: &AppState) -> store::Result<()> {
    let store = &state.store;
    let counts = store.job_counts().await?;
    for status in [Status::Queued, Status::Running, Status::Succeeded, Status::Failed, Status::Cancelled] {
        let count = counts.iter().find(|(counted, _)| *counted == status).map_or(0, |(_, count)| *count);
        gauge!("shamisen_jobs", "status" => name_of(&status)).set(count as f64);
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

/// The process's memory, where the system has a `/proc` that tells.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}
