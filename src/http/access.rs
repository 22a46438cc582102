//! What each route asks of a key. One table; what is not in it is for `admin`.

use axum::http::{Method, StatusCode};

use super::error::ApiError;
use crate::keys::{ApiKey, Refusal, Scope};

/// What a route asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it tells nothing that is not in the program itself.
    Nothing,
    /// A key with one of these scopes, or `admin`.
    OneOf(&'static [Scope]),
}

use Need::{Nothing, OneOf};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Reads,
    Deletes,
    All,
}

const ANY: Need = OneOf(&Scope::ALL);
const EMBED: Need = OneOf(&[Scope::Embed]);
const TRAIN: Need = OneOf(&[Scope::Train]);
const EMBED_OR_TRAIN: Need = OneOf(&[Scope::Embed, Scope::Train]);
const METRICS: Need = OneOf(&[Scope::Metrics]);
const ADMIN: Need = OneOf(&[]);

/// Methods, the beginning of the route's template, what it asks for. The first that fits.
const TABLE: &[(Reach, &str, Need)] = &[
    (Reach::Reads, "/health", Nothing),
    (Reach::Reads, "/docs", Nothing),
    (Reach::Reads, "/openapi.json", Nothing),
    (Reach::Reads, "/metrics", METRICS),
    (Reach::Deletes, "", ADMIN),
    (Reach::All, "/", EMBED),
    (Reach::All, "/embed", EMBED),
    (Reach::All, "/similarity", EMBED),
    (Reach::All, "/tokenize", EMBED),
    (Reach::All, "/v1/embeddings", EMBED),
    (Reach::Reads, "/info", EMBED),
    (Reach::Reads, "/compare", EMBED),
    (Reach::Reads, "/neighbours", EMBED),
    (Reach::Reads, "/models/{model}/export", TRAIN),
    (Reach::Reads, "/models", EMBED_OR_TRAIN),
    (Reach::Reads, "/v1/models", EMBED_OR_TRAIN),
    (Reach::Reads, "/aliases", EMBED_OR_TRAIN),
    (Reach::All, "/datasets", TRAIN),
    (Reach::All, "/jobs", TRAIN),
    (Reach::Reads, "/losses", TRAIN),
    (Reach::All, "/v1/files", TRAIN),
    (Reach::All, "/v1/fine_tuning", TRAIN),
];

/// What a request asks for. `template` is the route that it matched, as `/jobs/{id}`, if it matched one.
pub(crate) fn need(method: &Method, template: Option<&str>) -> Need {
    // What is not there is told to whoever may call at all.
    let Some(template) = template else { return ANY };
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if reads && is_page(template) {
        return Nothing;
    }
    let fits = |reach: Reach| match reach {
        Reach::Reads => reads,
        Reach::Deletes => *method == Method::DELETE,
        Reach::All => true,
    };
    let within =
        |prefix: &str| template.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let row = TABLE.iter().find(|(reach, prefix, _)| fits(*reach) && within(prefix));
    row.map_or(ADMIN, |(.., need)| *need)
}

/// Whether a route is the page or one of its files, which stand at the root and have an ending.
pub(crate) fn is_page(template: &str) -> bool {
    template == "/" || template[1..].split_once('/').is_none() && template.contains('.')
}

/// 401: why a key does not let in.
pub(crate) fn refused(refusal: Refusal) -> ApiError {
    let (code, detail) = match refusal {
        Refusal::Missing => ("key_missing", "This server answers requests with an API key, and the request has none."),
        Refusal::Unknown => ("key_not_valid", "The request's API key is none of this server's."),
        Refusal::Expired => ("key_expired", "The request's API key has expired."),
        Refusal::Revoked => ("key_revoked", "The request's API key was revoked."),
    };
    ApiError::new(
        (StatusCode::UNAUTHORIZED, code, "A key is needed"),
        detail,
        "Send the header \"Authorization: Bearer sk_..\" (or \"X-API-Key: sk_..\"). Whoever runs the server makes keys with `shamisen key create`.",
    )
}

/// 403: the key may do other things.
pub(crate) fn scope_missing(key: &ApiKey, one_of: &[Scope], what: &str) -> ApiError {
    let needed = one_of.first().copied().unwrap_or(Scope::Admin).name();
    ApiError::new(
        (StatusCode::FORBIDDEN, "scope_missing", "Not allowed with this key"),
        format!("The key {:?} has not got the scope \"{needed}\", which {what} needs.", super::error::shown(&key.name)),
        format!("Use a key with the scope \"{needed}\" or \"admin\"."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_asks_for_its_scope_and_an_unknown_one_for_admin() {
        let cases = [
            (Method::GET, "/", Nothing),
            (Method::GET, "/app.js", Nothing),
            (Method::GET, "/health/ready", Nothing),
            (Method::GET, "/docs/errors", Nothing),
            (Method::GET, "/openapi.json", Nothing),
            (Method::GET, "/metrics", METRICS),
            (Method::GET, "/jobs/{id}/metrics", TRAIN),
            (Method::POST, "/embed", EMBED),
            (Method::POST, "/", EMBED),
            (Method::POST, "/embeddings-of-others", ADMIN),
            (Method::GET, "/models/{model}", EMBED_OR_TRAIN),
            (Method::GET, "/models/{model}/export", TRAIN),
            (Method::GET, "/models/{model}/card", EMBED_OR_TRAIN),
            (Method::POST, "/models/{model}/load", ADMIN),
            (Method::DELETE, "/models/{model}", ADMIN),
            (Method::POST, "/jobs", TRAIN),
            (Method::GET, "/jobs/{id}/suggestions", TRAIN),
            (Method::GET, "/datasets/{id}/verdict", TRAIN),
            (Method::POST, "/datasets/{id}/hard-negatives", TRAIN),
            (Method::DELETE, "/datasets/{id}", ADMIN),
            (Method::PUT, "/aliases/{name}", ADMIN),
            (Method::GET, "/keys", ADMIN),
            (Method::POST, "/keys", ADMIN),
            (Method::POST, "/v1/fine_tuning/jobs/{id}/cancel", TRAIN),
            (Method::GET, "/something/new.js", ADMIN),
            (Method::POST, "/app.js", ADMIN),
        ];
        for (method, template, expected) in cases {
            assert_eq!(need(&method, Some(template)), expected, "{method} {template}");
        }
        assert_eq!(need(&Method::GET, None), ANY);
    }
}
