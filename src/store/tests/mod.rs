//! What every store has to be, whatever database is below it: the suite opens the one under test in [`World::open`].

mod aliases;
mod claims;
mod damage;
mod datasets;
mod deletion;
mod faults;
mod health;
mod jobs;
mod keys;
mod models;
mod schema;
mod waiting;

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use tables::TableKind;
use tables::choices::FileFormat;
use tables::inspect::ScoreSummary;

use super::*;
use crate::ml::train::TrainConfig;

/// A store with a base model and a table, which jobs need.
struct World {
    store: Store,
    base: ModelRow,
    table: Dataset,
    config: TrainConfig,
    folder: TempDir,
}

impl Deref for World {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Store {
    /// What no function does: a row as another version of this program, or a fault, has left it.
    pub(crate) async fn alter(&self, sql: &'static str) {
        sqlx::query(sql).execute(&self.writer).await.unwrap();
    }
}

impl World {
    async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("store.db")).await.unwrap();
        let base = model("base");
        store.upsert_model(&base).await.unwrap();
        let table = store.insert_dataset(&table("ds_0"), "{}").await.unwrap().0;
        Self { store, base, table, config: TrainConfig::default(), folder }
    }

    /// The same store as another process would find it.
    async fn reopened(&self) -> Store {
        Store::open(&self.folder.path().join("store.db")).await.unwrap()
    }

    /// A job that is like every other.
    fn job(&self) -> JobRequest {
        JobRequest {
            model: self.base.clone(),
            dataset: self.table.clone(),
            benchmark: None,
            replay: None,
            validation: None,
            name: None,
            recipe: "tutorial".to_owned(),
            config: self.config.clone(),
            titles: Vec::new(),
            alias: None,
            alias_if: None,
            idempotency: None,
            openai: None,
            caller: JobCaller::default(),
        }
    }

    /// A job whose alias means its model in the end.
    fn job_for(&self, alias: &str) -> JobRequest {
        JobRequest { alias: Some(alias.to_owned()), ..self.job() }
    }

    async fn queue(&self, job_ids: &[&str]) {
        for id in job_ids {
            self.insert_job(id, id, &self.job()).await.unwrap();
        }
    }

    /// A job that was queued and claimed.
    async fn claimed(&self, job_id: &str) -> Job {
        self.claimed_as(job_id, job_id, &self.job()).await
    }

    async fn claimed_as(&self, job_id: &str, name: &str, new: &JobRequest) -> Job {
        self.insert_job(job_id, name, new).await.unwrap();
        self.claim_job().await.unwrap().unwrap()
    }

    /// The next claim of a job that was interrupted.
    async fn claimed_again(&self, claim: &Job) -> Job {
        self.release_job(claim, Release::Interrupted { reason: "a stop" }).await.unwrap();
        self.claim_job().await.unwrap().unwrap()
    }

    async fn store_table(&self, new: Dataset) -> Result<(Dataset, bool)> {
        self.insert_dataset(&new, &new.choices.to_string()).await
    }

    /// Points an alias at one model after another.
    async fn point(&self, alias: &str, model_ids: &[&str]) {
        for id in model_ids {
            assert!(self.set_alias(alias, id).await.unwrap());
        }
    }

    /// What a rollback of an alias came to, as a caller asks for it.
    async fn roll_back(&self, alias: &str) -> Rollback {
        let history = self.alias_history(alias).await.unwrap();
        let Some(to) = history.previous() else { return Rollback::NothingBefore };
        self.roll_alias_back(alias, history.moves.last().unwrap().seq, to).await.unwrap()
    }

    /// A job's row that is there.
    async fn row(&self, job_id: &str) -> Job {
        self.store.job(job_id).await.unwrap().unwrap()
    }

    /// The types of a job's events, in their order.
    async fn told(&self, job_id: &str) -> Vec<String> {
        self.events_after(job_id, 0, 1000).await.unwrap().into_iter().map(|event| event.r#type).collect()
    }

    /// The type of a job's last event, and its particulars.
    async fn last_told(&self, job_id: &str) -> (String, Value) {
        let event = self.events_before(job_id, None, 1).await.unwrap().remove(0);
        (event.r#type, event.data)
    }

    /// A tuned model, as a job makes it.
    async fn tuned(&self, model_id: &str) -> ModelRow {
        let job_id = model_id.replace("ft_", "job_");
        let claim = self.claimed(&job_id).await;
        let model = tuned(model_id, &claim);
        assert!(self.finish_job(&claim, &model, &json!({}), None).await.unwrap());
        model
    }
}

/// A model that stands for itself.
fn model(id: &str) -> ModelRow {
    ModelRow {
        model_id: id.to_owned(),
        name: id.to_owned(),
        kind: Kind::Base,
        base_model: None,
        job_id: None,
        fingerprint: format!("print of {id}"),
        dimensions: 16,
        max_tokens: 32,
        bytes: 64,
        created_at: now(),
        pinned: false,
    }
}

/// The model of a job.
fn tuned(id: &str, claim: &Job) -> ModelRow {
    ModelRow {
        name: claim.name.clone(),
        kind: Kind::Tuned,
        base_model: Some("base".to_owned()),
        job_id: Some(claim.job_id.clone()),
        ..model(id)
    }
}

/// A table whose bytes are like no other's of another id.
fn table(id: &str) -> Dataset {
    Dataset {
        dataset_id: id.to_owned(),
        name: id.to_owned(),
        purpose: Purpose::Training,
        sha256: crate::ml::sha256::sha256(id.as_bytes()),
        format: FileFormat::Csv,
        bytes: 100,
        columns: Some(vec!["a".to_owned(), "b".to_owned()]),
        kind: TableKind::PairScore,
        rows: 20,
        scores: ScoreSummary { lowest: 0.0, highest: 1.0, mean: 0.5, distinct: 3, positives: Some(7) },
        choices: json!({}),
        lowest_means: None,
        skipped: 0,
        fixed_out: 0,
        findings: json!([]),
        family: id.to_owned(),
        version: 1,
        version_of: None,
        latest: true,
        created_at: now(),
    }
}

fn moved(moved: bool) -> AliasResult {
    AliasResult { moved, code: "moved".to_owned(), message: "It means this model now.".to_owned() }
}

#[test]
fn every_function_of_the_store_is_in_this_suite() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let read = |folder: &Path| -> String {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap()).collect()
    };
    let (code, suite) = (read(&folder), read(&folder.join("tests")));
    let of_the_store = code.split("\nimpl Store {").skip(1).map(|block| block.split("\n}").next().unwrap());
    let functions: Vec<&str> = of_the_store
        .flat_map(|block| block.split("    pub ").skip(1))
        .filter_map(|item| item.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next())
        .collect();
    assert!(functions.len() > 50, "{functions:?}");
    let missing: Vec<&&str> = functions
        .iter()
        .filter(|name| !suite.contains(&format!(".{name}(")) && !suite.contains(&format!("Store::{name}(")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
