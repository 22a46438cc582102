//! The queue between requests and the inference threads.
//!
//! There is no timer: a thread that is free takes what waits, so batches grow just when load does.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::{Encoded, EngineError, QueueDepth, ServedModel};

/// Some texts of one request.
pub(super) struct Work {
    pub(super) model: Arc<ServedModel>,
    /// Token ids of each text.
    pub(super) texts: Vec<Vec<u32>>,
    pub(super) pushed: Instant,
    pub(super) reply: oneshot::Sender<Result<Encoded, EngineError>>,
}

impl Work {
    fn tokens(&self) -> usize {
        self.texts.iter().map(Vec::len).sum()
    }
}

#[derive(Default)]
struct Waiting {
    work: VecDeque<Work>,
    texts: usize,
    closed: bool,
}

/// What waits, oldest first, bounded.
pub(super) struct Batcher {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    max_waiting_texts: usize,
}

impl Batcher {
    pub(super) fn new(max_waiting_texts: usize) -> Self {
        Self { waiting: Mutex::default(), wake: Condvar::new(), max_waiting_texts }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock; a poisoned queue is still a queue.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a request's parts, all or none.
    pub(super) fn push(&self, work: Vec<Work>) -> Result<(), EngineError> {
        let texts: usize = work.iter().map(|work| work.texts.len()).sum();
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(EngineError::Closed);
        }
        // An empty queue takes any request that the limits let through.
        if waiting.texts > 0 && waiting.texts + texts > self.max_waiting_texts {
            return Err(EngineError::Overloaded { waiting: waiting.texts });
        }
        waiting.texts += texts;
        waiting.work.extend(work);
        drop(waiting);
        self.wake.notify_all();
        Ok(())
    }

    /// Waits for work, then takes the oldest and all that waits for the same model, up to
    /// `max_tokens`. Work whose client has gone is dropped. `None` when the queue is closed.
    pub(super) fn take(&self, max_tokens: usize) -> Option<Vec<Work>> {
        let mut waiting = self.lock();
        loop {
            let batch = waiting.take(max_tokens);
            if !batch.is_empty() {
                return Some(batch);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What waits now.
    pub(super) fn depth(&self) -> QueueDepth {
        let waiting = self.lock();
        let tokens = waiting.work.iter().map(Work::tokens).sum();
        QueueDepth { parts: waiting.work.len(), texts: waiting.texts, tokens }
    }

    /// Lets the threads finish what waits, and refuses more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }
}

impl Waiting {
    fn take(&mut self, max_tokens: usize) -> Vec<Work> {
        let mut batch: Vec<Work> = Vec::new();
        let mut tokens = 0;
        let mut left = VecDeque::new();
        for work in std::mem::take(&mut self.work) {
            let same_model = batch.first().is_none_or(|first| Arc::ptr_eq(&first.model, &work.model));
            if work.reply.is_closed() {
                self.texts -= work.texts.len();
            } else if same_model && (batch.is_empty() || tokens + work.tokens() <= max_tokens) {
                self.texts -= work.texts.len();
                tokens += work.tokens();
                batch.push(work);
            } else {
                left.push_back(work);
            }
        }
        self.work = left;
        batch
    }
}
