//! Who may call: while there are no keys, only this machine, and no foreign web page.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AppState;
use super::error::ApiError;

/// Refuses requests that a foreign page makes through the user's own browser: a host name that is
/// not this machine's (DNS rebinding), and writes that the browser marks as cross-site.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if state.limits.this_machine_only && !host_is_local(&request) {
        return refuse("host_not_allowed", "The request names another host than this machine.").into_response();
    }
    let site = request.headers().get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && matches!(site, Some("cross-site" | "same-site")) {
        return refuse("cross_site", "A page of another site may not change anything here.").into_response();
    }
    next.run(request).await
}

fn refuse(code: &'static str, detail: &str) -> ApiError {
    ApiError::new(
        (StatusCode::FORBIDDEN, code, "Not allowed"),
        detail,
        "Call the server as localhost or 127.0.0.1, from its own page or a program.",
    )
}

fn host_is_local(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "::1")
}
