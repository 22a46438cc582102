//! A table's own file, as it was sent.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::io::AsyncReadExt;

use super::AppState;
use super::datasets::find;
use super::error::{ApiError, Result};
use super::extract::Path;
use crate::store::Dataset;

/// Bytes that are read of a file at a time.
const CHUNK: usize = 256 << 10;

/// Get a table's own file.
///
/// The bytes as they were sent.
#[utoipa::path(
    get,
    path = "/datasets/{id}/file",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    responses(
        (status = 200, description = "The file.", body = Vec<u8>, content_type = "application/octet-stream",
            headers(("Content-Disposition" = String, description = "`attachment`, with the file's name."))),
        (status = 404, description = "There is no such dataset."),
    )
)]
pub(crate) async fn read_file(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response> {
    let dataset = find(&state, &id, "id").await?;
    let body = bytes_of(&state, &dataset).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&dataset.name)),
    ];
    Ok((headers, body).into_response())
}

/// A dataset's file as it was sent, a piece at a time.
pub(crate) async fn bytes_of(state: &AppState, dataset: &Dataset) -> Result<Body> {
    let file = tokio::fs::File::open(state.queue.datasets.file(dataset)).await.map_err(ApiError::internal)?;
    let pieces = stream::unfold(Some(file), |file| async {
        let mut file = file?;
        let mut piece = vec![0; CHUNK];
        match file.read(&mut piece).await {
            Ok(0) => None,
            Ok(read) => {
                piece.truncate(read);
                Some((Ok(Bytes::from(piece)), Some(file)))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Body::from_stream(pieces))
}

/// `attachment`, with a file's name in any script (RFC 6266; RFC 8187 for what is not plain ASCII).
pub(crate) fn disposition(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') { c } else { '_' };
    let fallback: String = name.chars().map(plain).collect();
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
    }
}
