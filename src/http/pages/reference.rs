//! `docs/api.md`: every route on one page, out of the API's description and what the server holds a route to.

use std::fmt::Write as _;

use serde_json::Value;

use crate::http::routes::{BodyLimit, Deadline, ROUTES, RequiredScope, Route};

const HEAD: &str = "\
<!-- `make docs` writes this page out of the routes themselves: change those. -->

# Routes

";

const AFTER_ABOUT: &str = "
`/docs/reference` on the server has every field of every body, and `shamisen openapi` prints the same for programs. *takes* names
what stands in the query (`?`), in a JSON body or in a form; *scope* is what a [key](operations.md#keys) needs, once the server has
any: `admin` may do everything. *limits* names what is not as usual: `SHAMISEN_REQUEST_TIMEOUT` for the time to an answer,
`SHAMISEN_MAX_BODY` for a body, `SHAMISEN_MAX_UPLOAD` for a table.
";

/// The methods in the order in which a reader wants them.
const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

pub(crate) fn api_page(document: &str) -> String {
    let document: Value = serde_json::from_str(document).expect("the description is JSON");
    let mut page = HEAD.to_owned();
    // On the server the errors are one link away; here they are a page of the server's.
    let about = document["info"]["description"].as_str().unwrap_or_default();
    let _ = writeln!(page, "{}", about.replace("[All codes](/docs/errors)", "`/docs/errors` has all codes."));
    page += AFTER_ABOUT;
    for tag in document["tags"].as_array().into_iter().flatten() {
        let (name, about) = (text(&tag["name"]), text(&tag["description"]));
        let _ = write!(
            page,
            "\n## {name}\n\n{about}\n\n| route | what | takes | scope | limits |\n|---|---|---|---|---|\n"
        );
        for (path, method, operation) in
            operations(&document).filter(|(.., operation)| operation["tags"][0] == tag["name"])
        {
            let route = ROUTES.iter().find(|route| route.path == path && route.method.eq_ignore_ascii_case(method));
            let route = route.expect("the table has every route");
            let cells = [
                format!("`{} {path}`", method.to_uppercase()),
                what(operation),
                takes(&document, operation),
                scope(route),
                limits(route),
            ];
            let _ = writeln!(page, "| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
        }
    }
    page
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &'static str, &Value)> {
    document["paths"].as_object().into_iter().flatten().flat_map(|(path, item)| {
        METHODS.into_iter().filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
    })
}

/// The summary and the description, on one line.
fn what(operation: &Value) -> String {
    let words = format!("{} {}", text(&operation["summary"]), text(&operation["description"]));
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The names of what may stand in the query and in the body.
fn takes(document: &Value, operation: &Value) -> String {
    let parameters = || operation["parameters"].as_array().into_iter().flatten();
    let named = |place: &'static str| {
        parameters().filter(move |parameter| parameter["in"] == place).map(|parameter| text(&parameter["name"]))
    };
    let mut parts = Vec::new();
    let query: Vec<&str> = named("query").collect();
    if !query.is_empty() {
        parts.push(list("?", &query));
    }
    let content = operation["requestBody"]["content"].as_object();
    for (kind, body) in content.into_iter().flatten() {
        let mut fields = Vec::new();
        collect(document, &body["schema"], &mut fields);
        fields.retain(|field| !query.contains(&field.as_str()));
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        parts.push(match kind.as_str() {
            "application/json" if fields.is_empty() => "JSON".to_owned(),
            "application/json" => format!("JSON: {}", list("", &fields)),
            "multipart/form-data" => format!("a form: {}", list("", &fields)),
            _ if parts.iter().any(|part| part == "a file") => continue,
            _ => "a file".to_owned(),
        });
    }
    let headers: Vec<&str> = named("header").collect();
    if !headers.is_empty() {
        parts.push(format!("the header {}", list("", &headers)));
    }
    parts.join("; ")
}

fn list(before: &str, names: &[&str]) -> String {
    names.iter().map(|name| format!("`{before}{name}`")).collect::<Vec<_>>().join(", ")
}

/// The names of a body's fields, of whichever form it has.
fn collect(document: &Value, schema: &Value, fields: &mut Vec<String>) {
    if let Some(place) = schema["$ref"].as_str().and_then(|place| place.strip_prefix('#')) {
        return collect(document, document.pointer(place).unwrap_or(&Value::Null), fields);
    }
    for form in ["allOf", "oneOf", "anyOf"] {
        schema[form].as_array().into_iter().flatten().for_each(|part| collect(document, part, fields));
    }
    for name in schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if !fields.contains(name) {
            fields.push(name.clone());
        }
    }
}

fn scope(route: &Route) -> String {
    match route.scope {
        RequiredScope::Nothing => "none".to_owned(),
        RequiredScope::OneOf([]) => "`admin`".to_owned(),
        RequiredScope::OneOf(scopes) => {
            scopes.iter().map(|scope| format!("`{}`", scope.name())).collect::<Vec<_>>().join(" or ")
        }
    }
}

/// How long a route may take and how much it reads, where that is not as usual.
fn limits(route: &Route) -> String {
    let time = match route.deadline {
        Deadline::Usual => None,
        Deadline::Long => Some("ten minutes"),
        Deadline::Waits => Some("as long as `wait` says"),
        Deadline::Works => Some("as long as its model computes"),
        Deadline::Never => Some("a stream, without an end"),
    };
    let body = (route.body == BodyLimit::Upload).then_some("bodies as large as tables");
    let metered = route.metered.then_some("counts towards [what a key may use](operations.md#what-a-key-may-use)");
    time.into_iter().chain(body).chain(metered).collect::<Vec<_>>().join("; ")
}
