//! `shamisen backup` and `shamisen restore`.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{shamisen, stderr, stdout};
use crate::app::{App, PROGRAM, few};

const SHORT: (&str, &str) = ("config", r#"{"epochs": 1}"#);
const ENDLESS: (&str, &str) = ("config", r#"{"epochs": 10000, "early_stopping": null}"#);

fn backup(to: &Path, more: &[&str], data: &Path) -> std::process::Output {
    shamisen(&[&["backup", "--to", to.to_str().unwrap()], more].concat(), data)
}

fn restore(from: &Path, data: &Path) -> std::process::Output {
    shamisen(&["restore", "--from", from.to_str().unwrap()], data)
}

#[tokio::test]
async fn a_backup_beside_a_busy_server_has_all_that_was_acknowledged_before_it_began() {
    let app = Arc::new(App::start());
    let done = app.post_job(few(20), &[("name", "made"), ("alias", "prod"), SHORT]).await.text("id");
    let model = app.finished(&done).await["model"].as_str().unwrap().to_owned();
    let asked = json!({ "texts": ["nurse"], "model": "prod" });
    let vectors = app.post("/embed", asked.clone()).await.body["data"].clone();
    let running = app.post_job(few(60), &[ENDLESS]).await;
    let dataset = running.text("dataset_id");
    let file = app.get(&format!("/datasets/{dataset}/file")).await.body;
    app.follow(&running.text("id"), None, |event| event["type"] == "progress").await;
    let mut before = vec![done, running.text("id")];
    for _ in 0..10 {
        before.push(app.post_job(few(20), &[SHORT]).await.text("id"));
    }
    // Jobs and tables come in all the while.
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (app, stop) = (Arc::clone(&app), Arc::clone(&stop));
        tokio::spawn(async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(app.post_job(few(20), &[SHORT]).await.status, 202);
                let row = format!("base,ref,similarity\nnurse {number},midwife,0.5\n");
                assert_eq!(app.post_csv("/datasets", row).await.status, 201);
                number += 1;
            }
        })
    };
    let places = TempDir::new().unwrap();
    let (folder, archive) = (places.path().join("folder"), places.path().join("backup.tar"));
    for (to, more) in [(&folder, &["--hard-links"][..]), (&archive, &[])] {
        let data = app.data.path().to_owned();
        let (to, more) = (to.clone(), more.to_vec());
        let made = tokio::task::spawn_blocking(move || backup(&to, &more, &data)).await.unwrap();
        assert!(made.status.success(), "{}", stderr(&made));
        assert!(stdout(&made).contains("begins with its first step"), "{}", stdout(&made));
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    // What is deleted now is in the backups all the same.
    app.send(app.request("DELETE", "/aliases/prod")).await;
    assert_eq!(app.send(app.request("DELETE", "/models/made")).await.status, 200);
    let (data, _) = Arc::into_inner(app).unwrap().stop();
    drop(data);

    for from in [&folder, &archive] {
        let restored = TempDir::new().unwrap();
        let told = restore(from, restored.path());
        assert!(told.status.success(), "{}", stderr(&told));
        assert!(stdout(&told).contains("1 that were running, from their first step"), "{}", stdout(&told));
        let app = App::over(restored, &[]);
        for job in &before {
            assert_eq!(app.get(&format!("/jobs/{job}")).await.status, 200, "{job}");
        }
        assert_eq!(app.get("/models/prod").await.text("id"), model);
        assert_eq!(app.post("/embed", asked.clone()).await.body["data"], vectors);
        assert_eq!(app.get(&format!("/datasets/{dataset}/file")).await.body, file);
        let told = app.follow(&before[1], None, |event| event["type"] == "requeued").await;
        let seen = told.last().unwrap()["seq"].as_i64();
        let again = app.follow(&before[1], seen, |event| event["type"] == "progress").await;
        assert!(again.iter().all(|event| event["type"] != "resumed"), "{again:?}");
    }
}

/// A data folder that a server has left, with a tuned model in it.
async fn stopped() -> (TempDir, String) {
    let app = App::start();
    let job = app.post_job(few(20), &[("name", "made"), SHORT]).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    (app.stop().0, model)
}

#[tokio::test]
async fn a_byte_that_was_flipped_and_a_file_that_is_missing_are_refused_and_nothing_is_restored() {
    let (data, model) = stopped().await;
    let places = TempDir::new().unwrap();
    let (folder, archive) = (places.path().join("folder"), places.path().join("backup.tar"));
    for to in [&folder, &archive] {
        assert!(backup(to, &[], data.path()).status.success());
    }
    let target = places.path().join("restored");
    let refused = |from: &Path, word: &str| {
        let told = restore(from, &target);
        assert!(!told.status.success() && stderr(&told).contains(word), "{word}: {}", stderr(&told));
        assert!(!target.exists() && !places.path().join("restored.draft").exists());
    };
    let weights = folder.join("models").join(&model).join("model.safetensors");
    let good = std::fs::read(&weights).unwrap();
    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, flipped).unwrap();
    refused(&folder, "model.safetensors is not what was put into it");
    std::fs::remove_file(&weights).unwrap();
    refused(&folder, "model.safetensors cannot be read");
    std::fs::write(&weights, good).unwrap();
    let manifest = std::fs::read(folder.join("manifest.json")).unwrap();
    std::fs::remove_file(folder.join("manifest.json")).unwrap();
    refused(&folder, "not a whole one");
    std::fs::write(folder.join("manifest.json"), manifest).unwrap();

    let whole = std::fs::read(&archive).unwrap();
    let canary = b"payroll clerk";
    let at = whole.windows(canary.len()).position(|part| part.eq_ignore_ascii_case(canary)).unwrap();
    let mut flipped = whole.clone();
    flipped[at] ^= 1;
    std::fs::write(&archive, flipped).unwrap();
    refused(&archive, "is not what was put into it");
    std::fs::write(&archive, &whole[..whole.len() / 2]).unwrap();
    refused(&archive, "not a whole one");
    std::fs::write(&archive, whole).unwrap();

    // Each is good again, and what is there is moved aside, never removed.
    assert!(restore(&folder, &target).status.success());
    std::fs::write(target.join("mine"), "x").unwrap();
    assert!(stderr(&restore(&archive, &target)).contains("is not empty"));
    let held = std::fs::File::create(target.join("LOCK")).unwrap();
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let replace = ["restore", "--replace", "--from", archive.to_str().unwrap()];
    assert!(stderr(&shamisen(&replace, &target)).contains("a server works in"));
    drop(held);
    assert!(shamisen(&replace, &target).status.success());
    assert!(!target.join("mine").exists());
    let aside = std::fs::read_dir(places.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.filter(|path| path.to_string_lossy().contains("restored.replaced-")).collect::<Vec<_>>();
    assert!(aside.len() == 1 && aside[0].join("mine").exists(), "{aside:?}");
}

/// Among the models, a folder with a file that is only read when somebody writes to it: a backup waits there.
fn gate(data: &Path) -> std::path::PathBuf {
    let folder = data.join("models/a-gate");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("shamisen.json"), "{}").unwrap();
    let gate = folder.join("z-gate");
    mknodat(CWD, &gate, FileType::Fifo, Mode::RWXU, 0).unwrap();
    gate
}

fn begun(to: &Path, data: &Path) -> std::process::Child {
    let mut command = Command::new(PROGRAM);
    command.args(["backup", "--to"]).arg(to).arg("--data").arg(data);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is at the gate when it has written the file before it.
    let before = to.with_extension("draft").join("models/a-gate");
    while !before.exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child
}

#[tokio::test]
async fn a_backup_that_was_killed_leaves_nothing_that_looks_whole_and_is_in_nobodys_way() {
    let (data, _) = stopped().await;
    let gate = gate(data.path());
    let places = TempDir::new().unwrap();
    let to = places.path().join("b");
    let mut killed = begun(&to, data.path());
    assert!(stderr(&backup(&to, &[], data.path())).contains("another process writes to"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!to.exists());
    let told = restore(&places.path().join("b.draft"), &places.path().join("restored"));
    assert!(stderr(&told).contains("not a whole one"), "{}", stderr(&told));
    std::fs::remove_dir_all(gate.parent().unwrap()).unwrap();
    assert!(backup(&to, &[], data.path()).status.success());
    let left: Vec<_> = std::fs::read_dir(places.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["b"]);
    assert!(!to.join("DRAFT").exists());
    // Neither over another one, nor into what it is a backup of.
    assert!(stderr(&backup(&to, &[], data.path())).contains("is there already"));
    assert!(stderr(&backup(&data.path().join("b"), &[], data.path())).contains("is in the data folder"));
}

#[tokio::test]
async fn what_is_deleted_while_it_is_copied_is_not_in_the_backup_and_what_is_lost_refuses_it() {
    let app = App::start();
    let job = app.post_job(few(20), &[("name", "made"), SHORT]).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    let gate = gate(app.data.path());
    let places = TempDir::new().unwrap();
    let to = places.path().join("b");
    let child = begun(&to, app.data.path());
    assert_eq!(app.send(app.request("DELETE", &format!("/models/{model}"))).await.status, 200);
    std::fs::OpenOptions::new().write(true).open(&gate).unwrap();
    let made = child.wait_with_output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    assert!(!to.join("models").join(&model).exists());
    let manifest: Value = serde_json::from_slice(&std::fs::read(to.join("manifest.json")).unwrap()).unwrap();
    assert!(manifest["files"].as_object().unwrap().keys().all(|path| !path.contains(&model)));
    std::fs::remove_dir_all(gate.parent().unwrap()).unwrap();
    let restored = places.path().join("restored");
    assert!(restore(&to, &restored).status.success());
    assert!(shamisen(&["doctor"], &restored).status.success());

    // A file that is lost while its row is there: no backup could be whole.
    let job = app.post_job(few(20), &[("name", "lost"), SHORT]).await.text("id");
    let model = app.finished(&job).await["model"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(app.data.path().join("models").join(&model)).unwrap();
    let refused = backup(&places.path().join("c"), &[], app.data.path());
    assert!(stderr(&refused).contains(&model) && stderr(&refused).contains("shamisen doctor"), "{}", stderr(&refused));
    assert!(!places.path().join("c").exists() && !places.path().join("c.draft").exists());
}
