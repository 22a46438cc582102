//! What a key may use at a time, and what is left of it, in the headers that OpenAI's clients read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::{ApiError, Code};
use crate::keys::{Excess, Left, Meter};

/// What is told of the requests at once and of the tokens: how many may be, are left, and when all are there again.
pub(crate) const HEADERS: [[&str; 3]; 2] = [
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
];

/// Answers a request within what its key may use. It takes the tokens that its answer tells of.
pub(super) async fn answer(meter: &Arc<Meter>, request: Request, next: Next) -> Response {
    let mut response = match meter.enter(Instant::now()) {
        Ok(turn) => {
            let response = next.run(request).await;
            turn.spend(tokens(&response), Instant::now());
            response
        }
        Err(excess) => refused(excess).into_response(),
    };
    tell(meter.left(Instant::now()), response.headers_mut());
    response
}

/// The tokens that a request took.
fn tokens(response: &Response) -> u64 {
    let told = response.headers().get("x-compute-tokens").and_then(|tokens| tokens.to_str().ok());
    told.and_then(|tokens| tokens.parse().ok()).unwrap_or_default()
}

fn refused(excess: Excess) -> ApiError {
    match excess {
        Excess::Requests { at_once } => ApiError::of(Code::TooManyRequests)
            .detail(format!("{at_once} requests are in flight, which is as many as the key may have at once."))
            .passes_in(1),
        Excess::Tokens { per_minute, passes_in } => {
            let seconds = passes_in.as_secs_f64().ceil() as u64;
            ApiError::of(Code::TooManyTokens)
                .detail(format!(
                    "The key may have {per_minute} tokens embedded in a minute, and has had them; some come back in {seconds} s."
                ))
                .passes_in(seconds)
        }
    }
}

fn tell(left: [Option<Left>; 2], headers: &mut HeaderMap) {
    for (names, left) in HEADERS.into_iter().zip(left) {
        let Some(Left { limit, remaining, whole_in }) = left else { continue };
        let reset = HeaderValue::from_str(&duration(whole_in)).expect("a duration is ASCII");
        for (name, value) in names.into_iter().zip([limit.into(), remaining.into(), reset]) {
            headers.insert(name, value);
        }
    }
}

/// As OpenAI writes it: `350ms`, `12s`, `6m0s`.
fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    match milliseconds {
        0 => "0s".to_owned(),
        1..1000 => format!("{milliseconds}ms"),
        _ => match milliseconds.div_ceil(1000) {
            seconds @ ..60 => format!("{seconds}s"),
            seconds => format!("{}m{}s", seconds / 60, seconds % 60),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_openais_clients_read_it() {
        let told = [0, 350, 12_000, 12_001, 59_999, 360_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(told, ["0s", "350ms", "12s", "13s", "1m0s", "6m0s"]);
    }
}
