//! What a trainer says, on its way into the table.
//!
//! The trainer does not wait for the database: while it is away, messages wait here and are written in their order
//! when it is back.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::message::Message;
use super::queue::JobQueue;
use crate::store::{self, CheckpointRow, Job, Phase, StoreError};

/// Between two tries of the database: at first, and in the end.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Asks the database until it answers, with growing pauses. What does not pass it says at once; of what may be
/// anything, it waits for some seconds whether it does.
pub(super) async fn persist<T, F: Future<Output = store::Result<T>>>(
    job: &Job,
    mut ask: impl FnMut() -> F,
) -> store::Result<T> {
    let [mut pause, longest] = PAUSES;
    loop {
        match ask().await {
            Err(error)
                if matches!(error, StoreError::Unavailable(_))
                    || matches!(error, StoreError::Other(_)) && pause < longest =>
            {
                tracing::warn!(job = job.job_id, %error, "the database is out of reach; it is asked again");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(longest);
            }
            answer => return answer,
        }
    }
}

/// Writes one claim's messages.
pub(super) struct Journal<'a> {
    queue: &'a JobQueue,
    job: &'a Job,
    runs: &'a Path,
    /// Of progress, the newest counts: this grows by what is kept for good anyway, epochs and checkpoints.
    waiting: VecDeque<Message>,
    writing: Option<BoxFuture<'a, bool>>,
}

/// The folder of a checkpoint below that of the runs.
pub(super) fn checkpoint_folder(runs: &Path, row: &CheckpointRow) -> PathBuf {
    runs.join(&row.job_id).join(format!("t{}", row.lease_token)).join(format!("ckpt-{}", row.step))
}

impl<'a> Journal<'a> {
    pub(super) fn new(queue: &'a JobQueue, job: &'a Job, runs: &'a Path) -> Self {
        Self { queue, job, runs, waiting: VecDeque::new(), writing: None }
    }

    pub(super) fn add(&mut self, message: Message) {
        if matches!((&message, self.waiting.back()), (Message::Progress(_), Some(Message::Progress(_)))) {
            self.waiting.pop_back();
        }
        self.waiting.push_back(message);
    }

    pub(super) fn is_written(&self) -> bool {
        self.waiting.is_empty() && self.writing.is_none()
    }

    /// Writes all that waits. `false`: the claim was superseded. May be dropped at any time and called again.
    pub(super) async fn write(&mut self) -> bool {
        while let Some(writing) = self.next() {
            let held = writing.await;
            self.writing = None;
            if !held {
                return false;
            }
        }
        true
    }

    fn next(&mut self) -> Option<&mut BoxFuture<'a, bool>> {
        if self.writing.is_none()
            && let Some(message) = self.waiting.pop_front()
        {
            self.writing = Some(Box::pin(record(self.queue, self.job, self.runs, message)));
        }
        self.writing.as_mut()
    }
}

/// Writes a message. `false`: the claim was superseded.
async fn record(queue: &JobQueue, job: &Job, runs: &Path, message: Message) -> bool {
    let store = &queue.store;
    let recorded = match &message {
        Message::Checkpoint { step, manifest_sha256 } => {
            let step = *step as i64;
            let forgotten = persist(job, || store.record_checkpoint(job, step, manifest_sha256)).await;
            for row in forgotten.iter().flatten().flatten() {
                // What stays costs only space, until the run is over.
                let _ = tokio::fs::remove_dir_all(checkpoint_folder(runs, row)).await;
            }
            forgotten.map(|forgotten| forgotten.is_some())
        }
        message => {
            let (phase, progress) = match message {
                Message::Phase { phase } => (Some(*phase), None),
                Message::Progress(progress) => (Some(Phase::Training), Some(*progress)),
                _ => (None, None),
            };
            let (kind, data) = store::event_parts(message).expect("messages are plain structs");
            persist(job, || store.record_event(job, &kind, &data, phase, progress)).await
        }
    };
    queue.wake();
    recorded.unwrap_or_else(|error| {
        tracing::error!(job = job.job_id, %error, "an event cannot be written");
        true
    })
}
