//! Who may import whom. A new edge belongs in ARCHITECTURE.md first.

use std::path::Path;

use super::imports::Imports;

const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("bounds", &[]),
    ("ml", &[]),
    ("store", &["ml"]),
    ("datasets", &["ml", "store"]),
    ("registry", &["ml", "store"]),
    ("keys", &["bounds", "ml", "store"]),
    ("serving", &["ml", "registry", "store"]),
    ("jobs", &["ml", "store", "datasets", "registry"]),
    ("analysis", &["ml", "store", "datasets", "registry", "serving"]),
    ("backup", &["ml", "store"]),
    ("doctor", &["ml", "store"]),
    ("http", &["bounds", "ml", "store", "datasets", "registry", "keys", "serving", "jobs", "analysis"]),
    ("config", &["bounds"]),
    (
        "cli",
        &[
            "bounds", "ml", "store", "datasets", "registry", "keys", "serving", "jobs", "analysis", "backup", "doctor",
            "http", "config",
        ],
    ),
];

fn program() -> Imports {
    Imports::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

fn tables() -> Imports {
    Imports::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/tables/src"))
}

#[test]
fn arrows_point_one_way() {
    for (name, code) in program().code {
        let layer = name.split("::").next().unwrap();
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
    for (name, code) in program().code {
        let layer = name.split("::").next().unwrap();
        let absent: &[&str] = match layer {
            "ml" => &["axum", "sqlx", "tokio", "println!", "std::env"],
            "serving" => &["axum"],
            "analysis" => &["axum"],
            "http" => &["use tch"],
            _ => &[],
        };
        for word in absent {
            assert!(!code.contains(word), "{name} contains {word}");
        }
        if layer != "store" {
            assert!(!code.contains("sqlx"), "{name} knows the database");
        }
        if !name.ends_with("memory") {
            assert!(!code.contains("unsafe {"), "{name} is unsafe");
        }
        if layer != "config" && layer != "cli" {
            assert!(!code.contains("std::env::var"), "{name} reads the environment");
        }
    }
}

#[test]
fn the_crate_of_tables_knows_no_tensor_no_async_and_no_environment() {
    for (name, code) in tables().code {
        let a_word = |at: usize| !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        for word in ["tch::", "async ", "tokio", "sqlx", "println!", "std::env", "unsafe {"] {
            assert!(!code.match_indices(word).any(|(at, _)| a_word(at)), "{name} contains {word}");
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for circles in [program().circles(), tables().circles()] {
        assert!(circles.is_empty(), "{circles:#?}");
    }
}
