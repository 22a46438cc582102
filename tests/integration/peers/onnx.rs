//! `model.onnx`, run by onnxruntime, against the encoder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use shamisen::ml::encoder::{self, Model, RaggedBatch, TruncationDirection, encode, tokenize};
use shamisen::registry::{self, ExportFormat};
use tables::similarity::cosine;
use tch::{Kind, Tensor};
use tempfile::TempDir;

use crate::app::PROGRAM;
use crate::fixtures::{BASE_FOLDER, base, python, script};
use crate::models::export::download;
use crate::shared;

/// What onnxruntime gives for texts of these ids in one batch, filled up with `filler` to the longest.
fn run(onnx: &Path, texts: &[Vec<u32>], filler: u32) -> Vec<Vec<f32>> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("inputs.json");
    std::fs::write(&file, serde_json::to_vec(texts).unwrap()).unwrap();
    let filler = filler.to_string();
    let arguments = [onnx, &file, Path::new("--pad-token-id"), Path::new(&filler)];
    let outputs: Value = serde_json::from_str(&script(python("reference"), "run_onnx.py", &arguments)).unwrap();
    let inputs = json!([
        ["input_ids", "tensor(int64)", ["batch", "sequence"]],
        ["attention_mask", "tensor(int64)", ["batch", "sequence"]],
    ]);
    assert_eq!(outputs["inputs"], inputs);
    let vectors: Vec<Vec<f32>> = serde_json::from_value(outputs["vectors"].clone()).unwrap();
    let [.., output] = &outputs["outputs"].as_array().unwrap()[..] else { panic!("no output") };
    assert_eq!(*output, json!(["sentence_embedding", "tensor(float)", ["batch", vectors[0].len()]]));
    vectors
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Batches of different sizes and lengths, filled up with this and that.
pub(crate) fn assert_agree(model: &Model, onnx: &Path) {
    let long = "one two three 四五六 ".repeat(300);
    let batches: [(&[&str], u32); 4] = [
        (&["Data Scientist", "看護師", "", "a nurse who writes software in Kyoto", "データ分析担当", &long], 0),
        (&["x", "a nurse who writes software in Kyoto", "Data Scientist"], 999_999_999),
        (&[""], 0),
        (&["nurse"; 40], 7),
    ];
    for (batch, filler) in batches {
        let max_tokens = model.encoder.max_tokens();
        let ids = |text: &&str| tokenize(&model.tokenizer, "", text, max_tokens, TruncationDirection::Right).ids;
        let texts: Vec<Vec<u32>> = batch.iter().map(ids).collect();
        let expected = encode(&*model.encoder, &RaggedBatch::new(texts.iter().map(Vec::as_slice)));
        let expected: Vec<Vec<f32>> = expected.try_into().unwrap();
        let found = run(onnx, &texts, filler);
        assert_eq!(found.len(), batch.len());
        for ((text, ours), theirs) in batch.iter().zip(&expected).zip(&found) {
            let apart = furthest(ours, theirs);
            assert!(apart < 1e-5, "{text:?}: a coordinate is off by {apart}");
            assert!(cosine(ours, theirs) > 0.999999, "{text:?}");
        }
    }
}

/// The model with other numbers everywhere, as a delta of its base in a new folder.
fn tuned(mut model: Model, folder: &Path, texts: &[&str]) {
    tch::manual_seed(5);
    let other = |tensor: &Tensor| tensor + tensor.randn_like() * 0.02;
    model.encoder.set_variables(model.encoder.variables().iter().map(|(_, tensor)| other(tensor)).collect());
    let mut ids: Vec<i64> = texts.iter().flat_map(|text| model.tokenizer.encode(text).ids).map(i64::from).collect();
    ids.sort_unstable();
    ids.dedup();
    let table = model.encoder.word_embeddings();
    let table = table.with_rows(&ids, other(&table.lookup(&ids)).to_kind(Kind::Float));
    model.encoder.set_word_embeddings(table);
    encoder::save_tuned(folder, "tuned", &model, &base(), None).unwrap();
}

#[tokio::test]
async fn onnxruntime_gives_the_vectors_of_the_universal_sentence_encoder() {
    let (app, below) = (shared::real(), TempDir::new().unwrap());
    download(&app, "/models/use-multilingual-v3/export?format=onnx", below.path()).await;
    let target = below.path().join("use-multilingual-v3");
    let mut files: Vec<String> =
        std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["README.md", "model.onnx", "sentencepiece.model"]);
    assert_agree(&base(), &target.join("model.onnx"));
}

#[test]
fn onnxruntime_gives_the_vectors_of_a_tuned_model() {
    let below = TempDir::new().unwrap();
    let (folder, target) = (below.path().join("models/tuned"), below.path().join("exported"));
    std::fs::create_dir(below.path().join("models")).unwrap();
    std::os::unix::fs::symlink(&*BASE_FOLDER, below.path().join("models/base")).unwrap();
    tuned(base(), &folder, &["Data Scientist", "看護師 nurse"]);
    let mut command = Command::new(PROGRAM);
    command.args(["model", "export", "tuned", "--format", "onnx", "--data"]).arg(below.path());
    assert!(command.arg("--to").arg(&target).status().unwrap().success());
    let model = registry::load_from(&folder, &BASE_FOLDER).unwrap();
    assert_agree(&model, &target.join("model.onnx"));
}

/// A folder with one of the small models whose figures transformers and sentence-transformers made.
fn write_golden_model(folder: &Path, case: &Value, variant: &Value) {
    let files = [&case["files"], &variant["files"]].into_iter().flat_map(|files| files.as_object().unwrap());
    for (name, json) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, json.to_string()).unwrap();
    }
    let mut by_file: BTreeMap<PathBuf, Vec<(&str, Vec<usize>)>> = BTreeMap::new();
    let tensors = [&case["tensors"], &variant["tensors"]].into_iter().flat_map(|tensors| tensors.as_object().unwrap());
    for (name, shape) in tensors {
        let module = name.rsplit_once('/').map_or("", |(module, _)| module);
        let shape = serde_json::from_value(shape.clone()).unwrap();
        by_file.entry(folder.join(module).join("model.safetensors")).or_default().push((name, shape));
    }
    for (path, tensors) in by_file {
        let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = tensors
            .into_iter()
            .map(|(name, shape)| {
                let bytes = golden_weights(name, &shape).into_iter().flat_map(f32::to_le_bytes).collect();
                (name.rsplit('/').next().unwrap(), shape, bytes)
            })
            .collect();
        let views = tensors.iter().map(|(name, shape, bytes)| {
            (*name, TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
        });
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }
    let dimensions = variant["vectors"][0].as_array().unwrap().len();
    let card = json!({ "name": case["name"], "fingerprint": "", "dimensions": dimensions, "max_tokens": 38,
                       "base_fingerprint": null });
    std::fs::write(folder.join("shamisen.json"), card.to_string()).unwrap();
    // Nobody asks for a fingerprint here; the card vouches for the files as they are.
    encoder::seal(folder).unwrap();
}

/// The formula that the figures' file describes.
fn golden_weights(name: &str, shape: &[usize]) -> Vec<f32> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    let mut split_mix = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let numbers = (0..shape.iter().product()).map(|_| {
        let x = ((split_mix() >> 40) as f32 - (1 << 23) as f32) / (1 << 23) as f32;
        match shape.len() {
            2 => 0.5 * x,
            _ if name.ends_with(".weight") => 1.0 + 0.25 * x,
            _ => 0.25 * x,
        }
    });
    numbers.collect()
}

#[test]
fn onnxruntime_gives_the_vectors_of_transformers_for_every_architecture_and_pooling() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transformers.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    let texts: Vec<Vec<u32>> = serde_json::from_value(golden["texts"].clone()).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        for variant in case["variants"].as_array().unwrap() {
            let what = format!("{}: {}", case["name"], variant["name"]);
            let below = TempDir::new().unwrap();
            let (folder, target) = (below.path().join("model"), below.path().join("exported"));
            write_golden_model(&folder, case, variant);
            registry::export(&folder, &folder, ExportFormat::Onnx, &target).unwrap();
            let expected: Vec<Vec<f32>> = serde_json::from_value(variant["vectors"].clone()).unwrap();
            let found = run(&target.join("model.onnx"), &texts, 39);
            for ((theirs, ours), text) in expected.iter().zip(&found).zip(&texts) {
                let apart = furthest(theirs, ours);
                assert!(apart < 1e-5, "{what}, a text of {} tokens: off by {apart}", text.len());
            }
        }
    }
}
