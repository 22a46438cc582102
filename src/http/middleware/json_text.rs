//! JSON bodies as clients really send them: with a byte order mark, or with half of a surrogate pair.
//!
//! JavaScript cuts strings between the halves of a pair, and `JSON.stringify` writes such a half as `\ud83d`. It stands
//! for no character; browsers encode it as U+FFFD, and so it is read here, on its way to whichever reader a route has.

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};

use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code};
use tables::surrogates::mend;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Mends bodies of JSON, and refuses those in an encoding that nobody reads.
pub(crate) async fn mend_bodies(request: Request, next: Next) -> Response {
    if let Some(error) = other_encoding(request.headers()) {
        return error.into_response();
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_json = kind.split(';').next().is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if !is_json || request.body().is_end_stream() {
        return next.run(request).await;
    }
    next.run(request.map(mended)).await
}

/// A body that is packed otherwise than by gzip, or JSON in another encoding than UTF-8, as its headers tell.
fn other_encoding(headers: &HeaderMap) -> Option<ApiError> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let packed = text(header::CONTENT_ENCODING);
    if !matches!(packed.trim(), "" | "identity") {
        let detail = format!("The body's Content-Encoding is {:?}; gzip is unpacked here.", shown(&packed));
        let hint = "Send it with Content-Encoding: gzip, or as it is.";
        return Some(ApiError::of(Code::UnsupportedMediaType).detail(detail).hint(hint));
    }
    let kind = text(header::CONTENT_TYPE);
    let (kind, parameters) = kind.split_once(';')?;
    let charset = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("charset="))?;
    let charset = charset.trim_matches('"');
    let fits = !kind.contains("json") || matches!(charset, "utf-8" | "utf8" | "us-ascii" | "ascii");
    (!fits).then(|| {
        ApiError::of(Code::UnsupportedMediaType)
            .detail(format!("The body's charset is {:?}; JSON is UTF-8 (RFC 8259).", shown(charset)))
            .hint("Send the JSON as UTF-8.")
    })
}

fn mended(body: Body) -> Body {
    let begin = (body.into_data_stream(), Mender::default(), false);
    Body::from_stream(stream::try_unfold(begin, |(mut bytes, mut mender, ended)| async move {
        if ended {
            return Ok::<_, axum::Error>(None);
        }
        match bytes.next().await {
            Some(chunk) => Ok(Some((mender.push(chunk?), (bytes, mender, false)))),
            None => Ok(Some((mender.finish(), (bytes, mender, true)))),
        }
    }))
}

/// The same of JSON that is in memory.
pub(crate) fn mended_bytes(bytes: &Bytes) -> Bytes {
    let mut mender = Mender::default();
    let first = mender.push(bytes.clone());
    let last = mender.finish();
    if last.is_empty() { first } else { [first, last].concat().into() }
}

/// Mends JSON that comes in pieces.
#[derive(Default)]
struct Mender {
    /// Whether the byte order mark would have come by now.
    begun: bool,
    /// The beginning of an escape whose end has not come.
    held: Vec<u8>,
}

impl Mender {
    fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.begun && self.held.is_empty() && !chunk.contains(&b'\\') {
            return chunk;
        }
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(&chunk);
        if !self.begun {
            if bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(&bytes) {
                self.held = bytes;
                return Bytes::new();
            }
            self.begun = true;
            if bytes.starts_with(BYTE_ORDER_MARK) {
                bytes.drain(..BYTE_ORDER_MARK.len());
            }
        }
        let whole = mend(&mut bytes, false);
        self.held = bytes.split_off(whole);
        bytes.into()
    }

    fn finish(&mut self) -> Bytes {
        let mut bytes = std::mem::take(&mut self.held);
        mend(&mut bytes, true);
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_pair_becomes_the_replacement_wherever_the_pieces_end() {
        let cases = [
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ufffd"}"#),
            (r#""\ud83d\ude00 \uDE00 \uD83Dx""#, r#""\ud83d\ude00 \ufffd \ufffdx""#),
            (r#""\\ud83d \\\ud83d \n""#, r#""\\ud83d \\\ufffd \n""#),
            (r#""\ud83d\ud83d\ude00\ud83d\n""#, r#""\ufffd\ud83d\ude00\ufffd\n""#),
            (r#""看護師 é""#, r#""看護師 é""#),
            (r#""\ud83"#, r#""\ud83"#),
            (r#""\ud83d\u"#, r#""\ufffd\u"#),
            (r#""\uzzzz\"#, r#""\uzzzz\"#),
        ];
        for (sent, expected) in cases {
            for mark in ["", "\u{feff}"] {
                let sent = format!("{mark}{sent}");
                for size in 1..=sent.len() {
                    let mut mender = Mender::default();
                    let mut read: Vec<u8> = sent
                        .as_bytes()
                        .chunks(size)
                        .flat_map(|piece| mender.push(Bytes::copy_from_slice(piece)))
                        .collect();
                    read.extend(mender.finish());
                    assert_eq!(String::from_utf8(read).unwrap(), expected, "in pieces of {size}");
                }
                assert_eq!(mended_bytes(&Bytes::from(sent)), expected);
            }
        }
    }
}
