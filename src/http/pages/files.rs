//! The pages: the files of `static/`, inside the binary, and what a program is told at `/`.

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, VARY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::Embed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::state::AppState;

#[derive(Embed)]
#[folder = "static/"]
struct Files;

/// What browsers get at `/`.
const PAGE: &str = "index.html";

pub(super) fn bytes(name: &str) -> Bytes {
    let file = Files::get(name).unwrap_or_else(|| panic!("{name} is not in the binary"));
    Bytes::from(file.data.into_owned())
}

/// A file or a page as a reply. They change with the binary only, but a browser must notice when they do.
pub(super) fn reply(name: &str, bytes: Bytes) -> Response {
    ([(CONTENT_TYPE, media_type(name)), (CACHE_CONTROL, "no-cache")], bytes).into_response()
}

/// The pages' scripts and styles, each under its name. The pages themselves have addresses of their own.
pub(super) fn files() -> Router<AppState> {
    let names = Files::iter().filter(|name| !name.ends_with(".html"));
    names.fold(Router::new(), |router, name| {
        let bytes = bytes(&name);
        router.route(&format!("/{name}"), get(move || std::future::ready(reply(&name, bytes.clone()))))
    })
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

/// What this server is and where to go on.
#[derive(Serialize, ToSchema)]
struct Start {
    service: &'static str,
    version: &'static str,
    /// The page that shows the calls.
    docs: &'static str,
    /// The API's description.
    openapi: &'static str,
    /// The list of models.
    models: &'static str,
    /// A call to begin with, for a terminal.
    example: String,
}

/// Begin here.
///
/// A browser, which asks for HTML, gets the dashboard; a program is told what this server is.
#[utoipa::path(
    get,
    path = "/",
    tag = "Server",
    responses((status = 200, description = "The dashboard, or where to go on.", content(
        (Start = "application/json"),
        (String = "text/html"),
    )))
)]
pub(super) async fn show_start(headers: HeaderMap) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let reply = if text(ACCEPT).is_some_and(|accept| accept.contains("text/html")) {
        reply(PAGE, bytes(PAGE))
    } else {
        let host = text(HOST).unwrap_or("localhost");
        axum::Json(Start {
            service: "shamisen",
            version: env!("CARGO_PKG_VERSION"),
            docs: "/docs",
            openapi: "/openapi.json",
            models: "/models",
            example: format!(
                "curl -s http://{host}/embed -H 'Content-Type: application/json' -d '{{\"texts\": [\"Data Scientist\", \"看護師\"]}}'"
            ),
        })
        .into_response()
    };
    ([(VARY, "Accept")], reply).into_response()
}
