//! Small models of each architecture against `transformers` and sentence-transformers themselves.
//! `scripts/reference_transformers.py` made the figures; weights are a formula of their names.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::TransformerEncoder;
use super::description::Description;
use crate::ml::encoder::model_files::ModelFiles;
use crate::ml::encoder::weights::{self, Stored};
use crate::ml::encoder::{Encoder, Pass, RaggedBatch, encode, encode_all_raw};

#[derive(Deserialize)]
struct Golden {
    texts: Vec<Vec<u32>>,
    pairs: Vec<(usize, usize, f64)>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tensors: serde_json::Map<String, Value>,
    files: BTreeMap<String, Value>,
    variants: Vec<Variant>,
    training: Training,
}

#[derive(Deserialize)]
struct Variant {
    name: String,
    files: BTreeMap<String, Value>,
    tensors: serde_json::Map<String, Value>,
    vectors: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Training {
    loss: f64,
    gradient_norms: Vec<Option<f64>>,
}

fn golden() -> Golden {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/transformers.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The formula that the figures' file describes.
fn weights_of(name: &str, shape: &[usize]) -> Stored {
    let seed = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let number = |index: usize| {
        let state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(index as u64));
        let x = ((crate::ml::encoder::split_mix(state) >> 40) as i64 - (1 << 23)) as f32 / (1 << 23) as f32;
        match shape.len() {
            2 => 0.5 * x,
            _ if name.ends_with(".weight") => 1.0 + 0.25 * x,
            _ => 0.25 * x,
        }
    };
    Stored::floats(shape, (0..shape.iter().product()).map(number))
}

fn write_tensors(path: &Path, prefix: &str, tensors: &serde_json::Map<String, Value>) {
    let mut stored = BTreeMap::new();
    for (name, shape) in tensors.iter().filter(|(name, _)| name.starts_with(prefix)) {
        let shape: Vec<usize> = serde_json::from_value(shape.clone()).unwrap();
        stored.insert(name[prefix.len()..].to_owned(), weights_of(name, &shape));
    }
    weights::write(path, &stored).unwrap();
}

fn encoder(case: &Case, variant: &Variant) -> TransformerEncoder {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, json) in case.files.iter().chain(&variant.files) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, json.to_string()).unwrap();
        let module = name.split('/').next().unwrap();
        if variant.tensors.keys().any(|tensor| tensor.starts_with(&format!("{module}/"))) {
            write_tensors(&folder.join(module).join("model.safetensors"), &format!("{module}/"), &variant.tensors);
        }
    }
    write_tensors(&folder.join("model.safetensors"), "", &case.tensors);
    let files = ModelFiles::draft(folder);
    TransformerEncoder::load(Description::read(&files).unwrap(), &files).unwrap()
}

fn rows(vectors: &Tensor) -> Vec<Vec<f64>> {
    vectors.to_kind(Kind::Double).try_into().unwrap()
}

fn furthest(found: &[Vec<f64>], expected: &[Vec<f64>]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let apart = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    found.iter().zip(expected).map(apart).fold(0.0, f64::max)
}

#[test]
fn every_architecture_and_pooling_gives_the_vectors_of_sentence_transformers() {
    let golden = golden();
    let texts: Vec<&[u32]> = golden.texts.iter().map(Vec::as_slice).collect();
    for case in &golden.cases {
        for variant in &case.variants {
            let encoder = encoder(case, variant);
            let what = format!("{}: {}", case.name, variant.name);
            let alone: Vec<Vec<f64>> =
                texts.iter().flat_map(|text| rows(&encode_all_raw(&encoder, &[*text]))).collect();
            let apart = furthest(&alone, &variant.vectors);
            assert!(apart < 1e-5, "{what}: {apart}");
            // Together, in an order that is not by length, they share padded groups.
            let turned: Vec<&[u32]> = texts.iter().rev().copied().collect();
            let batch = RaggedBatch::new(turned.iter().copied());
            let _guard = tch::no_grad_guard();
            let pass = Pass::new(&batch.lengths);
            let mut together = rows(&encoder.forward_raw(&encoder.word_embeddings().lookup(&batch.ids), &pass));
            together.reverse();
            let apart = furthest(&together, &alone);
            assert!(apart < 2e-6, "{what}, in a batch: {apart}");
            let lengths = Tensor::from_slice(&batch.lengths);
            let recordable = rows(&encoder.forward_recordable(&encoder.word_embeddings().lookup(&batch.ids), &lengths));
            let unit = rows(&encode(&encoder, &batch));
            assert!(furthest(&recordable, &unit) < 2e-6, "{what}, recordable");
        }
    }
}

#[test]
fn every_architecture_gives_the_gradients_of_transformers() {
    let golden = golden();
    for case in &golden.cases {
        let variant = &case.variants[0];
        let encoder = encoder(case, variant);
        let all: Vec<i64> = (0..encoder.word_embeddings().size().0).collect();
        let table = encoder.word_embeddings().lookup(&all).set_requires_grad(true);
        let mut leaves: BTreeMap<String, Tensor> =
            encoder.variables().into_iter().map(|(name, leaf)| (name, leaf.set_requires_grad(true))).collect();
        let words = case.tensors.keys().find(|name| name.contains("tok_emb") || name.contains("word_emb")).unwrap();
        leaves.insert(words.clone(), table.shallow_clone());

        let batch = RaggedBatch::new(golden.texts.iter().map(Vec::as_slice));
        let tokens = table.index_select(0, &Tensor::from_slice(&batch.ids));
        let vectors = encoder.forward(&tokens, &Pass::new(&batch.lengths));
        let squares: Vec<Tensor> = golden
            .pairs
            .iter()
            .map(|&(left, right, score)| {
                let cosine = vectors.get(left as i64).dot(&vectors.get(right as i64));
                (cosine - score).square()
            })
            .collect();
        let loss = Tensor::stack(&squares, 0).mean(Kind::Float);
        let apart = (loss.double_value(&[]) - case.training.loss).abs();
        assert!(apart < 1e-6, "{}: loss {apart}", case.name);

        let names: Vec<&String> = case.tensors.keys().chain(variant.tensors.keys()).collect();
        assert_eq!(names.len(), case.training.gradient_norms.len());
        for (name, expected) in names.into_iter().zip(&case.training.gradient_norms) {
            let found = leaves.get(name).map(|leaf| {
                let gradient = Tensor::run_backward(&[&loss], &[leaf], true, false).remove(0);
                if gradient.defined() { gradient.norm().double_value(&[]) } else { 0.0 }
            });
            let (found, expected) = (found.unwrap_or(0.0), expected.unwrap_or(0.0));
            assert!((found - expected).abs() < 2e-5 * expected.max(0.1), "{}, {name}: {found}, {expected}", case.name);
        }
    }
}
