//! Nothing is lost when the server or the trainer dies.

use serde_json::json;

use super::ENDLESS;
use crate::app::{App, example, few};

#[tokio::test]
async fn a_job_whose_server_was_killed_finishes_after_the_restart_with_one_model() {
    let app = App::start();
    let running = app
        .post_job(few(60), &[("name", "survivor"), ("config", r#"{"epochs": 40, "early_stopping": null}"#)])
        .await
        .text("id");
    let waiting = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let seen = app.follow(&running, None, |event| event["type"] == "epoch").await;
    let data = app.kill();

    let app = App::over(data, &[]);
    let job = app.finished(&running).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job}");
    assert_eq!(app.finished(&waiting).await["status"], "succeeded");
    let models = app.get("/models").await.body;
    let tuned: Vec<_> = models["models"].as_array().unwrap().iter().filter(|model| model["kind"] == "tuned").collect();
    assert_eq!(tuned.len(), 2);
    assert_eq!(tuned.iter().filter(|model| model["job_id"] == running.as_str()).count(), 1);

    // What a client saw before is still there, and it can go on from there.
    let all = app.follow(&running, None, |_| false).await;
    assert_eq!(all[..seen.len()], seen);
    assert!(all.iter().any(|event| event["type"] == "requeued"));
    assert_eq!(all.iter().filter(|event| event["type"] == "succeeded").count(), 1);
    assert_eq!(std::fs::read_dir(app.data.path().join("runs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_stopped_server_puts_its_job_back_and_leaves_politely() {
    let app = App::start();
    let id = app.post_job(few(60), &[("config", r#"{"epochs": 40, "early_stopping": null}"#)]).await.text("id");
    app.follow(&id, None, |event| event["type"] == "progress").await;
    let (data, status) = app.stop();
    assert!(status.success());
    let app = App::over(data, &[]);
    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)));
}

/// The fingerprint of the model that a job made, and the job's events.
async fn made(app: &App, job: &str) -> (String, Vec<serde_json::Value>) {
    let finished = app.finished(job).await;
    assert_eq!(finished["status"], "succeeded", "{finished}");
    let model = app.get(&format!("/models/{}", finished["model"].as_str().unwrap())).await;
    (model.text("fingerprint"), app.follow(job, None, |_| false).await)
}

const CONFIG: (&str, &str) = ("config", r#"{"epochs": 3, "learning_rate": 1e-4}"#);

#[tokio::test]
async fn a_killed_job_goes_on_from_its_checkpoint_and_makes_the_same_bits() {
    let every_step: &[&str] = &["--checkpoint-seconds", "0"];
    let app = App::real_with(every_step);
    let unbroken = app.post_job(few(60), &[CONFIG]).await.text("id");
    let (expected, _) = made(&app, &unbroken).await;

    let id = app.post_job(few(60), &[CONFIG]).await.text("id");
    let after = |step| move |event: &serde_json::Value| event["type"] == "checkpoint" && event["data"]["step"] == step;
    app.follow(&id, None, after(9)).await;
    let data = app.kill();
    let app = App::over(data, every_step);
    let events = app.follow(&id, None, after(13)).await;
    let resumed = events.iter().find(|event| event["type"] == "resumed").unwrap();
    assert!(resumed["data"]["step"].as_u64().unwrap() >= 9 && resumed["data"]["exact"] == true, "{resumed}");

    // Once more, and this time the newest checkpoint has a hole: the one before it serves.
    let data = app.kill();
    let claims = data.path().join("runs").join(&id);
    let newest = std::fs::read_dir(claims)
        .unwrap()
        .flat_map(|claim| std::fs::read_dir(claim.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let step: u64 = path.file_name()?.to_str()?.strip_prefix("ckpt-")?.parse().ok()?;
            Some((step, path))
        })
        .max()
        .unwrap();
    std::fs::write(newest.1.join("state.safetensors"), b"torn").unwrap();
    let app = App::over(data, every_step);
    let (found, events) = made(&app, &id).await;
    assert_eq!(found, expected, "the same bits as a job that never stopped");
    let steps: Vec<u64> = events
        .iter()
        .filter(|event| event["type"] == "resumed")
        .map(|event| event["data"]["step"].as_u64().unwrap())
        .collect();
    assert!(steps.len() == 2 && steps[1] < newest.0 && steps[1] >= 9, "{steps:?} of {newest:?}");
    assert!(events.iter().any(|event| event["data"]["code"] == "checkpoint_not_usable"));

    // The curves are whole, as if nothing had happened.
    let (curves, others) =
        (app.get(&format!("/jobs/{id}/metrics")).await, app.get(&format!("/jobs/{unbroken}/metrics")).await);
    assert_eq!(curves.body, others.body);
    assert_eq!(std::fs::read_dir(app.data.path().join("runs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_politely_stopped_job_loses_no_step() {
    let app = App::start();
    let id = app.post_job(few(60), &[("config", r#"{"epochs": 40, "early_stopping": null}"#)]).await.text("id");
    app.follow(&id, None, |event| event["type"] == "progress").await;
    let (data, _) = app.stop();
    let app = App::over(data, &[]);
    let (_, events) = made(&app, &id).await;
    let step = |kind: &str| {
        let event = events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}"));
        event["data"]["step"].as_u64().unwrap()
    };
    // Far below the half minute after which a checkpoint is due.
    assert_eq!(step("checkpoint"), step("resumed"));
    assert!(step("resumed") >= 1);
}

/// The process ids of the trainers that this server started.
pub(super) fn trainers(app: &App) -> Vec<rustix::process::Pid> {
    let data = app.data.path().to_string_lossy().into_owned();
    let runs = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let command = String::from_utf8(std::fs::read(path.join("cmdline")).ok()?).ok()?;
        let trains = command.contains("\0train\0--run\0") && command.contains(&data);
        trains.then(|| path.file_name()?.to_str()?.parse().ok())?
    });
    runs.filter_map(rustix::process::Pid::from_raw).collect()
}

#[tokio::test]
async fn a_trainer_that_dies_is_started_again_and_given_up_after_three_times() {
    let app = App::start();
    let id = app.post_job(example(), &[ENDLESS]).await.text("id");
    let mut seen = 0;
    for _ in 0..3 {
        let events = app.follow(&id, Some(seen), |event| event["type"] == "progress").await;
        seen = events.last().unwrap()["seq"].as_i64().unwrap();
        for trainer in trainers(&app) {
            rustix::process::kill_process(trainer, rustix::process::Signal::KILL).unwrap();
        }
        let events =
            app.follow(&id, Some(seen), |event| event["type"] == "requeued" || event["type"] == "failed").await;
        seen = events.last().unwrap()["seq"].as_i64().unwrap();
        // The server itself never notices.
        assert_eq!(app.post("/embed", json!({ "inputs": "x" })).await.status, 200);
    }
    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("crash_loop")), "{job}");
    assert!(job["error"]["message"].as_str().unwrap().contains("3. it was ended by signal 9 (SIGKILL)"), "{job}");
    // The next job has its turn.
    let next = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    assert_eq!(app.finished(&next).await["status"], "succeeded");
}

#[tokio::test]
async fn a_database_that_another_process_holds_for_a_while_costs_a_running_job_nothing() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let app = App::logging(tempfile::TempDir::new().unwrap(), &[], log.reopen().unwrap().into());
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 3}"#)]).await.text("id");
    app.follow(&id, None, |event| event["type"] == "started").await;
    let database = sqlx::sqlite::SqliteConnectOptions::new().filename(app.data.path().join("shamisen.db"));
    let other = sqlx::SqlitePool::connect_with(database).await.unwrap();
    let held = other.begin_with("begin immediate").await.unwrap();
    // The server waits for its turn first, and is refused then.
    let refused = || std::fs::read_to_string(log.path()).unwrap().contains("the database is out of reach");
    while !refused() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    held.rollback().await.unwrap();

    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job}");
    let events = app.follow(&id, None, |_| false).await;
    assert_eq!(events.iter().filter(|event| event["type"] == "epoch").count(), 3);
    assert_eq!(events.iter().filter(|event| event["type"] == "evaluation").count(), 2);
    assert!(events.iter().all(|event| event["type"] != "requeued"));
}

#[tokio::test]
async fn models_outlive_a_lost_database_and_stray_folders_do_no_harm() {
    let app = App::start();
    let id = app.post_job(few(20), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let model = app.finished(&id).await["model"].as_str().unwrap().to_owned();
    let (data, _) = app.stop();
    for file in ["shamisen.db", "shamisen.db-wal", "shamisen.db-shm"] {
        let _ = std::fs::remove_file(data.path().join(file));
    }
    std::fs::create_dir(data.path().join("models/stray")).unwrap();
    std::fs::write(data.path().join("datasets/left.draft"), "x").unwrap();
    let app = App::over(data, &[]);
    assert!(app.data.path().join("models").join(model).join("model.safetensors").exists());
    assert!(!app.data.path().join("datasets/left.draft").exists());
    assert_eq!(app.post("/embed", json!({ "inputs": "x" })).await.status, 200);
}
