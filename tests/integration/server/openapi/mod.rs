//! The API's description is sound, complete, and what the server does.

mod bounds;
mod sources;
mod statuses;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::app::PROGRAM;
use crate::contract::{DOCUMENT, operations, strict};
use crate::shared;

/// Every object inside a value, with its place.
fn walk<'a>(value: &'a Value, place: &str, visit: &mut dyn FnMut(&str, &'a Value)) {
    visit(place, value);
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                walk(inner, &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")), visit);
            }
        }
        Value::Array(values) => {
            for (index, inner) in values.iter().enumerate() {
                walk(inner, &format!("{place}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn the_description_is_sound() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    assert_eq!(DOCUMENT["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut references = 0;
    walk(&DOCUMENT, "", &mut |place, value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            references += 1;
            let found = target.strip_prefix('#').and_then(|pointer| DOCUMENT.pointer(pointer));
            assert!(found.is_some(), "{place}: {target} is not there");
        }
    });
    assert!(references > 100, "{references}");
    let tags: BTreeSet<&str> =
        DOCUMENT["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for operation in operations() {
        let id = operation.id();
        assert!(ids.insert(id), "{id} is there twice");
        // The first line of the handler's doc comment.
        let summary = operation.is["summary"].as_str().unwrap_or_default();
        assert!(summary.ends_with('.') && summary.len() < 100, "{id}: the summary is no short sentence: {summary:?}");
        let used = operation.is["tags"].as_array().unwrap();
        assert!(used.len() == 1 && tags.contains(used[0].as_str().unwrap()), "{id}: {used:?}");
        let in_path: BTreeSet<&str> =
            operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(operation.parameters("path").collect::<BTreeSet<_>>(), in_path, "{id}");
        for (status, response) in operation.is["responses"].as_object().unwrap() {
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{id} {status}");
            for (kind, content) in response["content"].as_object().into_iter().flatten() {
                assert!(!content["schema"].is_null(), "{id} {status} {kind} has no schema");
            }
        }
    }
}

/// The examples of a body: its own, or those of its schema.
pub(super) fn examples(content: &Value) -> Vec<&Value> {
    let own = content["examples"].as_object().into_iter().flatten().map(|(_, example)| &example["value"]);
    own.chain(content.get("example")).collect()
}

#[test]
fn every_example_fits_its_schema() {
    let fits = |place: &str, schema: &Value, example: &Value| {
        let error = strict(schema).iter_errors(example).next().map(|error| error.to_string());
        assert_eq!(error, None, "{place}: {example}");
    };
    let mut seen = 0;
    for operation in operations() {
        let responses = operation.is["responses"].as_object().unwrap().values();
        for body in responses.chain(operation.is.get("requestBody")) {
            for (kind, content) in body["content"].as_object().into_iter().flatten() {
                for example in examples(content) {
                    fits(&format!("{} {kind}", operation.id()), &content["schema"], example);
                    seen += 1;
                }
            }
        }
        if let Some(json) = operation.is["requestBody"]["content"].get("application/json") {
            assert!(!examples(json).is_empty(), "{}: a JSON body without an example", operation.id());
        }
    }
    for (name, schema) in DOCUMENT["components"]["schemas"].as_object().unwrap() {
        let listed = schema["examples"].as_array().into_iter().flatten();
        for example in listed.chain(schema.get("example")) {
            fits(name, schema, example);
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn every_training_setting_and_every_value_of_it_is_described() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let settings = schemas["TrainConfig"]["properties"].as_object().unwrap();
    let config = serde_json::to_value(shamisen::ml::train::TrainConfig::default()).unwrap();
    assert!(settings.keys().eq(config.as_object().unwrap().keys()));
    let mut waiting = vec!["TrainConfig", "Recipe"];
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !seen.insert(name) {
            continue;
        }
        walk(&schemas[name], name, &mut |_, value| {
            let target = value.get("$ref").and_then(Value::as_str);
            waiting.extend(target.and_then(|target| target.strip_prefix("#/components/schemas/")));
        });
        for (field, schema) in schemas[name]["properties"].as_object().into_iter().flatten() {
            let choices = schema["oneOf"].as_array().into_iter().flatten();
            let told = choices.chain([schema]).any(|schema| schema["description"].is_string());
            assert!(told, "{name}.{field} has no description");
        }
        let told = schemas[name]["description"].as_str().unwrap();
        for value in schemas[name]["enum"].as_array().into_iter().flatten() {
            let value = value.as_str().unwrap();
            assert!(told.contains(&format!("`{value}`")), "{name} does not tell {value}");
        }
    }
    assert!(seen.len() > 14, "{seen:?}");
}

#[tokio::test]
async fn the_server_and_the_command_line_give_the_same_description() {
    let app = shared::tiny();
    assert_eq!(app.get("/openapi.json").await.body, *DOCUMENT);
    let printed = Command::new(PROGRAM).arg("openapi").output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), *DOCUMENT);
}

#[tokio::test]
async fn an_error_links_to_what_its_code_means_in_both_languages() {
    let app = shared::tiny();
    let link = app.get("/jobs/nobody").await.text("type");
    let (path, code) = link.split_once('#').unwrap();
    let page = app.get(path).await;
    assert_eq!(page.status, 200);
    let page = page.body.as_str().unwrap().to_owned();
    assert!(page.contains(&format!("<article id=\"{code}\">")), "{link}");
    let (entries, languages) =
        (page.matches("<article id=").count(), page.matches("<div lang=\"ja\"><p class").count());
    assert!(entries > 50 && entries == languages, "{entries}, {languages}");
}
