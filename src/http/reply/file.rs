//! Files on their way out.

use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use tokio_util::io::ReaderStream;

/// Bytes of a file that are sent at once.
const PIECE: usize = 256 << 10;

/// A body as a file of this name.
pub(crate) fn attachment(name: &str, content_type: &'static str, body: Body) -> Response {
    ([(CONTENT_TYPE, content_type.to_owned()), (CONTENT_DISPOSITION, disposition(name))], body).into_response()
}

/// A file's bytes, a piece at a time.
pub(crate) fn streamed(file: tokio::fs::File) -> Body {
    Body::from_stream(ReaderStream::with_capacity(file, PIECE))
}

/// `attachment`, with a file's name in any script (RFC 6266; RFC 8187 for what is not plain ASCII).
fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
    if fallback == name {
        return format!("attachment; filename=\"{name}\"");
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_japanese_file_name_goes_through_a_header() {
        assert_eq!(
            disposition("職 \"1\".csv"),
            "attachment; filename=\"_ _1_.csv\"; filename*=UTF-8''%E8%81%B7%20%221%22.csv"
        );
        assert_eq!(disposition("my jobs.csv"), "attachment; filename=\"my jobs.csv\"");
    }
}
