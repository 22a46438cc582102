//! What of a tuned model is stored, and which layers learn.

use std::collections::BTreeSet;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value};
use shamisen::ml::encoder::{self, Encoder, Model};
use shamisen::ml::sha256::Sha256Hex;
use shamisen::ml::train::{
    Checkpoint, EpochRecord, Observer, Step, TrainConfig, TrainData, TrainReport, stored_bytes, train,
};
use shamisen::ml::{Error, Result};
use tables::TableKind;
use tempfile::TempDir;

use super::lora::{changed, stored, vectors};
use super::train::{Losses, example_rows};
use crate::fixtures::base;

fn config() -> TrainConfig {
    TrainConfig { epochs: 1, learning_rate: 1e-4, early_stopping: None, ..TrainConfig::default() }
}

fn tune(model: &mut Model, config: &TrainConfig, observer: &mut dyn Observer) -> Result<TrainReport> {
    let rows = example_rows(model, TableKind::PairScore);
    let data = TrainData { training: &rows[..32], validation: &rows[32..], ..TrainData::default() };
    train(&mut *model.encoder, &data, config, observer, None)
}

/// The names of a layer's variables.
fn of_layers(encoder: &dyn Encoder, wanted: impl Fn(usize) -> bool) -> BTreeSet<String> {
    encoder.variables().into_iter().map(|(name, _)| name).filter(|name| wanted(encoder.layer_of(name))).collect()
}

#[test]
fn what_did_not_learn_is_not_stored_and_comes_from_the_base() {
    let below = TempDir::new().unwrap();
    let mut model = base();
    let config = TrainConfig { freeze: vec!["table".to_owned(), "ngrams".to_owned()], ..config() };
    let rows = example_rows(&model, TableKind::PairScore);
    let data = TrainData { training: &rows[..32], ..TrainData::default() };
    let planned = stored_bytes(&*model.encoder, false, &data, &config).unwrap() as u64;
    tune(&mut model, &config, &mut Losses::default()).unwrap();
    let folder = below.path().join("tuned");
    encoder::save_tuned(&folder, "top", &model, &base(), None).unwrap();
    assert_eq!(stored(&folder, "model.safetensors"), of_layers(&*model.encoder, |layer| layer >= 2));
    let bytes = std::fs::metadata(folder.join("model.safetensors")).unwrap().len();
    assert!((planned..planned + 4096).contains(&bytes), "{planned} bytes were planned, {bytes} are there");
    assert_eq!(vectors(&encoder::load_tuned(&folder, &base()).unwrap()), vectors(&model));
}

#[test]
fn a_model_that_training_left_as_it_was_is_an_empty_delta() {
    let below = TempDir::new().unwrap();
    let folder = below.path().join("same");
    encoder::save_tuned(&folder, "same", &base(), &base(), None).unwrap();
    assert_eq!(stored(&folder, "model.safetensors").len(), 0);
    assert_eq!(vectors(&encoder::load_tuned(&folder, &base()).unwrap()), vectors(&base()));
}

/// Makes the card that of the folder's weights, in the form that cards had before they vouched for files.
fn rewrite_card(folder: &Path) {
    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    let mut card: Map<String, Value> =
        serde_json::from_slice(&std::fs::read(folder.join("shamisen.json")).unwrap()).unwrap();
    let base = card["base_fingerprint"].as_str().unwrap().to_owned();
    let mut hash = Sha256Hex::default();
    for (name, part) in [("base", base.as_bytes()), ("model.safetensors", &weights)] {
        hash.update(name.as_bytes());
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    card.insert("fingerprint".to_owned(), hash.finish().into());
    let _ = (card.remove("files"), card.remove("sha256"));
    std::fs::write(folder.join("shamisen.json"), serde_json::to_vec(&card).unwrap()).unwrap();
}

/// As they were written before: every variable, changed or not, and rows with ids.
#[test]
fn a_delta_that_stores_every_weight_still_loads() {
    let below = TempDir::new().unwrap();
    let mut model = base();
    tune(&mut model, &TrainConfig { freeze: vec!["ngrams".to_owned()], ..config() }, &mut Losses::default()).unwrap();
    let folder = below.path().join("tuned");
    encoder::save_tuned(&folder, "old", &model, &base(), None).unwrap();

    let ids = model.encoder.word_embeddings().tuned_ids();
    let mut tensors = model.encoder.variables();
    tensors.push(("table.rows".to_owned(), model.encoder.word_embeddings().lookup(&ids)));
    let mut parts: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, tensor) in tensors {
        let numbers = Vec::<f32>::try_from(tensor.detach().reshape(-1)).unwrap();
        let shape = tensor.size().iter().map(|&size| size as usize).collect();
        parts.push((name, shape, numbers.iter().flat_map(|number| number.to_le_bytes()).collect()));
    }
    let id_bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let mut views: Vec<(&str, TensorView<'_>)> = parts
        .iter()
        .map(|(name, shape, bytes)| (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()))
        .collect();
    views.push(("table.ids", TensorView::new(Dtype::I64, vec![ids.len()], &id_bytes).unwrap()));
    let lean = std::fs::metadata(folder.join("model.safetensors")).unwrap().len();
    std::fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    assert!(std::fs::metadata(folder.join("model.safetensors")).unwrap().len() > lean);
    rewrite_card(&folder);
    assert_eq!(vectors(&encoder::load_tuned(&folder, &base()).unwrap()), vectors(&model));
}

#[test]
fn a_delta_with_a_tensor_of_another_model_is_refused() {
    let below = TempDir::new().unwrap();
    let folder = below.path().join("tuned");
    encoder::save_tuned(&folder, "strange", &base(), &base(), None).unwrap();
    for (name, shape) in
        [("encoder.layer.0.weight", vec![1]), ("EncoderDNN/DNN/ResidualHidden_0/dense/kernel", vec![1])]
    {
        let view = TensorView::new(Dtype::F32, shape, &[0; 4]).unwrap();
        std::fs::write(folder.join("model.safetensors"), safetensors::serialize([(name, view)], None).unwrap())
            .unwrap();
        rewrite_card(&folder);
        let error = encoder::load_tuned(&folder, &base()).err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn training_leaves_other_handles_to_the_model_alone() {
    let mut model = base();
    let other = base().with_encoder(model.encoder.shallow_clone());
    tune(&mut model, &config(), &mut Losses::default()).unwrap();
    assert_eq!(vectors(&other), vectors(&base()));
    assert_ne!(vectors(&model), vectors(&base()));
}

/// Notes which weights take gradients while the run goes on.
#[derive(Default)]
struct Differentiated(BTreeSet<String>);

impl Observer for Differentiated {
    fn step(&mut self, _step: Step, _state: &dyn Fn() -> Checkpoint) -> Result<()> {
        Ok(())
    }
    fn epoch(&mut self, _record: &EpochRecord, encoder: &dyn Encoder) -> Result<()> {
        let variables = encoder.variables().into_iter().filter(|(_, weights)| weights.requires_grad());
        self.0 = variables.map(|(name, _)| name).collect();
        Ok(())
    }
}

/// Nothing below the lowest layer that learns takes a gradient, so that the backward pass ends there.
#[test]
fn the_last_layers_alone_learn_and_are_differentiated() {
    for top in 1..=3 {
        let mut model = base();
        let mut seen = Differentiated::default();
        tune(&mut model, &TrainConfig { last_layers: Some(top), ..config() }, &mut seen).unwrap();
        let expected = of_layers(&*model.encoder, |layer| layer + top >= 4);
        assert!(!expected.is_empty());
        assert_eq!((&seen.0, &changed(&*model.encoder)), (&expected, &expected), "the top {top}");
        assert_eq!(model.encoder.word_embeddings().tuned_ids(), [0_i64; 0]);
    }
}

#[test]
fn settings_about_layers_that_contradict_or_do_nothing_are_refused() {
    let refused = |config: TrainConfig| match tune(&mut base(), &config, &mut Losses::default()) {
        Err(Error::Config { field, reason }) => (field, reason),
        other => panic!("{other:?}"),
    };
    let freeze = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let (field, reason) = refused(TrainConfig { last_layers: Some(4), ..config() });
    assert!(field == "last_layers" && reason.contains("table, ngrams, joint, residual"), "{field}: {reason}");
    let both = TrainConfig { last_layers: Some(2), freeze: freeze(&["joint"]), ..config() };
    let (field, reason) = refused(both);
    assert!(field == "freeze" && reason.contains("\"joint\""), "{field}: {reason}");
    assert_eq!(
        refused(TrainConfig { freeze: freeze(&["table", "ngrams", "joint", "residual"]), ..config() }).0,
        "freeze"
    );
    assert_eq!(refused(TrainConfig { last_layers: Some(1), layer_decay: 0.5, ..config() }).0, "layer_decay");
    let consistent = TrainConfig { last_layers: Some(2), freeze: freeze(&["table"]), ..config() };
    tune(&mut base(), &consistent, &mut Losses::default()).unwrap();
}
