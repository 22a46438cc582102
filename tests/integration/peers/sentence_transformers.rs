//! Folders that go to sentence-transformers and come back, all-MiniLM-L6-v2 as it is and tuned.

use std::path::{Path, PathBuf};

use serde_json::Value;
use shamisen::ml::encoder::{self, Model, encode_all};
use shamisen::ml::train::{LoraConfig, TrainConfig, TrainData, train};
use shamisen::registry::{self, ExportFormat};
use tables::similarity::cosine;
use tempfile::TempDir;

use super::onnx::assert_agree;
use crate::fixtures::{MINILM_FOLDER, minilm, python, script};
use crate::ml::train::Losses;
use crate::ml::transformer::{config, own_rows, pairs};

const TEXTS: [&str; 6] = [
    "Data Scientist",
    "a nurse who writes software in Kyoto",
    "看護師 ÉCOLE naïve co-op",
    "x",
    "  two  spaces\tand\na line ",
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
];

fn ours(model: &Model) -> Vec<Vec<f32>> {
    let ids: Vec<Vec<u32>> = TEXTS.iter().map(|text| model.tokenize(text).ids).collect();
    encode_all(&*model.encoder, &ids.iter().map(Vec::as_slice).collect::<Vec<_>>()).try_into().unwrap()
}

/// What sentence-transformers says of a folder and gives for the texts; it saves the folder again at `again`.
fn theirs(folder: &Path, again: &Path) -> Vec<Vec<f32>> {
    let below = TempDir::new().unwrap();
    let texts = below.path().join("texts.json");
    std::fs::write(&texts, serde_json::to_vec(&TEXTS).unwrap()).unwrap();
    let arguments = [folder, &texts, Path::new("--save"), again];
    let told: Value =
        serde_json::from_str(&script(python("reference"), "compare_sentence_transformers.py", &arguments)).unwrap();
    assert_eq!(told["max_seq_length"], 256);
    serde_json::from_value(told["vectors"].clone()).unwrap()
}

fn assert_equal(found: &[Vec<f32>], expected: &[Vec<f32>], what: &str) {
    for ((a, b), text) in found.iter().zip(expected).zip(TEXTS) {
        let furthest = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 1e-5, "{what}, {text:?}: a coordinate is off by {furthest}");
        assert!(cosine(a, b) > 0.999_999, "{what}, {text:?}");
    }
}

/// A model folder below `models` that was tuned with these settings, loaded.
fn tuned(models: &Path, name: &str, config: &TrainConfig) -> (PathBuf, Model) {
    let mut model = minilm();
    let rows = pairs(&model, &own_rows());
    let data = TrainData { training: &rows, validation: &rows[..4], ..TrainData::default() };
    let report = train(&mut *model.encoder, &data, config, &mut Losses::default(), None).unwrap();
    let folder = models.join(name);
    encoder::save_tuned(&folder, name, &model, &minilm(), report.adapters.as_ref()).unwrap();
    let loaded = encoder::load_tuned(&folder, &minilm()).unwrap();
    let apart = ours(&model).iter().flatten().zip(ours(&loaded).iter().flatten()).any(|(a, b)| a != b);
    assert!(!apart, "{name}: what is stored gives other vectors");
    (folder, loaded)
}

#[test]
fn a_model_goes_to_sentence_transformers_and_comes_back_with_the_same_vectors() {
    let below = TempDir::new().unwrap();
    let models = below.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let before = ours(&minilm());
    let fast = TrainConfig { learning_rate: 1e-3, ..config() };
    let lora = LoraConfig { rank: 4, ..LoraConfig::default() };
    let cases = [
        ("base", None),
        ("whole", Some(TrainConfig { learning_rate: 5e-5, dropout: None, ..config() })),
        ("factors", Some(TrainConfig { lora: Some(lora), ..fast.clone() })),
        ("top", Some(TrainConfig { last_layers: Some(1), ..fast.clone() })),
        ("head", Some(TrainConfig { head_only: true, ..fast })),
    ];
    for (name, config) in cases {
        let (folder, model) = match config {
            None => (MINILM_FOLDER.clone(), minilm()),
            Some(config) => tuned(&models, name, &config),
        };
        let vectors = ours(&model);
        let moved = vectors.iter().zip(&before).map(|(a, b)| 1.0 - cosine(a, b)).fold(0.0, f64::max);
        assert_eq!(name == "base", moved < 1e-5, "{name}: {moved}");

        let target = below.path().join(format!("{name}-exported"));
        registry::export(&folder, &MINILM_FOLDER, ExportFormat::Folder, &target).unwrap();
        assert!(std::fs::read_to_string(target.join("README.md")).unwrap().contains("sentence-transformers"));
        // Our own reading of what we wrote.
        assert_equal(&ours(&encoder::load(&target).unwrap()), &vectors, name);
        encoder::check_transformer(&target).unwrap();
        let again = below.path().join(format!("{name}-again"));
        assert_equal(&theirs(&target, &again), &vectors, name);
        // And theirs.
        let back = below.path().join(format!("{name}-back"));
        encoder::import_transformer(&again, &back, name, None).unwrap();
        assert_equal(&ours(&encoder::load(&back).unwrap()), &vectors, name);

        if matches!(name, "factors" | "head") {
            let target = below.path().join(format!("{name}-onnx"));
            registry::export(&folder, &MINILM_FOLDER, ExportFormat::Onnx, &target).unwrap();
            assert_agree(&model, &target.join("model.onnx"));
        }
    }
}

#[test]
fn what_does_not_learn_is_not_stored() {
    let below = TempDir::new().unwrap();
    let size = |name: &str, config: &TrainConfig| {
        let (folder, _) = tuned(below.path(), name, config);
        std::fs::metadata(folder.join("model.safetensors")).unwrap().len()
    };
    let whole = size("whole", &config());
    let factors = size("factors", &TrainConfig { lora: Some(LoraConfig::default()), ..config() });
    let head = size("head", &TrainConfig { head_only: true, ..config() });
    let top = size("top", &TrainConfig { last_layers: Some(1), ..config() });
    assert!(whole > 40_000_000, "{whole}");
    // Queries and values of six layers: 2 * 6 * 2 * 8 * 384 numbers.
    assert!((295_000..320_000).contains(&factors), "{factors}");
    assert!((590_000..610_000).contains(&head), "{head}");
    assert!((7_000_000..7_200_000).contains(&top), "{top}");
}
