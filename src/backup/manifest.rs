//! What a backup holds.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use anyhow::bail;
use serde::{Deserialize, Serialize};

use super::{DATABASE, KEYS};
use crate::store;

/// The file of a backup that vouches for the others.
pub(super) const MANIFEST: &str = "manifest.json";

/// What another layout would count up.
const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) format: u32,
    /// The program's version.
    pub(super) shamisen: String,
    /// The database's.
    pub(super) schema: i64,
    /// Milliseconds.
    pub(super) created_at: i64,
    /// By their paths in the data folder.
    pub(super) files: BTreeMap<String, StoredFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredFile {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(schema: i64, files: BTreeMap<String, StoredFile>) -> Self {
        let shamisen = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, shamisen, schema, created_at: store::now(), files }
    }

    pub(super) fn json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("plain structs become JSON")
    }

    /// A backup's manifest, where this program can restore it.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        /// Of any layout.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
            shamisen: String,
            schema: i64,
        }
        let damaged = |error| anyhow::anyhow!("the backup's {MANIFEST} is damaged ({error}); take another backup");
        let Head { format, shamisen, schema } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format > FORMAT || schema > store::newest_schema() {
            bail!(
                "a newer Shamisen (version {shamisen}) made this backup, and this is version {}: restore it with that version or a newer one",
                env!("CARGO_PKG_VERSION")
            );
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(damaged)?;
        if let Some(path) = manifest.files.keys().find(|path| !belongs(path)) {
            bail!("the backup names the file {path:?}, which is none of a data folder's; take another backup");
        }
        if !manifest.files.contains_key(DATABASE) {
            bail!("the backup's {MANIFEST} names no {DATABASE}; take another backup");
        }
        Ok(manifest)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes).sum()
    }
}

/// Whether a path is one that a backup of a data folder has.
fn belongs(path: &str) -> bool {
    let parts: Option<Vec<&str>> = Path::new(path)
        .components()
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    match parts.as_deref() {
        Some([file]) => [DATABASE, KEYS].contains(file) && *file == path,
        Some(["datasets", file]) => path == format!("datasets/{file}"),
        Some(["models", _, ..]) => !path.contains("//"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_names_files_of_a_data_folder_and_no_others() {
        for fine in
            ["shamisen.db", "KEYS", "datasets/ds_1.pairs", "models/ft_1/model.safetensors", "models/m/0_T/config.json"]
        {
            assert!(belongs(fine), "{fine}");
        }
        for wrong in [
            "",
            "/etc/passwd",
            "../x",
            "datasets/../../x",
            "models/../../x",
            "datasets/a/b",
            "LOCK",
            "models",
            "./KEYS",
        ] {
            assert!(!belongs(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_backup_of_a_newer_program_is_refused_with_its_version() {
        for (format, schema) in [(FORMAT + 1, 1), (FORMAT, 9999)] {
            let newer = format!(r#"{{"format": {format}, "shamisen": "9.9.9", "schema": {schema}, "more": []}}"#);
            let refused = Manifest::read(newer.as_bytes()).unwrap_err().to_string();
            assert!(refused.contains("version 9.9.9") && refused.contains(env!("CARGO_PKG_VERSION")), "{refused}");
        }
    }
}
