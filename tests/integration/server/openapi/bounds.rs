//! Every number, text and list that a request can hold has bounds, and the server holds to them.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::examples;
use crate::api::{Api, Reply};
use crate::app::{App, few};
use crate::contract::{DOCUMENT, Operation, operations};

/// A part of a request: where it stands, and its schema.
struct Leaf {
    operation: Operation,
    /// `path`, `query`, `header`, or the body's media type.
    place: &'static str,
    /// Its name; in a body the way to it, `[]` for a list's entry.
    way: Vec<&'static str>,
    schema: &'static Value,
}

impl Leaf {
    fn told(&self) -> String {
        format!("{} {}: {} {}", self.operation.method, self.operation.path, self.place, self.way.join("/"))
    }

    fn is(&self, kind: &str) -> bool {
        let kinds = &self.schema["type"];
        kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
    }

    fn has(&self, one_of: &[&str]) -> bool {
        one_of.iter().any(|name| !self.schema[*name].is_null())
    }

    /// The least and the most that fit.
    fn range(&self) -> Option<(f64, f64)> {
        let number = |names: [&str; 2]| names.iter().find_map(|name| self.schema[*name].as_f64());
        Some((number(["minimum", "exclusiveMinimum"])?, number(["maximum", "exclusiveMaximum"])?))
    }

    fn holds(&self, value: f64) -> bool {
        let edge = |name: &str| self.schema[name].as_f64();
        let whole = !self.is("integer") || value.fract() == 0.0;
        whole
            && edge("minimum").is_none_or(|least| value >= least)
            && edge("exclusiveMinimum").is_none_or(|least| value > least)
            && edge("maximum").is_none_or(|most| value <= most)
            && edge("exclusiveMaximum").is_none_or(|most| value < most)
    }
}

/// Every schema of a request, with the way to it.
fn walk(schema: &'static Value, way: &[&'static str], visit: &mut dyn FnMut(&[&'static str], &'static Value)) {
    assert!(way.len() < 12, "a circle: {way:?}");
    if let Some(target) = schema["$ref"].as_str() {
        return walk(DOCUMENT.pointer(&target[1..]).unwrap(), way, visit);
    }
    visit(way, schema);
    let at = |name: &'static str| [way, &[name]].concat();
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(inner, &at(name), visit);
    }
    for part in ["oneOf", "anyOf", "allOf"].iter().flat_map(|kind| schema[*kind].as_array().into_iter().flatten()) {
        // A form says only which fields go together.
        if part["additionalProperties"] != true {
            walk(part, way, visit);
        }
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &at("[]"), visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&schema["additionalProperties"], &at("x"), visit);
    }
}

fn leaves() -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for operation in operations() {
        let mut add = |place, way: &[&'static str], schema| {
            walk(schema, way, &mut |way, schema| {
                leaves.push(Leaf { operation, place, way: way.to_vec(), schema });
            });
        };
        for parameter in operation.is["parameters"].as_array().into_iter().flatten() {
            let place = parameter["in"].as_str().unwrap();
            let schema = parameter.get("schema").unwrap_or(&parameter["content"]["application/json"]["schema"]);
            add(place, &[parameter["name"].as_str().unwrap()], schema);
        }
        for (kind, content) in operation.is["requestBody"]["content"].as_object().into_iter().flatten() {
            // A body that is a file has the limit of its route.
            if kind == "application/json" || kind == "multipart/form-data" {
                add(kind, &[], &content["schema"]);
            }
        }
    }
    leaves
}

#[test]
fn every_number_text_and_list_of_a_request_has_bounds() {
    let leaves = leaves();
    let mut without = Vec::new();
    for leaf in &leaves {
        let fixed = leaf.has(&["enum", "const"]);
        let number = leaf.is("integer") || leaf.is("number");
        let text = leaf.is("string") && !leaf.has(&["maxLength"]) && leaf.schema["format"] != "binary";
        let list = leaf.is("array") && !leaf.has(&["maxItems"]);
        let open = leaf.schema["additionalProperties"].is_object()
            || leaf.is("object") && !leaf.has(&["properties", "additionalProperties"]);
        let any = leaf.schema.as_object().is_some_and(|fields| {
            ["type", "oneOf", "anyOf", "allOf", "enum", "const", "not"].iter().all(|name| !fields.contains_key(*name))
        });
        let unbounded =
            number && leaf.range().is_none() || text || list || open && !leaf.has(&["maxProperties"]) || any;
        if unbounded && !fixed {
            without.push(leaf.told());
        }
    }
    assert!(leaves.len() > 300, "{}", leaves.len());
    without.sort();
    without.dedup();
    assert!(without.is_empty(), "without bounds:\n{}", without.join("\n"));
}

/// What is sent where a number is wanted, as it is written.
fn numbers(leaf: &Leaf) -> Vec<(String, f64)> {
    let (least, most) = leaf.range().unwrap();
    let others = [least - 1.0, most + 1.0, 0.0, -1.0, 2f64.powi(31), 2f64.powi(62), 2f64.powi(64), 1e308];
    let all = [least, most].into_iter().chain(others);
    // Beyond 2^53 a bound and its neighbour are one number to a float.
    let all = all
        .filter(|number| *number == least || *number == most || number.abs() < 2f64.powi(53) || *number > most * 1.001);
    let written = |number: f64| match number {
        _ if number == 1e308 => "1e308".to_owned(),
        _ if number == most && most >= 2f64.powi(53) => leaf.schema["maximum"].to_string(),
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        _ => number.to_string(),
    };
    all.map(|number| (written(number), number)).collect()
}

/// Sends a value at a leaf's place, beside what the operation needs.
async fn send(app: &Api, leaf: &Leaf, value: &Value, dataset: &str) -> Reply {
    let Operation { method, path, is } = leaf.operation;
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut at = path.to_owned();
    let mut query = Vec::new();
    let mut headers = Vec::new();
    for parameter in is["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap();
        let (place, asked) = (parameter["in"].as_str().unwrap(), leaf.place == parameter["in"] && leaf.way[0] == name);
        match place {
            "path" if asked => at = at.replace(&format!("{{{name}}}"), &text),
            "path" => {
                at = at.replace(&format!("{{{name}}}"), if path.starts_with("/datasets") { dataset } else { "nobody" })
            }
            "query" if asked => query.push((name, text.clone())),
            "query" if parameter["required"] == true => query.push((name, "nurse".to_owned())),
            "query" if name == "dataset" => query.push((name, dataset.to_owned())),
            "header" if asked => headers.push((name, text.clone())),
            _ => {}
        }
    }
    // All of them are letters, digits, points and signs.
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = app.request(&method.to_uppercase(), &format!("{at}?{}", query.join("&")));
    let mut request = request.timeout(Duration::from_secs(30));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let content = &is["requestBody"]["content"];
    if let Some(json) = content.get("application/json") {
        let mut body = examples(json)[0].clone();
        // What the example says in the body would go before the query.
        if let (Some(fields), Some(name)) = (body.as_object_mut(), leaf.way.first().filter(|_| leaf.place == "query")) {
            fields.remove(*name);
        }
        if path == "/keys" {
            // From the first key on every request would need one: this one is refused for its length of life.
            body["expires"] = "0d".into();
        }
        if leaf.place == "application/json" {
            put(&mut body, &leaf.way, value);
        }
        if body["method"].is_object() {
            body["method"]["type"] = "supervised".into();
        }
        request = request.json(&body);
    } else if content.get("text/csv").is_some() {
        request = request.header("content-type", "text/csv").body("id,label\n1,nurse\n");
    }
    app.send(request).await
}

/// Puts a value where it belongs in a body.
fn put(place: &mut Value, way: &[&str], value: &Value) {
    match way {
        [] => *place = value.clone(),
        ["[]", rest @ ..] => {
            *place = json!([null]);
            put(&mut place[0], rest, value);
        }
        [name, rest @ ..] => {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            put(&mut place[*name], rest, value);
        }
    }
}

/// Whether a refusal names the parameter.
fn names(reply: &Reply, leaf: &Leaf) -> bool {
    let problem = if reply.body["error"].is_object() { &reply.body["error"] } else { &reply.body };
    let told = format!("{} {} {}", problem["param"], problem["detail"], problem["message"]);
    leaf.way.iter().filter(|name| **name != "[]").any(|name| told.contains(name))
}

#[tokio::test]
async fn every_number_is_taken_within_its_bounds_and_refused_by_name_outside() {
    let app = App::start();
    let dataset = app.post_csv("/datasets", few(20)).await.text("id");
    let mut sent = 0;
    for leaf in leaves() {
        let numeric = leaf.is("integer") || leaf.is("number");
        // Cells of a table are no settings, and a form says what JSON says.
        if !numeric || leaf.way[0] == "pairs" || leaf.place == "multipart/form-data" {
            continue;
        }
        for (written, number) in numbers(&leaf) {
            let value = serde_json::from_str(&written).unwrap();
            let reply = if leaf.place == "application/json" {
                send(&app, &leaf, &value, &dataset).await
            } else {
                send(&app, &leaf, &Value::from(written.as_str()), &dataset).await
            };
            let what = format!("{} = {written}: {} {}", leaf.told(), reply.status, reply.body);
            sent += 1;
            assert!(reply.status < 500, "{what}");
            if !leaf.holds(number) {
                assert!((400..500).contains(&reply.status) && names(&reply, &leaf), "{what}");
            } else {
                assert_ne!(reply.body["code"], "out_of_range", "{what}");
            }
        }
    }
    assert!(sent > 300, "{sent}");
    assert_eq!(app.get("/health").await.status, 200);
}

#[tokio::test]
async fn a_text_or_a_list_that_is_too_long_is_refused() {
    let app = App::start();
    let dataset = app.post_csv("/datasets", few(20)).await.text("id");
    let mut sent = 0;
    for leaf in leaves() {
        let bounded = |name: &str| leaf.schema[name].as_u64().filter(|most| *most <= 5000).map(|most| most as usize);
        let longest = bounded("maxLength").filter(|_| leaf.is("string"));
        let most = bounded("maxItems").filter(|_| leaf.is("array"));
        let longer = match (longest, most) {
            (Some(longest), _) => Value::from("x".repeat(longest + 1)),
            (None, Some(most)) => vec!["x"; most + 1].into(),
            (None, None) => continue,
        };
        let in_table = leaf.way[0] == "pairs" || leaf.way.last() == Some(&"x");
        if in_table || leaf.place == "multipart/form-data" || leaf.place != "application/json" && !longer.is_string() {
            continue;
        }
        let reply = send(&app, &leaf, &longer, &dataset).await;
        sent += 1;
        assert!((400..500).contains(&reply.status), "{}: {} {}", leaf.told(), reply.status, reply.body);
    }
    assert!(sent > 80, "{sent}");
}
