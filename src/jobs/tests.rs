//! The supervisor beside a trainer that is a script, and a database that is away for a while.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

mod waiting;

use super::*;
use crate::datasets::{DatasetStore, Upload};
use crate::ml::train::TrainConfig;
use crate::registry::ModelRegistry;
use crate::store::{Event, Job, JobCaller, JobRequest, Kind, ModelRow, Purpose, Release, Status, Store, now};
use tables::choices::TableOptions;
use tables::inspect::InspectContext;

const TRAINER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/jobs/tests/trainer.sh");
/// Says that training begins, and waits for the test's sign.
const BEGIN: &str = r#"
say() { printf '%s\n' "$1"; }
say '{"type":"phase","phase":"training"}'
while [ ! -e "$HERE/go" ]; do sleep 0.02; done
"#;
/// Leaves a model and says so.
const SUCCEED: &str = r#"mkdir "$RUN/model"; echo x > "$RUN/model/x"; cat "$HERE/done.json""#;
/// Ends early the first time.
const DIE_ONCE: &str = r#"[ -e "$HERE/died" ] && exec sleep 600; touch "$HERE/died"; exit 3"#;

fn model(id: &str) -> ModelRow {
    ModelRow {
        model_id: id.to_owned(),
        name: id.to_owned(),
        kind: Kind::Base,
        base_model: None,
        job_id: None,
        fingerprint: "f".to_owned(),
        dimensions: 2,
        max_tokens: 8,
        bytes: 1,
        created_at: now(),
        pinned: false,
    }
}

/// The trainer's last word.
fn done() -> Value {
    let difference = json!({ "name": "t", "verdict": "too_few", "doubt": "few_pairs", "metric": "spearman", "n": 2 });
    let general = json!({ "name": "general", "pairs": 2, "pearson": 0.5, "spearman": 0.5 });
    let validation = json!({ "pairs": 2, "measure": "cosine", "mse": 0.1, "mae": 0.1, "mape": 1.0 });
    let spread =
        json!({ "texts": 2, "pairs": 1, "cosine_mean": 0.1, "cosine_std": 0.1, "effective_rank": 2.0, "clipped": 0 });
    let evaluation = json!({ "validation": validation, "benchmark": null, "retention": general });
    json!({
        "type": "done",
        "card": { "name": "mine", "fingerprint": "g", "dimensions": 2, "max_tokens": 8, "base_fingerprint": "f" },
        "report": {
            "rows": { "training": 10, "validation": 2, "leaking": 0 },
            "epochs": [], "stopped": "max_epochs", "kept_epoch": 0, "sweep": [], "alpha": null,
            "seconds": 1.0, "before": evaluation, "after": evaluation,
            "verdict": { "overall": "too_few", "domain": difference, "general": difference },
            "pearson": { "validation": difference, "benchmark": null, "retention": difference },
            "movers": { "toward": [], "away": [], "worst": [] },
            "calibration": null, "uncalibrated": "few_pairs",
            "spread": { "before": spread, "after": spread, "collapsed": null },
            "heatmap": { "titles": [], "before": [], "after": [] }, "notes": [],
        },
    })
}

/// A queue over a folder of its own, and a supervisor at work on it.
struct Shop {
    folder: tempfile::TempDir,
    queue: JobQueue,
    stop: CancellationToken,
    supervisor: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Shop {
    /// With a trainer that does as the script says.
    async fn open(script: &str) -> Self {
        Self::with(Path::new(TRAINER), script).await
    }

    async fn with(program: &Path, script: &str) -> Self {
        Self::with_patience(600, program, script).await
    }

    /// With seconds that a trainer may say nothing.
    async fn with_patience(silence: u64, program: &Path, script: &str) -> Self {
        let folder = tempfile::TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["models", "datasets", "runs"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("trainer.sh"), script).unwrap();
        std::fs::write(at("done.json"), format!("{}\n", done())).unwrap();
        let store = Store::open(&at("shamisen.db")).await.unwrap();
        store.upsert_model(&model("base")).await.unwrap();
        let datasets = DatasetStore::new(store.clone(), at("datasets"));
        let models = ModelRegistry::new(store.clone(), at("models"), PathBuf::new());
        let queue = JobQueue::new(store, datasets, models);
        let mut shop = Self { folder, queue, stop: CancellationToken::new(), supervisor: None };
        shop.supervisor = Some(tokio::spawn(shop.supervisor(silence, program).run(shop.stop.clone())));
        shop
    }

    fn supervisor(&self, trainer_silence: u64, program: &Path) -> Supervisor {
        Supervisor {
            queue: self.queue.clone(),
            program: program.to_owned(),
            runs: self.folder.path().join("runs"),
            checkpoint_seconds: 30,
            trainer_silence,
            make_ready: Arc::new(|_| Box::pin(async { Ok(()) })),
        }
    }

    /// Queues a job whose model will be called "mine".
    async fn post(&self) -> Job {
        self.post_as("mine").await
    }

    async fn post_as(&self, name: &str) -> Job {
        self.enqueue(name).await.unwrap().0
    }

    async fn enqueue(&self, name: &str) -> Result<(Job, bool), QueueError> {
        let rows = (0..12).map(|row| format!("left {row},right {row},0.{row:02}\n")).collect::<String>();
        let table = self.queue.datasets.receive_bytes(format!("a,b,score\n{rows}").as_bytes()).await.unwrap();
        let (choices, context) = (TableOptions::default(), InspectContext::default());
        let upload =
            Upload { name: "t".to_owned(), purpose: Purpose::Training, table, choices, context, version_of: None };
        let request = JobRequest {
            model: self.queue.store.model("base").await.unwrap().unwrap(),
            dataset: self.queue.datasets.add(upload).await.unwrap().0,
            benchmark: None,
            replay: None,
            validation: None,
            name: Some(name.to_owned()),
            recipe: "tutorial".to_owned(),
            config: TrainConfig::default(),
            titles: vec![],
            alias: None,
            alias_if: None,
            idempotency: None,
            openai: None,
            caller: JobCaller::default(),
        };
        self.queue.enqueue(request).await
    }

    fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }

    /// The job as soon as it and its events are as wanted.
    async fn wait(&self, job: &Job, wanted: impl Fn(&Job, &[Event]) -> bool) -> (Job, Vec<Event>) {
        let mut happened = self.queue.subscribe();
        let wait = async {
            loop {
                let row = self.queue.store.job(&job.job_id).await.unwrap().unwrap();
                let events = self.queue.store.events_after(&job.job_id, 0, 1000).await.unwrap();
                if wanted(&row, &events) {
                    return (row, events);
                }
                happened.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect("the job does not become so")
    }

    async fn begun(&self, job: &Job) -> Job {
        self.wait(job, |_, events| events.iter().any(|event| event.r#type == "phase")).await.0
    }

    async fn over(&self, job: &Job) -> (Job, Vec<Event>) {
        self.wait(job, |job, _| job.status.is_terminal()).await
    }

    async fn close(mut self) {
        self.stop.cancel();
        self.supervisor.take().unwrap().await.unwrap().unwrap();
    }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.r#type.as_str()).collect()
}

fn progress(step: usize) -> Value {
    json!({ "type": "progress", "epoch": 1, "epochs": 1, "step": step, "total_steps": 9, "loss": 0.5, "fraction": 0.1, "seconds_remaining": 1.0 })
}

fn warning(code: &str) -> Value {
    json!({ "type": "warning", "code": code, "message": "" })
}

#[tokio::test]
async fn a_database_that_is_away_while_a_trainer_runs_costs_neither_the_job_nor_an_event() {
    let said = [warning("a"), progress(1), warning("b"), progress(2), progress(3), warning("c")];
    let said: String = said.iter().map(|message| format!("say '{message}'\n")).collect();
    let shop = Shop::open(&format!("{BEGIN}{said}{SUCCEED}")).await;
    let job = shop.post().await;
    shop.begun(&job).await;
    shop.queue.store.refuse_writes(4);
    shop.go();
    let (job, events) = shop.over(&job).await;
    assert_eq!(shop.queue.store.refusals_left(), 0, "the database was asked again and again");
    assert_eq!((job.status, job.attempt, job.crashes), (Status::Succeeded, 1, 0));
    // Of progress that nobody could read in time, the newest is told.
    let expected = ["queued", "started", "phase", "warning", "progress", "warning", "progress", "warning", "succeeded"];
    assert_eq!(kinds(&events), expected);
    assert_eq!(events[6].data["step"], 3);
    assert!(shop.queue.store.model("mine").await.unwrap().is_some());
    shop.close().await;
}

#[tokio::test]
async fn what_a_run_came_to_is_kept_until_it_is_written() {
    for (last, crashes) in [(SUCCEED, 0), (DIE_ONCE, 1)] {
        let shop = Shop::open(&format!("{BEGIN}{last}")).await;
        let job = shop.post().await;
        shop.begun(&job).await;
        shop.queue.store.refuse_writes(4);
        shop.go();
        let ended = |event: &Event| matches!(event.r#type.as_str(), "succeeded" | "requeued");
        let (job, _) = shop.wait(&job, |_, events| events.iter().any(ended)).await;
        assert_eq!((shop.queue.store.refusals_left(), job.crashes), (0, crashes));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_ends_the_job_after_one_training() {
    let shop = Shop::open(&format!("{BEGIN}{SUCCEED}")).await;
    let job = shop.post().await;
    shop.begun(&job).await;
    shop.queue.store.upsert_model(&model("mine")).await.unwrap();
    shop.go();
    let (job, events) = shop.over(&job).await;
    assert_eq!((job.status, job.attempt, job.crashes), (Status::Failed, 1, 0));
    let error = job.error.unwrap();
    assert_eq!(error.code, "name_taken_meanwhile");
    assert!(error.message.contains("\"mine\"") && error.hint.contains("another name"), "{error:?}");
    assert_eq!(kinds(&events).last(), Some(&"failed"));
    assert_eq!(shop.queue.store.model("mine").await.unwrap().unwrap().job_id, None);
    assert_eq!(std::fs::read_dir(shop.folder.path().join("models")).unwrap().count(), 0);
    shop.close().await;
}

#[tokio::test]
async fn a_job_whose_settings_cannot_be_read_says_which_and_trains_nothing_else() {
    let shop = Shop::open(&format!("{BEGIN}{SUCCEED}")).await;
    let first = shop.post().await;
    shop.begun(&first).await;
    let job = shop.post_as("other").await;
    // As a version that knows more left it.
    shop.queue.store.alter(r#"update job set config = '{"epochs": 2, "frozen": []}' where name = 'other'"#).await;
    shop.go();
    let (job, events) = shop.over(&job).await;
    assert_eq!((job.status, job.attempt, job.crashes), (Status::Failed, 1, 0));
    let error = job.error.unwrap();
    assert_eq!(error.code, "config_not_usable");
    assert!(error.message.contains("frozen"), "{error:?}");
    assert_eq!(kinds(&events), ["queued", "started", "failed"]);
    shop.close().await;
}

#[tokio::test]
async fn only_a_trainer_that_could_not_be_started_says_so() {
    let shop = Shop::with(Path::new("/there/is/no/such/program"), "").await;
    let job = shop.post().await;
    let (job, _) = shop.over(&job).await;
    let error = job.error.unwrap();
    assert_eq!(error.code, "crash_loop");
    assert!(error.message.contains("3. the trainer could not be started"), "{error:?}");
    shop.close().await;
}

#[tokio::test]
async fn a_claim_that_was_superseded_ends_at_its_next_word_and_changes_nothing() {
    let shop = Shop::open(&format!("{BEGIN}say '{}'\nexec sleep 600", warning("late"))).await;
    let job = shop.post().await;
    let claim = shop.begun(&job).await;
    let store = &shop.queue.store;
    store.release_job(&claim, Release::Interrupted { reason: "another server" }).await.unwrap();
    let other = store.claim_job().await.unwrap().unwrap();
    assert_eq!(other.lease_token, claim.lease_token + 1);
    shop.go();
    // Nobody works on the other claim: the job is put back, and this server claims it again.
    let (_, events) = shop.wait(&job, |job, _| job.lease_token == other.lease_token + 1).await;
    assert!(events.iter().all(|event| event.r#type != "warning"));
    let reasons: Vec<_> = events.iter().filter_map(|event| event.data["reason"].as_str()).collect();
    assert_eq!(reasons, ["another server", "nobody worked on it"]);
    shop.close().await;
}
