//! The queue as others see it: enqueue, cancel, wait for what happens.

use std::sync::Arc;

use tables::TableKind;
use tables::checks::FEWEST_PAIRS;
use tables::inspect::ScoreSummary;
use tokio::sync::{Mutex, watch};

use super::room::{Room, TooLarge};
use super::spec::{RunSpec, Table};
use crate::datasets::DatasetStore;
use crate::ml::train::training_rows;
use crate::registry::ModelRegistry;
use crate::store::{
    self, Dataset, Insertion, Job, JobDeletion, JobRequest, Purpose, Release, Status, Store, StoreError,
};

/// Why a job was not queued.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// A setting has no meaning.
    #[error(transparent)]
    Config(#[from] crate::ml::Error),
    #[error("the dataset {0:?} is a benchmark: it measures and is not trained on")]
    NotForTraining(String),
    #[error("the dataset {0:?} was not uploaded as a benchmark")]
    NotABenchmark(String),
    /// A table cannot validate what is learnt.
    #[error("{0}")]
    ValidationUnusable(&'static str),
    #[error("the table that validates is the table that is learnt")]
    ValidationIsTraining,
    #[error("the dataset {0:?}, or the benchmark, is no longer there")]
    DatasetGone(String),
    #[error("the table has {pairs} pairs; at least {FEWEST_PAIRS} are needed")]
    TooFewPairs { pairs: usize },
    /// It cannot fit on this machine.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("the name {0:?} is taken by another model, alias or unfinished job")]
    NameTaken(String),
    #[error("this Idempotency-Key was used with another request")]
    KeyReused,
    #[error("{waiting} jobs are waiting, which is as many as the caller may have")]
    TooManyWaiting { waiting: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a job was not cancelled.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    #[error("no such job")]
    Unknown,
    #[error("the job is {0:?} already")]
    Over(Status),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug)]
pub struct JobQueue {
    pub store: Store,
    pub datasets: DatasetStore,
    pub models: ModelRegistry,
    /// Counts what happened to any job; the table is the truth, this only wakes who waits for it.
    happened: watch::Sender<u64>,
    /// The job and the lease token of the claim that this process works on. Whoever claims a job, or puts one back
    /// that nobody works on, holds it meanwhile.
    at_work: Arc<Mutex<Option<(String, i64)>>>,
}

impl JobQueue {
    pub fn new(store: Store, datasets: DatasetStore, models: ModelRegistry) -> Self {
        Self { store, datasets, models, happened: watch::Sender::new(0), at_work: Arc::default() }
    }

    /// Wakes at whatever happens to any job. Subscribe *before* reading the table, so that nothing
    /// that happens in between is missed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.happened.subscribe()
    }

    pub(super) fn wake(&self) {
        self.happened.send_modify(|count| *count += 1);
    }

    /// Takes the next job, for this process to work on until it lays it down.
    pub(super) async fn claim(&self) -> store::Result<Option<Job>> {
        let mut at_work = self.at_work.lock().await;
        let job = self.store.claim_job().await?;
        *at_work = job.as_ref().map(|job| (job.job_id.clone(), job.lease_token));
        Ok(job)
    }

    pub(super) async fn lay_down(&self) {
        *self.at_work.lock().await = None;
    }

    /// Puts jobs that are called running and that this process does not work on back into the queue. No other
    /// process works on any: this one holds the data folder's lock.
    pub(super) async fn put_back(&self, reason: &str) -> store::Result<()> {
        let at_work = self.at_work.lock().await;
        let claim = at_work.as_ref().map(|(job_id, lease_token)| (job_id.as_str(), *lease_token));
        let jobs = self.store.recover_jobs(claim, reason).await?;
        for job in &jobs {
            tracing::warn!(job, reason, "a job was left running; it is put back");
        }
        if !jobs.is_empty() {
            self.wake();
        }
        Ok(())
    }

    /// What a job takes, and what there is.
    pub(super) async fn room(&self, request: &JobRequest) -> Room {
        Room::measure(self.models.folder(ModelRegistry::root(&request.model)), &request.config).await
    }

    /// Queues a job. The same idempotency key and request give the same job again; the flag says
    /// whether it is new.
    pub async fn enqueue(&self, request: JobRequest) -> Result<(Job, bool), QueueError> {
        if let Some(job) = self.earlier(&request).await? {
            return Ok((job, false));
        }
        self.check(&request).await?;
        let job_id = store::new_id("job");
        let name = request.name.clone().unwrap_or_else(|| model_id(&job_id));
        match self.store.insert_job(&job_id, &name, &request).await {
            // Another request was quicker: with the same key, or with the same name.
            Err(StoreError::Taken { .. }) => {
                self.earlier(&request).await?.map(|job| (job, false)).ok_or(QueueError::NameTaken(name))
            }
            Err(StoreError::Gone) => Err(QueueError::DatasetGone(request.dataset.dataset_id)),
            Err(error) => Err(error.into()),
            Ok(Insertion::TooManyWaiting { waiting }) => Err(QueueError::TooManyWaiting { waiting }),
            Ok(Insertion::Queued) => {
                self.wake();
                let job = self.store.job(&job_id).await?.ok_or(StoreError::Gone)?;
                Ok((job, true))
            }
        }
    }

    /// The job that the same request with the same key has made already.
    async fn earlier(&self, request: &JobRequest) -> Result<Option<Job>, QueueError> {
        let Some((key, sha256)) = &request.idempotency else { return Ok(None) };
        match self.store.job_of_key(key).await? {
            Some(job) if job.request_sha256.as_ref() != Some(sha256) => Err(QueueError::KeyReused),
            job => Ok(job),
        }
    }

    pub(super) async fn check(&self, request: &JobRequest) -> Result<(), QueueError> {
        let refused = |field, reason: String| Err(crate::ml::Error::config(field, reason).into());
        request.config.check()?;
        if request.dataset.purpose == Purpose::Benchmark {
            return Err(QueueError::NotForTraining(request.dataset.dataset_id.clone()));
        }
        if let Some(table) = request.benchmark.as_ref().filter(|table| table.purpose == Purpose::Training) {
            return Err(QueueError::NotABenchmark(table.dataset_id.clone()));
        }
        if request.config.replay.is_some() && request.replay.is_none() {
            let reason = "has no meaning without a table to replay; send \"replay_id\", or leave it out".to_owned();
            return refused("replay", reason);
        }
        if request.replay.as_ref().is_some_and(|table| table.purpose == Purpose::Benchmark) {
            let reason = "is for training too, and this table was uploaded to measure with; upload it without benchmark=true, its scores from 0 to 1".to_owned();
            return refused("replay", reason);
        }
        if let Some(validation) = &request.validation {
            check_validation(validation, &request.dataset)?;
        }
        if request.replay.as_ref().is_some_and(|table| table.kind == TableKind::Labelled) {
            let reason = "learns the order of scores, and a table of labelled texts has none; replay pairs";
            return refused("replay", reason.to_owned());
        }
        let ScoreSummary { lowest, highest, distinct, .. } = request.dataset.scores;
        if let Some(reason) = request.config.loss.objection(request.dataset.kind, lowest, highest, distinct) {
            return refused("loss", reason);
        }
        let pairs = request.dataset.rows as usize;
        let held_out = request.validation.is_none();
        let training = if held_out { training_rows(pairs, request.config.validation_split) } else { pairs };
        if pairs < FEWEST_PAIRS || training == 0 || (held_out && training == pairs) {
            return Err(QueueError::TooFewPairs { pairs });
        }
        request.config.check_size(training)?;
        self.room(request).await.check()?;
        if let Some(name) = &request.name
            && (self.store.model_name_taken(name).await? || self.store.alias_exists(name).await?)
        {
            return Err(QueueError::NameTaken(name.clone()));
        }
        if let Some(alias) = &request.alias
            && (self.store.model_name_taken(alias).await? || request.name.as_ref() == Some(alias))
        {
            return Err(QueueError::NameTaken(alias.clone()));
        }
        Ok(())
    }

    pub(super) fn spec(&self, request: &JobRequest) -> RunSpec {
        let table = |dataset: &Dataset| Table {
            name: dataset.name.clone(),
            file: self.datasets.pairs_file(dataset),
            kind: dataset.kind,
            lowest_means: dataset.lowest_means,
            format: dataset.format,
            sha256: dataset.sha256.clone(),
        };
        RunSpec {
            name: request.name.clone().unwrap_or_default(),
            model: self.models.folder(&request.model.model_id),
            root: self.models.folder(ModelRegistry::root(&request.model)),
            dataset: table(&request.dataset),
            benchmark: request.benchmark.as_ref().map(table),
            replay: request.replay.as_ref().map(table),
            validation: request.validation.as_ref().map(table),
            titles: request.titles.clone(),
            recipe: request.recipe.clone(),
            config: request.config.clone(),
            micro_batch: None,
            checkpoint_seconds: 0,
            resume: Vec::new(),
        }
    }

    /// Deletes a job that is over, whoever follows it.
    pub async fn delete(&self, id: &str) -> store::Result<JobDeletion> {
        let deletion = self.store.delete_job(id).await?;
        self.wake();
        Ok(deletion)
    }

    pub async fn cancel(&self, id: &str) -> Result<Job, CancelError> {
        let before = self.store.job(id).await?.ok_or(CancelError::Unknown)?;
        if before.status.is_terminal() {
            return Err(CancelError::Over(before.status));
        }
        let mut job = self.store.cancel_job(id).await?.ok_or(CancelError::Unknown)?;
        if job.status == Status::Running {
            // One that nobody works on has nobody who would end it.
            let at_work = self.at_work.lock().await;
            if *at_work != Some((job.job_id.clone(), job.lease_token)) {
                self.store.release_job(&job, Release::Interrupted { reason: "nobody worked on it" }).await?;
                job = self.store.job(id).await?.ok_or(CancelError::Unknown)?;
            }
        }
        self.wake();
        match job.status {
            Status::Succeeded | Status::Failed => Err(CancelError::Over(job.status)),
            _ => Ok(job),
        }
    }
}

/// The id of the model that a job makes: the job's own, with a model's prefix. However often the
/// job is run, it makes this one model.
pub(crate) fn model_id(job_id: &str) -> String {
    job_id.replacen("job_", "ft_", 1)
}

/// Whether a table's rows can be judged as those that are learnt.
fn check_validation(validation: &Dataset, training: &Dataset) -> Result<(), QueueError> {
    if validation.sha256 == training.sha256 {
        return Err(QueueError::ValidationIsTraining);
    }
    let unusable = |why| Err(QueueError::ValidationUnusable(why));
    if validation.purpose == Purpose::Benchmark {
        return unusable(
            "the table that validates was uploaded to measure with, its scores on a scale of their own; upload it without benchmark=true, or name it as benchmark_id",
        );
    }
    if validation.kind != training.kind && !(validation.kind.scored() && training.kind.scored()) {
        return unusable("the table that validates is of another kind than the one that is learnt");
    }
    if validation.lowest_means != training.lowest_means {
        return unusable(
            "the lowest score of the table that validates was not said to mean the same as that of the one that is learnt",
        );
    }
    Ok(())
}
