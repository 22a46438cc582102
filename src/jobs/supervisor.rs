//! Claims jobs and runs each in a child process of the same binary.
//!
//! A crash or an out-of-memory kill there never touches serving, cancelling is a signal, and memory
//! comes back. The child lives no longer than its standard input: when the server is gone, however
//! it went, the child ends itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

use super::message::{Message, Note, Report};
use super::queue::{JobQueue, SpecParts, model_id};
use super::run::{RunSpec, Saved};
use crate::ml::eval::Verdict;
use crate::registry::{ModelRegistry, folder_size};
use crate::store::{AliasResult, CheckpointRow, Job, JobError, Kind, ModelRow, Phase, Release, Status, now};

/// Trainers that may die under a job before it is given up.
const MOST_CRASHES: i64 = 3;
/// Between the polite signal and the last one.
const GRACE: Duration = Duration::from_secs(10);

/// Where and with what jobs are run.
#[derive(Clone, Debug)]
pub struct SupervisorConfig {
    /// This program.
    pub program: PathBuf,
    /// The folder of the runs.
    pub runs: PathBuf,
    /// Seconds between two checkpoints of a run.
    pub checkpoint_seconds: u64,
}

/// Makes a model ready to answer before an alias moves to it, or says why it cannot be. Jobs know nothing of
/// serving: who starts the supervisor gives this.
pub type MakeReady = Arc<dyn Fn(ModelRow) -> BoxFuture<'static, Result<(), Note>> + Send + Sync>;

/// Runs one job at a time.
pub struct Supervisor {
    queue: JobQueue,
    config: SupervisorConfig,
    make_ready: MakeReady,
}

/// How a child ended.
enum Outcome {
    Done(Box<Message>),
    Failed(JobError),
    Died(String),
    Cancelled,
    Stopping,
    /// Another claim has taken over.
    LeaseLost,
}

impl Supervisor {
    /// Over a queue that no other supervisor works on.
    pub fn new(queue: JobQueue, config: SupervisorConfig, make_ready: MakeReady) -> Self {
        Self { queue, config, make_ready }
    }

    /// Puts back what an earlier server left running, then works until `stop`.
    ///
    /// # Errors
    /// Where the database cannot be read at the start.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
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
        for entry in std::fs::read_dir(&self.config.runs)? {
            let folder = entry?.path();
            let job = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if store.checkpoints(&job).await?.is_empty() {
                // What stays costs only space, until the next start.
                let _ = std::fs::remove_dir_all(&folder);
            }
        }
        Ok(())
    }

    fn checkpoint(&self, row: &CheckpointRow) -> PathBuf {
        self.config.runs.join(&row.job_id).join(format!("t{}", row.lease_token)).join(format!("ckpt-{}", row.step))
    }

    async fn work(&self, job: &Job, stop: &CancellationToken) {
        tracing::info!(job = job.job_id, attempt = job.attempt, "job started");
        self.queue.wake();
        let folder = self.config.runs.join(&job.job_id).join(format!("t{}", job.lease_token));
        let outcome = match (job.config.objection(), self.prepare(job, &folder).await) {
            (Some(error), _) => Ok(Outcome::Failed(error)),
            (None, Ok(())) => self.supervise(job, &folder, stop).await,
            (None, Err(error)) => Err(error),
        };
        let outcome =
            outcome.unwrap_or_else(|error| Outcome::Died(format!("the trainer could not be started: {error:#}")));
        if let Err(error) = self.conclude(job, &folder, outcome).await {
            tracing::error!(job = job.job_id, %error, "the job's end cannot be recorded");
            let died = Outcome::Died("its model could not be stored".to_owned());
            if let Err(error) = self.conclude(job, &folder, died).await {
                // The database is out of reach. The job stays "running" there and is found at the next start.
                tracing::error!(job = job.job_id, %error, "the job cannot be released");
            }
        }
        if let Err(error) = self.tidy().await {
            tracing::warn!(%error, "the folders of runs that are over cannot be removed");
        }
        self.queue.wake();
    }

    /// Makes the run's folder.
    async fn prepare(&self, job: &Job, folder: &Path) -> anyhow::Result<()> {
        let store = &self.queue.store;
        let dataset = async |id: &Option<String>| match id {
            Some(id) => {
                anyhow::Ok(Some(store.dataset(id).await?.ok_or_else(|| anyhow::anyhow!("its dataset is gone"))?))
            }
            None => Ok(None),
        };
        let model = store.model(&job.base_model).await?.ok_or_else(|| anyhow::anyhow!("its base model is gone"))?;
        let pairs = store.dataset(&job.dataset_id).await?.ok_or_else(|| anyhow::anyhow!("its dataset is gone"))?;
        let (benchmark, replay) = (dataset(&job.benchmark_id).await?, dataset(&job.replay_id).await?);
        let parts = SpecParts {
            name: &job.name,
            model: &model,
            dataset: &pairs,
            benchmark: benchmark.as_ref(),
            replay: replay.as_ref(),
            titles: &job.titles,
            recipe: &job.recipe,
            config: &job.config.settings,
        };
        let resume = store
            .checkpoints(&job.job_id)
            .await?
            .into_iter()
            .map(|row| Saved { folder: self.checkpoint(&row), manifest_sha256: row.manifest_sha256 });
        let spec = RunSpec {
            checkpoint_seconds: self.config.checkpoint_seconds,
            resume: resume.collect(),
            ..self.queue.spec(&parts)
        };
        tokio::fs::create_dir_all(folder).await?;
        spec.write(folder)?;
        Ok(())
    }

    /// Starts the trainer and listens until it ends, is cancelled, or the server stops.
    async fn supervise(&self, job: &Job, folder: &Path, stop: &CancellationToken) -> anyhow::Result<Outcome> {
        let mut child = trainer(&self.config.program, folder).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no standard output"))?;
        let stderr = child.stderr.take().ok_or_else(|| anyhow::anyhow!("no standard error"))?;
        // Held open: its end is the trainer's sign that the server is gone.
        let stdin = child.stdin.take();
        let complaints = tokio::spawn(tail(stderr));

        // Register interest *before* looking for a cancellation, so that none is missed.
        let mut happened = self.queue.subscribe();
        let mut lines = BufReader::new(stdout).lines();
        let mut last = None;
        let outcome = loop {
            happened.mark_unchanged();
            if self.queue.store.job(&job.job_id).await?.is_some_and(|job| job.cancel_requested_at.is_some()) {
                break Some(Outcome::Cancelled);
            }
            tokio::select! {
                line = lines.next_line() => match line? {
                    Some(line) => match self.listen(job, &line).await? {
                        Heard::Recorded => {}
                        Heard::LeaseLost => break Some(Outcome::LeaseLost),
                        Heard::Last(message) => last = Some(message),
                    },
                    None => break None,
                },
                _ = happened.changed() => {}
                () = stop.cancelled() => break Some(Outcome::Stopping),
            }
        };
        if let Some(outcome) = outcome {
            // A run that goes on later saves itself first; one that is over just ends.
            let signal = if matches!(outcome, Outcome::Stopping) { Signal::TERM } else { Signal::INT };
            let last_words = async {
                while let Ok(Some(line)) = lines.next_line().await {
                    self.listen(job, &line).await?;
                }
                anyhow::Ok(())
            };
            end(&mut child, signal, last_words).await?;
            return Ok(outcome);
        }
        let status = child.wait().await?;
        drop(stdin);
        let complaints = complaints.await.unwrap_or_default();
        if !complaints.is_empty() {
            tracing::warn!(job = job.job_id, complaints, "the trainer's standard error");
        }
        if last.is_none() && stop.is_cancelled() {
            return Ok(Outcome::Stopping);
        }
        Ok(match last {
            Some(last) => match *last {
                Message::Failed(error) => Outcome::Failed(error),
                done => Outcome::Done(Box::new(done)),
            },
            None => {
                tracing::warn!(job = job.job_id, %status, complaints, "the trainer died");
                Outcome::Died(format!("the trainer ended early ({status})"))
            }
        })
    }

    /// Records a line of the trainer's.
    async fn listen(&self, job: &Job, line: &str) -> anyhow::Result<Heard> {
        let message: Message = match serde_json::from_str(line) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(job = job.job_id, %error, "a line of the trainer's cannot be read");
                return Ok(Heard::Recorded);
            }
        };
        let (phase, progress) = match &message {
            Message::Done { .. } | Message::Failed(_) => return Ok(Heard::Last(Box::new(message))),
            Message::Phase { phase } => (Some(*phase), None),
            Message::Checkpoint { step, manifest_sha256 } => {
                let forgotten = self.queue.store.record_checkpoint(job, *step as i64, manifest_sha256).await?;
                self.queue.wake();
                let Some(forgotten) = forgotten else { return Ok(Heard::LeaseLost) };
                for row in forgotten {
                    // What stays costs only space, until the run is over.
                    let _ = tokio::fs::remove_dir_all(self.checkpoint(&row)).await;
                }
                return Ok(Heard::Recorded);
            }
            Message::Progress(progress) => (Some(Phase::Training), Some(*progress)),
            _ => (None, None),
        };
        let (kind, data) = message.event();
        let held = self.queue.store.record_event(job, &kind, &data, phase, progress).await?;
        self.queue.wake();
        Ok(if held { Heard::Recorded } else { Heard::LeaseLost })
    }

    /// Records how a job ended.
    async fn conclude(&self, job: &Job, folder: &Path, outcome: Outcome) -> anyhow::Result<()> {
        let store = &self.queue.store;
        let error;
        let release = match outcome {
            Outcome::Done(message) => return self.publish(job, folder, *message).await,
            Outcome::LeaseLost => return Ok(()),
            // A cancelled job is released like an interrupted one; the store sees the request.
            Outcome::Cancelled => Release::Interrupted { reason: "cancelled" },
            Outcome::Stopping => Release::Interrupted { reason: "the server stopped" },
            Outcome::Failed(failed) => {
                error = failed;
                Release::Failed(&error)
            }
            Outcome::Died(reason) if job.crashes + 1 >= MOST_CRASHES => {
                error = JobError {
                    code: "crash_loop".to_owned(),
                    message: format!("Training was tried {MOST_CRASHES} times, and each time {reason}."),
                    hint: "The machine may be short of memory: post the job again with a smaller batch_size, and look into the server's log.".to_owned(),
                };
                Release::Failed(&error)
            }
            Outcome::Died(reason) => {
                store.release_job(job, Release::Crashed { reason: &reason }).await?;
                return Ok(());
            }
        };
        let status = store.release_job(job, release).await?;
        tracing::info!(job = job.job_id, ?status, "job ended");
        Ok(())
    }

    /// Moves the model to its place and registers it. The row is what counts: a folder without one
    /// is removed here or at the next start.
    async fn publish(&self, job: &Job, folder: &Path, done: Message) -> anyhow::Result<()> {
        let Message::Done { card, report } = done else { anyhow::bail!("the trainer's last word is no model") };
        let models = &self.queue.models;
        let model_id = model_id(&job.job_id);
        let base = self.queue.store.model(&job.base_model).await?;
        let base = base.ok_or_else(|| anyhow::anyhow!("its base model is gone"))?;
        let finished = RunSpec::finished(folder);
        let bytes = folder_size(&finished)?;
        models.publish(&finished, &model_id)?;
        let model = ModelRow {
            model_id: model_id.clone(),
            name: job.name.clone(),
            kind: Kind::Tuned,
            base_model: Some(ModelRegistry::root(&base).to_owned()),
            job_id: Some(job.job_id.clone()),
            fingerprint: card.fingerprint.clone(),
            dimensions: card.dimensions,
            max_tokens: card.max_tokens as i64,
            bytes,
            created_at: now(),
            pinned: false,
        };
        let alias = match &job.alias {
            Some(alias) => Some(self.alias_result(job, alias, &model, &report).await),
            None => None,
        };
        let report_json = serde_json::to_value(&report)?;
        let registered = self.queue.store.finish_job(job, &model, &report_json, alias.as_ref()).await;
        if registered.is_err() {
            models.discard(&model_id)?;
        }
        if registered? {
            tracing::info!(job = job.job_id, model = model_id, seconds = report.seconds, "job succeeded");
        } else {
            models.discard(&model_id)?;
            let status: Option<Status> =
                self.queue.store.release_job(job, Release::Interrupted { reason: "cancelled" }).await?;
            tracing::info!(job = job.job_id, ?status, "job ended without its model");
        }
        Ok(())
    }

    /// Whether the job's alias may move to its model. One that may is in memory and has been asked what it is
    /// before the move, so that no request waits for it.
    async fn alias_result(&self, job: &Job, alias: &str, model: &ModelRow, report: &Report) -> AliasResult {
        let verdict = report.assessment.verdict.overall;
        let stays = |code: &str, why: String| {
            let message = format!("The alias {alias:?} stays where it was: {why}");
            AliasResult { moved: false, code: code.to_owned(), message }
        };
        if job.alias_if.is_some() && verdict != Verdict::Win {
            let verdict = serde_json::to_value(verdict).ok();
            let verdict = verdict.as_ref().and_then(|verdict| verdict.as_str()).unwrap_or_default();
            return stays(
                "not_a_win",
                format!("it was to move only with a win, and the report's verdict is {verdict}."),
            );
        }
        match (self.make_ready)(model.clone()).await {
            Ok(()) => AliasResult {
                moved: true,
                code: "moved".to_owned(),
                message: format!("The alias {alias:?} means this model now."),
            },
            Err(Note { code, message }) => stays(&code, message),
        }
    }
}

/// A trainer on a folder, about to be started.
pub(super) fn trainer(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("train")
        .arg("--run")
        .arg(folder)
        // libtorch's threads wait for each other by spinning. Where something else wants the
        // processors too, long spins starve the thread that is waited for: with two busy
        // neighbours a job took 99 s by default and 25 s so, and idle neighbours cost nothing.
        .env("GOMP_SPINCOUNT", "1000")
        // A step's gradients take the memory of the last one's: glibc would give each back to the system and
        // ask for it anew, an eighth of a step of MiniLM in batches of 8.
        .env("MALLOC_MMAP_THRESHOLD_", "33554432")
        .env("MALLOC_TRIM_THRESHOLD_", "1073741824")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal to the server's group (Ctrl-C in a terminal) is the server's to pass on.
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// What a line of the trainer's came to.
enum Heard {
    Recorded,
    LeaseLost,
    Last(Box<Message>),
}

/// Asks the trainer to end, hears what it still says, and insists after a while.
async fn end(
    child: &mut Child,
    signal: Signal,
    last_words: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        // It may have ended by itself meanwhile.
        let _ = kill_process(pid, signal);
    }
    let heard = tokio::time::timeout(GRACE, last_words).await;
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    heard.unwrap_or(Ok(()))
}

/// The last 4 KiB of what the trainer complains about.
async fn tail(mut stderr: tokio::process::ChildStderr) -> String {
    let mut tail = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..read]);
        tail.drain(..tail.len().saturating_sub(4096));
    }
    String::from_utf8_lossy(&tail).trim().to_owned()
}
