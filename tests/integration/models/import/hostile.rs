//! What hostile folders, archives and readers come to.

use std::io::Write;
use std::path::Path;

use serde_json::json;
use shamisen::ml::encoder;
use shamisen::registry::{self, ImportRequest};

use super::super::integrity::unseal;
use super::refused::{change, change_tensors, each_is_refused};
use super::{Place, published};
use crate::published::write_json;

#[test]
fn damaged_and_hostile_folders_come_to_a_sentence() {
    each_is_refused(&[
        (
            "deep tokenizer",
            |folder| std::fs::write(folder.join("tokenizer.json"), "[".repeat(100_000)).unwrap(),
            &["tokenizer.json"],
        ),
        (
            "deep configuration",
            |folder| std::fs::write(folder.join("config.json"), "{\"a\":".repeat(100_000)).unwrap(),
            &["config.json", "recursion"],
        ),
        ("header of 2^60 bytes", |folder| with_header(folder, 1 << 60, "{}", 0), &["not a whole safetensors file"]),
        (
            "range outside",
            |folder| {
                with_header(folder, 60, r#"{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}     "#, 4);
            },
            &["not a whole safetensors file"],
        ),
        (
            "shapes that overflow",
            |folder| {
                let header = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}"#;
                with_header(folder, header.len() as u64, header, 4);
            },
            &["not a whole safetensors file"],
        ),
        (
            "truncated",
            |folder| {
                let file = folder.join("model.safetensors");
                let bytes = std::fs::read(&file).unwrap();
                std::fs::write(&file, &bytes[..bytes.len() - 100]).unwrap();
            },
            &["not a whole safetensors file"],
        ),
        (
            "NaN",
            |folder| {
                change_tensors(folder, |all| {
                    all.get_mut("pooler.dense.bias").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
                });
            },
            &["pooler.dense.bias", "NaN"],
        ),
        (
            "way out",
            |folder| change(folder, "modules.json", |all| all[1]["path"] = "../../etc".into()),
            &["../../etc", "not the name of a folder"],
        ),
        (
            "shard elsewhere",
            |folder| {
                std::fs::remove_file(folder.join("model.safetensors")).unwrap();
                let index = json!({"weight_map": {"a": "../model.safetensors"}});
                write_json(&folder.join("model.safetensors.index.json"), &index);
            },
            &["../model.safetensors"],
        ),
        (
            "absurd size",
            |folder| change(folder, "config.json", |config| config["hidden_size"] = 1_000_000_000_000_i64.into()),
            &["hidden size"],
        ),
        (
            "a letter that becomes a thousand, four times over",
            |folder| change(folder, "tokenizer.json", |all| all["normalizer"] = growing()),
            &["tokenizer.json", "puts in 1000 characters for 1"],
        ),
        (
            "words without an end",
            |folder| {
                change(folder, "tokenizer.json", |all| {
                    all["model"] = json!({
                        "type": "WordPiece", "vocab": all["model"]["vocab"], "unk_token": "[UNK]",
                        "continuing_subword_prefix": "##", "max_input_chars_per_word": 1_u64 << 62
                    });
                });
            },
            &["max_input_chars_per_word"],
        ),
        (
            "ids beyond the table",
            |folder| change(folder, "tokenizer.json", |all| all["model"]["vocab"]["far"] = 5000.into()),
            &["more pieces than the table has rows"],
        ),
    ]);
}

fn growing() -> serde_json::Value {
    let rule = json!({ "type": "Replace", "pattern": { "String": "q" }, "content": "q".repeat(1000) });
    json!({ "type": "Sequence", "normalizers": [rule, rule, rule, rule] })
}

#[test]
fn a_tokenizer_is_held_to_its_bounds_also_where_a_folder_is_put_among_the_models_by_hand() {
    let place = Place::new();
    published(&place.path("tiny"));
    place.imported("tiny", &[]);
    let folder = place.model("tiny");
    change(&folder, "tokenizer.json", |all| all["normalizer"] = growing());
    unseal(&folder);
    // Whoever wrote the card, too.
    for why in [encoder::check_transformer(&folder).err(), encoder::load(&folder).err()] {
        let why = why.unwrap().to_string();
        assert!(why.contains("puts in 1000 characters") || why.contains("fingerprint"), "{why}");
    }
    assert!(encoder::check_transformer(&folder).unwrap_err().to_string().contains("puts in 1000 characters"));
}

#[test]
fn a_text_whose_letters_become_phrases_is_read() {
    let place = Place::new();
    published(&place.path("tiny"));
    change(&place.path("tiny"), "tokenizer.json", |all| all["normalizer"] = json!({ "type": "NFKC" }));
    place.imported("tiny", &[]);
    let model = encoder::load(&place.model("tiny")).unwrap();
    // Each is a phrase of 18 letters, three of them spaces.
    let tokens = model.tokenize(&"\u{fdfa}".repeat(33_333));
    assert!(tokens.ids.len() <= 16 && tokens.dropped >= 33_333, "{tokens:?}");
}

#[test]
fn archives_stay_in_their_folder_and_within_bounds() {
    let place = Place::new();
    let archive = |name: &str, fill: fn(&mut tar::Builder<std::fs::File>)| {
        let mut tar = tar::Builder::new(std::fs::File::create(place.path(name)).unwrap());
        fill(&mut tar);
        tar.into_inner().unwrap();
    };
    fn entry(kind: tar::EntryType, name: &str) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        // `set_path` refuses what an attacker would write.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_mode(0o644);
        header.set_cksum();
        header
    }
    archive("up.tar", |tar| tar.append(&entry(tar::EntryType::Regular, "../x"), &[][..]).unwrap());
    archive("absolute.tar", |tar| tar.append(&entry(tar::EntryType::Regular, "/tmp/x"), &[][..]).unwrap());
    archive("link.tar", |tar| tar.append(&entry(tar::EntryType::Symlink, "config.json"), &[][..]).unwrap());
    archive("device.tar", |tar| tar.append(&entry(tar::EntryType::Char, "config.json"), &[][..]).unwrap());
    archive("empty.tar", |tar| tar.append(&entry(tar::EntryType::Regular, "x"), &[][..]).unwrap());
    let options = zip::write::SimpleFileOptions::default();
    let mut zip = zip::ZipWriter::new(std::fs::File::create(place.path("link.zip")).unwrap());
    zip.add_symlink("config.json", "/etc/passwd", options).unwrap();
    zip.finish().unwrap();
    let mut bomb = zip::ZipWriter::new(std::fs::File::create(place.path("bomb.zip")).unwrap());
    bomb.start_file("config.json", options).unwrap();
    for _ in 0..100 {
        bomb.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    bomb.finish().unwrap();
    std::fs::write(place.path("cut.zip"), &std::fs::read(place.path("bomb.zip")).unwrap()[..1000]).unwrap();
    std::fs::write(place.path("text.zip"), "no archive at all").unwrap();
    for (name, expected) in [
        ("up.tar", "leads out"),
        ("absolute.tar", "leads out"),
        ("link.tar", "a link or a device"),
        ("device.tar", "a link or a device"),
        ("empty.tar", "no model in it"),
        ("link.zip", "a link or a device"),
        ("bomb.zip", "20 times its size"),
        ("cut.zip", "cannot be read"),
        ("text.zip", "neither a folder nor"),
    ] {
        let why = place.refused(name, &[]);
        assert!(why.contains(expected), "{name}: {why}");
    }
    assert!(!place.path("x").exists() && !place.path("data/x").exists());
}

#[tokio::test]
async fn a_reader_that_dies_is_told_and_leaves_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    published(&place.path("tiny"));
    for (script, expected) in [
        ("kill -SEGV $$", "it crashed"),
        ("kill -KILL $$", "it was killed (out of memory"),
        ("kill -XCPU $$", "it computed for too long"),
        (
            "echo '{\"imported\":'; printf \"thread 'x' panicked at y:1:\\nno memory\\nnote: z\" >&2; exit 101",
            "last words: no memory",
        ),
    ] {
        let program = place.path("reader");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let request = ImportRequest { source: place.path("tiny"), name: "x".to_owned(), pooling: None };
        let why = registry::import(&program, &place.path("models"), request).await.unwrap_err().to_string();
        assert!(why.contains(expected) && why.contains("Nothing was imported"), "{why}");
        assert_eq!(std::fs::read_dir(place.path("models")).unwrap().count(), 0);
    }
}

/// A safetensors file with this header and so many bytes behind it.
fn with_header(folder: &Path, length: u64, header: &str, bytes: usize) {
    let file = [&length.to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
}
