//! The one table of routes: who may call each, how long it may take, and how large its body may be.
//!
//! Authorisation, deadlines, body limits and the API's description read it here; a test compares it with the
//! router. What is not in it is for `admin`.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::http::Method;

use crate::keys::Scope;

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET`, which stands for `HEAD` too, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// Its template, as `/jobs/{id}`.
    pub path: &'static str,
    /// Who may call.
    pub scope: RequiredScope,
    /// The time to the answer's head.
    pub deadline: Deadline,
    /// How much it reads.
    pub body: BodyLimit,
    /// Whether its requests and tokens count towards what a key may use.
    pub metered: bool,
}

/// What a route asks of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredScope {
    /// Nothing: it tells nothing that is not in the program itself.
    Nothing,
    /// A key with one of these scopes, or `admin`.
    OneOf(&'static [Scope]),
}

/// How long an answer may take to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// The server's setting.
    Usual,
    /// Ten minutes: it reads large bodies, loads models, measures or writes much.
    Long,
    /// As `Usual`; none where the client asks to wait (`?wait=`).
    Waits,
    /// As `Usual` for as long as nothing is computed: what is being worked on is not cut off.
    Works,
    /// None: a stream.
    Never,
}

/// How large a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLimit {
    /// The server's setting for requests.
    Usual,
    /// Its setting for tables.
    Upload,
}

use Deadline::{Long, Never, Usual, Waits, Works};
use RequiredScope::{Nothing, OneOf};

pub(crate) const ANY: RequiredScope = OneOf(&Scope::ALL);
/// Keys with the scope `admin` alone.
pub(crate) const ADMIN: RequiredScope = OneOf(&[]);
const EMBED: RequiredScope = OneOf(&[Scope::Embed]);
const TRAIN: RequiredScope = OneOf(&[Scope::Train]);
const EITHER: RequiredScope = OneOf(&[Scope::Embed, Scope::Train]);
const METRICS: RequiredScope = OneOf(&[Scope::Metrics]);

const fn on(method: &'static str, path: &'static str, scope: RequiredScope, deadline: Deadline) -> Route {
    Route { method, path, scope, deadline, body: BodyLimit::Usual, metered: false }
}

const fn get(path: &'static str, scope: RequiredScope, deadline: Deadline) -> Route {
    on("GET", path, scope, deadline)
}

const fn post(path: &'static str, scope: RequiredScope, deadline: Deadline) -> Route {
    on("POST", path, scope, deadline)
}

/// Answers with what a model says of the request's texts.
const fn encode(path: &'static str) -> Route {
    Route { metered: true, ..post(path, EMBED, Works) }
}

const fn put(path: &'static str) -> Route {
    on("PUT", path, ADMIN, Long)
}

const fn delete(path: &'static str, deadline: Deadline) -> Route {
    on("DELETE", path, ADMIN, deadline)
}

/// A table comes in.
const fn upload(path: &'static str) -> Route {
    Route { body: BodyLimit::Upload, ..on("POST", path, TRAIN, Long) }
}

/// All routes but the page's files, which `is_page` knows. What tells texts of a table or a job's titles is for `train`:
/// whoever may embed need not know what was learned from.
pub const ROUTES: &[Route] = &[
    get("/", Nothing, Usual),
    encode("/"),
    get("/aliases", EITHER, Usual),
    get("/aliases/{name}", EITHER, Usual),
    put("/aliases/{name}"),
    delete("/aliases/{name}", Long),
    post("/aliases/{name}/rollback", ADMIN, Long),
    Route { metered: true, ..get("/compare", EMBED, Usual) },
    get("/datasets", TRAIN, Usual),
    upload("/datasets"),
    upload("/datasets/from-taxonomy"),
    upload("/datasets/inspect"),
    get("/datasets/{id}", TRAIN, Usual),
    delete("/datasets/{id}", Long),
    get("/datasets/{id}/diff", TRAIN, Usual),
    get("/datasets/{id}/file", TRAIN, Long),
    post("/datasets/{id}/hard-negatives", TRAIN, Long),
    get("/datasets/{id}/rows", TRAIN, Long),
    get("/datasets/{id}/verdict", TRAIN, Long),
    get("/datasets/{id}/versions", TRAIN, Usual),
    get("/docs", Nothing, Usual),
    get("/docs/errors", Nothing, Usual),
    get("/docs/reference", Nothing, Usual),
    get("/docs/reference/{file}", Nothing, Usual),
    encode("/embed"),
    encode("/embeddings"),
    get("/health", Nothing, Usual),
    get("/health/live", Nothing, Usual),
    get("/health/ready", Nothing, Usual),
    get("/info", EMBED, Usual),
    get("/jobs", TRAIN, Usual),
    upload("/jobs"),
    get("/jobs/{id}", TRAIN, Waits),
    delete("/jobs/{id}", Long),
    post("/jobs/{id}/cancel", TRAIN, Long),
    get("/jobs/{id}/events", TRAIN, Never),
    get("/jobs/{id}/metrics", TRAIN, Usual),
    get("/jobs/{id}/suggestions", TRAIN, Long),
    get("/keys", ADMIN, Usual),
    post("/keys", ADMIN, Usual),
    delete("/keys/{id}", Usual),
    get("/losses", TRAIN, Usual),
    get("/metrics", METRICS, Usual),
    get("/models", EITHER, Usual),
    get("/models/{model}", EITHER, Usual),
    delete("/models/{model}", Long),
    get("/models/{model}/card", TRAIN, Usual),
    get("/models/{model}/export", TRAIN, Long),
    post("/models/{model}/load", ADMIN, Long),
    put("/models/{model}/pin"),
    delete("/models/{model}/pin", Long),
    post("/models/{model}/unload", ADMIN, Long),
    get("/neighbours", TRAIN, Long),
    get("/openapi.json", Nothing, Usual),
    encode("/rerank"),
    encode("/similarity"),
    encode("/tokenize"),
    encode("/v1/embeddings"),
    get("/v1/files", TRAIN, Usual),
    upload("/v1/files"),
    get("/v1/files/{file_id}", TRAIN, Usual),
    delete("/v1/files/{file_id}", Long),
    get("/v1/files/{file_id}/content", TRAIN, Long),
    get("/v1/fine_tuning/jobs", TRAIN, Usual),
    post("/v1/fine_tuning/jobs", TRAIN, Long),
    get("/v1/fine_tuning/jobs/{job_id}", TRAIN, Usual),
    post("/v1/fine_tuning/jobs/{job_id}/cancel", TRAIN, Long),
    get("/v1/fine_tuning/jobs/{job_id}/checkpoints", TRAIN, Usual),
    get("/v1/fine_tuning/jobs/{job_id}/events", TRAIN, Usual),
    get("/v1/models", EITHER, Usual),
    get("/v1/models/{model}", EITHER, Usual),
    delete("/v1/models/{model}", Long),
    encode("/v1/rerank"),
    encode("/v2/rerank"),
];

static BY_NAME: LazyLock<HashMap<(&str, &str), &Route>> =
    LazyLock::new(|| ROUTES.iter().map(|route| ((route.method, route.path), route)).collect());

/// One of the page's files.
const FILE: Route = get("/{file}", Nothing, Usual);

/// The route of a method and of the template that a request matched, as `/jobs/{id}`.
pub(crate) fn find(method: &Method, template: &str) -> Option<&'static Route> {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let known = BY_NAME.get(&(method, template)).copied();
    known.or_else(|| (method == "GET" && is_page(template)).then_some(&FILE))
}

/// Whether a request counts towards what its key may use.
pub(crate) fn is_metered(method: &Method, template: Option<&str>) -> bool {
    template.and_then(|template| find(method, template)).is_some_and(|route| route.metered)
}

/// What a request asks for. `template` is the route that it matched, if it matched one.
pub(crate) fn required_scope(method: &Method, template: Option<&str>) -> RequiredScope {
    // What is not there is told to whoever may call at all.
    let Some(template) = template else { return ANY };
    match find(method, template) {
        Some(route) => route.scope,
        // The router says that the method is not possible there.
        None if ROUTES.iter().any(|route| route.path == template) => ANY,
        None => ADMIN,
    }
}

/// Whether a route is the page or one of its files, which stand at the root and have an ending.
pub(crate) fn is_page(template: &str) -> bool {
    template.strip_prefix('/').is_some_and(|name| name.is_empty() || (!name.contains('/') && name.contains('.')))
}

/// The paths that a wrong one may have meant: those of the API without parameters.
pub(crate) fn plain_paths() -> impl Iterator<Item = &'static str> {
    let plain = |path: &&str| path.len() > 1 && !path.contains('{') && !path.starts_with("/docs");
    let mut paths: Vec<&str> = ROUTES.iter().map(|route| route.path).filter(plain).collect();
    paths.dedup();
    paths.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_asks_for_its_scope_and_an_unknown_one_for_admin() {
        let cases = [
            (Method::GET, "/", Nothing),
            (Method::GET, "/app.js", Nothing),
            (Method::HEAD, "/app.js", Nothing),
            (Method::GET, "/health/ready", Nothing),
            (Method::GET, "/docs/errors", Nothing),
            (Method::GET, "/openapi.json", Nothing),
            (Method::GET, "/metrics", METRICS),
            (Method::GET, "/jobs/{id}/metrics", TRAIN),
            (Method::HEAD, "/jobs/{id}/metrics", TRAIN),
            (Method::POST, "/embed", EMBED),
            (Method::POST, "/", EMBED),
            (Method::POST, "/embeddings-of-others", ADMIN),
            (Method::GET, "/models/{model}", EITHER),
            (Method::GET, "/models/{model}/export", TRAIN),
            (Method::GET, "/models/{model}/card", TRAIN),
            (Method::GET, "/neighbours", TRAIN),
            (Method::GET, "/models/{model}/something-new", ADMIN),
            (Method::POST, "/models/{model}/load", ADMIN),
            (Method::DELETE, "/models/{model}", ADMIN),
            (Method::POST, "/jobs", TRAIN),
            (Method::DELETE, "/jobs/{id}", ADMIN),
            (Method::GET, "/jobs/{id}/suggestions", TRAIN),
            (Method::GET, "/datasets/{id}/verdict", TRAIN),
            (Method::POST, "/datasets/{id}/hard-negatives", TRAIN),
            (Method::DELETE, "/datasets/{id}", ADMIN),
            (Method::PUT, "/aliases/{name}", ADMIN),
            (Method::GET, "/keys", ADMIN),
            (Method::POST, "/keys", ADMIN),
            (Method::POST, "/v1/fine_tuning/jobs/{job_id}/cancel", TRAIN),
            (Method::GET, "/something/new.js", ADMIN),
            (Method::POST, "/app.js", ADMIN),
            (Method::PATCH, "/embed", ANY),
            (Method::DELETE, "/jobs", ANY),
        ];
        for (method, template, expected) in cases {
            assert_eq!(required_scope(&method, Some(template)), expected, "{method} {template}");
        }
        assert_eq!(required_scope(&Method::GET, None), ANY);
    }

    #[test]
    fn every_route_that_removes_something_is_for_admin() {
        let others = ROUTES.iter().filter(|route| route.method == "DELETE" && route.scope != ADMIN);
        assert_eq!(others.count(), 0);
    }
}
