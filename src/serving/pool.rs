//! The models in memory: loaded on first use or when asked, the least recently used out.
//!
//! A model's slot remembers what became of it: whether it is being loaded (once, for all who wait), is ready, or
//! could not be loaded and when that is tried again. Requests hold a model for themselves, so that one that is
//! evicted or replaced answers those that it began.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use futures_util::FutureExt;
use tokio::sync::Semaphore;

use super::model::{LoadFault, ServedModel};
use super::slot::{LoadFailure, Loading, ModelStatus, Slot, Slots, State};
use crate::ml::encoder::TokenCache;
use crate::registry::{Footprint, ModelRegistry};
use crate::store::{Kind, ModelRow};

/// Models that are loaded at the same time: each reads files and computes on a core of its own.
const LOADS_AT_ONCE: usize = 2;

/// How much of tuned models stays in memory. Bases stay.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    pub models: usize,
    /// Bytes of tuned models, without what they share with their bases.
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("no model, alias or name {0:?}")]
    Unknown(String),
    #[error("{model} cannot be loaded: {}", failure.message)]
    Failed { model: String, failure: LoadFailure },
    #[error("{0} is pinned")]
    Pinned(String),
    /// Tuned models that are in memory share its weights.
    #[error("{model} is the base of {}", tuned.join(", "))]
    BaseOfLoaded { model: String, tuned: Vec<String> },
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}

pub struct ModelPool {
    registry: ModelRegistry,
    limits: PoolLimits,
    tokens: Arc<TokenCache>,
    loads: Semaphore,
    slots: Mutex<Slots>,
}

impl ModelPool {
    pub fn new(registry: ModelRegistry, limits: PoolLimits) -> Self {
        Self { registry, limits, tokens: Arc::default(), loads: Semaphore::new(LOADS_AT_ONCE), slots: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model of an id, alias or name, loaded where it is not yet.
    pub async fn get(self: &Arc<Self>, wanted: &str) -> Result<Arc<ServedModel>, PoolError> {
        let row = self.registry.find(wanted).await?.ok_or_else(|| PoolError::Unknown(wanted.to_owned()))?;
        self.serve(&row).await
    }

    /// The model of a row, loaded where it is not yet. One that could not be loaded is tried again after a pause,
    /// or when its folder has changed.
    pub async fn serve(self: &Arc<Self>, row: &ModelRow) -> Result<Arc<ServedModel>, PoolError> {
        if let Some(failure) = self.failed_lately(row)
            && failure.footprint == self.registry.footprint(&row.model_id)
        {
            return Err(PoolError::Failed { model: row.model_id.clone(), failure });
        }
        self.load(row).await
    }

    /// The same, and one that could not be loaded is tried again at once.
    pub async fn load(self: &Arc<Self>, row: &ModelRow) -> Result<Arc<ServedModel>, PoolError> {
        let loading = match self.ready_or_loading(row) {
            Ok(model) => return Ok(model),
            Err(loading) => loading,
        };
        // A new model's folder is there before its row.
        let is_new = || self.registry.folder(&row.model_id).exists();
        match loading.await {
            Ok(model) => Ok(model),
            // It was deleted while this request looked for it.
            Err(_) if self.registry.find_id(&row.model_id).await?.is_none() && !is_new() => {
                Err(PoolError::Unknown(row.model_id.clone()))
            }
            Err(failure) => Err(PoolError::Failed { model: row.model_id.clone(), failure }),
        }
    }

    fn failed_lately(&self, row: &ModelRow) -> Option<LoadFailure> {
        let slots = self.lock();
        let slot = slots.by_id.get(&row.model_id).filter(|slot| slot.fingerprint == row.fingerprint)?;
        slot.failed_lately()
    }

    /// The model, or what there is to wait for.
    fn ready_or_loading(self: &Arc<Self>, row: &ModelRow) -> Result<Arc<ServedModel>, Loading> {
        let mut slots = self.lock();
        slots.count += 1;
        let count = slots.count;
        let slot = slots.by_id.entry(row.model_id.clone()).or_insert_with(|| Slot::new(row));
        slot.ask(row, count);
        match &slot.state {
            State::Ready(model) => {
                let model = Arc::clone(model);
                if row.kind == Kind::Tuned {
                    slots.touch(&row.model_id);
                }
                Ok(model)
            }
            State::Loading(_, loading) => Err(loading.clone()),
            State::Available | State::Resting(_) | State::Failed => {
                let rested = matches!(slot.state, State::Resting(_));
                let loading = self.begin(row.clone(), count, rested);
                slot.state = State::Loading(count, loading.clone());
                Err(loading)
            }
        }
    }

    /// Loads a model in a task of its own, so that it is loaded also when all who wait for it have gone.
    fn begin(self: &Arc<Self>, row: ModelRow, number: u64, rested: bool) -> Loading {
        let (pool, id) = (Arc::clone(self), row.model_id.clone());
        let task = tokio::spawn(async move {
            let loaded = pool.read(&row, rested).await;
            pool.settle(&row, number, loaded)
        });
        let whole = async move {
            task.await.unwrap_or_else(|error| {
                Err(LoadFailure::new(
                    LoadFault::ModelBroken,
                    format!("loading {id} ended early: {error}"),
                    true,
                    Footprint::default(),
                ))
            })
        };
        whole.boxed().shared()
    }

    /// Reads a model, after its base.
    async fn read(self: &Arc<Self>, row: &ModelRow, rested: bool) -> Result<Arc<ServedModel>, LoadFailure> {
        let footprint = self.registry.footprint(&row.model_id);
        let failed = |fault, message, may_pass| LoadFailure::new(fault, message, may_pass, footprint);
        let base = match &row.base_model {
            Some(base) => {
                let of_base = |error: PoolError| failed(LoadFault::BaseNotLoaded, format!("its base {error}"), true);
                let found = self.registry.find_id(base).await.map_err(|error| of_base(error.into()))?;
                let found = found.ok_or_else(|| of_base(PoolError::Unknown(base.clone())))?;
                Some(self.serve(&found).await.map_err(of_base)?)
            }
            None => None,
        };
        let permit = self.loads.acquire().await;
        let permit = permit.map_err(|error| failed(LoadFault::ModelBroken, error.to_string(), true))?;
        let (registry, tokens, row, started) =
            (self.registry.clone(), Arc::clone(&self.tokens), row.clone(), Instant::now());
        let id = row.model_id.clone();
        let read =
            tokio::task::spawn_blocking(move || ServedModel::load(&registry, row, base.as_deref(), &tokens, rested));
        let read = read.await;
        drop(permit);
        match read {
            Ok(Ok(model)) => {
                let (seconds, bytes) = (started.elapsed().as_secs_f64(), model.resident_bytes);
                if rested {
                    tracing::debug!(model = id, seconds, bytes, "model read again after a rest");
                } else {
                    tracing::info!(model = id, seconds, bytes, "model loaded");
                }
                Ok(Arc::new(model))
            }
            Ok(Err(error)) => {
                tracing::error!(model = id, code = error.fault().code(), "the model cannot be loaded: {error}");
                metrics::counter!("shamisen_model_failures_total", "code" => error.fault().code()).increment(1);
                Err(failed(error.fault(), error.message(), error.may_pass()))
            }
            Err(panic) => {
                tracing::error!(model = id, "loading the model panicked: {panic}");
                Err(failed(LoadFault::ModelBroken, "its weights made the loading stop".to_owned(), false))
            }
        }
    }

    /// Writes down what became of a try, unless the slot has another one now.
    fn settle(
        &self,
        row: &ModelRow,
        number: u64,
        loaded: Result<Arc<ServedModel>, LoadFailure>,
    ) -> Result<Arc<ServedModel>, LoadFailure> {
        let mut slots = self.lock();
        let slot = slots.by_id.get_mut(&row.model_id);
        let Some(slot) = slot.filter(|slot| matches!(slot.state, State::Loading(known, _) if known == number)) else {
            return loaded;
        };
        match loaded {
            Ok(model) => {
                slot.succeed(Arc::clone(&model));
                if row.kind == Kind::Tuned {
                    slots.touch(&row.model_id);
                }
                self.evict_least_used(&mut slots, &row.model_id);
                Ok(model)
            }
            Err(failure) => Err(slot.fail(failure)),
        }
    }

    /// Evicts the least recently used tuned models while there are more, or larger ones, than may stay; never a
    /// pinned one, nor the one that was just loaded.
    fn evict_least_used(&self, slots: &mut Slots, newest: &str) {
        loop {
            let tuned = slots.by_id.values().filter_map(Slot::share).filter(|share| share.base.is_some());
            let (count, bytes) = tuned.fold((0_usize, 0_u64), |(count, bytes), share| (count + 1, bytes + share.bytes));
            if count <= self.limits.models && bytes <= self.limits.bytes {
                return;
            }
            let may_go = |(id, slot): &(&String, &mut Slot)| {
                !slot.pinned && *id != newest && slot.share().is_some_and(|share| share.base.is_some())
            };
            let oldest = slots.by_id.iter_mut().filter(may_go).min_by_key(|(_, slot)| slot.turn);
            let Some((id, slot)) = oldest else { return };
            tracing::info!(model = id, "model put out of memory: it was not used for longest");
            slot.evict();
        }
    }

    /// Takes a model out of memory. Requests that hold it finish.
    pub async fn unload(self: &Arc<Self>, row: &ModelRow) -> Result<(), PoolError> {
        let loading = match self.lock().by_id.get(&row.model_id).map(|slot| &slot.state) {
            Some(State::Loading(_, loading)) => Some(loading.clone()),
            _ => None,
        };
        if let Some(loading) = loading {
            // What became of it does not matter: it goes.
            let _ = loading.await;
        }
        let mut slots = self.lock();
        let over_it = |slot: &Slot| slot.share().is_some_and(|share| share.base.as_ref() == Some(&row.model_id));
        let mut tuned: Vec<String> =
            slots.by_id.iter().filter(|(_, slot)| over_it(slot)).map(|(id, _)| id.clone()).collect();
        tuned.sort();
        if !tuned.is_empty() {
            return Err(PoolError::BaseOfLoaded { model: row.model_id.clone(), tuned });
        }
        let Some(slot) = slots.by_id.get_mut(&row.model_id) else { return Ok(()) };
        if slot.pinned {
            return Err(PoolError::Pinned(row.model_id.clone()));
        }
        slot.evict();
        Ok(())
    }

    /// Keeps a model in memory, or lets it go when its turn comes.
    pub fn pin(&self, model_id: &str, pinned: bool) {
        if let Some(slot) = self.lock().by_id.get_mut(model_id) {
            slot.pinned = pinned;
        }
    }

    /// Forgets a model that was deleted. Requests that hold it finish.
    pub fn forget(&self, model_id: &str) {
        self.lock().by_id.remove(model_id);
    }

    /// Loads the models that are to stay in memory. One that cannot be loaded is told in the log and in its state.
    pub async fn load_pinned(self: &Arc<Self>) -> Result<(), PoolError> {
        for row in self.registry.pinned().await? {
            if let Err(error) = self.serve(&row).await {
                tracing::error!(model = row.model_id, "a pinned model is not in memory: {error}");
            }
        }
        Ok(())
    }

    pub fn status(&self, row: &ModelRow) -> ModelStatus {
        let mut slots = self.lock();
        let slot = slots.by_id.get_mut(&row.model_id).filter(|slot| slot.fingerprint == row.fingerprint);
        slot.map_or_else(|| Slot::new(row).status(), Slot::status)
    }

    /// What is kept of single tokens.
    pub fn token_cache(&self) -> &TokenCache {
        &self.tokens
    }

    /// The ids of the models in memory and the bytes that each takes, sorted.
    pub fn resident(&self) -> Vec<(String, u64)> {
        let slots = self.lock();
        let ready = |(id, slot): (&String, &Slot)| Some((id.clone(), slot.share()?.bytes));
        let mut resident: Vec<_> = slots.by_id.iter().filter_map(ready).collect();
        resident.sort();
        resident
    }
}
