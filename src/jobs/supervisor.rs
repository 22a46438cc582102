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
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::death::Death;
use super::journal::{Journal, checkpoint_folder, persist};
use super::memory;
use super::message::{MemoryUse, Message, Report};
use super::outcome::Outcome;
use super::process::{GRACE, Trainer};
use super::publish::{MakeReady, publish};
use super::queue::JobQueue;
use super::retry::Next;
use super::spec::Saved;
use super::tidy::tidy;
use crate::ml::encoder::ModelCard;
use crate::registry::folder_size;
use crate::store::{Job, JobCaller, JobError, JobRequest, now};

/// Between two looks for jobs that are called running and that nobody works on.
const LOOK_AROUND: Duration = Duration::from_secs(20);
/// The longest until the queue is looked at again, whatever happens.
const LONGEST_REST: Duration = Duration::from_secs(30);

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
    /// Seconds that a trainer may give no sign of life.
    pub(crate) trainer_silence: u64,
    pub(crate) make_ready: MakeReady,
}

impl Supervisor {
    /// Puts back what an earlier server left running, then works until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        while let Err(error) = self.queue.put_back("the server stopped").await {
            tracing::error!(%error, "the jobs of an earlier server cannot be put back; it is tried again");
            tokio::select! {
                () = sleep(Duration::from_secs(1)) => {}
                () = stop.cancelled() => return Ok(()),
            }
        }
        tidy(&self.queue.store, &self.runs).await;
        tokio::join!(self.take_turns(&stop), self.look_around(&stop));
        Ok(())
    }

    /// Works on one job after another.
    async fn take_turns(&self, stop: &CancellationToken) {
        let mut happened = self.queue.subscribe();
        while !stop.is_cancelled() {
            // Seen *before* reading the table, so that what happens in between wakes the rest below.
            happened.mark_unchanged();
            self.put_back().await;
            let rest = match self.queue.claim().await {
                Ok(Some(job)) => {
                    self.work(&job, stop).await;
                    continue;
                }
                Ok(None) => self.until_next_try().await,
                Err(error) => {
                    tracing::error!(%error, "the next job cannot be claimed");
                    Duration::from_secs(1)
                }
            };
            tokio::select! {
                _ = happened.changed() => {}
                () = sleep(rest) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// A job that is called running and that nobody works on goes back into the queue, however it came to that: a
    /// row that could not be written, a hand in the database.
    async fn look_around(&self, stop: &CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(LOOK_AROUND) => self.put_back().await,
                () = stop.cancelled() => return,
            }
        }
    }

    async fn put_back(&self) {
        if let Err(error) = self.queue.put_back("nobody worked on it").await {
            tracing::warn!(%error, "whether a job has no trainer cannot be found out");
        }
    }

    /// How long until a job's time comes that waits for one.
    async fn until_next_try(&self) -> Duration {
        let next = self.queue.store.next_try().await.ok().flatten();
        let wait = next.map(|at| Duration::from_millis(u64::try_from(at - now()).unwrap_or(0).max(50)));
        wait.map_or(LONGEST_REST, |wait| wait.min(LONGEST_REST))
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
            if held {
                self.conclude(job, &folder, outcome).await;
            }
        };
        tokio::select! {
            () = settle => {}
            () = async { stop.cancelled().await; sleep(GRACE).await } => {
                tracing::error!(job = job.job_id, "the database is out of reach; what became of the job is not recorded");
            }
        }
        self.queue.lay_down().await;
        tidy(&self.queue.store, &self.runs).await;
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
            validation: dataset(job.validation_id.as_ref()).await?,
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

    /// Makes the run's folder, where there is room for the job.
    async fn prepare(&self, job: &Job, folder: &Path) -> Result<(), Outcome> {
        let unprepared = |error: anyhow::Error| Outcome::Died(format!("the run could not be prepared: {error:#}"));
        let request = self.request(job).await.map_err(unprepared)?;
        let room = self.queue.room(&request).await;
        if let Err(error) = room.check() {
            return Err(Outcome::Failed(error.into()));
        }
        let written = folder.parent().and_then(|run| folder_size(run).ok()).unwrap_or(0);
        if let Some(reason) = room.lacks(u64::try_from(written).unwrap_or(0)) {
            return Err(Outcome::NoRoom(reason));
        }
        let resume = persist(job, || self.queue.store.checkpoints(&job.job_id))
            .await
            .map_err(|error| unprepared(error.into()))?
            .into_iter()
            .map(|row| Saved { folder: checkpoint_folder(&self.runs, &row), manifest_sha256: row.manifest_sha256 });
        let mut spec = self.queue.spec(&request);
        (spec.checkpoint_seconds, spec.resume) = (self.checkpoint_seconds, resume.collect());
        spec.micro_batch = job.micro_batch.and_then(|pairs| usize::try_from(pairs).ok());
        spec.make_folder(folder).await.map_err(|error| {
            tracing::error!(job = job.job_id, %error, "the run's folder cannot be made");
            Outcome::of_file(&error, "The run's folder cannot be made")
        })
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
        if let Err(outcome) = prepared {
            return outcome;
        }
        let kills_before = memory::kills();
        let mut trainer = match Trainer::start(&self.program, folder) {
            Ok(trainer) => trainer,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Outcome::Died(format!("the trainer could not be started: {error}"));
            }
            // The system has no process or memory for it now.
            Err(error) => {
                tracing::error!(job = job.job_id, %error, "the trainer cannot be started");
                return Outcome::of_file(&error, "The system could not start the trainer");
            }
        };
        let mut cancelled = pin!(self.cancelled(job));
        let mut heard = Heard::default();
        // Counted as they come: time in which this server itself was stopped, or the machine slept, is none.
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = 0;
        let asked = loop {
            tokio::select! {
                message = trainer.message() => match message {
                    Some(message) => {
                        silence = 0;
                        heard.take(message, journal);
                    }
                    None => break None,
                },
                held = journal.write(), if !journal.is_written() => if !held {
                    break Some(Outcome::LeaseLost);
                },
                _ = seconds.tick() => {
                    silence += 1;
                    if silence > self.trainer_silence {
                        // One that is stopped hears nothing else.
                        trainer.signal(Signal::KILL);
                        let how = format!("it gave no sign of life for {} s and was ended", self.trainer_silence);
                        break Some(Outcome::Died(how));
                    }
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
                    heard.take(message, journal);
                }
            };
            let _ = timeout(GRACE, last_words).await;
            // One that does not end is killed when it is let go.
            let _ = timeout(GRACE, trainer.ended()).await;
            return outcome;
        }
        // It has closed its mouth; one that lives on all the same is killed when it is let go.
        let (death, complaints) = match timeout(GRACE, trainer.ended()).await {
            Ok(Ok((status, complaints))) => {
                (Death::of(status, &complaints, memory::kills() > kills_before), complaints)
            }
            Ok(Err(error)) => (Death { how: format!("it was lost: {error}"), of_memory: false }, String::new()),
            Err(_) => (Death { how: "it fell silent and did not end".to_owned(), of_memory: false }, String::new()),
        };
        if !complaints.is_empty() {
            let end = complaints.char_indices().rev().nth(4096).map_or(0, |(at, _)| at);
            tracing::warn!(job = job.job_id, complaints = &complaints[end..], "the trainer's standard error");
        }
        match heard.last {
            Some(Last::Done(made)) => Outcome::Done(made),
            Some(Last::Failed(error)) => Outcome::of_error(error, &complaints, heard.used),
            None if stop.is_cancelled() => Outcome::Stopping,
            None => {
                tracing::warn!(job = job.job_id, how = death.how, "the trainer died");
                Outcome::of_death(death, heard.used)
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
        if matches!(outcome, Outcome::LeaseLost) {
            tracing::warn!(job = job.job_id, "another claim has taken over");
            return;
        }
        // As it is now: what it got to may have made earlier crashes and waits count no longer.
        let next = match persist(job, || self.queue.store.job(&job.job_id)).await {
            Ok(Some(row)) => Next::of(&row, outcome),
            _ => Next::of(job, outcome),
        };
        match persist(job, || self.queue.store.release_job(job, next.release())).await {
            Ok(status) => tracing::info!(job = job.job_id, ?status, ?next, "job ended"),
            Err(error) => tracing::error!(job = job.job_id, %error, "the job's end cannot be recorded"),
        }
    }
}

/// What a trainer said that is no event.
#[derive(Default)]
struct Heard {
    last: Option<Last>,
    used: MemoryUse,
}

/// A trainer's last word.
enum Last {
    Done(Box<(ModelCard, Report)>),
    Failed(JobError),
}

impl Heard {
    fn take(&mut self, message: Message, journal: &mut Journal<'_>) {
        match message {
            Message::Done { card, report } => self.last = Some(Last::Done(Box::new((card, *report)))),
            Message::Failed(error) => self.last = Some(Last::Failed(error)),
            Message::Alive(used) => self.used = used,
            message => journal.add(message),
        }
    }
}
