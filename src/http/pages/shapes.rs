//! What no annotation can say of the shape of requests: the ranges of a run's settings, which fields go together, and that
//! a query holds no `null`.

use serde_json::{Map, Value, json};

use crate::bounds::{FILLED, PerConcept, PerKind, Reference, WRITTEN, Word};
use crate::ml::train::{LISTED_NAME, LISTS, NUMBERS, Range};

/// Requests with several forms, each by the fields that it has. A request has the fields of one form.
const FORMS: [(&str, &[&[&str]]); 3] = [
    ("EmbedRequest", &[&["texts"], &["inputs"]]),
    ("RerankRequest", &[&["documents"], &["texts"]]),
    ("SimilarityRequest", &[&["pairs"], &["queries", "documents"], &["source_sentence", "sentences"], &["inputs"]]),
];

/// The fields of a taxonomy, which are read as JSON or as text.
const OF_TAXONOMY: [(&str, [(&str, u64); 2]); 7] = [
    ("targets", [("minLength", 0), ("maxLength", *WRITTEN.end() as u64)]),
    ("held_out", [("minLength", 0), ("maxLength", *WRITTEN.end() as u64)]),
    ("seed", [("minimum", 0), ("maximum", u64::MAX)]),
    ("per_concept", [("minimum", *PerConcept::RANGE.start()), ("maximum", *PerConcept::RANGE.end())]),
    ("per_kind", [("minimum", *PerKind::RANGE.start()), ("maximum", *PerKind::RANGE.end())]),
    ("model", [("minLength", *Reference::RANGE.start() as u64), ("maxLength", *Reference::RANGE.end() as u64)]),
    ("language", [("minLength", 0), ("maxLength", *Word::RANGE.end() as u64)]),
];

/// Parameters of a query that are written as JSON.
const AS_JSON: [&str; 2] = ["mapping", "words"];

/// Adds it to the description.
pub(super) fn complete(document: &mut Value) {
    let schemas = &mut document["components"]["schemas"];
    for (name, range) in NUMBERS {
        if let Some(schema) = setting(schemas, name) {
            let numbers = if schema.get("items").is_some() { &mut schema["items"] } else { schema };
            bound(numbers, range);
        }
    }
    for (name, range) in LISTS {
        if let Some(schema) = setting(schemas, name) {
            (schema["minItems"], schema["maxItems"]) = (json!(range.start()), json!(range.end()));
            if schema["items"]["type"] == "string" {
                let (least, most) = LISTED_NAME.into_inner();
                schema["items"] = json!({ "type": "string", "minLength": least, "maxLength": most, "pattern": FILLED });
            }
        }
    }
    for (name, forms) in FORMS {
        schemas[name]["oneOf"] = forms.iter().map(|form| only(form, forms)).collect();
    }
    let taxonomy = document["paths"]["/datasets/from-taxonomy"]["post"]["parameters"].as_array_mut();
    for parameter in taxonomy.into_iter().flatten() {
        let bounds = OF_TAXONOMY.iter().find(|(name, _)| parameter["name"] == *name);
        for (keyword, bound) in bounds.into_iter().flat_map(|(_, bounds)| bounds) {
            parameter["schema"][keyword] = json!(bound);
        }
    }
    let operations = document["paths"].as_object_mut().into_iter().flatten();
    let operations = operations.flat_map(|(_, item)| item.as_object_mut().into_iter().flatten());
    let mut bodies = Vec::new();
    for (_, operation) in operations {
        for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
            let in_path = parameter["in"] == "path";
            parameter_schema(&mut parameter["schema"], in_path);
            let is_json = AS_JSON.iter().any(|name| parameter["name"] == *name);
            if let Some(fields) = parameter.as_object_mut().filter(|_| is_json) {
                let schema = fields.remove("schema").unwrap_or_default();
                fields.remove("example");
                fields.insert("content".to_owned(), json!({ "application/json": { "schema": schema } }));
            }
        }
        for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
            let name = content["schema"]["$ref"].as_str().and_then(|target| target.rsplit('/').next());
            bodies.extend(name.map(|name| (name.to_owned(), kind == "multipart/form-data")));
        }
    }
    flatten(document);
    for (name, is_form) in bodies {
        let schemas = &mut document["components"]["schemas"];
        let mut whole = schemas[&name].clone();
        if whole["allOf"].is_array() {
            whole = as_one_object(&whole, schemas);
        }
        if is_form {
            whole["additionalProperties"] = json!(false);
            whole["properties"].as_object_mut().into_iter().flat_map(Map::values_mut).for_each(without_null);
        }
        schemas[&name] = whole;
    }
}

/// The schema of a setting, by its name as in `lora.rank`.
fn setting<'a>(schemas: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let (outer, inner) = name.split_once('.').map_or((name, None), |(outer, inner)| (outer, Some(inner)));
    let Some(inner) = inner else { return schemas["TrainConfig"]["properties"].get_mut(outer) };
    let choices = schemas["TrainConfig"]["properties"][outer]["oneOf"].as_array()?;
    let target = choices.iter().find_map(|choice| choice["$ref"].as_str())?;
    let schema = target.rsplit('/').next()?.to_owned();
    schemas[schema.as_str()]["properties"].get_mut(inner)
}

fn bound(schema: &mut Value, range: Range) {
    let Some(fields) = schema.as_object_mut() else { return };
    fields.retain(|name, _| !matches!(name.as_str(), "minimum" | "format"));
    // A whole number is told as one.
    let number =
        |number: f64| if number.fract() == 0.0 && number.abs() < 1e16 { json!(number as i64) } else { json!(number) };
    fields.insert(if range.above { "exclusiveMinimum" } else { "minimum" }.to_owned(), number(range.least));
    fields.insert(if range.below { "exclusiveMaximum" } else { "maximum" }.to_owned(), number(range.most));
}

/// An object with the fields of one form, and none of the others'.
fn only(form: &[&str], forms: &[&[&str]]) -> Value {
    let is_null = json!({ "type": "null" });
    let others = forms.iter().filter(|other| **other != form).flat_map(|other| other.iter());
    let mut properties: Map<String, Value> = others.map(|name| ((*name).to_owned(), is_null.clone())).collect();
    properties.extend(form.iter().map(|name| ((*name).to_owned(), json!({ "not": is_null }))));
    json!({ "type": "object", "required": form, "properties": properties, "additionalProperties": true })
}

/// A query or a path has no null, and a path names something that is there.
fn parameter_schema(schema: &mut Value, in_path: bool) {
    flatten(schema);
    without_null(schema);
    if in_path && schema["type"] == "string" && schema["maxLength"].is_null() {
        let (least, most) = Reference::RANGE.into_inner();
        (schema["minLength"], schema["maxLength"]) = (json!(least), json!(most));
    }
}

/// What is put together of several objects, as one: it has their fields and no others.
fn as_one_object(whole: &Value, schemas: &Value) -> Value {
    let mut one = json!({ "type": "object", "properties": {}, "additionalProperties": false });
    let mut required = Vec::new();
    for part in whole["allOf"].as_array().into_iter().flatten() {
        let name = part["$ref"].as_str().and_then(|target| target.rsplit('/').next());
        let part = name.map_or(part, |name| &schemas[name]);
        let merged = if part["allOf"].is_array() { as_one_object(part, schemas) } else { part.clone() };
        required.extend(merged["required"].as_array().into_iter().flatten().cloned());
        let fields = merged["properties"].as_object().into_iter().flatten();
        for (name, schema) in fields {
            one["properties"][name] = schema.clone();
        }
    }
    if !required.is_empty() {
        one["required"] = required.into();
    }
    for about in ["description", "example", "examples"] {
        if let Some(told) = whole.get(about) {
            one[about] = told.clone();
        }
    }
    one
}

/// A query or a form has no null: what is not said is left out.
fn without_null(schema: &mut Value) {
    if let Some(kinds) = schema["type"].as_array_mut() {
        kinds.retain(|kind| kind != "null");
        if let [one] = kinds.as_slice() {
            schema["type"] = one.clone();
        }
    }
    let null = json!({ "type": "null" });
    if let Some(choices) = schema["oneOf"].as_array_mut() {
        choices.retain(|choice| *choice != null);
        if let [one] = choices.as_slice() {
            let (one, about) = (one.clone(), schema["description"].clone());
            *schema = one;
            if schema["description"].is_null() && about.is_string() {
                schema["description"] = about;
            }
        }
    }
    if let Some(fields) = schema.as_object_mut() {
        fields.retain(|name, value| !(value.is_null() && matches!(name.as_str(), "type" | "oneOf" | "description")));
    }
}

/// A schema beside which stands what it is about, as one.
fn with_description(fields: &Map<String, Value>) -> Option<Map<String, Value>> {
    let [schema, about] = fields.get("allOf")?.as_array()?.as_slice() else { return None };
    let about = about.as_object().filter(|about| {
        about.keys().all(|name| matches!(name.as_str(), "description" | "type" | "default" | "example" | "examples"))
    })?;
    let plain = schema["type"].is_string() && schema["type"] != "object";
    let mut schema = schema.as_object().filter(|_| plain)?.clone();
    schema.extend(about.iter().filter(|(name, _)| *name != "type").map(|(name, value)| (name.clone(), value.clone())));
    Some(schema)
}

/// Writes "this or null" as two types where it is one of two schemas, and a schema with its description as one.
fn flatten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(flatten);
            if let Some(one) = with_description(fields) {
                *fields = one;
            }
            let null = json!({ "type": "null" });
            let Some(choices) = fields.get("oneOf").and_then(Value::as_array) else { return };
            let [one, other] = choices.as_slice() else { return };
            let schema = if *other == null {
                one
            } else if *one == null {
                other
            } else {
                return;
            };
            let (Some(kind), None) = (schema["type"].as_str(), schema.get("enum")) else { return };
            let mut schema = schema.clone();
            schema["type"] = json!([kind, "null"]);
            fields.remove("oneOf");
            let Value::Object(schema) = schema else { return };
            for (name, value) in schema {
                fields.entry(name).or_insert(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(flatten),
        _ => {}
    }
}
