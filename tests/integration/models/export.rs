//! `/models/{model}/export`, `/models/{model}/card` and `shamisen model export`: a tuned model leaves.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shamisen::ml::encoder::{self, Model, RaggedBatch, encode};
use shamisen::registry;
use tch::{CModule, Tensor};
use tempfile::TempDir;

use crate::api::Api;
use crate::app::{App, PROGRAM, few};
use crate::fixtures::BASE_FOLDER;
use crate::shared::{self, MINE};

const TEXTS: [&str; 5] = ["Data Scientist", "看護師", "", "a nurse who writes software in Kyoto", "データ分析担当"];

/// Downloads an export and unpacks it below a folder.
pub(crate) async fn download(app: &Api, path: &str, below: &Path) {
    let mut reply = app.request("GET", path).send().await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers()["content-type"], "application/x-tar");
    let file = below.join("export.tar");
    let mut tar = std::fs::File::create(&file).unwrap();
    while let Some(chunk) = reply.chunk().await.unwrap() {
        tar.write_all(&chunk).unwrap();
    }
    tar::Archive::new(std::fs::File::open(&file).unwrap()).unpack(below).unwrap();
}

fn export(data: &Path, arguments: &[&str], to: &Path) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["model", "export"]).args(arguments).arg("--data").arg(data).arg("--to").arg(to);
    command.output().unwrap()
}

fn ids(model: &Model, texts: &[&str]) -> Vec<Vec<u32>> {
    texts.iter().map(|text| model.tokenize(text).ids).collect()
}

fn furthest(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

#[tokio::test]
async fn an_exported_folder_is_the_tuned_model_without_its_base() {
    let app = shared::tuned();
    let id = app.model();
    let below = TempDir::new().unwrap();
    download(&app, &format!("/models/{id}/export"), below.path()).await;
    let exported = below.path().join(id);

    let delta = registry::load_from(&app.folder(), &BASE_FOLDER).unwrap();
    let whole = encoder::load(&exported).unwrap();
    for ((name, a), (_, b)) in delta.encoder.variables().iter().zip(whole.encoder.variables()) {
        assert_eq!(*a, b, "{name}");
    }
    let tuned_ids = delta.encoder.word_embeddings().tuned_ids();
    assert!(!tuned_ids.is_empty() && whole.encoder.word_embeddings().tuned_ids().is_empty());
    let all: Vec<i64> = (0..whole.encoder.word_embeddings().size().0).collect();
    for some in all.chunks(20_000) {
        assert_eq!(delta.encoder.word_embeddings().lookup(some), whole.encoder.word_embeddings().lookup(some));
    }
    let ids = ids(&whole, &TEXTS);
    let batch = RaggedBatch::new(ids.iter().map(Vec::as_slice));
    assert!(furthest(&encode(&*delta.encoder, &batch), &encode(&*whole.encoder, &batch)) < 1e-6);
    assert_ne!(whole.card.fingerprint, delta.card.fingerprint);
    assert_eq!((whole.card.name.as_str(), &whole.card.base_fingerprint), (MINE, &None));

    // Another server takes it for a base model.
    let question = |model: &str| json!({ "texts": TEXTS[..2], "model": model });
    let here = app.post("/embed", question(MINE)).await.body;
    let other = TempDir::new().unwrap();
    std::fs::create_dir(other.path().join("models")).unwrap();
    std::fs::rename(&exported, other.path().join("models/mine")).unwrap();
    let other = App::over(other, &[]);
    assert_eq!(other.get("/models/mine").await.body["kind"], "base");
    let there = other.post("/embed", question("mine")).await.body;
    assert_eq!(there["fingerprint"], whole.card.fingerprint);
    let vectors = |body: &Value| -> Vec<Vec<f64>> { serde_json::from_value(body["embeddings"].clone()).unwrap() };
    for (a, b) in vectors(&here).concat().iter().zip(vectors(&there).concat()) {
        assert!((a - b).abs() < 1e-6);
    }
    // What it learned from went with it.
    let card = other.get("/models/mine/card").await.body;
    assert!(
        card.as_str().unwrap().contains(&format!("before it was exported | fingerprint `{}`", delta.card.fingerprint))
    );

    // Nothing of the export stays in the data folder; another test's may be under way.
    let left = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().path().to_string_lossy().contains("export");
    let begun = Instant::now();
    while std::fs::read_dir(app.data.join("models")).unwrap().any(left) {
        assert!(begun.elapsed() < Duration::from_secs(120), "an export stays in the data folder");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn the_torchscript_agrees_with_the_encoder_on_batches_of_any_size() {
    let app = shared::tuned();
    let below = TempDir::new().unwrap();
    let folder = below.path().join("script");
    let run = export(app.data, &[MINE, "--format", "torchscript"], &folder);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut files: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    assert_eq!(files, ["README.md", "model.pt", "sentencepiece.model"]);

    let model = registry::load_from(&app.folder(), &BASE_FOLDER).unwrap();
    let module = CModule::load(folder.join("model.pt")).unwrap();
    let long = "one two three 四五六 ".repeat(200);
    let batches: [&[&str]; 6] =
        [&TEXTS, &[""], &["Data Scientist"], &["", "看護師"], &[&long, "x", &long], &["nurse"; 300]];
    for texts in batches {
        let ids = ids(&model, texts);
        assert!(texts != [""] || ids[0].len() == 2);
        let batch = RaggedBatch::new(ids.iter().map(Vec::as_slice));
        let inputs = [Tensor::from_slice(&batch.ids), Tensor::from_slice(&batch.lengths)];
        // More than once: libtorch rewrites a module after it has seen some calls.
        for _ in 0..3 {
            let found = module.forward_ts(&inputs).unwrap();
            assert_eq!(found.size(), [texts.len() as i64, 512]);
            let apart = furthest(&found, &encode(&*model.encoder, &batch));
            assert!(apart < 1e-6, "{} texts: off by {apart}", texts.len());
        }
    }

    // The server gives the same files.
    download(&app, &format!("/models/{MINE}/export?format=torchscript"), below.path()).await;
    for file in files {
        let (ours, theirs) = (folder.join(&file), below.path().join(app.model()).join(&file));
        assert_eq!(std::fs::metadata(ours).unwrap().len(), std::fs::metadata(theirs).unwrap().len(), "{file}");
    }
}

#[tokio::test]
async fn a_card_tells_the_training_and_its_commands_do_it_again() {
    let app = App::start();
    let csv = "sentence1,sentence2,score\n職種 A,role A,0.5\nrole A,職種 A,2.5\n職種 B,role A,5\n職種 B,role C,4\n";
    let benchmark = app.post_csv("/datasets?benchmark=true&name=b%7Cm", csv).await.text("id");
    let fields = [
        ("name", "jobs-v1"),
        ("config", r#"{"epochs": 2, "seed": 7}"#),
        ("benchmark_id", benchmark.as_str()),
        ("titles", r#"["it's | a *title*", "$DATASET"]"#),
    ];
    let id = app.post_job(few(20), &fields).await.text("id");
    let job = app.finished(&id).await;
    let reply = app.get("/models/jobs-v1/card").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/markdown; charset=utf-8"));
    let card = reply.body.as_str().unwrap();
    println!("{card}");

    let report = &job["report"];
    let figure = |value: &Value| format!("{:.4}", value.as_f64().unwrap());
    let model = app.get("/models/jobs-v1").await.body;
    let base = app.get("/models/tiny").await.body;
    for told in [
        "# jobs-v1\n",
        model["fingerprint"].as_str().unwrap(),
        base["fingerprint"].as_str().unwrap(),
        "| `seed` | `7` | `42` |",
        "| 16 | 4 |",
        r"b\|m",
        &figure(&report["before"]["benchmark"]["pearson"]),
        &figure(&report["after"]["retention"]["spearman"]),
        &format!("| **2** | **1.000e-5** | **{}** |", figure(&report["epochs"][1]["loss"])),
        "the seed 7, Shamisen 0.1.0, libtorch 2.",
    ] {
        assert!(card.contains(told), "no {told:?} in\n{card}");
    }
    for note in report["notes"].as_array().unwrap() {
        assert!(card.contains(note["message"].as_str().unwrap().split('"').next().unwrap()), "{note}");
    }
    assert!(!card.contains(app.data.path().to_str().unwrap()));

    // The command line tells the same.
    let below = TempDir::new().unwrap();
    let file = below.path().join("card.md");
    assert!(export(app.data.path(), &["jobs-v1", "--format", "card"], &file).status.success());
    assert_eq!(std::fs::read_to_string(file).unwrap(), card);

    // Another server with the same base and the same tables makes the same weights.
    let again = App::start();
    std::fs::write(below.path().join("table.csv"), few(20)).unwrap();
    std::fs::write(below.path().join("benchmark.csv"), csv).unwrap();
    let (_, commands) = card.split_once("## Reproduction").unwrap();
    let (_, commands) = commands.split_once("```sh\n").unwrap();
    let commands = commands.split("```").next().unwrap().replace("http://127.0.0.1:8080", &again.address);
    let run = Command::new("bash").args(["-euo", "pipefail", "-c", &commands]).current_dir(below.path()).output();
    let posted: Value = serde_json::from_slice(&run.unwrap().stdout).unwrap();
    let made = again.finished(posted["id"].as_str().unwrap_or_else(|| panic!("{posted}"))).await;
    assert_eq!((&made["config"], &made["report"]["heatmap"]), (&job["config"], &report["heatmap"]));
    assert_eq!(again.get("/models/jobs-v1").await.body["fingerprint"], model["fingerprint"]);
}

#[tokio::test]
async fn a_base_model_exports_as_itself_and_has_a_card() {
    let app = shared::tuned();
    let below = TempDir::new().unwrap();
    let target = below.path().join("base");
    let run = export(app.data, &["use-multilingual-v3"], &target);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let card = encoder::read_card(&BASE_FOLDER).unwrap();
    assert_eq!(encoder::read_card(&target).unwrap(), card);
    let told = app.get("/models/default/card").await.body;
    assert!(told.as_str().unwrap().contains(&card.fingerprint));
    assert_eq!(std::fs::read_to_string(target.join("README.md")).unwrap(), told.as_str().unwrap());

    // What is there already stays.
    let again = export(app.data, &["use-multilingual-v3"], &target);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("something is there already"));
    let slash = export(app.data, &["use-multilingual-v3"], &PathBuf::from(format!("{}/", target.display())));
    assert!(!slash.status.success());
    assert_eq!(encoder::read_card(&target).unwrap(), card);

    let unknown = export(app.data, &["use-multi"], &below.path().join("x"));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("use-multilingual-v3"));
    let format = app.get("/models/default/export?format=pickle").await;
    assert_eq!((format.status, format.text("code").as_str()), (422, "unknown_value"));
    assert_eq!(app.get("/models/nothing/card").await.text("code"), "model_not_found");
    assert_eq!(app.get("/models/nothing/export").await.text("code"), "model_not_found");
}
