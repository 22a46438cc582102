//! What a model's folder says of itself, and what its files are called.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ml::files::{json, read, write_new};
use crate::ml::sha256::sha256;
use crate::ml::{Error, Result};

/// A network's sizes, or a module's.
pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
/// A transformer's tokenizer.
pub(super) const TRANSFORMER_TOKENIZER: &str = "tokenizer.json";
/// The SentencePiece model.
pub const TOKENIZER: &str = "sentencepiece.model";
/// What the folder says of itself: a [`ModelCard`].
pub const CARD: &str = "shamisen.json";
/// How a transformer of sentence-transformers reads texts.
pub(super) const SENTENCE_CONFIG: &str = "sentence_bert_config.json";
/// The list of modules. A folder that has it holds a transformer.
pub(super) const MODULES: &str = "modules.json";

/// What a model folder says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The name people call it by.
    pub name: String,
    /// SHA-256 over configuration, weights and tokenizer (a tuned model's: over its base's
    /// fingerprint and its delta). Equal fingerprints give equal vectors.
    pub fingerprint: String,
    /// Dimensions of a text's vector.
    pub dimensions: i64,
    /// Tokens of a text that are read.
    pub max_tokens: usize,
    /// The fingerprint of the base that a tuned model is a delta of.
    pub base_fingerprint: Option<String>,
}

/// A file as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSum {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

/// The files that a card vouches for, by their paths in its folder.
pub(super) type Sums = BTreeMap<String, FileSum>;

/// The card's key for [`Sums`].
const FILES: &str = "files";
/// The card's key for the SHA-256 of all else in it.
const OWN_SUM: &str = "sha256";

/// A folder's card.
///
/// # Errors
/// Where it cannot be read, or is not what was written.
pub fn read_card(folder: &Path) -> Result<ModelCard> {
    Ok(read_sealed(folder)?.0)
}

/// A folder's card and the files that it vouches for: none where it was written before cards did so.
pub(super) fn read_sealed(folder: &Path) -> Result<(ModelCard, Option<Sums>)> {
    let path = folder.join(CARD);
    let damaged = |reason: String| Error::damaged(&path, reason);
    let mut keys: Map<String, Value> =
        serde_json::from_slice(&read(&path)?).map_err(|error| damaged(format!("it is no card: {error}")))?;
    let own = keys.remove(OWN_SUM);
    let is_sealed = own.is_some() || keys.contains_key(FILES);
    if is_sealed && own.as_ref().and_then(Value::as_str) != Some(own_sum(&keys).as_str()) {
        return Err(damaged("it is not what was written: the SHA-256 that it has of itself is another".to_owned()));
    }
    let sums = keys.remove(FILES).map(serde_json::from_value).transpose();
    let card = serde_json::from_value(Value::Object(keys));
    match (card, sums) {
        (Ok(card), Ok(sums)) if !is_sealed || sums.is_some() => Ok((card, sums)),
        (Err(error), _) | (_, Err(error)) => Err(damaged(format!("it is no card: {error}"))),
        _ => Err(damaged("the list of its files is missing".to_owned())),
    }
}

/// Writes a folder's card, whole or not at all.
pub(super) fn write_sealed(folder: &Path, card: &ModelCard, sums: Sums) -> Result<()> {
    let mut keys = serde_json::to_value(card).expect("plain structs become JSON");
    let keys = keys.as_object_mut().expect("a struct is an object");
    keys.insert(FILES.to_owned(), serde_json::to_value(sums).expect("plain structs become JSON"));
    let own = own_sum(keys);
    keys.insert(OWN_SUM.to_owned(), own.into());
    let (path, draft) = (folder.join(CARD), folder.join(format!("{CARD}.draft")));
    let io = |error| Error::file(&path, error);
    // An earlier try's.
    let _ = std::fs::remove_file(&draft);
    write_new(&draft, &json(keys))?;
    std::fs::rename(&draft, &path).map_err(io)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)
}

/// The SHA-256 of what a card's keys mean, however the file is laid out.
fn own_sum(keys: &Map<String, Value>) -> String {
    fn sorted(value: &Value, out: &mut String) {
        match value {
            Value::Object(keys) => {
                let keys: BTreeMap<&String, &Value> = keys.iter().collect();
                out.push('{');
                for (key, value) in keys {
                    out.push_str(&Value::from(key.as_str()).to_string());
                    out.push(':');
                    sorted(value, out);
                    out.push(',');
                }
                out.push('}');
            }
            other => out.push_str(&other.to_string()),
        }
    }
    let mut text = String::new();
    sorted(&Value::Object(keys.clone()), &mut text);
    sha256(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_of_a_card_is_vouched_for_or_means_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let card = ModelCard {
            name: "nurses".to_owned(),
            fingerprint: "f1".repeat(32),
            dimensions: 512,
            max_tokens: 128,
            base_fingerprint: Some("b2".repeat(32)),
        };
        let sums: Sums = [("a".to_owned(), FileSum { bytes: 12, sha256: sha256(b"a") })].into();
        write_sealed(folder.path(), &card, sums.clone()).unwrap();
        let path = folder.path().join(CARD);
        let written = std::fs::read(&path).unwrap();
        let mut harmless = 0;
        for bit in 0..written.len() * 8 {
            let mut flipped = written.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).unwrap();
            // White space that became other white space says the same.
            if let Ok(read) = read_sealed(folder.path()) {
                assert_eq!(read, (card.clone(), Some(sums.clone())), "bit {bit}");
                harmless += 1;
            }
        }
        assert!(harmless < 20, "{harmless}");
        // As cards were before they vouched for files.
        std::fs::write(&path, json(&card)).unwrap();
        assert_eq!(read_sealed(folder.path()).unwrap(), (card, None));
    }
}
