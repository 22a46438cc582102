//! The page at `/`: the files of `static/`, inside the binary.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use rust_embed::Embed;

use super::AppState;

#[derive(Embed)]
#[folder = "static/"]
struct Files;

pub(crate) fn router() -> Router<AppState> {
    let mut router = Router::new();
    for name in Files::iter() {
        let Some(file) = Files::get(&name) else { continue };
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        // The files change with the binary only, but a browser must notice when they do.
        let headers = [(CONTENT_TYPE, media_type(&name)), (CACHE_CONTROL, "no-cache")];
        let reply = (headers, Bytes::from(file.data.into_owned()));
        router = router.route(&path, get(move || std::future::ready(reply.clone())));
    }
    router
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
