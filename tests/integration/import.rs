//! Models on their way in: what becomes of published folders, and what hostile ones come to.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};
use shamisen::ml::encoder;
use shamisen::registry::{self, ImportRequest};
use tempfile::TempDir;

use crate::app::App;

const HIDDEN: usize = 8;
const WORDS: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "data", "scientist", "analyst", "nurse", "看護師", "a"];

/// The tensors of a BERT with one layer, by a formula whose values every float type holds exactly.
fn tensors() -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let (h, i) = (HIDDEN, 2 * HIDDEN);
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![WORDS.len(), h]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![16, h]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, h]),
    ];
    let layer = "encoder.layer.0";
    for (name, out, into) in [
        ("attention.self.query", h, h),
        ("attention.self.key", h, h),
        ("attention.self.value", h, h),
        ("attention.output.dense", h, h),
        ("intermediate.dense", i, h),
        ("output.dense", h, i),
    ] {
        shapes.push((format!("{layer}.{name}.weight"), vec![out, into]));
        shapes.push((format!("{layer}.{name}.bias"), vec![out]));
    }
    for norm in [
        "embeddings.LayerNorm".to_owned(),
        format!("{layer}.attention.output.LayerNorm"),
        format!("{layer}.output.LayerNorm"),
    ] {
        shapes.push((format!("{norm}.weight"), vec![h]));
        shapes.push((format!("{norm}.bias"), vec![h]));
    }
    shapes.push(("pooler.dense.weight".to_owned(), vec![h, h]));
    shapes.push(("pooler.dense.bias".to_owned(), vec![h]));
    let number = |seed: usize, place: usize| ((seed * 37 + place * 11) % 127) as f32 / 64.0 - 1.0;
    let numbers = |(seed, (name, shape)): (usize, (String, Vec<usize>))| {
        let size = shape.iter().product();
        (name, (shape, (0..size).map(|place| number(seed, place)).collect()))
    };
    shapes.into_iter().enumerate().map(numbers).collect()
}

/// A tensor as it stands in a file.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

fn stored(dtype: Dtype, tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>) -> BTreeMap<String, Stored> {
    let bytes = |number: &f32| match dtype {
        Dtype::F16 => f16::from_f32(*number).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(*number).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(*number).to_le_bytes().to_vec(),
        _ => number.to_le_bytes().to_vec(),
    };
    let store = |(name, (shape, numbers)): (&String, &(Vec<usize>, Vec<f32>))| {
        (name.clone(), (dtype, shape.clone(), numbers.iter().flat_map(bytes).collect()))
    };
    tensors.iter().map(store).collect()
}

fn write_weights(path: &Path, tensors: &BTreeMap<String, Stored>) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn write_json(path: &Path, value: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, value.to_string()).unwrap();
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn tokenizer() -> Value {
    let vocab: serde_json::Map<String, Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |name: &str, id: usize| json!({name: {"id": name, "ids": [id], "tokens": [name]}});
    let mut specials = special("[CLS]", 2);
    specials["[SEP]"] = special("[SEP]", 3)["[SEP]"].clone();
    let piece = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, piece("[SEP]")],
            "pair": [piece("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, piece("[SEP]"), {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": specials
        },
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]"}
    })
}

fn config() -> Value {
    json!({
        "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": HIDDEN, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 2 * HIDDEN, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "max_position_embeddings": 16, "type_vocab_size": 2, "pad_token_id": 0
    })
}

/// A plain transformer as `transformers` saves it.
fn plain(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    write_weights(&folder.join("model.safetensors"), &stored(Dtype::F32, &tensors()));
    write_json(&folder.join("config.json"), &config());
    write_json(&folder.join("tokenizer.json"), &tokenizer());
}

fn modules(of: &[(&str, &str)]) -> Value {
    let module = |(place, (path, class)): (usize, &(&str, &str))| json!({"idx": place, "name": place.to_string(), "path": path, "type": class});
    of.iter().enumerate().map(module).collect()
}

/// The same as sentence-transformers saves it.
fn published(folder: &Path) {
    plain(folder);
    let of = [
        ("", "sentence_transformers.models.Transformer"),
        ("1_Pooling", "sentence_transformers.models.Pooling"),
        ("2_Normalize", "sentence_transformers.models.Normalize"),
    ];
    write_json(&folder.join("modules.json"), &modules(&of));
    let pooling =
        json!({"word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true});
    write_json(&folder.join("1_Pooling/config.json"), &pooling);
}

/// A folder of published models beside a data folder.
struct Place {
    root: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { root: TempDir::new().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn model(&self, id: &str) -> PathBuf {
        self.path("data/models").join(id)
    }

    fn import(&self, source: &str, more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_shamisen"))
            .args(["model", "import", source, "--data"])
            .arg(self.path("data"))
            .args(more)
            .current_dir(self.root.path())
            .output()
            .unwrap()
    }

    /// Imports what must come in; what was said.
    fn imported(&self, source: &str, more: &[&str]) -> String {
        let run = self.import(source, more);
        assert!(run.status.success(), "{source}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }

    /// Imports what must not come in; why not. Nothing may be left of it.
    fn refused(&self, source: &str, more: &[&str]) -> String {
        let run = self.import(source, more);
        let why = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(1), "{source}: {why}");
        let models = self.path("data/models");
        let left = std::fs::read_dir(&models).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{source} left something");
        assert!(
            why.starts_with("shamisen: ") && !why.contains("panicked") && !why.contains(".draft"),
            "{source}: {why}"
        );
        why
    }
}

fn fingerprint(folder: &Path) -> String {
    encoder::read_card(folder).unwrap().fingerprint
}

#[test]
fn a_published_folder_becomes_a_models_folder() {
    let place = Place::new();
    let folder = place.path("Tiny Model");
    published(&folder);
    // As a checkpoint of another task has it, written by an early version.
    let mut old: BTreeMap<String, Stored> = BTreeMap::new();
    for (name, tensor) in stored(Dtype::F32, &tensors()) {
        let name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        old.insert(format!("bert.{name}"), tensor);
    }
    old.insert("bert.embeddings.position_ids".to_owned(), (Dtype::I64, vec![1, 1], vec![0; 8]));
    old.insert("cls.predictions.bias".to_owned(), (Dtype::F32, vec![2], vec![0; 8]));
    write_weights(&folder.join("model.safetensors"), &old);
    // As the newest versions call the classes, with a module more.
    let of = [
        ("", "sentence_transformers.base.modules.transformer.Transformer"),
        ("1_Pooling", "sentence_transformers.sentence_transformer.modules.pooling.Pooling"),
        ("dense", "sentence_transformers.base.modules.dense.Dense"),
        ("3_Normalize", "sentence_transformers.base.modules.normalize.Normalize"),
    ];
    write_json(&folder.join("modules.json"), &modules(&of));
    let dense = json!({"in_features": HIDDEN, "out_features": 3, "bias": true, "activation_function": "torch.nn.modules.activation.Tanh"});
    write_json(&folder.join("dense/config.json"), &dense);
    let weights = BTreeMap::from([
        ("linear.weight".to_owned(), (vec![3, HIDDEN], (0..24).map(|n| n as f32 / 32.0).collect())),
        ("linear.bias".to_owned(), (vec![3], vec![0.5; 3])),
    ]);
    write_weights(&folder.join("dense/model.safetensors"), &stored(Dtype::F16, &weights));

    let said = place.imported("Tiny Model", &[]);
    assert!(said.contains("tiny-model: 3 dimensions"), "{said}");
    let made = place.model("tiny-model");
    let types: Vec<String> = read_json(&made.join("modules.json"))
        .as_array()
        .unwrap()
        .iter()
        .map(|module| format!("{} {}", module["path"].as_str().unwrap(), module["type"].as_str().unwrap()))
        .collect();
    let expected = [
        " sentence_transformers.models.Transformer",
        "1_Pooling sentence_transformers.models.Pooling",
        "2_Dense sentence_transformers.models.Dense",
        "3_Normalize sentence_transformers.models.Normalize",
    ];
    assert_eq!(types, expected);
    for (file, expected) in [("model.safetensors", tensors()), ("2_Dense/model.safetensors", weights)] {
        let bytes = std::fs::read(made.join(file)).unwrap();
        let found = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(found.names().len(), expected.len());
        for (name, stored) in stored(Dtype::F32, &expected) {
            let tensor = found.tensor(&name).unwrap();
            assert_eq!((tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()), stored, "{name}");
        }
    }
    let again = place.import("Tiny Model", &[]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is a model of this id already"));
}

#[test]
fn archives_shards_and_all_float_types_give_the_same_model() {
    let place = Place::new();
    let folder = place.path("tiny");
    published(&folder);
    place.imported("tiny", &[]);
    let expected = fingerprint(&place.model("tiny"));

    for dtype in [Dtype::F16, Dtype::BF16, Dtype::F64] {
        write_weights(&folder.join("model.safetensors"), &stored(dtype, &tensors()));
        let name = format!("{dtype:?}");
        place.imported("tiny", &["--name", &name]);
        assert_eq!(fingerprint(&place.model(&name)), expected, "{name}");
    }

    let (mut shards, mut map) = (vec![BTreeMap::new(), BTreeMap::new()], serde_json::Map::new());
    for (place, (name, tensor)) in stored(Dtype::F32, &tensors()).into_iter().enumerate() {
        map.insert(name.clone(), format!("model-{}.safetensors", place % 2).into());
        shards[place % 2].insert(name, tensor);
    }
    std::fs::remove_file(folder.join("model.safetensors")).unwrap();
    for (place, shard) in shards.iter().enumerate() {
        write_weights(&folder.join(format!("model-{place}.safetensors")), shard);
    }
    write_json(&folder.join("model.safetensors.index.json"), &json!({"metadata": {}, "weight_map": map}));
    place.imported("tiny", &["--name", "shards"]);
    assert_eq!(fingerprint(&place.model("shards")), expected);

    let mut zip = zip::ZipWriter::new(std::fs::File::create(place.path("z.zip")).unwrap());
    for file in ["config.json", "tokenizer.json", "modules.json", "1_Pooling/config.json"] {
        zip.start_file(format!("top/{file}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(folder.join(file)).unwrap()).unwrap();
    }
    write_weights(&folder.join("model.safetensors"), &stored(Dtype::F32, &tensors()));
    zip.start_file("top/model.safetensors", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&std::fs::read(folder.join("model.safetensors")).unwrap()).unwrap();
    zip.start_file("__MACOSX/._top", zip::write::SimpleFileOptions::default()).unwrap();
    zip.finish().unwrap();

    let mut tar = tar::Builder::new(std::fs::File::create(place.path("t.tar")).unwrap());
    tar.append_dir_all(".", &folder).unwrap();
    tar.into_inner().unwrap();
    let packed = std::fs::File::create(place.path("g.tgz")).unwrap();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(packed, flate2::Compression::fast()));
    tar.append_dir_all("top", &folder).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    for (archive, id) in [("z.zip", "z"), ("t.tar", "t"), ("g.tgz", "g")] {
        place.imported(archive, &[]);
        assert_eq!(fingerprint(&place.model(id)), expected, "{archive}");
    }
}

#[test]
fn a_plain_transformer_is_pooled_as_it_is_asked_to() {
    let place = Place::new();
    plain(&place.path("tiny"));
    let said = place.imported("tiny", &[]);
    assert!(said.contains("no modules.json: the mean"), "{said}");
    let pooling = |id: &str| read_json(&place.model(id).join("1_Pooling/config.json"));
    assert_eq!(pooling("tiny")["pooling_mode_mean_tokens"], true);
    place.imported("tiny", &["--name", "first", "--pooling", "cls"]);
    let first = pooling("first");
    assert_eq!((&first["pooling_mode_cls_token"], &first["pooling_mode_mean_tokens"]), (&true.into(), &false.into()));
    assert_eq!(first["word_embedding_dimension"], HIDDEN);
    assert_ne!(fingerprint(&place.model("tiny")), fingerprint(&place.model("first")));
}

/// A change of a published folder, and what its refusal must say.
type Case = (&'static str, fn(&Path), &'static [&'static str]);

fn each_is_refused(cases: &[Case]) {
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

fn change(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let mut value = read_json(&folder.join(file));
    change(&mut value);
    write_json(&folder.join(file), &value);
}

fn change_tensors(folder: &Path, change: impl FnOnce(&mut BTreeMap<String, Stored>)) {
    let mut all = stored(Dtype::F32, &tensors());
    change(&mut all);
    write_weights(&folder.join("model.safetensors"), &all);
}

/// A safetensors file with this header and so many bytes behind it.
fn with_header(folder: &Path, length: u64, header: &str, bytes: usize) {
    let file = [&length.to_le_bytes()[..], header.as_bytes(), &vec![0; bytes]].concat();
    std::fs::write(folder.join("model.safetensors"), file).unwrap();
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
            "ids beyond the table",
            |folder| change(folder, "tokenizer.json", |all| all["model"]["vocab"]["far"] = 5000.into()),
            &["more pieces than the table has rows"],
        ),
    ]);
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

#[tokio::test]
async fn a_running_server_finds_what_was_imported_and_use_stays_its_default() {
    let place = Place::new();
    published(&place.path("a-tiny"));
    place.imported("a-tiny", &[]);
    let data = TempDir::new().unwrap();
    std::fs::create_dir(data.path().join("models")).unwrap();
    // It sorts before the default one.
    std::fs::rename(place.model("a-tiny"), data.path().join("models/a-tiny")).unwrap();
    let app = App::over(data, &[]);
    assert_eq!(app.get("/models/default").await.text("id"), "use-multilingual-v3");
    assert_eq!(app.get("/models/a-tiny").await.body["dimensions"], HIDDEN);

    assert_eq!(app.get("/models/later").await.status, 404);
    place.imported("a-tiny", &["--name", "later"]);
    let models = app.data.path().join("models");
    std::fs::rename(place.model("later"), models.join("later")).unwrap();
    assert_eq!(app.get("/models/later").await.body["dimensions"], HIDDEN);
    let body = json!({"model": "later", "texts": ["data scientist", "nurse"]});
    let reply = app.post("/embed", body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.body["embeddings"][0].as_array().unwrap().len(), HIDDEN);

    // What was imported is held to what it said then.
    place.imported("a-tiny", &["--name", "changed"]);
    let changed = place.model("changed");
    change(&changed, "probes.json", |probes| {
        let probes = probes["probes"].as_array_mut().unwrap();
        assert_eq!(probes.len(), 12);
        probes[3]["vector"][0] = json!(100.0);
    });
    std::fs::rename(changed, models.join("changed")).unwrap();
    let reply = app.post("/embed", json!({ "model": "changed", "texts": ["nurse"] })).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (500, "self_check_failed"), "{}", reply.body);

    // Put there by hand: with weights that are not those of its card.
    place.imported("a-tiny", &["--name", "spoilt"]);
    let spoilt = place.model("spoilt");
    change_tensors(&spoilt, |all| {
        all.insert("pooler.dense.bias".to_owned(), (Dtype::F32, vec![8], vec![0; 32]));
    });
    std::fs::rename(spoilt, models.join("spoilt")).unwrap();
    assert_eq!(app.get("/models/spoilt").await.status, 404);
    assert!(!app.get("/models").await.body.to_string().contains("spoilt"));
}
