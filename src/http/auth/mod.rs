//! Who may call: this machine while there are no keys, whoever has one from then on, and no foreign web page.

mod access;
pub(crate) mod caller;
pub(crate) mod keys;

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::{ApiError, Code, Result};
use crate::http::middleware::cors;
use crate::http::routes::{self, RequiredScope};
use crate::http::state::AppState;
use crate::keys::Entry;
use caller::Caller;

/// Refuses requests without a key, where one is needed; requests that a foreign page makes through the user's own
/// browser: a host name that is not this machine's (DNS rebinding), and writes that the browser marks as
/// cross-site; and while the models are loading, all that need them.
pub(crate) async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&state, &parts).await {
        Ok(caller) => {
            parts.extensions.insert(caller);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(error) => {
            let mut response = error.into_response();
            if response.status() == StatusCode::UNAUTHORIZED {
                let challenge = HeaderValue::from_static("Bearer realm=\"shamisen\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
    }
}

async fn admit(state: &AppState, request: &Parts) -> Result<Caller> {
    let template = request.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let required = routes::required_scope(&request.method, template);
    // Whoever watches the server asks by whatever address it has, and learns nothing else.
    let watches = template.is_some_and(|template| template.starts_with("/health"));
    if !watches && state.limits.this_machine_only && !host_is_local(request) && !state.keys.in_use().await? {
        return Err(ApiError::of(Code::HostNotAllowed).detail("The request names another host than this machine."));
    }
    let site = request.headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    let reads = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let foreign_page = matches!(site, Some("cross-site" | "same-site"));
    if !reads && foreign_page && !cors::allows(&state.limits.cors_origins, &request.headers) {
        return Err(ApiError::of(Code::CrossSite).detail("A page of another site may not change anything here."));
    }
    let RequiredScope::OneOf(scopes) = required else { return Ok(Caller::default()) };
    let caller = match state.keys.check(presented(request)).await? {
        Entry::Open => Caller::default(),
        Entry::Refused(refusal) => return Err(access::refused(refusal)),
        Entry::Known(key) if key.may(scopes) => Caller::with(key),
        Entry::Known(key) => {
            let what = format!("{} {}", request.method, template.unwrap_or_default());
            return Err(access::scope_missing(&key, scopes, &what));
        }
    };
    state.lifecycle.answers_requests()?;
    Ok(caller)
}

/// The key that came with a request.
fn presented(request: &Parts) -> Option<&str> {
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    bearer.or_else(|| text("x-api-key").map(str::trim))
}

fn host_is_local(request: &Parts) -> bool {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri.host()).unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "::1")
}
