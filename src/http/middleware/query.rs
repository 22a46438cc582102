//! Each field of a URL's query is known to its route, or refused: one that is passed over means something to whoever
//! sent it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::http::error::ApiError;

/// Of each route the fields of its query, as the API's description tells them.
#[derive(Clone, Debug)]
pub(crate) struct KnownFields(Arc<HashMap<(String, String), Vec<String>>>);

impl KnownFields {
    /// Of the description.
    pub(crate) fn of(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let mut known = HashMap::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, route) in methods.as_object().into_iter().flatten() {
                let parameters = route["parameters"].as_array().into_iter().flatten();
                let names = parameters.filter(|parameter| parameter["in"] == "query");
                let names = names.filter_map(|parameter| Some(parameter["name"].as_str()?.to_owned())).collect();
                known.insert((method.to_uppercase(), path.clone()), names);
            }
        }
        Self(Arc::new(known))
    }

    fn of_route(&self, method: &Method, template: &str) -> Option<&[String]> {
        let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
        self.0.get(&(method.to_owned(), template.to_owned())).map(Vec::as_slice)
    }
}

/// Refuses a query with a field that its route does not read.
pub(crate) async fn check(State(known): State<KnownFields>, request: Request, next: Next) -> Response {
    match unknown(&known, &request) {
        Some(error) => error.into_response(),
        None => next.run(request).await,
    }
}

fn unknown(known: &KnownFields, request: &Request) -> Option<ApiError> {
    request.uri().query().filter(|query| !query.is_empty())?;
    let template = request.extensions().get::<MatchedPath>()?.as_str();
    let known = known.of_route(request.method(), template)?;
    let Query(fields) = Query::<Vec<(String, String)>>::try_from_uri(request.uri()).ok()?;
    // `metadata[key]` is one of many of its name.
    let stem = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
    let is_known = |name: &str| known.iter().any(|known| stem(known) == stem(name));
    let (name, _) = fields.iter().find(|(name, _)| !is_known(name))?;
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let error = ApiError::unknown_field(name, &names);
    Some(if names.is_empty() { error.hint("This route reads no query: leave it out.") } else { error })
}
