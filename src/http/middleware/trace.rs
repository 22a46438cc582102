//! A span for each request: what is logged inside it carries the request's id.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument, Span};

use super::metrics;
use crate::store;

const REQUEST_ID: &str = "x-request-id";
/// Characters of a client's own id: that of a load balancer or a trace has fewer.
const LONGEST_ID: usize = 64;

/// Gives the request its id, which stands in the reply's header, in errors and in the log, and puts it into a span with
/// that, its method and its route. Never its path, query, headers or body: those hold texts and keys.
pub(crate) async fn trace(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let span = span(&request);
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(REQUEST_ID, id);
    span.in_scope(|| {
        let status = response.status().as_u16();
        span.record("http.response.status_code", status);
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        tracing::debug!(status, milliseconds, "answered");
    });
    response
}

/// The client's own id where it is one, so that its log and ours can be laid side by side; otherwise a new one, `req_..`.
/// What a client writes into a log is to have no meaning there, for people or for programs.
fn id(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=/+".contains(byte);
    let is_id = |id: &&HeaderValue| (1..=LONGEST_ID).contains(&id.len()) && id.as_bytes().iter().all(plain);
    let new = || HeaderValue::from_str(&store::new_id("req")).expect("an id is ASCII");
    headers.get(REQUEST_ID).filter(is_id).cloned().unwrap_or_else(new)
}

/// Of the level of errors, so that every level that is logged has it.
fn span(request: &Request) -> Span {
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let span = tracing::error_span!(
        "request",
        request_id = id,
        "http.request.method" = metrics::method(request.method()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_id_is_kept_where_it_is_one_and_replaced_where_it_could_be_anything() {
        let of = |sent: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(sent).unwrap());
            id(&headers).to_str().unwrap().to_owned()
        };
        for kept in ["req-1", "0198c0ff-ee00-7000-8000-00000000cafe", "Root=1-67891233-abcdef012345678912345678"] {
            assert_eq!(of(kept), kept);
        }
        for other in ["", "two words", "a\"b", "{}", "a;b", &"x".repeat(65)] {
            assert!(of(other).starts_with("req_"), "{other}");
        }
        assert!(id(&HeaderMap::new()).to_str().unwrap().starts_with("req_"));
    }
}
