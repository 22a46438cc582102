//! The edge: routes, extractors, errors, the page. One file a resource; a path repeats a route.

mod access;
mod aliases;
mod caller;
mod codes;
mod compare;
mod connections;
mod cors;
mod dataset_file;
mod dataset_rows;
mod datasets;
mod deadline;
mod docs;
mod embed;
mod error;
mod events;
mod export;
mod extract;
mod fingerprint;
mod guard;
mod hard_negatives;
mod health;
mod info;
mod inspect;
mod job_body;
mod jobs;
mod keys;
mod life;
mod losses;
mod metrics;
mod models;
mod names;
mod neighbours;
mod openai;
mod openapi;
mod pages;
mod prometheus;
mod schema;
mod scores;
mod several;
mod similarity;
mod suggestions;
mod taxonomy;
mod tei;
mod text_list;
mod tokenize;
mod trace;
mod upload;
mod verdict;
mod versions;
mod wishes;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::analysis::Analysis;
use crate::jobs::{JobQueue, Planner};
use crate::keys::Keyring;
use crate::serving::{Engine, ModelPool};
use crate::store;
pub use connections::ConnectionLimits;
pub use cors::is_origin;
use error::{ApiError, nearest};
pub use life::Life;
pub use openapi::document;
pub use prometheus::Meter;

/// What handlers share; each request has a handle to it.
pub type AppState = Arc<Shared>;

/// What handlers share.
pub struct Shared {
    /// Jobs, datasets, models.
    pub queue: JobQueue,
    /// What a job would take.
    pub planner: Planner,
    /// The models in memory.
    pub pool: Arc<ModelPool>,
    /// The inference threads.
    pub engine: Arc<Engine>,
    /// A permit for each list of texts that `/tokenize` may work on at once.
    pub tokenizing: Arc<Semaphore>,
    /// A permit for each export that may be on the disk at once.
    pub exporting: Arc<Semaphore>,
    /// What tables ask models.
    pub analysis: Analysis,
    /// What requests may ask for.
    pub limits: Arc<Limits>,
    /// Who may ask.
    pub keys: Arc<Keyring>,
    /// Loading, answering or stopping.
    pub life: Arc<Life>,
    /// What is counted and measured.
    pub meter: Meter,
    /// Ends streams and waits when the server stops.
    pub stop: CancellationToken,
}

/// What requests may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Texts in one request.
    pub max_texts: usize,
    /// Texts that may wait for the inference threads.
    pub max_waiting: usize,
    /// Inference threads; as many lists of texts are tokenized at a time.
    pub threads: usize,
    /// Bytes of an uploaded table.
    pub max_upload: usize,
    /// Bytes of any other body.
    pub max_body: usize,
    /// While there are no keys, only requests to this machine's own name are answered.
    pub this_machine_only: bool,
    /// Pages of other sites that may call; `*` for all.
    pub cors_origins: Vec<String>,
    /// To the head of an answer, where the route is none of those that take long.
    pub request_deadline: Duration,
    /// A body may stand still for so long.
    pub body_patience: Duration,
    /// The dataset that measures general ability where a job names none.
    pub default_benchmark: Option<String>,
}

/// Only the server's own files, no inline code.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// All routes.
pub fn router(state: AppState) -> Router {
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let request_id = HeaderName::from_static("x-request-id");
    let cors_origins = state.limits.cors_origins.clone();
    let router = Router::from(routes(state.limits.max_body, state.limits.max_upload))
        .merge(docs::router())
        .merge(pages::files())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(state.clone(), deadline::deadline))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .layer(middleware::from_fn(fingerprint::hold_to_fingerprint))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(error::finish));
    let router = if cors_origins.is_empty() { router } else { router.layer(cors::layer(&cors_origins)) };
    router
        .layer(header(CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(middleware::from_fn(prometheus::observe))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(middleware::from_fn(trace::trace))
        .layer(SetRequestIdLayer::new(request_id, NewRequestId))
        .with_state(state)
}

/// The routes of the API with their descriptions.
fn routes(max_body: usize, max_upload: usize) -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(embed::router())
        .merge(similarity::router())
        .merge(models::router())
        .merge(aliases::router())
        .merge(compare::router())
        .merge(neighbours::router())
        .merge(verdict::router())
        .merge(hard_negatives::router())
        .merge(suggestions::router())
        .merge(export::router())
        .merge(losses::router())
        .merge(health::router())
        .merge(keys::router())
        .merge(prometheus::router())
        .merge(pages::router())
        .merge(openapi::router())
        .merge(info::router())
        .merge(openai::router(max_upload))
        .merge(tei::router())
        .merge(tokenize::router())
        .layer(DefaultBodyLimit::max(max_body))
        .merge(datasets::router(max_upload))
        .merge(taxonomy::router(max_upload))
        .merge(jobs::router(max_upload))
}

/// Answers requests until `state.stop`, then lets those in flight finish, for a while.
///
/// # Errors
/// What the system says of the listener.
pub async fn serve(listener: TcpListener, state: AppState, limits: ConnectionLimits) -> std::io::Result<()> {
    let stop = state.stop.clone();
    connections::serve(listener, router(state), stop, limits).await
}

/// `req_..`: stands in the reply's header, in errors and in the log.
#[derive(Clone, Copy)]
struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _request: &axum::http::Request<B>) -> Option<RequestId> {
        HeaderValue::from_str(&store::new_id("req")).ok().map(RequestId::new)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(payload: Box<dyn std::any::Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    ApiError::internal(format!("a handler panicked: {}", text.unwrap_or("no message"))).into_response()
}

/// The routes that a wrong path may have meant: those without parameters.
static ROUTES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let described = routes(0, 0).into_openapi().paths.paths;
    described.into_keys().filter(|path| path.len() > 1 && !path.contains('{')).collect()
});

async fn no_such_route(request: Request) -> ApiError {
    let path = request.uri().path();
    let guess = nearest(path, ROUTES.iter().map(String::as_str))
        .map(|route| format!(" Did you mean {route}?"))
        .unwrap_or_default();
    ApiError::not_found(
        "route_not_found",
        format!("There is nothing at {path}.{guess}"),
        format!("Routes: {}.", ROUTES.join(", ")),
    )
}

async fn no_such_method(request: Request) -> ApiError {
    let detail = format!("{} is not possible at {}.", request.method(), request.uri().path());
    ApiError::new(
        (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Not possible here"),
        detail,
        "The Allow header lists the methods that are.",
    )
}

/// Milliseconds as clients read them: `2026-01-31T12:00:00.123Z`.
fn rfc3339(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
