//! A span for each request: what is logged inside it carries the request's id.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Span};

/// Puts the request into a span with its id, method and route. Never its query, headers or body: those hold
/// texts and keys.
pub(crate) async fn trace(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let span = span(&request);
    let response = next.run(request).instrument(span.clone()).await;
    span.in_scope(|| {
        let status = response.status().as_u16();
        span.record("http.response.status_code", status);
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        tracing::debug!(status, milliseconds, "answered");
    });
    response
}

/// Of the level of errors, so that every level that is logged has it.
fn span(request: &Request) -> Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let span = tracing::error_span!(
        "request",
        request_id = id,
        "http.request.method" = request.method().as_str(),
        "http.route" = route,
        "http.response.status_code" = tracing::field::Empty,
    );
    #[cfg(feature = "otel")]
    continue_trace(request, &span);
    span
}

/// The span becomes a part of the trace that the client has begun (`traceparent`), if it has.
#[cfg(feature = "otel")]
fn continue_trace(request: &Request, span: &Span) {
    use opentelemetry::propagation::{Extractor, TextMapPropagator};
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    struct Headers<'a>(&'a axum::http::HeaderMap);
    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key).and_then(|value| value.to_str().ok())
        }
        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(|name| name.as_str()).collect()
        }
    }
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // A span that is not exported has no place for a parent.
    let _ = span.set_parent(parent);
}
