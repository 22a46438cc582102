//! The queue between requests and the inference threads.
//!
//! There is no timer: a thread that is free takes what waits, so batches grow just when load does. There are
//! two lanes: what a person waits for goes before bulk work, which still gets its part of each batch. Within a
//! lane callers get equal shares of the tokens, whoever sends more requests (start-time fair queueing, Goyal
//! et al. 1996).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::encoding::{EncodeOptions, Encoded, EngineError};
use super::model::ServedModel;

/// A request of at most this many tokens is interactive.
const INTERACTIVE_TOKENS: usize = 256;
/// The part of a batch that bulk work gets while interactive requests wait: one in so many.
const BULK_PART: usize = 4;

/// Some texts of one request.
pub(super) struct Work {
    pub(super) model: Arc<ServedModel>,
    pub(super) options: Arc<EncodeOptions>,
    pub(super) texts: Vec<String>,
    /// About how many tokens the texts have: see [`cost`].
    pub(super) tokens: usize,
    pub(super) pushed: Instant,
    pub(super) reply: oneshot::Sender<Result<Encoded, EngineError>>,
}

/// About how many tokens a text has, before it is cut into tokens: what it counts in the queue.
pub(super) fn cost(text: &str) -> usize {
    2 + text.len() / 4
}

/// What waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Requests, or parts of large ones.
    pub requests: usize,
    /// Their texts.
    pub texts: usize,
    /// About how many tokens these have.
    pub tokens: usize,
}

/// Work in the order of its turns: by the virtual time of its start, then by arrival.
#[derive(Default)]
struct Lane {
    work: BTreeMap<(u64, u64), Work>,
    /// The virtual time at which a caller's next work may start, where that is not now.
    callers: HashMap<Option<Arc<str>>, u64>,
    /// The virtual time: when the work that was taken last started.
    now: u64,
}

impl Lane {
    fn push(&mut self, caller: Option<&Arc<str>>, arrival: u64, work: Work) {
        let start = self.callers.get(&caller.cloned()).copied().unwrap_or_default().max(self.now);
        self.callers.insert(caller.cloned(), start + work.tokens as u64);
        self.work.insert((start, arrival), work);
    }

    /// Moves work into `batch` while its tokens fit: of `model`, or of the first one's where there is none yet.
    fn take(&mut self, batch: &mut Batch, at_most: usize, left: &mut Waiting) {
        let mut taken = Vec::new();
        for (&turn, work) in &self.work {
            if work.reply.is_closed() {
                taken.push(turn);
                continue;
            }
            if batch.model.as_ref().is_some_and(|model| !Arc::ptr_eq(model, &work.model)) {
                continue;
            }
            // The first work of a batch is taken whatever its size.
            if batch.tokens > 0 && batch.tokens + work.tokens > at_most {
                break;
            }
            batch.model = Some(Arc::clone(&work.model));
            batch.tokens += work.tokens;
            taken.push(turn);
        }
        for turn in taken {
            let Some(work) = self.work.remove(&turn) else { continue };
            self.now = self.now.max(turn.0);
            left.requests -= 1;
            left.texts -= work.texts.len();
            left.tokens -= work.tokens;
            if !work.reply.is_closed() {
                batch.work.push(work);
            }
        }
        let now = self.now;
        self.callers.retain(|_, next| *next > now);
    }
}

#[derive(Default)]
struct Batch {
    model: Option<Arc<ServedModel>>,
    work: Vec<Work>,
    tokens: usize,
}

#[derive(Default)]
struct Queue {
    interactive: Lane,
    bulk: Lane,
    waiting: Waiting,
    arrivals: u64,
    /// Threads that wait for work.
    idle: usize,
    /// Tokens that a thread computes in a second, as lately measured.
    rate: Option<f64>,
    closed: bool,
}

pub(super) struct Batcher {
    queue: Mutex<Queue>,
    wake: Condvar,
    max_waiting_texts: usize,
    threads: usize,
}

impl Batcher {
    pub(super) fn new(max_waiting_texts: usize, threads: usize) -> Self {
        Self { queue: Mutex::default(), wake: Condvar::new(), max_waiting_texts, threads }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics while it holds the lock; a poisoned queue is still a queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn waiting(&self) -> Waiting {
        self.lock().waiting
    }

    /// Adds a request's parts, all or none.
    pub(super) fn push(&self, caller: Option<&Arc<str>>, work: Vec<Work>) -> Result<(), EngineError> {
        let texts: usize = work.iter().map(|work| work.texts.len()).sum();
        let tokens: usize = work.iter().map(|work| work.tokens).sum();
        let parts = work.len();
        let mut queue = self.lock();
        if queue.closed {
            return Err(EngineError::Closed);
        }
        // An empty queue takes any request that the limits let through.
        if queue.waiting.texts > 0 && queue.waiting.texts + texts > self.max_waiting_texts {
            let seconds = queue.seconds_to_empty(self.threads);
            return Err(EngineError::Overloaded { waiting: queue.waiting.texts, seconds });
        }
        let Queue { interactive, bulk, waiting, arrivals, .. } = &mut *queue;
        let lane = if tokens <= INTERACTIVE_TOKENS { interactive } else { bulk };
        for work in work {
            *arrivals += 1;
            lane.push(caller, *arrivals, work);
        }
        waiting.requests += parts;
        waiting.texts += texts;
        waiting.tokens += tokens;
        let sleeping = queue.idle;
        drop(queue);
        for _ in 0..parts.min(sleeping) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for work, then takes what waits for one model, in the order of the turns, up to about
    /// `max_tokens`. Work whose client has gone is dropped. `None` when the queue is closed and empty.
    pub(super) fn take(&self, max_tokens: usize) -> Option<Vec<Work>> {
        let mut queue = self.lock();
        loop {
            let batch = queue.take(max_tokens);
            if !batch.is_empty() {
                return Some(batch);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }

    /// Remembers how fast a thread was.
    pub(super) fn took(&self, tokens: usize, time: Duration) {
        let rate = tokens as f64 / time.as_secs_f64().max(1e-6);
        let mut queue = self.lock();
        // Follows a change within some twenty passes.
        queue.rate = Some(queue.rate.map_or(rate, |before| 0.9 * before + 0.1 * rate));
    }

    /// Lets the threads finish what waits, and refuses more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }
}

impl Queue {
    fn take(&mut self, max_tokens: usize) -> Vec<Work> {
        let mut batch = Batch::default();
        let Self { interactive, bulk, waiting, idle, .. } = self;
        // What waits is shared with the threads that have nothing to do; those that compute get what comes meanwhile.
        let max_tokens = max_tokens.min(waiting.tokens.div_ceil(1 + *idle));
        let for_bulk = if bulk.work.is_empty() { 0 } else { max_tokens / BULK_PART };
        interactive.take(&mut batch, max_tokens - for_bulk, waiting);
        bulk.take(&mut batch, max_tokens, waiting);
        batch.work
    }

    /// Whole seconds until what waits is computed, at the rate that was measured; at least one.
    fn seconds_to_empty(&self, threads: usize) -> u64 {
        let rate = self.rate.unwrap_or(10_000.0) * threads as f64;
        (self.waiting.tokens as f64 / rate.max(1.0)).ceil().max(1.0) as u64
    }
}
