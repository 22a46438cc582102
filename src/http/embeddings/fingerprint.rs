//! Which model answered, and what it took: for replies whose body has no room for it, and for clients that count on one.

use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::ApiError;
use crate::serving::{Stages, Vectors};

/// What a client of any route may send to be sure of the model.
pub(crate) const EXPECTED_FINGERPRINT: &str = "x-expected-fingerprint";

/// The fingerprint that a request's headers count on.
pub(crate) fn expected(headers: &HeaderMap) -> Option<String> {
    headers.get(EXPECTED_FINGERPRINT).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// Holds replies of routes whose bodies have no room for an expected fingerprint to the header.
pub(crate) async fn hold_to_fingerprint(request: Request, next: Next) -> Response {
    let expected = expected(request.headers());
    let response = next.run(request).await;
    let found = response.headers().get("x-model-fingerprint").and_then(|value| value.to_str().ok());
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => {
            ApiError::fingerprint_mismatch(&expected, found).into_response()
        }
        _ => response,
    }
}

/// Which model answered, which texts were cut, and what it took.
pub(crate) fn headers(answer: &Vectors) -> HeaderMap {
    let cut: Vec<usize> = answer.truncated.iter().map(|text| text.index).collect();
    let count = if cut.is_empty() { String::new() } else { cut.len().to_string() };
    told([
        ("x-model", answer.model.id().to_owned()),
        ("x-model-fingerprint", answer.model.fingerprint().to_string()),
        ("x-truncated-inputs", places(&cut)),
        ("x-truncated-count", count),
        ("x-compute-tokens", answer.tokens.iter().sum::<usize>().to_string()),
        ("server-timing", server_timing(&answer.stages)),
    ])
}

/// Of a request that several models answered: the body names them.
pub(crate) fn headers_of_several<'a>(answers: impl Iterator<Item = &'a Vectors> + Clone) -> HeaderMap {
    let tokens: usize = answers.clone().flat_map(|answer| &answer.tokens).sum();
    let slowest = answers.map(|answer| &answer.stages).min_by_key(|stages| stages.began);
    told([("x-compute-tokens", tokens.to_string()), ("server-timing", slowest.map(server_timing).unwrap_or_default())])
}

fn told<const N: usize>(values: [(&'static str, String); N]) -> HeaderMap {
    let value = |value: String| HeaderValue::from_str(&value).ok().filter(|value| !value.is_empty());
    values.into_iter().filter_map(|(name, text)| Some((HeaderName::from_static(name), value(text)?))).collect()
}

/// Bytes of the longest list of places: proxies and clients hold all headers together to some thousand.
const LONGEST_PLACES: usize = 256;

/// Places in ascending order, as in `0,2,5-17`; `...` stands for what a header has no room for.
fn places(all: &[usize]) -> String {
    let mut told = String::new();
    for run in all.chunk_by(|before, next| before + 1 == *next) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let range = match run.len() {
            1 => first.to_string(),
            2 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        };
        let comma = if told.is_empty() { "" } else { "," };
        if told.len() + comma.len() + range.len() + ",...".len() > LONGEST_PLACES {
            return told + ",...";
        }
        told = told + comma + &range;
    }
    told
}

/// The value of the header `Server-Timing`, in milliseconds. `total` is up to now.
fn server_timing(stages: &Stages) -> String {
    let parts = [
        ("tokenize", stages.tokenize),
        ("queue", stages.queue),
        ("infer", stages.infer),
        ("total", stages.began.elapsed()),
    ];
    let part = |(name, took): (&str, Duration)| format!("{name};dur={:.2}", took.as_secs_f64() * 1000.0);
    parts.map(part).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_tells_ranges_and_does_not_grow_with_the_request() {
        assert_eq!(places(&[]), "");
        assert_eq!(places(&[1]), "1");
        assert_eq!(places(&[0, 2, 3, 5, 6, 7]), "0,2,3,5-7");
        assert_eq!(places(&(0..2048).collect::<Vec<_>>()), "0-2047");
        let every_other = places(&(0..8192).step_by(2).collect::<Vec<_>>());
        assert!(every_other.len() <= LONGEST_PLACES && every_other.ends_with(",..."), "{every_other}");
    }
}
