//! The edge: routes, extractors, errors, the page. One folder a resource; a path repeats a route.

mod auth;
mod connections;
mod datasets;
mod embeddings;
mod error;
mod extract;
mod health;
mod jobs;
mod middleware;
mod models;
mod openai;
mod pages;
mod reply;
mod rerank;
pub mod routes;
mod state;
mod tei;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate, SizeAbove};
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use connections::{BodyPace, ConnectionLimits};
use error::words::{nearest, shown};
use error::{ApiError, Code};
pub use middleware::cors::is_origin;
pub use middleware::lifecycle::Lifecycle;
use middleware::query::{self, KnownFields};
pub use middleware::recorder::Recorder;
use middleware::{cors, deadline, json_text, metrics, trace};
pub use state::{App, AppState, Limits};

/// The API's description (OpenAPI 3.1), as `GET /openapi.json` answers it.
pub fn document() -> &'static str {
    pages::openapi::document(api)
}

/// The page `docs/api.md`: every route with what it takes, asks for and may do.
pub fn api_page() -> String {
    pages::reference::api_page(document())
}

/// Only the server's own files, no inline code.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All routes.
pub fn router(state: AppState) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let cors_origins = state.limits.cors_origins.clone();
    let router = Router::from(api())
        .merge(pages::router())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(json_text::mend_bodies))
        // Within the limit of bodies, which counts what comes out.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(from_fn_with_state(KnownFields::of(document()), query::check))
        .layer(from_fn_with_state(state.clone(), auth::authorize))
        // Around it, since who may call takes time too, and a body that is refused unread is taken from its client.
        .layer(from_fn_with_state(state.clone(), deadline::deadline))
        .layer(from_fn(embeddings::hold_to_fingerprint))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(error::finish));
    let router = if cors_origins.is_empty() { router } else { router.layer(cors::layer(&cors_origins)) };
    router
        .layer(compression())
        .layer(header(CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(from_fn(metrics::observe))
        .layer(from_fn(trace::trace))
        .with_state(state)
}

/// Packs replies for clients that ask for it. Streams of events, and what is packed already, go as they are.
fn compression() -> CompressionLayer<impl Predicate> {
    // Less fits in a packet or two anyway.
    let worth_it = DefaultPredicate::new()
        .and(SizeAbove::new(1024))
        .and(NotForContentType::const_new("application/zip"))
        .and(NotForContentType::const_new("application/gzip"))
        .and(NotForContentType::const_new("application/x-tar"));
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(worth_it)
}

/// The routes of the API with their descriptions.
fn api() -> OpenApiRouter<AppState> {
    embeddings::router()
        .merge(models::router())
        .merge(datasets::router())
        .merge(jobs::router())
        .merge(openai::router())
        .merge(tei::router())
        .merge(rerank::router())
        .routes(routes!(auth::keys::list_keys, auth::keys::create_key))
        .routes(routes!(auth::keys::revoke_key))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::scrape))
        .merge(pages::described(api))
}

/// Answers requests until `state.stop`, then lets those in flight finish, for a while.
///
/// # Errors
/// What the system says of the listener.
pub async fn serve(listener: TcpListener, state: AppState, limits: ConnectionLimits) -> std::io::Result<()> {
    let (lifecycle, stop) = (std::sync::Arc::clone(&state.lifecycle), state.stop.clone());
    connections::serve(listener, router(state), lifecycle, stop, limits).await
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or("no message"))).into_response()
}

async fn no_such_route(request: Request) -> ApiError {
    let path = request.uri().path();
    let guess = nearest(path, routes::plain_paths()).map(|route| format!(" Did you mean {route}?")).unwrap_or_default();
    ApiError::of(Code::RouteNotFound)
        .detail(format!("There is nothing at {}.{guess}", shown(path)))
        .hint(format!("Routes: {}.", routes::plain_paths().collect::<Vec<_>>().join(", ")))
}

async fn no_such_method(request: Request) -> ApiError {
    let (method, path) = (shown(request.method().as_str()), shown(request.uri().path()));
    let detail = format!("{method} is not possible at {path}.");
    ApiError::of(Code::MethodNotAllowed).detail(detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_of_routes_is_the_routers() {
        let table: BTreeSet<_> =
            routes::ROUTES.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(table.len(), routes::ROUTES.len(), "a route stands twice");
        let described = serde_json::to_value(api().into_openapi()).unwrap();
        let mut router: BTreeSet<_> = pages::DOCUMENTS.iter().map(|path| format!("GET {path}")).collect();
        for (path, methods) in described["paths"].as_object().unwrap() {
            router
                .extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
        }
        assert_eq!(table, router);
    }
}
