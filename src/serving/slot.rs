//! A model's slot in the pool: what became of the model, and what may become of it next.
//!
//! A slot goes from [`State::Available`] over [`State::Loading`] to [`State::Ready`] or [`State::Failed`]; from either
//! it may be loaded anew, and what is ready may be evicted. Nothing here waits, reads files or locks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, Shared};
use serde::Serialize;

use super::model::{LoadFault, ServedModel, Share};
use crate::registry::Footprint;
use crate::store::{ModelRow, now};

/// Before a model that could not be loaded is tried again. Doubles with each try.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Tuned models whose weights keep their memory between requests. The others' are read again, and compared again with
/// what was written, when a request wants them.
const WARM_MODELS: usize = 2;

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelState {
    /// Not in memory; the first request loads it.
    Available,
    /// On its way into memory.
    Loading,
    /// In memory.
    Ready,
    /// Put out of memory; requests that began with it still use it.
    Draining,
    /// It could not be loaded.
    Failed,
}

/// Why a model could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadFailure {
    pub fault: LoadFault,
    /// For people, after the model's name.
    pub message: String,
    /// Milliseconds, of the last try.
    pub at: i64,
    /// Tries that failed, one after another.
    pub attempts: u32,
    /// Whether it may be gone by itself the next time.
    pub may_pass: bool,
    /// When a request tries again.
    retry_at: Instant,
    /// What the folder looked like.
    pub(super) footprint: Footprint,
}

impl LoadFailure {
    pub(super) fn new(fault: LoadFault, message: String, may_pass: bool, footprint: Footprint) -> Self {
        Self { fault, message, at: now(), attempts: 1, may_pass, retry_at: Instant::now(), footprint }
    }

    /// Whole seconds until a request tries again, at least one.
    pub fn retry_after(&self) -> u64 {
        self.retry_at.saturating_duration_since(Instant::now()).as_secs() + 1
    }
}

/// What a model's slot says.
#[derive(Clone, Debug)]
pub struct ModelStatus {
    pub state: ModelState,
    /// Where it is ready: bytes that it takes while it is in use, without what it shares with its base.
    pub resident_bytes: Option<u64>,
    /// Milliseconds, of the last request since the server started.
    pub last_used_at: Option<i64>,
    pub last_error: Option<LoadFailure>,
}

/// All who wait for a model wait for this.
pub(super) type Loading = Shared<BoxFuture<'static, Result<Arc<ServedModel>, LoadFailure>>>;

pub(super) enum State {
    Available,
    /// The number tells this try from later ones.
    Loading(u64, Loading),
    Ready(Arc<ServedModel>),
    /// It is ready as far as anybody can tell, and its weights are read again for the next request.
    Resting(Share),
    Failed,
}

pub(super) struct Slot {
    /// Of the model that the state is about.
    pub(super) fingerprint: String,
    pub(super) state: State,
    pub(super) pinned: bool,
    /// When it was asked for, as a number that grows.
    pub(super) turn: u64,
    last_used_at: Option<i64>,
    failure: Option<LoadFailure>,
    /// Models that were evicted and may still be in use.
    leaving: Vec<Weak<ServedModel>>,
}

impl Slot {
    pub(super) fn new(row: &ModelRow) -> Self {
        Self {
            fingerprint: row.fingerprint.clone(),
            state: State::Available,
            pinned: row.pinned,
            turn: 0,
            last_used_at: None,
            failure: None,
            leaving: Vec::new(),
        }
    }

    /// Makes the slot the one of the model in this row, and remembers that it was asked for.
    pub(super) fn ask(&mut self, row: &ModelRow, turn: u64) {
        if self.fingerprint != row.fingerprint {
            // Another model under the same id: the one before answers what it began.
            self.evict();
            (self.state, self.failure) = (State::Available, None);
            self.fingerprint.clone_from(&row.fingerprint);
        }
        (self.turn, self.last_used_at) = (turn, Some(now()));
    }

    /// What it takes where it is ready or rests.
    pub(super) fn share(&self) -> Option<Share> {
        match &self.state {
            State::Ready(model) => Some(model.share()),
            State::Resting(share) => Some(share.clone()),
            _ => None,
        }
    }

    /// Why the last try failed, where nobody is to try again yet.
    pub(super) fn failed_lately(&self) -> Option<LoadFailure> {
        let failure = self.failure.as_ref().filter(|_| matches!(self.state, State::Failed))?;
        (Instant::now() < failure.retry_at).then(|| failure.clone())
    }

    pub(super) fn succeed(&mut self, model: Arc<ServedModel>) {
        self.failure = None;
        self.state = State::Ready(model);
    }

    /// Ends a try that did not, and says when the next one may be.
    pub(super) fn fail(&mut self, mut failure: LoadFailure) -> LoadFailure {
        failure.attempts = self.failure.as_ref().map_or(1, |before| before.attempts.saturating_add(1));
        failure.retry_at = Instant::now() + pause(failure.attempts);
        self.state = State::Failed;
        self.failure = Some(failure.clone());
        failure
    }

    /// What the slot says to whoever asks.
    pub(super) fn status(&mut self) -> ModelStatus {
        self.leaving.retain(|model| model.strong_count() > 0);
        let state = match &self.state {
            State::Ready(_) | State::Resting(_) => ModelState::Ready,
            State::Loading(..) => ModelState::Loading,
            State::Failed => ModelState::Failed,
            State::Available if self.leaving.is_empty() => ModelState::Available,
            State::Available => ModelState::Draining,
        };
        ModelStatus {
            state,
            resident_bytes: self.share().map(|share| share.bytes),
            last_used_at: self.last_used_at,
            last_error: self.failure.clone(),
        }
    }

    /// Takes a ready model out of memory; requests that hold it finish.
    pub(super) fn evict(&mut self) {
        self.leave(State::Available);
    }

    /// Takes a tuned model's weights out of memory until they are wanted; requests that hold it finish. A pinned one
    /// keeps them.
    fn rest(&mut self) {
        if let State::Ready(model) = &self.state
            && !self.pinned
        {
            let share = model.share();
            self.leave(State::Resting(share));
        }
    }

    fn leave(&mut self, next: State) {
        if let State::Ready(model) = std::mem::replace(&mut self.state, next) {
            self.leaving.push(Arc::downgrade(&model));
        }
        self.leaving.retain(|model| model.strong_count() > 0);
    }
}

#[derive(Default)]
pub(super) struct Slots {
    pub(super) by_id: HashMap<String, Slot>,
    /// The last turn or try.
    pub(super) count: u64,
    /// The tuned models that were used last, the last one at the end.
    warm: VecDeque<String>,
}

impl Slots {
    /// Remembers that a tuned model is used. The one that was used before all warm ones rests.
    pub(super) fn touch(&mut self, model_id: &str) {
        if self.warm.back().is_some_and(|last| last == model_id) {
            return;
        }
        self.warm.retain(|warm| warm != model_id);
        self.warm.push_back(model_id.to_owned());
        if self.warm.len() > WARM_MODELS
            && let Some(cold) = self.warm.pop_front()
            && let Some(slot) = self.by_id.get_mut(&cold)
        {
            slot.rest();
        }
    }
}

/// How long nobody tries again after so many tries that failed.
fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_to_five_minutes() {
        let seconds: Vec<u64> = (1..=8).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(seconds, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
