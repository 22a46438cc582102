//! Which pages of other sites may call. None, unless the operator names them.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::http::auth::allowance;

const ANY: &str = "*";

/// The headers of replies that a page may read beside the ordinary ones, and beside those of what its key may use.
const EXPOSED: [&str; 15] = [
    "x-request-id",
    "x-model",
    "x-model-fingerprint",
    "x-truncated-inputs",
    "x-truncated-count",
    "x-vectors-shape",
    "x-vectors-dtype",
    "x-vectors-scale",
    "content-encoding",
    "x-compute-tokens",
    "server-timing",
    "retry-after",
    "location",
    "www-authenticate",
    "content-disposition",
];

/// Whether a text is an origin as browsers send it, or `*`: `https://app.example:8443`, and of apps and extensions
/// `tauri://localhost` or `chrome-extension://abcdefghijklmnop`.
pub fn is_origin(text: &str) -> bool {
    let is_scheme = |scheme: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        scheme.starts_with(|first: char| first.is_ascii_lowercase()) && scheme.bytes().all(plain)
    };
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    let is_host = |host: &str| !host.is_empty() && host.bytes().all(plain);
    text == ANY || text.split_once("://").is_some_and(|(scheme, host)| is_scheme(scheme) && is_host(host))
}

/// Whether the page that makes a request is one of those.
pub(crate) fn allows(origins: &[String], headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.is_some_and(|origin| origins.iter().any(|allowed| allowed == ANY || allowed == origin))
}

/// Answers preflights, and says in replies which pages may read them. No cookie is ever involved: a page has to
/// send a key of its own.
pub(crate) fn layer(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == ANY) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let exposed = EXPOSED.into_iter().chain(allowance::HEADERS.into_iter().flatten()).map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        // Clients have headers of their own, and none of them says who they are but those that hold a key.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.collect::<Vec<_>>())
        .max_age(Duration::from_secs(600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_nothing_behind() {
        for origin in ["*", "http://localhost:3000", "https://app.example", "http://[::1]:8080"].into_iter().chain([
            "app://obsidian.md",
            "chrome-extension://abcdefgh",
            "tauri://localhost",
            "vscode-webview://1a2b",
        ]) {
            assert!(is_origin(origin), "{origin}");
        }
        for other in [
            "",
            "://host",
            "9p://host",
            "file://",
            "App://host",
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "https://*.example",
        ] {
            assert!(!is_origin(other), "{other}");
        }
    }
}
