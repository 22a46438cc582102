//! Holds every reply that a test receives against the API's description.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Map, Value, json};

/// The description.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(shamisen::http::document()).expect("the description is JSON"));

/// A documented operation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) is: &'static Value,
}

impl Operation {
    pub(crate) fn id(&self) -> &'static str {
        self.is["operationId"].as_str().unwrap_or_else(|| panic!("{} {} has no operationId", self.method, self.path))
    }

    /// Its parameters in `path`, `query` or `header`.
    pub(crate) fn parameters(&self, place: &str) -> impl Iterator<Item = &'static str> {
        let all = self.is["parameters"].as_array().into_iter().flatten();
        all.filter(move |parameter| parameter["in"] == place).map(|parameter| parameter["name"].as_str().unwrap())
    }
}

/// All documented operations.
pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(method, is)| Operation { method, path, is })
    })
}

/// The operations of a request's path, by the template that fits best: a fixed segment before a parameter.
fn at(path: &str) -> Vec<Operation> {
    let wanted: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let segments: Vec<&str> = template.split('/').collect();
        let fits = segments.len() == wanted.len()
            && segments.iter().zip(&wanted).all(|(segment, wanted)| segment.starts_with('{') || segment == wanted);
        fits.then(|| segments.iter().filter(|segment| segment.starts_with('{')).count())
    };
    let best = operations().filter_map(|operation| Some((fits(operation.path)?, operation.path))).min();
    operations().filter(|operation| best.is_some_and(|(_, path)| path == operation.path)).collect()
}

/// Fails the test where a reply is not as described: its status, its media type, its body.
pub(crate) fn check(method: &Method, path: &str, status: u16, media_type: &str, body: &[u8]) {
    let what = format!("{method} {path} answered {status} {media_type}");
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let operations = at(path);
    let wanted = if *method == Method::HEAD { "get" } else { &*method.as_str().to_lowercase() };
    let Some(operation) = operations.iter().find(|operation| operation.method == wanted) else {
        let page = ["text/html", "text/css", "text/javascript"].contains(&media_type);
        let refused = [401, 403, if operations.is_empty() { 404 } else { 405 }].contains(&status);
        let fine = page || refused || *method == Method::OPTIONS;
        assert!(fine, "{what}, and the description does not know this operation");
        return;
    };
    let responses = &operation.is["responses"];
    let response = match &responses[status.to_string()] {
        Value::Null if [408, 422, 429].contains(&status) || status >= 500 && (status != 503 || of_the_server(body)) => {
            &responses["default"]
        }
        response => response,
    };
    assert!(!response.is_null(), "{what}, and {} may not answer {status}", operation.id());
    let Some(content) = response["content"].as_object() else {
        assert!(body.is_empty(), "{what}, and the description knows of no body");
        return;
    };
    let schema = content.get(media_type).unwrap_or_else(|| panic!("{what}; described are {:?}", content.keys()));
    if method == Method::HEAD || !media_type.ends_with("json") {
        return;
    }
    let value: Value = serde_json::from_slice(body).unwrap_or_else(|error| panic!("{what}, no JSON: {error}"));
    let place = format!("{} {status} {media_type}", operation.id());
    if let Some(error) = validator(&place, &schema["schema"]).iter_errors(&value).next() {
        let shown: String = value.to_string().chars().take(2000).collect();
        panic!("{what}, which does not fit {place}: {error} at {}\n{shown}", error.instance_path());
    }
}

/// Whether a 503 is one that the server itself gives on any route, which `default` describes once.
fn of_the_server(body: &[u8]) -> bool {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = value["code"].as_str().or_else(|| value["error"]["code"].as_str()).unwrap_or_default();
    ["loading", "stopping", "inference_stuck", "default_not_served", "deadline", "too_many_connections"].contains(&code)
}

/// A schema made ready, once for each place.
fn validator(place: &str, schema: &Value) -> Arc<Validator> {
    static READY: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let ready = READY.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(place).cloned();
    ready.unwrap_or_else(|| {
        let made = Arc::new(strict(schema));
        READY.lock().unwrap().insert(place.to_owned(), Arc::clone(&made));
        made
    })
}

/// A validator of a schema of the description, where a field that is not described is an error.
pub(crate) fn strict(schema: &Value) -> Validator {
    static CLOSED: LazyLock<Value> = LazyLock::new(|| {
        let mut components = DOCUMENT["components"].clone();
        let mut parts = BTreeSet::new();
        parts_of(&components, &mut parts);
        for (name, schema) in components["schemas"].as_object_mut().unwrap() {
            if !parts.contains(&format!("#/components/schemas/{name}")) {
                close(schema);
            }
        }
        components
    });
    let mut schema = schema.clone();
    close(&mut schema);
    let whole = json!({ "components": *CLOSED, "allOf": [schema] });
    jsonschema::draft202012::new(&whole).unwrap_or_else(|error| panic!("no schema: {error}: {schema}"))
}

/// The schemas that others are put together of, which know a part of the fields.
fn parts_of(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let parts = fields.get("allOf").and_then(Value::as_array).into_iter().flatten();
            found.extend(parts.filter_map(|part| part["$ref"].as_str().map(str::to_owned)));
            fields.values().for_each(|value| parts_of(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| parts_of(value, found)),
        _ => {}
    }
}

fn close(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else {
        schema.as_array_mut().into_iter().flatten().for_each(close);
        return;
    };
    if let Some(parts) = fields.get("allOf").and_then(Value::as_array) {
        // A part that is any object at all says that there may be more.
        let open = parts.iter().any(|part| part["type"] == "object" && part["properties"].is_null());
        fields.insert("unevaluatedProperties".to_owned(), Value::Bool(open));
    } else if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
        fields.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    let inner = |name: &str| matches!(name, "items" | "oneOf" | "anyOf" | "additionalProperties");
    fields.iter_mut().filter(|(name, _)| inner(name)).for_each(|(_, value)| close(value));
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    properties.into_iter().flat_map(Map::values_mut).for_each(close);
}
