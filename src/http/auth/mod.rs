//! Who may call: this machine while there are no keys, whoever has one from then on, and no foreign web page.

mod access;
pub(crate) mod allowance;
pub(crate) mod caller;
mod host;
pub(crate) mod keys;

use axum::extract::{MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::error::{ApiError, Code, Result};
use crate::http::routes::{self, RequiredScope};
use crate::http::state::AppState;
use crate::keys::Entry;
use caller::Caller;
use host::Host;

/// Refuses requests without a key, where one is needed, or beyond what the key may use; requests that a foreign page
/// makes through the user's own browser: a host name that is not this machine's (DNS rebinding), and whatever may change
/// or start something for a page of another origin; and while the models are loading, all that need them.
pub(crate) async fn authorize(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&state, &parts).await {
        Ok(caller) => {
            let meter = caller.meter.clone().filter(|_| routes::is_metered(&parts.method, template(&parts)));
            parts.extensions.insert(caller);
            let request = Request::from_parts(parts, body);
            match meter {
                None => next.run(request).await,
                Some(meter) => allowance::answer(&meter, request, next).await,
            }
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

/// The route that a request matched, if it matched one.
fn template(request: &Parts) -> Option<&str> {
    request.extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

async fn admit(state: &AppState, request: &Parts) -> Result<Caller> {
    let host = Host::of(request)?;
    let template = template(request);
    let required = routes::required_scope(&request.method, template);
    // Whoever watches the server asks by whatever address it has, and learns nothing else.
    let watches = template.is_some_and(|template| template.starts_with("/health"));
    let local = host.is_none_or(|host| host.is_local());
    if !watches && state.limits.this_machine_only && !local && !state.keys.in_use().await? {
        return Err(ApiError::of(Code::HostNotAllowed).detail("The request names another host than this machine."));
    }
    // What a page of another site may read is for the browser to decide, which asks for leave (CORS).
    if !request.method.is_safe() && host::is_foreign_page(request, host, &state.limits.cors_origins) {
        return Err(ApiError::of(Code::CrossSite).detail("A page of another site may not change anything here."));
    }
    let RequiredScope::OneOf(scopes) = required else { return Ok(Caller::default()) };
    let caller = match state.keys.check(presented(request)).await? {
        Entry::Open => Caller::anyone(&state.keys),
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
