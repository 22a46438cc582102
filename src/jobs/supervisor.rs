//! Claims jobs and runs each in a child process of the same binary.
//!
//! A crash or an out-of-memory kill there never touches serving, cancelling is a signal, and memory
//! comes back. The child lives no longer than its standard input: when the server is gone, however
//! it went, the child ends itself. Whatever the database does meanwhile, the trainer works on.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context;
use rustix::process::Signal;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, checkpoint_folder, persist};
use super::message::Message;
use super::process::{GRACE, Trainer};
use super::publish::{MakeReady, Outcome, publish};
use super::queue::JobQueue;
use super::spec::Saved;
use crate::store::{Job, JobCaller, JobError, JobRequest, Release};

/// Trainers that may die under a job before it is given up.
const MOST_CRASHES: i64 = 3;

/// Runs one job at a time.
pub(crate) struct Supervisor {
    /// No other supervisor works on it.
    pub(crate) queue: JobQueue,
    /// This one, which is the trainer too.
    pub(crate) program: PathBuf,
    /// The folder of the runs.
    pub(crate) runs: PathBuf,
    /// Between two checkpoints of a run.
    pub(crate) checkpoint_seconds: u64,
    pub(crate) make_ready: MakeReady,
}

impl Supervisor {
    /// Puts back what an earlier server left running, then works until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        for job in self.queue.store.recover_jobs().await? {
            tracing::info!(job, "the job was left running by an earlier server; it is queued again");
        }
        self.tidy().await?;
        let mut happened = self.queue.subscribe();
        while !stop.is_cancelled() {
            match self.queue.store.claim_job().await {
                Ok(Some(job)) => self.work(&job, &stop).await,
                Ok(None) => {
                    tokio::select! {
                        _ = happened.changed() => {}
                        () = stop.cancelled() => {}
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "the next job cannot be claimed");
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes the folders of runs that are over, and of those that left no checkpoint to go on from.
    async fn tidy(&self) -> anyhow::Result<()> {
        let store = &self.queue.store;
        store.forget_checkpoints().await?;
        let mut folders = tokio::fs::read_dir(&self.runs).await?;
        while let Some(folder) = folders.next_entry().await? {
            if store.checkpoints(&folder.file_name().to_string_lossy()).await?.is_empty() {
                // What stays costs only space, until the next start.
                let _ = tokio::fs::remove_dir_all(folder.path()).await;
            }
        }
        Ok(())
    }

    async fn work(&self, job: &Job, stop: &CancellationToken) {
        tracing::info!(job = job.job_id, attempt = job.attempt, "job started");
        self.queue.wake();
        let folder = self.runs.join(&job.job_id).join(format!("t{}", job.lease_token));
        let mut journal = Journal::new(&self.queue, job, &self.runs);
        let outcome = self.supervise(job, &folder, &mut journal, stop).await;
        // A run's outcome is kept until it is written, unless the server stops while the database is away: then
        // the job stays "running" there, and the next start finds it.
        let settle = async {
            let held = matches!(outcome, Outcome::LeaseLost) || journal.write().await;
            self.conclude(job, &folder, if held { outcome } else { Outcome::LeaseLost }).await;
            if let Err(error) = self.tidy().await {
                tracing::warn!(%error, "the folders of runs that are over cannot be removed");
            }
        };
        tokio::select! {
            () = settle => {}
            () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
                tracing::error!(job = job.job_id, "the database is out of reach; what became of the job is not recorded");
            }
        }
        self.queue.wake();
    }

    /// What the job was asked with.
    async fn request(&self, job: &Job) -> anyhow::Result<JobRequest> {
        let store = &self.queue.store;
        let dataset = async |id: Option<&String>| match id {
            Some(id) => persist(job, || store.dataset(id)).await?.context("its dataset is gone").map(Some),
            None => Ok(None),
        };
        Ok(JobRequest {
            model: persist(job, || store.model_of_id(&job.base_model)).await?.context("its base model is gone")?,
            dataset: dataset(Some(&job.dataset_id)).await?.context("its dataset is gone")?,
            benchmark: dataset(job.benchmark_id.as_ref()).await?,
            replay: dataset(job.replay_id.as_ref()).await?,
            name: Some(job.name.clone()),
            recipe: job.recipe.clone(),
            config: job.config.settings.clone(),
            titles: job.titles.clone(),
            alias: job.alias.clone(),
            alias_if: job.alias_if,
            idempotency: None,
            openai: None,
            caller: JobCaller::default(),
        })
    }

    async fn prepare(&self, job: &Job, folder: &Path) -> anyhow::Result<()> {
        let request = self.request(job).await?;
        let resume = persist(job, || self.queue.store.checkpoints(&job.job_id))
            .await?
            .into_iter()
            .map(|row| Saved { folder: checkpoint_folder(&self.runs, &row), manifest_sha256: row.manifest_sha256 });
        let mut spec = self.queue.spec(&request);
        (spec.checkpoint_seconds, spec.resume) = (self.checkpoint_seconds, resume.collect());
        Ok(spec.make_folder(folder).await?)
    }

    /// Starts the trainer and listens until it ends, is cancelled, or the server stops.
    async fn supervise(
        &self,
        job: &Job,
        folder: &Path,
        journal: &mut Journal<'_>,
        stop: &CancellationToken,
    ) -> Outcome {
        if let Some(error) = job.objection() {
            return Outcome::Failed(error);
        }
        let prepared = tokio::select! {
            prepared = self.prepare(job, folder) => prepared,
            () = stop.cancelled() => return Outcome::Stopping,
        };
        if let Err(error) = prepared {
            return Outcome::Died(format!("its folder could not be made: {error:#}"));
        }
        let mut trainer = match Trainer::start(&self.program, folder) {
            Ok(trainer) => trainer,
            Err(error) => return Outcome::Died(format!("the trainer could not be started: {error}")),
        };
        let mut cancelled = pin!(self.cancelled(job));
        let mut last = None;
        let mut hear = |message: Message, journal: &mut Journal<'_>| match message {
            Message::Done { card, report } => last = Some(Outcome::Done(Box::new((card, *report)))),
            Message::Failed(error) => last = Some(Outcome::Failed(error)),
            message => journal.add(message),
        };
        let asked = loop {
            tokio::select! {
                message = trainer.message() => match message {
                    Some(message) => hear(message, journal),
                    None => break None,
                },
                held = journal.write(), if !journal.is_written() => if !held {
                    break Some(Outcome::LeaseLost);
                },
                () = &mut cancelled => break Some(Outcome::Cancelled),
                () = stop.cancelled() => break Some(Outcome::Stopping),
            }
        };
        if let Some(outcome) = asked {
            // A run that goes on later saves itself first; one that is over just ends.
            trainer.signal(if matches!(outcome, Outcome::Stopping) { Signal::TERM } else { Signal::INT });
            let last_words = async {
                while let Some(message) = trainer.message().await {
                    hear(message, journal);
                }
            };
            let _ = timeout(GRACE, last_words).await;
            // One that does not end is killed when it is let go.
            let _ = timeout(GRACE, trainer.ended()).await;
            return outcome;
        }
        let (status, complaints) = match trainer.ended().await {
            Ok((status, complaints)) => (status.to_string(), complaints),
            Err(error) => (error.to_string(), String::new()),
        };
        if !complaints.is_empty() {
            tracing::warn!(job = job.job_id, complaints, "the trainer's standard error");
        }
        match last {
            Some(outcome) => outcome,
            None if stop.is_cancelled() => Outcome::Stopping,
            None => {
                tracing::warn!(job = job.job_id, status, "the trainer died");
                Outcome::Died(format!("the trainer ended early ({status})"))
            }
        }
    }

    /// Waits until somebody asks for the job's end.
    async fn cancelled(&self, job: &Job) {
        // Register interest *before* looking for a cancellation, so that none is missed.
        let mut happened = self.queue.subscribe();
        loop {
            happened.mark_unchanged();
            let row = persist(job, || self.queue.store.job(&job.job_id)).await;
            if row.is_ok_and(|row| row.is_some_and(|row| row.cancel_requested_at.is_some())) {
                return;
            }
            // The queue is this supervisor's own: it lives as long.
            let _ = happened.changed().await;
        }
    }

    async fn conclude(&self, job: &Job, folder: &Path, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Done(made) => match publish(&self.queue, &self.make_ready, job, folder, *made).await {
                Ok(()) => return,
                Err(outcome) => outcome,
            },
            other => other,
        };
        let (error, reason);
        let release = match outcome {
            Outcome::Done(_) | Outcome::LeaseLost => return,
            // A cancelled job is released like an interrupted one; the store sees the request.
            Outcome::Cancelled => Release::Interrupted { reason: "cancelled" },
            Outcome::Stopping => Release::Interrupted { reason: "the server stopped" },
            Outcome::Failed(failed) => {
                error = failed;
                Release::Failed(&error)
            }
            Outcome::Died(why) if job.crashes + 1 >= MOST_CRASHES => {
                error = JobError {
                    code: "crash_loop".to_owned(),
                    message: format!("Training was tried {MOST_CRASHES} times, and each time {why}."),
                    hint: "The machine may be short of memory: post the job again with a smaller batch_size, and look into the server's log.".to_owned(),
                };
                Release::Failed(&error)
            }
            Outcome::Died(why) => {
                reason = why;
                Release::Crashed { reason: &reason }
            }
        };
        match persist(job, || self.queue.store.release_job(job, release)).await {
            Ok(status) => tracing::info!(job = job.job_id, ?status, "job ended"),
            Err(error) => tracing::error!(job = job.job_id, %error, "the job's end cannot be recorded"),
        }
    }
}
