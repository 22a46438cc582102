//! Models on their way in: what becomes of published folders, and what hostile ones come to.

mod formats;
mod hostile;
mod refused;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use refused::{change, change_tensors};
use safetensors::tensor::Dtype;
use serde_json::{Map, Value, json};
use shamisen::ml::encoder;
use tempfile::TempDir;

use super::integrity::unseal;
use crate::app::{App, PROGRAM};
use crate::fixtures::real_data;
use crate::published::{Sizes, Tensors, tokenizer};

const HIDDEN: usize = 8;
const WORDS: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "data", "scientist", "analyst", "nurse", "看護師", "a"];
const SIZES: Sizes = Sizes { vocabulary: WORDS.len(), positions: 16, layers: 1, hidden: HIDDEN };

/// The tensors of a BERT with one layer, by a formula whose values every float type holds exactly.
fn tensors() -> Tensors {
    SIZES.tensors(|tensor, place, _| ((tensor * 37 + place * 11) % 127) as f32 / 64.0 - 1.0)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A plain transformer as `transformers` saves it.
fn plain(folder: &Path) {
    let vocabulary: Map<String, Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let model = json!({ "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" });
    SIZES.save(folder, &tensors(), &tokenizer(&json!({ "type": "Whitespace" }), &model));
}

/// The same as sentence-transformers saves it.
fn published(folder: &Path) {
    plain(folder);
    SIZES.save_modules(folder);
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
        Command::new(PROGRAM)
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

#[tokio::test]
async fn a_running_server_finds_what_was_imported_and_use_stays_its_default() {
    let place = Place::new();
    published(&place.path("a-tiny"));
    place.imported("a-tiny", &[]);
    let data = real_data();
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

    // What was imported is held to what it said then, and before that to what was written.
    place.imported("a-tiny", &["--name", "changed"]);
    let changed = place.model("changed");
    change(&changed, "probes.json", |probes| {
        let probes = probes["probes"].as_array_mut().unwrap();
        assert_eq!(probes.len(), 12);
        probes[3]["vector"][0] = json!(100.0);
    });
    std::fs::rename(changed, models.join("changed")).unwrap();
    let reply = app.post("/embed", json!({ "model": "changed", "texts": ["nurse"] })).await;
    assert_eq!((reply.status, reply.text("code").as_str()), (500, "model_damaged"), "{}", reply.body);
    unseal(&models.join("changed"));
    let reply = app.post("/models/changed/load", json!({})).await;
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
