//! The API's description (OpenAPI 3.1): what the handlers say of themselves, and what all of them share.
//!
//! A handler's annotation lists the statuses that it gives itself, without the bodies of errors. What every
//! route of its kind answers (a body that is no JSON, a foreign host, ..), the bodies of errors and the
//! stable codes are added here.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use axum::Extension;
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use super::shapes;
use crate::http::error::Details;
use crate::http::error::codes::{self, Place};
use crate::http::error::envelope::{ErrorEnvelope, is_openai};
use crate::http::routes::{RequiredScope, required_scope};
use crate::http::state::AppState;

pub(super) fn router(api: Api) -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_description).layer(Extension(api)))
}

type Api = fn() -> OpenApiRouter<AppState>;

/// The whole description as JSON, made once.
pub(crate) fn document(api: Api) -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let document = complete(serde_json::to_value(api().into_openapi()).expect("a description becomes JSON"));
        serde_json::to_string_pretty(&document).expect("JSON becomes text")
    })
}

/// Describe the API.
///
/// This document: OpenAPI 3.1, made out of the types that the server itself uses.
#[utoipa::path(
    get,
    path = "/openapi.json",
    tag = "Server",
    responses((status = 200, description = "The description.", body = Object, content_type = "application/json"))
)]
async fn show_description(Extension(api): Extension<Api>) -> Response {
    ([(CONTENT_TYPE, "application/json")], document(api)).into_response()
}

/// What an operation reads, as far as it decides what can go wrong.
struct Reads {
    body: bool,
    path: bool,
    query: bool,
    /// Needs no key, also where there are keys.
    open: bool,
}

type Applies = fn(&Reads) -> bool;

/// Statuses that all operations of a kind answer, with their descriptions.
const SHARED: [(&str, &str, Applies); 7] = [
    ("400", "The body or the path cannot be read.", |reads| reads.body || reads.path),
    ("401", "The server has keys, and none that is good was sent.", |reads| !reads.open),
    ("403", "Another host is named, a foreign page asks, or the key has not got the scope.", |reads| !reads.open),
    ("413", "Too much at once.", |reads| reads.body),
    ("415", "The body is of another kind.", |reads| reads.body),
    ("422", "Something that was sent cannot be used as it is.", |reads| reads.body || reads.query),
    ("503", "Not now: the database is away or busy, or the server loads or stops.", |reads| !reads.open),
];

const TAGS: [(&str, &str); 8] = [
    ("Embeddings", "Texts become vectors and similarities."),
    ("Data", "Tables of pairs to learn from and to measure with."),
    ("Training", "Jobs that tune a model."),
    ("Models", "What there is to ask, and which name means which model."),
    ("OpenAI", "For OpenAI's clients."),
    ("text-embeddings-inference", "For clients of text-embeddings-inference, beside `/embed` and `/similarity`."),
    ("Keys", "Who may ask."),
    ("Server", "Whether it lives, and what it is."),
];

const ABOUT: &str = "Bodies are JSON unless said. `model` is a \
model's id, name or alias; left out, it is the alias `default`. Errors are problem details (RFC 9457) with a stable `code`, \
what happened (`detail`) and what to do (`hint`); under `/v1/` they have OpenAI's form. [All codes](/docs/errors)";

/// Adds what the handlers do not say themselves.
fn complete(mut document: Value) -> Value {
    document["info"] = json!({
        "title": "Shamisen",
        "version": env!("CARGO_PKG_VERSION"),
        "summary": env!("CARGO_PKG_DESCRIPTION"),
        "description": ABOUT,
        "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
    });
    document["servers"] = json!([{ "url": "/", "description": "This server" }]);
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    let mut tags = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes());
            let open = method.is_ok_and(|method| required_scope(&method, Some(path)) == RequiredScope::Nothing);
            share(operation, is_openai(path), open);
            tags.extend(operation["tags"][0].as_str().map(str::to_owned));
        }
    }
    let used = TAGS.iter().filter(|(name, _)| tags.contains(*name));
    document["tags"] = used.map(|(name, description)| json!({ "name": name, "description": description })).collect();
    let problem = (Details::name().into_owned(), Details::schema());
    let envelope = (ErrorEnvelope::name().into_owned(), ErrorEnvelope::schema());
    let mut schemas = vec![problem, envelope];
    Details::schemas(&mut schemas);
    ErrorEnvelope::schemas(&mut schemas);
    for (name, schema) in schemas {
        document["components"]["schemas"][name] = serde_json::to_value(schema).expect("a schema becomes JSON");
    }
    document["components"]["securitySchemes"]["key"] = json!({
        "type": "http",
        "scheme": "bearer",
        "description": "An API key, `sk_..`, once the server has any; `X-API-Key` holds one, too.",
    });
    document["security"] = json!([{ "key": [] }]);
    document["components"]["headers"]["RequestId"] = json!({
        "description": "The request's id, as the server's log has it.",
        "schema": { "type": "string" },
    });
    shapes::complete(&mut document);
    list_codes(&mut document["components"]["schemas"]);
    without_links(&mut document);
    document
}

/// Adds the statuses that an operation shares with others of its kind, and the bodies of errors.
fn share(operation: &mut Value, openai: bool, open: bool) {
    if open {
        operation["security"] = json!([]);
    }
    let takes = |place: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["in"] == place))
    };
    let reads = Reads { body: !operation["requestBody"].is_null(), path: takes("path"), query: takes("query"), open };
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for (status, description, _) in SHARED.iter().filter(|(.., applies)| applies(&reads)) {
        responses.entry(*status).or_insert(json!({ "description": description }));
    }
    // What only a failing machine or a damaged model makes is told once.
    for status in ["500", "507"] {
        responses.remove(status);
    }
    let failure = "The query has a field that the route does not know (422), the key has used what it may (429), or something failed in the server, its machine or a model's files (500, 507).";
    responses.entry("default").or_insert(json!({ "description": failure }));
    let (kind, schema) = if openai {
        ("application/json", "#/components/schemas/ErrorEnvelope")
    } else {
        ("application/problem+json", "#/components/schemas/Problem")
    };
    for (status, response) in responses {
        if !status.starts_with(['2', '3']) && response["content"].is_null() {
            response["content"] = json!({ kind: { "schema": { "$ref": schema } } });
        }
        if status == "503" || status == "429" {
            response["headers"]["Retry-After"] =
                json!({ "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 } });
        }
        response["headers"]["x-request-id"] = json!({ "$ref": "#/components/headers/RequestId" });
    }
}

/// Tells the codes that each place may hold.
fn list_codes(schemas: &mut Value) {
    let reply = |place| matches!(place, Place::Reply(_));
    let places: [(&str, &dyn Fn(Place) -> bool); 5] = [
        ("Problem", &reply),
        ("RowProblem", &|place| place == Place::Row),
        ("JobError", &|place| place == Place::Job),
        ("Note", &|place| place == Place::Note),
        ("Finding", &|place| place == Place::Finding),
    ];
    for (schema, of) in places {
        let code = &mut schemas[schema]["properties"]["code"];
        let told: Vec<String> =
            codes::entries(of).map(|known| format!("- `{}`: {}", known.code, known.meaning[0])).collect();
        code["enum"] = codes::entries(of).map(|known| known.code).collect();
        code["description"] = format!("For programs; stable. See `/docs/errors`.\n\n{}", told.join("\n")).into();
    }
}

/// Descriptions come from doc comments, whose links to items mean nothing here.
fn without_links(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`");
            }
            fields.values_mut().for_each(without_links);
        }
        Value::Array(values) => values.iter_mut().for_each(without_links),
        _ => {}
    }
}
