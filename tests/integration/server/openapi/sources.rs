//! The description against the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::contract::DOCUMENT;

/// A second schema of a name takes the first one's place in the description, and neither type says so.
#[test]
fn no_two_types_are_described_under_one_name() {
    fn read(folder: &Path, names: &mut BTreeMap<String, Vec<String>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, names);
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for after in text.split("ToSchema)]").skip(1) {
                let item = after.split('{').next().unwrap_or_default();
                let named = after.split_once("#[schema(as = ").filter(|(before, _)| before.len() < 200);
                let named = named.filter(|(before, _)| !before.contains("struct ") && !before.contains("enum "));
                let own = ["struct ", "enum "].iter().find_map(|kind| Some(item.split_once(kind)?.1));
                let name = named.map(|(_, name)| name).or(own).unwrap_or_default();
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                names.entry(name).or_default().push(path.display().to_string());
            }
        }
    }
    let mut names = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
    assert!(names.len() > 100, "{}", names.len());
    names.retain(|_, files| files.len() > 1);
    assert!(names.is_empty(), "{names:#?}");
}

/// The sources of the layers that give codes, without their tests.
fn sources() -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
                continue;
            }
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy();
            if !["http/codes/", "tests.rs", "/tests/"].iter().any(|part| name.contains(part)) {
                let text = std::fs::read_to_string(&path).unwrap();
                all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
            }
        }
    }
    let mut all = String::new();
    for layer in ["http", "jobs", "serving", "ml/dataset"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer), &mut all);
    }
    all
}

/// Every text between `before`, some spaces and `"`, and the next `"`.
fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let after = text.split(before).skip(1);
    after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

#[test]
fn every_code_in_the_sources_is_told_and_no_other() {
    let sources = sources();
    // The ways in which a code is written.
    let mut found: BTreeSet<&str> = [
        "unusable(",
        "not_found(",
        "conflict(",
        "too_large(",
        "refuse(",
        "unavailable(",
        "failed(",
        "note(",
        "problem(cell,",
        "Problems::table(",
        "code:",
        "self.code =",
        "unknown(",
    ]
    .iter()
    .flat_map(|before| quoted_after(&sources, before))
    .collect();
    for rest in sources.split("StatusCode::").skip(1) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        found.extend(quoted_after(&rest[..rest.len().min(200)], &format!("{name},")).first());
    }
    found.retain(|code| {
        code.len() > 3 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    });
    let schemas = &DOCUMENT["components"]["schemas"];
    let told: BTreeSet<&str> = ["Problem", "RowProblem", "JobError", "Note", "Finding"]
        .iter()
        .flat_map(|schema| schemas[schema]["properties"]["code"]["enum"].as_array().unwrap())
        .map(|code| code.as_str().unwrap())
        .collect();
    let untold: Vec<_> = found.difference(&told).collect();
    let gone: Vec<_> = told.iter().filter(|code| !sources.contains(&format!("\"{code}\""))).collect();
    assert!(untold.is_empty() && gone.is_empty(), "not in http/codes.rs: {untold:?}\nonly there: {gone:?}");
}
