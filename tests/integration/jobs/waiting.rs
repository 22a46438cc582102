//! A job loses nothing and is never stuck, whatever is missing.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use super::ENDLESS;
use super::recovery::trainers;
use crate::app::{App, example, few};

fn is(kind: &str) -> impl Fn(&Value) -> bool + '_ {
    move |event| event["type"] == kind
}

fn count(events: &[Value], code: &str) -> usize {
    events.iter().filter(|event| event["data"]["code"] == code).count()
}

#[tokio::test]
async fn a_trainer_that_dies_again_and_again_but_gets_on_is_never_given_up() {
    let app = App::with(&["--checkpoint-seconds", "0"]);
    let id = app.post_job(example(), &[ENDLESS]).await.text("id");
    let mut seen = None;
    for _ in 0..4 {
        // Each time a step further than the last time: where it died, and one more.
        for _ in 0..8 {
            seen = app.follow(&id, seen, is("checkpoint")).await.last().unwrap()["seq"].as_i64();
        }
        for trainer in trainers(&app) {
            kill_process(trainer, Signal::KILL).unwrap();
        }
        let events = app.follow(&id, seen, |event| event["type"] == "requeued" || event["type"] == "failed").await;
        let last = events.last().unwrap();
        assert_eq!((&last["type"], &last["data"]["code"]), (&json!("requeued"), &json!("retry")), "{last}");
        seen = last["seq"].as_i64();
    }
    assert_eq!(app.post(&format!("/jobs/{id}/cancel"), json!({})).await.status, 202);
}

#[tokio::test]
async fn a_trainer_that_is_stopped_is_ended_and_its_job_goes_on_from_its_checkpoint() {
    let app = App::with(&["--checkpoint-seconds", "0", "--trainer-silence", "3"]);
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 60, "early_stopping": null}"#)]).await.text("id");
    app.follow(&id, None, is("checkpoint")).await;
    for trainer in trainers(&app) {
        kill_process(trainer, Signal::STOP).unwrap();
    }
    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");
    let events = app.follow(&id, None, |_| false).await;
    let requeued = events.iter().find(|event| event["type"] == "requeued").unwrap();
    assert!(requeued["data"]["reason"].as_str().unwrap().contains("no sign of life for 3 s"), "{requeued}");
    assert!(events.iter().any(|event| event["type"] == "resumed" && event["data"]["exact"] == true));
}

/// The folder of a job's first run, as soon as it is there.
async fn run_of(app: &App, id: &str) -> PathBuf {
    app.follow(id, None, is("phase")).await;
    app.data.path().join("runs").join(id).join("t1")
}

#[tokio::test]
async fn checkpoints_and_curves_that_cannot_be_written_are_told_once_and_end_no_run() {
    let app = App::with(&["--checkpoint-seconds", "0"]);
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 5, "batch_size": 8, "early_stopping": null}"#)]).await;
    let id = id.text("id");
    let run = run_of(&app, &id).await;
    // Where the trainer was quicker, its curves are there.
    let no_curves = std::fs::write(run.join("tensorboard"), "in the way").is_ok();
    for step in 1..=40 {
        // Checkpoints are folders.
        std::fs::write(run.join(format!("ckpt-{step}.draft")), "in the way").unwrap();
    }
    let job = app.finished(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let events = app.follow(&id, None, |_| false).await;
    assert_eq!(count(&events, "checkpoint_not_saved"), 1);
    assert_eq!(count(&events, "curves_not_saved"), usize::from(no_curves));
    let saved = events.iter().filter(|event| event["type"] == "checkpoint").count();
    assert!(saved < 20, "{saved} of 20 steps");
    // The model is whole.
    let embedded = app.post("/embed", json!({ "texts": ["nurse"], "model": job["model"] })).await;
    assert_eq!(embedded.status, 200, "{}", embedded.body);
}

/// A small disk of its own below a folder, for as long as it lives.
struct Disk(PathBuf);

impl Disk {
    /// `None` where this user may mount nothing.
    fn mount(folder: &Path, megabytes: u32) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(folder);
        let mounted = mount.output().is_ok_and(|mount| mount.status.success());
        if !mounted {
            eprintln!("SKIPPED: no disk can be mounted here");
        }
        mounted.then(|| Self(folder.to_owned()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 1 << 12] {
            while std::io::Write::write_all(&mut file, &vec![0; size]).is_ok() {}
        }
    }

    fn empty(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[tokio::test]
async fn a_job_waits_for_room_on_the_disk_and_goes_on_from_its_checkpoint() {
    let data = tempfile::TempDir::new().unwrap();
    let Some(disk) = Disk::mount(data.path(), 48) else { return };
    let app = App::over(data, &["--checkpoint-seconds", "0"]);
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 30, "early_stopping": null}"#)]).await.text("id");
    app.follow(&id, None, is("checkpoint")).await;
    disk.fill();
    // The trainer comes to its end, where nothing can be left out.
    while !trainers(&app).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(app.post("/embed", json!({ "inputs": "x" })).await.status, 200);
    disk.empty();
    let events = app.follow(&id, None, is("requeued")).await;
    let waiting = events.last().unwrap();
    assert_eq!(waiting["data"]["code"], "disk_full", "{waiting}");
    assert_eq!(count(&events, "checkpoint_not_saved"), 1);
    let job = app.get(&format!("/jobs/{id}")).await.body;
    assert_eq!((&job["status"], &job["wait_reason"]), (&json!("queued"), &json!("disk_full")), "{job}");
    assert!(job["next_try_at"].is_string(), "{job}");

    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["wait_reason"]), (&json!("succeeded"), &Value::Null), "{job}");
    let events = app.follow(&id, None, |_| false).await;
    assert!(events.iter().any(is("resumed")));

    // A job that finds no room does not begin.
    disk.fill();
    let free = std::fs::OpenOptions::new().write(true).open(disk.0.join("filler")).unwrap();
    free.set_len(free.metadata().unwrap().len() - (4 << 20)).unwrap();
    let id = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let events = app.follow(&id, None, is("requeued")).await;
    let waiting = events.last().unwrap();
    assert_eq!(waiting["data"]["code"], "disk_full", "{waiting}");
    assert!(waiting["data"]["reason"].as_str().unwrap().contains("the job takes 16 MiB at least"), "{waiting}");
    assert!(events.iter().all(|event| event["type"] != "phase"));
    assert_eq!(app.post(&format!("/jobs/{id}/cancel"), json!({})).await.body["status"], "cancelled");
}
