//! `shamisen doctor`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{shamisen, stderr, stdout};
use crate::app::{App, few};

/// What it finds, and whether all is well.
fn doctor(more: &[&str], data: &Path) -> (Value, bool) {
    let told = shamisen(&[&["doctor", "--json"], more].concat(), data);
    let findings: Value = serde_json::from_str(&stdout(&told)).unwrap_or_else(|_| panic!("{}", stderr(&told)));
    assert_eq!(findings["well"], told.status.success());
    (findings, told.status.success())
}

fn codes(findings: &Value) -> Vec<&str> {
    findings["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_data_folder_is_told_and_mended_where_nothing_is_lost() {
    let app = App::start();
    let config = ("config", r#"{"epochs": 1}"#);
    let job = app.post_job(few(20), &[("name", "made"), config]).await;
    let model = app.finished(&job.text("id")).await["model"].as_str().unwrap().to_owned();
    let dataset = app.get(&format!("/datasets/{}", job.text("dataset_id"))).await.text("sha256");
    // Beside a server it only looks.
    let (findings, well) = doctor(&[], app.data.path());
    assert!(well && findings["served"] == true && codes(&findings).is_empty(), "{findings}");
    let refused = shamisen(&["doctor", "--repair"], app.data.path());
    assert!(stderr(&refused).contains("stop it before --repair"), "{}", stderr(&refused));
    let (data, _) = app.stop();
    let data = data.path();
    let (findings, well) = doctor(&[], data);
    assert!(well && findings["served"] == false && codes(&findings).is_empty(), "{findings}");
    assert_eq!(stdout(&shamisen(&["doctor"], data)), "Nothing is wrong.\n");

    // What can be mended without a loss.
    std::fs::write(data.join("datasets/left.draft"), "x").unwrap();
    std::fs::create_dir_all(data.join("models/export_1.draft")).unwrap();
    std::fs::create_dir_all(data.join("runs/job_0/t1")).unwrap();
    let models = data.join("models");
    let lost = "ft_01980f3e5c7a7d0e8a1b2c3d4e5f6071";
    std::fs::create_dir(models.join(lost)).unwrap();
    for entry in std::fs::read_dir(models.join(&model)).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            std::fs::copy(&file, models.join(lost).join(file.file_name().unwrap())).unwrap();
        }
    }
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o705)).unwrap();
    let (findings, well) = doctor(&[], data);
    assert!(!well);
    let mut found = codes(&findings);
    found.sort_unstable();
    assert_eq!(found, ["leftover", "leftover", "leftover", "open_to_others", "unknown_model"], "{findings}");
    assert!(findings["findings"].as_array().unwrap().iter().all(|one| one["mended"] == false && one["advice"] != ""));
    let (findings, well) = doctor(&["--repair"], data);
    assert!(well && findings["findings"].as_array().unwrap().iter().all(|one| one["mended"] == true), "{findings}");
    let (findings, _) = doctor(&[], data);
    assert_eq!(codes(&findings), ["new_model"], "{findings}");
    assert_eq!(std::fs::metadata(data).unwrap().permissions().mode() & 0o777, 0o700);

    // What cannot.
    let file = data.join("datasets").join(&dataset);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    std::fs::write(&file, flipped).unwrap();
    std::fs::rename(models.join(&model), models.join("elsewhere.draft")).unwrap();
    let (findings, well) = doctor(&[], data);
    assert!(!well);
    let found = codes(&findings);
    assert!(found.contains(&"dataset_damaged") && found.contains(&"model_damaged"), "{findings}");
    std::fs::write(&file, good).unwrap();
    std::fs::rename(models.join("elsewhere.draft"), models.join(&model)).unwrap();
    let database = data.join("shamisen.db");
    let mut bytes = std::fs::read(&database).unwrap();
    bytes[4096..].fill(0x55);
    std::fs::write(&database, bytes).unwrap();
    let told = shamisen(&["doctor"], data);
    assert!(!told.status.success() && stdout(&told).contains("restore the newest backup"), "{}", stdout(&told));
    std::fs::remove_file(&database).unwrap();
    assert_eq!(codes(&doctor(&[], data).0), ["no_database"]);
    assert!(!database.exists(), "looking makes none");
}

#[tokio::test]
async fn a_model_of_a_lost_database_is_served_again_after_a_repair() {
    let app = App::start();
    let job = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    let ask = |model: &str| json!({ "texts": ["nurse"], "model": model });
    let vectors = app.post("/embed", ask(&model)).await.body["data"].clone();
    let (data, _) = app.stop();
    for file in ["shamisen.db", "shamisen.db-wal", "shamisen.db-shm"] {
        let _ = std::fs::remove_file(data.path().join(file));
    }
    let (data, _) = App::over(data, &[]).stop();
    let (findings, well) = doctor(&["--repair"], data.path());
    assert!(well && codes(&findings).contains(&"unknown_model"), "{findings}");
    let app = App::over(data, &[]);
    let again = app.post("/embed", ask(&model.replacen("ft_", "recovered-", 1))).await;
    assert_eq!(again.body["data"], vectors);
}
