//! A field of a query means what it says, or the request is refused: one that was passed over would answer another
//! question than was asked.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::http::error::ApiError;
use crate::http::routes::{self, RequiredScope};

/// The names of each route's fields, by its method and template, as the API's description tells them.
type Known = HashMap<(String, String), Vec<String>>;

static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    let document: Value = serde_json::from_str(crate::http::document()).unwrap_or_default();
    let mut known = Known::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = parameters.filter(|parameter| parameter["in"] == "query");
            let names = names.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned())).collect();
            known.insert((method.to_uppercase(), path.clone()), names);
        }
    }
    known
});

/// Refuses a field of a query that its route does not know. Pages and documents are anybody's to link to.
pub(crate) async fn known_fields(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

fn unknown(request: &Request) -> Option<ApiError> {
    let query = request.uri().query().filter(|query| !query.is_empty())?;
    let template = request.extensions().get::<MatchedPath>()?.as_str();
    let route = routes::find(request.method(), template)?;
    if route.scope == RequiredScope::Nothing {
        return None;
    }
    let known = KNOWN.get(&(route.method.to_owned(), template.to_owned()))?;
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let fields = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let fields = fields.filter(|name| !name.is_empty());
    // `metadata[key]` is a field of `metadata`; names are ASCII, and a bracket may be encoded.
    let plain = |name: &str| name.replace("%5B", "[").replace("%5b", "[");
    let is_known = |name: &str| {
        let name = plain(name);
        let whole = name.split('[').next().unwrap_or_default().to_owned();
        names.iter().any(|known| *known == name || known.split('[').next() == Some(&whole) && known.contains('['))
    };
    fields.filter(|name| !is_known(name)).map(|name| ApiError::unknown_field(&plain(name), &names)).next()
}
