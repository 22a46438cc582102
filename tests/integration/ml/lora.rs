//! Kernels that learn through factors of low rank.

use std::collections::BTreeSet;
use std::path::Path;

use shamisen::ml::encoder::{self, Encoder, Model, RaggedBatch, encode};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::train::{
    Checkpoint, Conditions, EpsilonMode, ForgettingAction, ForgettingConfig, LOSSES, LoraConfig, TokenPair,
    TrainConfig, TrainData, TrainReport, train,
};
use shamisen::ml::{Error, Result};
use shamisen::registry::{self, ExportFormat};
use tables::TableKind;
use tempfile::TempDir;

use super::train::checkpoint::Stops;
use super::train::{Losses, example_rows};
use crate::fixtures::{BASE_FOLDER, base};

/// Rank 4 on all kernels of the convolutions.
fn config() -> TrainConfig {
    let lora = LoraConfig { rank: 4, alpha: 8.0, targets: Some(vec!["Ngram".to_owned()]) };
    TrainConfig {
        lora: Some(lora),
        epochs: 2,
        learning_rate: 1e-2,
        epsilon_mode: EpsilonMode::Torch,
        beta_2: 0.999,
        early_stopping: None,
        collapse_alarm: false,
        ..TrainConfig::default()
    }
}

fn tune(model: &mut Model, config: &TrainConfig) -> Result<(TrainReport, Vec<f64>)> {
    let kind = config.loss.info().tables[0];
    let rows = example_rows(model, kind);
    let general = token_pairs(model, &eval::retention_pairs());
    let data =
        TrainData { kind, training: &rows[..32], validation: &rows[32..], general: &general, ..TrainData::default() };
    let mut losses = Losses::default();
    let report = train(&mut *model.encoder, &data, config, &mut losses, None)?;
    Ok((report, losses.0))
}

/// The vectors of the example texts.
pub(crate) fn vectors(model: &Model) -> Vec<Vec<f32>> {
    let rows = example_rows(model, TableKind::PairScore);
    let batch = RaggedBatch::new(rows.iter().flat_map(TokenPair::texts));
    encode(&*model.encoder, &batch).try_into().unwrap()
}

/// The names of the tensors in a folder's file.
pub(crate) fn stored(folder: &Path, file: &str) -> BTreeSet<String> {
    let bytes = std::fs::read(folder.join(file)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    tensors.names().into_iter().map(str::to_owned).collect()
}

/// The names of the variables that are not the base's to the bit.
pub(crate) fn changed(encoder: &dyn Encoder) -> BTreeSet<String> {
    let before = base().encoder.variables();
    let pairs = encoder.variables().into_iter().zip(before);
    pairs.filter(|((_, now), (_, before))| now != before).map(|((name, _), _)| name).collect()
}

#[test]
fn a_model_of_factors_is_small_and_loads_and_exports_to_the_trained_bits() {
    let below = TempDir::new().unwrap();
    let mut model = base();
    let (report, _) = tune(&mut model, &config()).unwrap();
    let trained = vectors(&model);
    assert_ne!(trained, vectors(&base()), "nothing was learnt");
    let kernels: BTreeSet<String> = report.adapters.as_ref().unwrap().kernels().map(str::to_owned).collect();
    assert_eq!((kernels.len(), &changed(&*model.encoder)), (6, &kernels));

    let folder = below.path().join("tuned");
    let card = encoder::save_tuned(&folder, "factors", &model, &base(), report.adapters.as_ref()).unwrap();
    let mut expected: BTreeSet<String> =
        kernels.iter().flat_map(|name| [format!("{name}.lora_A"), format!("{name}.lora_B")]).collect();
    expected.insert("lora.scale".to_owned());
    assert_eq!(stored(&folder, "model.safetensors"), expected);
    let bytes = std::fs::metadata(folder.join("model.safetensors")).unwrap().len();
    println!("a delta of rank 4 on six kernels has {bytes} bytes");
    assert!(bytes < 200_000, "{bytes}");

    let loaded = encoder::load_tuned(&folder, &base()).unwrap();
    assert_eq!(vectors(&loaded), trained);
    assert_eq!((loaded.card, loaded.encoder.word_embeddings().tuned_ids().len()), (card, 0));

    let exported = below.path().join("whole");
    std::fs::write(folder.join("training.json"), "{}").unwrap();
    registry::export(&folder, &BASE_FOLDER, ExportFormat::Folder, &exported).unwrap();
    assert_eq!(vectors(&encoder::load(&exported).unwrap()), trained);
}

/// Its factors change a kernel that is not the base's: they alone would not make it.
#[test]
fn factors_over_a_tuned_model_are_stored_as_whole_kernels_where_it_differs_from_the_base() {
    let below = TempDir::new().unwrap();
    let (first, second) = (below.path().join("first"), below.path().join("second"));
    let mut model = base();
    let plain = TrainConfig { lora: None, freeze: vec!["table".to_owned(), "residual".to_owned()], ..config() };
    tune(&mut model, &plain).unwrap();
    encoder::save_tuned(&first, "plain", &model, &base(), None).unwrap();

    let mut model = encoder::load_tuned(&first, &base()).unwrap();
    let lora = LoraConfig { targets: Some(vec!["Ngram-2".to_owned(), "Hidden_0".to_owned()]), ..LoraConfig::default() };
    let (report, _) = tune(&mut model, &TrainConfig { lora: Some(lora), ..config() }).unwrap();
    encoder::save_tuned(&second, "over", &model, &base(), report.adapters.as_ref()).unwrap();
    let names = stored(&second, "model.safetensors");
    let has = |part: &str, end: &str| names.iter().any(|name| name.contains(part) && name.ends_with(end));
    assert!(has("Ngram-2-Conv", "weights") && !has("Ngram-2-Conv", "lora_A"), "{names:?}");
    assert!(has("Hidden_0", "lora_A") && !has("Hidden_0", "kernel"), "{names:?}");
    assert_eq!(vectors(&encoder::load_tuned(&second, &base()).unwrap()), vectors(&model));
}

#[test]
fn every_loss_learns_through_factors_and_leaves_all_else_alone() {
    for info in &LOSSES {
        let mut model = base();
        let config = TrainConfig { loss: info.name, lora: Some(LoraConfig::default()), epochs: 1, ..config() };
        let (report, losses) = tune(&mut model, &config).unwrap();
        assert!(losses.iter().all(|loss| loss.is_finite()), "{:?}: {losses:?}", info.name);
        let kernels: BTreeSet<String> = report.adapters.unwrap().kernels().map(str::to_owned).collect();
        assert_eq!(kernels.len(), 16, "all kernels of an encoder without attention");
        assert_eq!(changed(&*model.encoder), kernels, "{:?}", info.name);
        assert_eq!(model.encoder.word_embeddings().tuned_ids(), [0_i64; 0]);
    }
}

/// Two batches of 16 whose gradients are averaged, one batch in parts, and the whole at once.
#[test]
fn gradients_of_several_passes_add_up_to_the_factors() {
    let whole = TrainConfig { batch_size: 32, shuffle: false, epochs: 3, ..config() };
    let parts = TrainConfig { mini_batch: Some(5), ..whole.clone() };
    let several = TrainConfig { batch_size: 16, accumulation: 2, ..whole.clone() };
    let losses = |config: &TrainConfig| tune(&mut base(), config).unwrap().1;
    let expected = losses(&whole);
    assert!(expected[2] < expected[0] * 0.99, "{expected:?}");
    for config in [parts, several] {
        for (found, expected) in losses(&config).iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }
}

/// The mix of base and tuned weights is one of the factors, too.
#[test]
fn a_budget_of_forgetting_mixes_factors_that_are_stored() {
    let below = TempDir::new().unwrap();
    let folder = below.path().join("mixed");
    let budget = ForgettingConfig { action: ForgettingAction::Interpolate, max_drop: 0.02, ..Default::default() };
    let mut model = base();
    let (report, _) = tune(&mut model, &TrainConfig { forgetting: Some(budget), epochs: 5, ..config() }).unwrap();
    let part = report.alpha.unwrap();
    assert!(part > 0.0 && part < 1.0, "no mix, so nothing is tested: {:?}", report.sweep);
    encoder::save_tuned(&folder, "mixed", &model, &base(), report.adapters.as_ref()).unwrap();
    assert!(stored(&folder, "model.safetensors").iter().all(|name| name.contains("lora")));
    assert_eq!(vectors(&encoder::load_tuned(&folder, &base()).unwrap()), vectors(&model));
}

/// What a checkpoint holds is what learns: two factors of each kernel, each with two moments.
#[test]
fn a_checkpoint_holds_the_factors_alone() {
    let place = TempDir::new().unwrap();
    let mut model = base();
    let rows = example_rows(&model, TableKind::PairScore);
    let data = TrainData { training: &rows[..32], validation: &rows[32..], ..TrainData::default() };
    let conditions = Conditions::of(&config(), &data, &model.card.fingerprint);
    // In the second epoch, when the first one's weights are kept.
    let mut stops = Stops {
        after: 5,
        folder: place.path().join("ckpt"),
        conditions: conditions.clone(),
        manifest: None,
        losses: Vec::new(),
    };
    assert!(matches!(train(&mut *model.encoder, &data, &config(), &mut stops, None), Err(Error::Cancelled)));
    let (checkpoint, _) = Checkpoint::load(&stops.folder, &stops.manifest.unwrap(), &conditions).unwrap();
    assert_eq!(checkpoint.counters.epoch, 2);
    let names = stored(&stops.folder, "state.safetensors");
    let of_factors = names.iter().filter(|name| name.ends_with(".lora_A") || name.ends_with(".lora_B")).count();
    assert_eq!(of_factors, 6 * 2 * (1 + 2 + 1), "{names:?}");
    assert_eq!(names.len(), of_factors + 3, "the kept epoch's scale and no rows: {names:?}");
}

#[test]
fn a_setting_of_factors_that_cannot_be_is_refused_with_its_reason() {
    let refused = |config: TrainConfig| match tune(&mut base(), &config) {
        Err(Error::Config { field, reason }) => (field, reason),
        other => panic!("{other:?}"),
    };
    let lora = |lora: LoraConfig| refused(TrainConfig { lora: Some(lora), ..config() });
    let targets = |names: &[&str]| Some(names.iter().map(|&name| name.to_owned()).collect());
    let (field, reason) = lora(LoraConfig { targets: targets(&["query"]), ..LoraConfig::default() });
    assert!(field == "lora.targets" && reason.contains("ResidualHidden_0, ResidualHidden_1"), "{field}: {reason}");
    let (field, reason) = lora(LoraConfig { rank: 256, ..LoraConfig::default() });
    assert!(field == "lora.rank" && reason.contains("[512, 256]"), "{field}: {reason}");
    let (field, reason) = refused(TrainConfig { last_layers: Some(1), ..config() });
    assert!(field == "lora.targets" && reason.contains("do not learn"), "{field}: {reason}");
    let (field, _) = refused(TrainConfig { clip_table: shamisen::ml::train::ClipTable::Whole, ..config() });
    assert_eq!(field, "clip_table");

    // Layers that learn bound what is adapted.
    let mut model = base();
    let some = TrainConfig { lora: Some(LoraConfig::default()), last_layers: Some(1), ..config() };
    let (report, _) = tune(&mut model, &some).unwrap();
    assert!(report.adapters.unwrap().kernels().all(|name| name.contains("ResidualHidden")));
}
