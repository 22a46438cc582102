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
            for after in text.split("ToSchema)").skip(1) {
                let item = after.split('{').next().unwrap_or_default();
                let named = after.split_once("schema(as = ").filter(|(before, _)| before.len() < 200);
                let named = named.filter(|(before, _)| !before.contains("struct ") && !before.contains("enum "));
                let own = ["struct ", "enum "].iter().find_map(|kind| Some(item.split_once(kind)?.1));
                let name = named.map(|(_, name)| name).or(own).unwrap_or_default();
                let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                names.entry(name).or_default().push(path.display().to_string());
            }
        }
    }
    let mut names = BTreeMap::new();
    for sources in ["src", "crates/tables/src"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sources), &mut names);
    }
    assert!(names.len() > 100, "{}", names.len());
    names.retain(|_, files| files.len() > 1);
    assert!(names.is_empty(), "{names:#?}");
}

/// The sources, without their tests.
fn sources() -> String {
    fn read(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, all);
                continue;
            }
            let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_string_lossy();
            if name.ends_with(".rs") && !["tests.rs", "/tests/"].iter().any(|part| name.contains(part)) {
                let text = std::fs::read_to_string(&path).unwrap();
                all.push_str(text.split("#[cfg(test)]\nmod tests {").next().unwrap());
            }
        }
    }
    let mut all = String::new();
    for folder in ["src", "crates/tables/src"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut all);
    }
    all
}

/// Every text between `before`, some spaces and `"`, and the next `"`.
fn quoted_after<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
    let after = text.split(before).skip(1);
    after.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next()).collect()
}

/// `NotJson` as `not_json`.
fn snake(name: &str) -> String {
    let big = name.char_indices().skip(1).filter(|(_, c)| c.is_ascii_uppercase()).map(|(at, _)| at);
    let ends: Vec<usize> = [0].into_iter().chain(big).chain([name.len()]).collect();
    ends.windows(2).map(|at| name[at[0]..at[1]].to_lowercase()).collect::<Vec<_>>().join("_")
}

/// `src/http` names the codes of its replies with a type, so that a wrong one does not compile. The layers below
/// write theirs as text: each is told, and where it may stand.
#[test]
fn every_code_in_the_sources_is_told_and_no_other() {
    let sources = sources();
    let schemas = &DOCUMENT["components"]["schemas"];
    let told_of = |schema: &str| -> BTreeSet<&str> {
        let codes = schemas[schema]["properties"]["code"]["enum"].as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap()).collect()
    };
    let everywhere = ["Problem", "RowProblem", "JobError", "Note", "Finding"];
    // The ways in which a code is written, and where it stands then.
    let ways: [(&str, &[&str]); 7] = [
        ("Problems::table(", &["Problem"]),
        ("self.code =", &["Problem"]),
        ("problem(cell,", &["RowProblem"]),
        ("failed(", &["JobError", "Problem"]),
        ("note(", &["Note"]),
        ("Finding::new(", &["Finding"]),
        ("code:", &everywhere),
    ];
    let is_code = |text: &&str| {
        text.len() > 3 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    for (before, schemas) in ways {
        let told: BTreeSet<&str> = schemas.iter().flat_map(|schema| told_of(schema)).collect();
        let untold: Vec<_> =
            quoted_after(&sources, before).into_iter().filter(is_code).filter(|code| !told.contains(code)).collect();
        assert!(
            untold.is_empty(),
            "errors.toml does not tell {untold:?}, which stand after {before:?}, of {schemas:?}"
        );
    }
    let name = |rest: &str| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().map(snake).unwrap_or_default();
    let typed: BTreeSet<String> = sources.split("Code::").skip(1).map(name).collect();
    let told: BTreeSet<&str> = everywhere.into_iter().flat_map(told_of).collect();
    let gone: Vec<_> =
        told.iter().filter(|code| !typed.contains(**code) && !sources.contains(&format!("\"{code}\""))).collect();
    assert!(told.len() > 150 && gone.is_empty(), "only in errors.toml: {gone:?}");
}
