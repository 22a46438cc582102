//! Answers without a route: to connections that are too many, and to heads that are no requests. The latter are refused
//! by hyper, which has no words for it and no hook to lend it some; its answer is recognised on its way out.

use crate::http::error::{ApiError, Code};

/// An error as a whole answer, after which the connection ends.
pub(super) fn answer(error: &ApiError) -> Vec<u8> {
    let (status, retry_after) = (error.status(), error.wait());
    let body = error.to_json();
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n{retry_after}connection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

/// What is to be written where hyper refuses a head; `None` for everything else. Every answer of the routes has an
/// `x-request-id`.
pub(super) fn instead_of(written: &[u8]) -> Option<Vec<u8>> {
    let head = written.strip_prefix(b"HTTP/1.1 4")?.strip_suffix(b"\r\n\r\n")?;
    let code = match head.get(..2)? {
        b"00" => Code::HeadNotReadable,
        b"14" => Code::UriTooLong,
        b"31" => Code::HeadTooLarge,
        _ => return None,
    };
    let text = std::str::from_utf8(head).ok()?;
    let bare =
        text.contains("\r\ncontent-length: 0") && !text.contains("\r\nx-request-id:") && !text.contains("\r\n\r\n");
    bare.then(|| {
        count(code);
        answer(&ApiError::of(code))
    })
}

/// Counts an error that no route has met.
pub(super) fn count(code: Code) {
    metrics::counter!("shamisen_errors_total", "code" => code.entry().code).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_without_a_word_is_given_words() {
        let told = |head: &str| instead_of(head.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        let bare = "connection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        for (status, code) in [
            ("400 Bad Request", "head_not_readable"),
            ("414 URI Too Long", "uri_too_long"),
            ("431 Request Header Fields Too Large", "head_too_large"),
        ] {
            let answer = told(&format!("HTTP/1.1 {status}\r\n{bare}")).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
            assert!(
                answer.contains(&format!("\"code\":\"{code}\"")) && answer.contains("connection: close"),
                "{answer}"
            );
        }
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: req_1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 7\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nmore",
            "HTTP/1.1 4",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
