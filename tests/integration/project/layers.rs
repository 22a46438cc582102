//! Who may import whom. A new edge belongs in ARCHITECTURE.md first.

use std::path::{Path, PathBuf};

const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("ml", &[]),
    ("store", &["ml"]),
    ("datasets", &["ml", "store"]),
    ("registry", &["ml", "store"]),
    ("keys", &["ml", "store"]),
    ("serving", &["ml", "registry", "store"]),
    ("jobs", &["ml", "store", "datasets", "registry"]),
    ("http", &["ml", "store", "datasets", "registry", "keys", "serving", "jobs"]),
    ("config", &[]),
    ("cli", &["ml", "store", "datasets", "registry", "keys", "serving", "jobs", "http", "config"]),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// Each source file with its layer and its code, comments left out.
fn code() -> Vec<(String, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&src).into_iter().map(|path| {
        let name = path.strip_prefix(&src).unwrap().to_string_lossy().into_owned();
        let layer = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
        (name, layer, code)
    });
    files.filter(|(name, ..)| name != "lib.rs" && name != "main.rs" && !name.ends_with("tests.rs")).collect()
}

#[test]
fn arrows_point_one_way() {
    for (name, layer, code) in code() {
        let allowed =
            MAY_IMPORT.iter().find(|(known, _)| *known == layer).unwrap_or_else(|| panic!("{name}: a new layer")).1;
        for import in code.split("crate::").skip(1) {
            let target: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(target == layer || allowed.contains(&target.as_str()), "{name} may not import crate::{target}");
        }
    }
}

#[test]
fn what_a_layer_must_not_know_is_not_in_it() {
    for (name, layer, code) in code() {
        let absent: &[&str] = match layer.as_str() {
            "ml" => &["axum", "sqlx", "tokio", "println!", "std::env"],
            "serving" => &["axum", "sqlx::query", "crate::jobs"],
            "http" => &["sqlx::query"],
            _ => &[],
        };
        // What is compiled for tests alone may ask where the public data lies.
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        for word in absent {
            assert!(!code.contains(word), "{name} contains {word}");
        }
        if layer != "store" {
            assert!(!code.contains("sqlx::query"), "{name} holds SQL");
        }
        if !name.ends_with("memory.rs") {
            assert!(!code.contains("unsafe {"), "{name} is unsafe");
        }
        if layer != "config" && layer != "cli" {
            assert!(!code.contains("std::env::var"), "{name} reads the environment");
        }
    }
}
