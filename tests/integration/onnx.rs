//! `model.onnx`, run by onnxruntime, against the encoder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::{Value, json};
use shamisen::ml::encoder::{self, Cut, Model, RaggedBatch, encode, tokenize};
use shamisen::ml::similarity::cosine;
use shamisen::registry::{self, ExportFormat};
use tch::{Kind, Tensor};
use tempfile::TempDir;

use crate::fixtures::{BASE_FOLDER, base};

/// The interpreter of the reference packages, which are fetched on the first call.
static PYTHON: LazyLock<PathBuf> = LazyLock::new(|| script("python3", "reference_env.py", &[]).trim().into());

/// What one of the repository's scripts prints.
fn script(python: impl AsRef<Path>, name: &str, arguments: &[&Path]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let run = Command::new(python.as_ref()).arg(path).args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(run.status.success(), "{name} failed; its own words are above");
    String::from_utf8(run.stdout).unwrap()
}

/// What onnxruntime gives for texts of these ids in one batch, which is filled up with `filler` to `longest`.
fn run(onnx: &Path, texts: &[Vec<u32>], longest: usize, filler: u32) -> Vec<Vec<f32>> {
    let fill = |numbers: Vec<u32>, with: u32| {
        let rest = vec![with; longest - numbers.len()];
        [numbers, rest].concat()
    };
    let inputs = json!({
        "input_ids": texts.iter().map(|ids| fill(ids.clone(), filler)).collect::<Vec<_>>(),
        "attention_mask": texts.iter().map(|ids| fill(vec![1; ids.len()], 0)).collect::<Vec<_>>(),
    });
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("inputs.json");
    std::fs::write(&file, inputs.to_string()).unwrap();
    let outputs: Value = serde_json::from_str(&script(&*PYTHON, "run_onnx.py", &[onnx, &file])).unwrap();
    serde_json::from_value(outputs["vectors"].clone()).unwrap()
}

fn assert_agree(model: &Model, onnx: &Path) {
    let long = "one two three 四五六 ".repeat(300);
    let batches: [&[&str]; 4] = [
        &["Data Scientist", "看護師", "", "a nurse who writes software in Kyoto", "データ分析担当", &long],
        &[""],
        &["x", "Data Scientist", "x"],
        &["nurse"; 40],
    ];
    for (batch, (spare, filler)) in batches.into_iter().zip([(0, 0), (3, 7), (9, 999_999_999), (0, 0)]) {
        let max_tokens = model.encoder.max_tokens();
        let ids = |text: &&str| tokenize(&model.tokenizer, text, max_tokens, Cut::Right).ids;
        let texts: Vec<Vec<u32>> = batch.iter().map(ids).collect();
        let expected = encode(&*model.encoder, &RaggedBatch::new(texts.iter().map(Vec::as_slice)));
        let expected: Vec<Vec<f32>> = expected.try_into().unwrap();
        let longest = texts.iter().map(Vec::len).max().unwrap() + spare;
        let found = run(onnx, &texts, longest, filler);
        assert_eq!(found.len(), batch.len());
        for ((text, ours), theirs) in batch.iter().zip(&expected).zip(&found) {
            let furthest = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{:.20}: {furthest:e} {}", text, cosine(ours, theirs));
            assert!(furthest < 1e-5, "{text:?}: a coordinate is off by {furthest}");
            assert!(cosine(ours, theirs) > 0.999999, "{text:?}");
        }
    }
}

/// The model with other numbers everywhere, as a delta of its base in a new folder.
fn tuned(mut model: Model, folder: &Path, texts: &[&str]) {
    tch::manual_seed(5);
    let other = |tensor: &Tensor| tensor + tensor.randn_like() * 0.02;
    model.encoder.set_variables(model.encoder.variables().iter().map(|(_, tensor)| other(tensor)).collect());
    let mut ids: Vec<i64> = texts.iter().flat_map(|text| model.tokenizer.encode(text)).map(i64::from).collect();
    ids.sort_unstable();
    ids.dedup();
    let table = model.encoder.table();
    let table = table.with_rows(&ids, other(&table.lookup(&ids)).to_kind(Kind::Float));
    model.encoder.set_table(table);
    encoder::save_tuned(folder, "tuned", &model).unwrap();
}

#[test]
fn onnxruntime_gives_the_vectors_of_the_universal_sentence_encoder() {
    let below = TempDir::new().unwrap();
    let target = below.path().join("base");
    registry::export(&BASE_FOLDER, &BASE_FOLDER, ExportFormat::Onnx, &target).unwrap();
    let mut files: Vec<String> =
        std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["README.md", "model.onnx", "sentencepiece.model"]);
    assert_agree(&base(), &target.join("model.onnx"));
}

#[test]
fn onnxruntime_gives_the_vectors_of_a_tuned_model() {
    let below = TempDir::new().unwrap();
    let (folder, target) = (below.path().join("tuned"), below.path().join("exported"));
    tuned(base(), &folder, &["Data Scientist", "看護師 nurse"]);
    registry::export(&folder, &BASE_FOLDER, ExportFormat::Onnx, &target).unwrap();
    let model = registry::load_from(&folder, &BASE_FOLDER).unwrap();
    assert_agree(&model, &target.join("model.onnx"));
}
