//! What is not supported, and what to do about it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::Dtype;
use serde_json::{Value, json};

use super::{Place, published, read_json, tensors};
use crate::published::{Stored, stored, write_json, write_weights};

/// A change of a published folder, and what its refusal must say.
pub(super) type Case = (&'static str, fn(&Path), &'static [&'static str]);

pub(super) fn each_is_refused(cases: &[Case]) {
    for (name, spoil, expected) in cases {
        let place = Place::new();
        published(&place.path("tiny"));
        spoil(&place.path("tiny"));
        let why = place.refused("tiny", &[]);
        for word in *expected {
            assert!(why.contains(word), "{name}: no {word:?} in: {why}");
        }
    }
}

#[test]
fn what_is_not_supported_is_refused_with_what_to_do() {
    each_is_refused(&[
        (
            "pickle",
            |folder| {
                std::fs::rename(folder.join("model.safetensors"), folder.join("pytorch_model.bin")).unwrap();
            },
            &["pickle", "can run code", "safe_serialization=True"],
        ),
        ("no tokenizer", |folder| std::fs::remove_file(folder.join("tokenizer.json")).unwrap(), &["use_fast=True"]),
        (
            "kind",
            |folder| change(folder, "config.json", |config| config["model_type"] = "t5".into()),
            &["\"t5\"", "modernbert"],
        ),
        (
            "own code",
            |folder| change(folder, "config.json", |config| config["auto_map"] = json!({"AutoModel": "x.Y"})),
            &["auto_map", "never run"],
        ),
        (
            "module",
            |folder| change(folder, "modules.json", |all| all[1]["type"] = "sentence_transformers.models.LSTM".into()),
            &["models.LSTM", "Transformer, Pooling, Dense, LayerNorm, Normalize"],
        ),
        (
            "a module's code",
            |folder| change(folder, "modules.json", |all| all[1]["type"] = "custom_st.Pooling".into()),
            &["custom_st.Pooling", "never run"],
        ),
        (
            "quantized",
            |folder| {
                change_tensors(folder, |all| {
                    all.insert("pooler.dense.bias".to_owned(), (Dtype::I8, vec![8], vec![0; 8]));
                });
            },
            &["pooler.dense.bias", "I8"],
        ),
        (
            "foreign tensor",
            |folder| {
                change_tensors(folder, |all| {
                    all.insert("adapters.x".to_owned(), (Dtype::F32, vec![1], vec![0; 4]));
                });
            },
            &["adapters.x"],
        ),
    ]);
    let place = Place::new();
    published(&place.path("tiny"));
    assert!(place.refused("tiny", &["--pooling", "cls"]).contains("its own modules.json"));
    let why = place.refused("somebody/a-model@main", &[]);
    for word in ["--features hub", "hf download somebody/a-model --revision main --local-dir FOLDER"] {
        assert!(why.contains(word), "{why}");
    }
    assert!(place.refused("./nowhere/at/all", &[]).contains("no file or folder"));
    assert!(place.refused("tiny", &["--name", "ft_x"]).contains("cannot be used"));
}

pub(super) fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value = read_json(&folder.join(file));
    change(&mut value);
    write_json(&folder.join(file), &value);
}

pub(super) fn change_tensors(folder: &Path, change: impl FnOnce(&mut BTreeMap<String, Stored>)) {
    let mut all = stored(Dtype::F32, &tensors());
    change(&mut all);
    write_weights(&folder.join("model.safetensors"), &all);
}
