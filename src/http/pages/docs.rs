//! `/docs`: the calls to begin with, the reference, and what every code means. All of it works offline.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::http::error::codes::{self, ENTRIES, Entry, Place};
use crate::http::error::{ApiError, Code};
use crate::http::pages::files;
use crate::http::state::AppState;

pub(crate) const DOCUMENTS: [&str; 4] = ["/docs", "/docs/errors", "/docs/reference", "/docs/reference/{file}"];

pub(super) fn router() -> Router<AppState> {
    let [start, errors, reference, its_files] = DOCUMENTS;
    Router::new()
        .route(start, get(async || files::reply("docs.html", files::bytes("docs.html"))))
        .route(errors, get(show_errors))
        .route(&format!("/{WORDS}"), get(async || files::reply(WORDS, Bytes::from_static(SCRIPT.as_bytes()))))
        .route(reference, get(show_reference))
        .route(its_files, get(reference_file))
}

/// Swagger UI writes styles into its elements; it may load nothing from elsewhere and run no inline code.
const REFERENCE_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn show_reference() -> Response {
    let policy = [(CONTENT_SECURITY_POLICY, HeaderValue::from_static(REFERENCE_POLICY))];
    (policy, files::reply("reference.html", files::bytes("reference.html"))).into_response()
}

async fn reference_file(Path(name): Path<String>) -> Result<Response, ApiError> {
    let no_such_file = || {
        ApiError::of(Code::RouteNotFound).detail(format!("There is no file {name:?}.")).hint("Open /docs/reference.")
    };
    if !matches!(name.as_str(), "swagger-ui.css" | "swagger-ui-bundle.js") {
        return Err(no_such_file());
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::default()).map_err(ApiError::internal)?;
    let file = found.ok_or_else(no_such_file)?;
    let headers = [(CONTENT_TYPE, file.content_type), (CACHE_CONTROL, "no-cache".to_owned())];
    let mut reply = (headers, file.bytes.into_owned()).into_response();
    if file.gzpipped {
        reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(reply)
}

/// The page of codes, made once.
static ERRORS: LazyLock<Bytes> = LazyLock::new(|| {
    let page = String::from_utf8_lossy(&files::bytes("errors.html")).replace("<!-- codes -->", &entries());
    Bytes::from(page)
});

async fn show_errors() -> Response {
    files::reply("errors.html", ERRORS.clone())
}

/// The page's script of what codes mean.
const WORDS: &str = "words_errors.js";

/// Two tables of the page's strings, as its other scripts have them: what replies and jobs are refused with, and
/// what is wrong with rows. Made once.
static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let table = |of: &dyn Fn(Place) -> bool| -> Map<String, Value> {
        let words = |entry: &Entry| json!({ "meaning": entry.meaning, "remedy": entry.remedy });
        codes::entries(of).map(|entry| (entry.code.to_owned(), words(entry))).collect()
    };
    let errors = table(&|place| matches!(place, Place::Reply(_) | Place::Job));
    let rows = table(&|place| place == Place::Row);
    format!(
        "// What the server's codes mean: made of the same table as /docs/errors.\n\nexport const ERRORS = {:#};\nexport const ROWS = {:#};\n",
        Value::from(errors),
        Value::from(rows),
    )
});

/// All codes, each under an anchor of its own name.
fn entries() -> String {
    let mut page = String::new();
    for Entry { code: name, places: at, meaning, remedy } in ENTRIES {
        let _ = writeln!(page, "<article id=\"{name}\">\n<h2><a href=\"#{name}\"><code>{name}</code></a></h2>");
        for (index, language) in ["en", "ja"].into_iter().enumerate() {
            let _ = writeln!(
                page,
                "<div lang=\"{language}\"><p class=\"quiet\">{}</p><p>{}</p><p>{}</p></div>",
                places(at, index),
                escaped(meaning[index]),
                escaped(remedy[index]),
            );
        }
        page.push_str("</article>\n");
    }
    page
}

/// Where a code stands, in English (0) or Japanese (1).
fn places(places: &[Place], language: usize) -> String {
    let place = |place: &Place| -> Cow<'static, str> {
        let words = match place {
            Place::Reply(status) => return format!("HTTP {status}").into(),
            Place::Row => ["a row of a table", "表の行"],
            Place::Job => ["a job that failed", "失敗したジョブ"],
            Place::Note => ["a note in a report", "レポートの注記"],
            Place::Finding => ["a finding about a table", "表について気づいたこと"],
        };
        words[language].into()
    };
    places.iter().map(place).collect::<Vec<_>>().join([", ", "、"][language])
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
