//! A model answers with what was written, or not at all.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};
use shamisen::ml::encoder::integrity;
use shamisen::ml::encoder::{self, GoldenVectors, Model, ModelFiles, Origin, Place, RaggedBatch};
use shamisen::registry;
use tempfile::TempDir;

use super::{ask, tuned};
use crate::app::{App, PROGRAM};
use crate::tiny::{self, TINY};

/// Turns one bit of a file.
fn flip(file: &Path, bit: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(file, bytes).unwrap();
}

/// Makes a card one of those that did not vouch for files.
pub(super) fn unseal(folder: &Path) {
    let path = folder.join("shamisen.json");
    let mut card: Map<String, Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(card.remove("files").is_some() && card.remove("sha256").is_some());
    std::fs::write(path, serde_json::to_vec(&card).unwrap()).unwrap();
}

/// The paths of all files in a folder and those below.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A data folder with a tiny model that a test may spoil.
fn spoilable() -> (TempDir, PathBuf) {
    let data = TempDir::new().unwrap();
    tiny::copy_into(data.path());
    let folder = data.path().join("models").join(TINY);
    (data, folder)
}

/// Everything that is ever told of a model, or that it is refused.
fn told(folder: &Path, base: Option<&Model>) -> [Result<String, String>; 2] {
    let vectors = || -> shamisen::ml::Result<String> {
        let files = ModelFiles::open(folder, Place::Memory)?;
        let model = base.map_or_else(|| files.load(), |base| files.load_over(base))?;
        let ids: Vec<Vec<u32>> =
            ["Data Scientist", "看護師", "a"].map(|text| model.tokenize(text).ids).into_iter().collect();
        let batch = RaggedBatch::new(ids.iter().map(Vec::as_slice));
        let vectors = encoder::encode(&*model.encoder, &batch);
        let numbers = Vec::<Vec<f32>>::try_from(vectors).unwrap();
        let bits: Vec<u32> = numbers.iter().flatten().map(|number| number.to_bits()).collect();
        let calibration: Option<Value> = files.json_if_there("calibration.json")?;
        Ok(format!("{:?} {bits:?} {:?} {calibration:?}", model.card, files.golden()?))
    };
    let card = registry::card(folder).map_err(|error| error.to_string());
    [vectors().map_err(|error| error.to_string()), card]
}

#[test]
fn a_bit_that_changes_in_any_file_of_a_model_changes_no_answer() {
    let (data, whole) = spoilable();
    let base = encoder::load(&whole).unwrap();
    // What training changed of it, with all that a job leaves beside that.
    let mut other = encoder::load(&whole).unwrap();
    let changed = other.encoder.variables().into_iter().map(|(_, weights)| weights.detach() * 1.01 + 0.001).collect();
    other.encoder.set_variables(changed);
    let delta = data.path().join("delta");
    encoder::save_tuned(&delta, "delta", &other, &base, None).unwrap();
    std::fs::write(delta.join("calibration.json"), r#"{"points": [[0.25, 0.5]]}"#).unwrap();
    std::fs::write(delta.join("training.json"), r#"{"base": {"name": "tiny"}, "fingerprint": "f"}"#).unwrap();
    GoldenVectors::of(&other, vec![(Origin::General, "nurse".to_owned())]).unwrap().write(&delta).unwrap();

    for (folder, base) in [(&whole, None), (&delta, Some(&base))] {
        assert!(integrity::check(folder).unwrap().is_empty());
        let before = told(folder, base);
        assert!(before.iter().all(Result::is_ok), "{before:?}");
        let (mut refused, mut harmless) = (0, 0);
        for file in files(folder) {
            let written = std::fs::read(&file).unwrap();
            for part in 0..8 {
                // Places without a pattern, in each eighth of the file.
                let bits = written.len() * 8;
                let bit = part * bits / 8 + (part * 7919 + written.len() * 31) % (bits / 8).max(1);
                flip(&file, bit);
                let now = told(folder, base);
                let known = integrity::check(folder).unwrap();
                let shown = format!("bit {bit} of {}: {now:?}, {known:?}", file.display());
                assert!(now.iter().zip(&before).all(|(now, before)| now.is_err() || now == before), "{shown}");
                if now == before {
                    // A card's white space.
                    assert!(known.is_empty(), "{shown}");
                    harmless += 1;
                } else {
                    assert!(!known.is_empty() && file.ends_with(&known[0].file), "{shown}");
                    refused += 1;
                }
                std::fs::write(&file, &written).unwrap();
            }
        }
        assert!(refused >= 30 && harmless < refused / 4, "{refused} refused, {harmless} without effect");
        assert_eq!(told(folder, base), before);
    }
}

#[test]
fn a_card_that_is_older_than_its_sums_is_held_to_its_fingerprint_and_vouches_from_then_on() {
    let (_data, folder) = spoilable();
    let before = told(&folder, None);
    unseal(&folder);
    assert_eq!((integrity::check(&folder).unwrap(), told(&folder, None)), (vec![], before.clone()));
    let weights = folder.join("model.safetensors");
    flip(&weights, 80_001);
    assert!(told(&folder, None)[0].as_ref().unwrap_err().contains("fingerprint"));
    assert!(integrity::adopt(&folder).is_err() && !integrity::check(&folder).unwrap().is_empty());
    flip(&weights, 80_001);
    assert!(matches!(integrity::adopt(&folder), Ok(integrity::Adoption::Sealed)));
    assert!(matches!(integrity::adopt(&folder), Ok(integrity::Adoption::Known)));
    assert_eq!(told(&folder, None), before);
}

#[tokio::test]
async fn a_server_whose_default_model_is_damaged_starts_says_why_and_serves_all_else() {
    let (data, folder) = spoilable();
    let other = data.path().join("models/other");
    tiny::copy(&folder, &other);
    flip(&folder.join("model.safetensors"), 90_000);
    let app = App::over(data, &[]);
    let ready = app.get("/health/ready").await;
    assert_eq!((ready.status, ready.text("code").as_str()), (503, "default_not_served"), "{}", ready.body);
    assert!(ready.text("detail").contains("model.safetensors"), "{}", ready.body);
    assert_eq!(app.get("/health/live").await.status, 200);
    let refused = app.post("/embed", json!({ "texts": ["nurse"] })).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (500, "model_damaged"), "{}", refused.body);
    let model = app.get("/models/default").await.body;
    assert_eq!((&model["state"], &model["last_error"]["code"]), (&json!("failed"), &json!("model_damaged")));
    let metrics = app.get("/metrics").await.body;
    assert!(metrics.as_str().unwrap().contains("shamisen_model_failures_total{code=\"model_damaged\"}"));
    assert_eq!((app.get("/jobs").await.status, app.get("/datasets").await.status), (200, 200));
    let answered = ask(&app, "other").await;
    assert_eq!(answered.status, 200, "{}", answered.body);

    flip(&app.data.path().join("models").join(TINY).join("model.safetensors"), 90_000);
    let mended = ask(&app, "default").await;
    assert_eq!((mended.status, &mended.body["embeddings"]), (200, &answered.body["embeddings"]));
    app.wait_for("/health/ready", |health| health["status"] == "ok").await;
}

#[tokio::test]
async fn a_model_in_memory_answers_the_same_when_its_files_are_truncated_or_overwritten() {
    let (data, base) = spoilable();
    let app = App::over(data, &[]);
    let (model, _) = tuned(&app, "tuned", 20, &[]).await;
    let delta = app.data.path().join("models").join(&model);
    let before = [ask(&app, "default").await, ask(&app, &model).await];
    for (folder, empty) in [(&delta, true), (&base, false), (&base, true)] {
        let file = std::fs::File::options().write(true).open(folder.join("model.safetensors")).unwrap();
        let length = file.metadata().unwrap().len();
        // In place, as `cp` over a file does.
        file.set_len(0).unwrap();
        file.set_len(if empty { 0 } else { length }).unwrap();
    }
    for (before, model) in before.iter().zip(["default", model.as_str()]) {
        let now = ask(&app, model).await;
        assert_eq!((now.status, &now.body["embeddings"]), (200, &before.body["embeddings"]));
        // A word whose rows nobody read before.
        assert_eq!(app.post("/embed", json!({ "texts": ["ZYX"], "model": model })).await.status, 200);
    }
}

#[tokio::test]
async fn a_tuned_model_that_rested_is_compared_again_before_it_answers() {
    let app = App::start();
    let (model, _) = tuned(&app, "one", 20, &[]).await;
    let models = app.data.path().join("models");
    for other in ["two", "three"] {
        tiny::copy(&models.join(&model), &models.join(other));
    }
    let before = ask(&app, "one").await;
    // Two others were used last: the first one's weights leave memory, and it is ready all the same.
    for other in ["two", "three"] {
        assert_eq!(ask(&app, other).await.body["embeddings"], before.body["embeddings"]);
    }
    let resting = app.get("/models/one").await.body;
    assert!(resting["state"] == "ready" && resting["resident_bytes"].is_u64(), "{resting}");
    let weights = models.join(&model).join("model.safetensors");
    flip(&weights, 40_000);
    let refused = ask(&app, "one").await;
    assert_eq!((refused.status, refused.text("code").as_str()), (500, "model_damaged"), "{}", refused.body);
    flip(&weights, 40_000);
    assert_eq!(ask(&app, "one").await.body["embeddings"], before.body["embeddings"]);
    for other in ["two", "three"] {
        assert_eq!(ask(&app, other).await.body["embeddings"], before.body["embeddings"]);
    }
    assert_eq!(ask(&app, "one").await.body["embeddings"], before.body["embeddings"]);
}

#[tokio::test]
async fn a_tuned_model_says_so_when_its_base_is_damaged() {
    let (data, base) = spoilable();
    let app = App::over(data, &[]);
    let (model, _) = tuned(&app, "tuned", 20, &[]).await;
    let (data, _) = app.stop();
    flip(&base.join("tokenizer.json"), 4_000);
    let app = App::over(data, &[]);
    let refused = ask(&app, &model).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (503, "base_not_loaded"), "{}", refused.body);
    assert!(refused.text("detail").contains("its base tiny") && refused.text("detail").contains("tokenizer.json"));
    assert_eq!(app.get(&format!("/models/{model}")).await.body["last_error"]["code"], "base_not_loaded");
}

#[tokio::test]
async fn a_model_whose_folder_is_lost_is_told_by_a_code_on_every_route() {
    let (data, folder) = spoilable();
    let lost = data.path().join("models/lost");
    tiny::copy(&folder, &lost);
    let app = App::over(data, &[]);
    assert_eq!(app.get("/models/lost").await.status, 200);
    std::fs::remove_dir_all(lost).unwrap();
    for route in ["/models/lost/card", "/models/lost/export", "/info?model=lost"] {
        let told = app.get(route).await;
        assert_eq!(
            (told.status, told.text("code").as_str()),
            (503, "model_files_not_readable"),
            "{route}: {}",
            told.body
        );
        assert!(!told.body.to_string().contains(app.data.path().to_str().unwrap()), "{}", told.body);
    }
    let texts = json!({ "inputs": ["nurse"], "model": "lost" });
    for (route, body) in [("/tokenize", &texts), ("/embed", &texts), ("/models/lost/load", &json!({}))] {
        let told = app.post(route, body.clone()).await;
        assert_eq!(
            (told.status, told.text("code").as_str()),
            (503, "model_files_not_readable"),
            "{route}: {}",
            told.body
        );
    }
    // Its report's file is not what was written.
    flip(&folder_of(&app, TINY).join("tokenizer.json"), 4_000);
    let told = app.get("/models/tiny/export").await;
    assert_eq!((told.status, told.text("code").as_str()), (500, "model_damaged"), "{}", told.body);
}

fn folder_of(app: &App, model: &str) -> PathBuf {
    app.data.path().join("models").join(model)
}

/// A folder that was put there by hand, an import, a job, an alias: nobody takes over what others mean by a word.
#[tokio::test]
async fn nobody_takes_a_name_that_requests_give_a_meaning() {
    let (data, folder) = spoilable();
    let app = App::over(data, &[]);
    let put = |alias: &str| app.send(app.request("PUT", &format!("/aliases/{alias}")).json(&json!({ "model": TINY })));
    assert_eq!(put("prod").await.status, 200);
    let refused = put("base").await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "name_not_usable"), "{}", refused.body);
    for (field, name) in [("name", "default"), ("name", "base"), ("alias", "base")] {
        let refused = app.post("/jobs", json!({ "pairs": [], field: name })).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (422, "name_not_usable"), "{}", refused.body);
        assert!(refused.text("detail").contains("a word of the API"), "{}", refused.body);
    }
    for name in ["default", "base", "prod"] {
        let mut import = Command::new(PROGRAM);
        import.args(["model", "import"]).arg(&folder).args(["--name", name, "--data"]).arg(app.data.path());
        let import = import.output().unwrap();
        let why = String::from_utf8(import.stderr).unwrap();
        assert!(
            !import.status.success() && (why.contains("a word of the API") || why.contains("is an alias")),
            "{why}"
        );
        // By hand.
        tiny::copy(&folder, &folder_of(&app, name));
    }
    tiny::copy(&folder, &folder_of(&app, "mine"));
    assert_eq!(app.get("/models/mine").await.text("id"), "mine");
    let ids: Vec<Value> =
        app.get("/models").await.body["models"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    for alias in ["default", "prod"] {
        assert_eq!(app.get(&format!("/models/{alias}")).await.text("id"), TINY);
    }
    let (data, _) = app.stop();
    let app = App::over(data, &[]);
    assert_eq!(app.get("/models/default").await.text("id"), TINY);
    let several = app.post("/embed", json!({ "texts": ["nurse"], "models": ["base", "mine"] })).await;
    assert_eq!(several.status, 200, "{}", several.body);
}
