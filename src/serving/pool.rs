//! The models in memory: loaded on first use, the least recently used out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::ml::encoder::{Cut, Encoder, Model, Prompts, TokenCache, TokenSpan, Tokenizer, Tokens, tokenize};
use crate::registry::ModelRegistry;
use crate::store::{Kind, ModelRow};

/// A loaded model, as the inference threads share it.
pub struct ServedModel {
    /// What the database says of it.
    pub row: ModelRow,
    tokenizer: Arc<Tokenizer>,
    /// What may stand in front of texts.
    pub prompts: Arc<Prompts>,
    /// Whether its vectors have length 1.
    pub normalizes: bool,
    /// Locked for the moment that a thread takes its own handle to the weights.
    model: Mutex<Model>,
}

impl ServedModel {
    fn new(row: ModelRow, mut model: Model, tokens: &Arc<TokenCache>) -> Self {
        model.encoder.freeze(tokens);
        let (tokenizer, prompts) = (Arc::clone(&model.tokenizer), Arc::clone(&model.prompts));
        let normalizes = model.encoder.normalizes();
        Self { row, tokenizer, prompts, normalizes, model: Mutex::new(model) }
    }

    fn lock(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle to the weights for the calling thread.
    pub(super) fn encoder(&self) -> Box<dyn Encoder> {
        self.lock().encoder.shallow_clone()
    }

    /// Another handle to the whole model, to load a tuned one over.
    fn handle(&self) -> Model {
        let model = self.lock();
        model.with_encoder(model.encoder.shallow_clone())
    }

    /// The token ids of a text with a prompt in front, cut to what the model reads. Takes time with the text's length: not for
    /// an async thread.
    pub fn tokenize(&self, prompt: &str, text: &str, cut: Cut) -> Tokens {
        tokenize(&self.tokenizer, prompt, text, self.row.max_tokens as usize, cut)
    }

    /// All tokens of a text with a prompt in front, and where they stand in it. Not for an async thread, either.
    pub fn spans(&self, prompt: &str, text: &str, special: bool) -> Vec<TokenSpan> {
        self.tokenizer.spans(prompt, text, special)
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// There is no model of that id, alias or name.
    #[error("no model, alias or name {0:?}")]
    Unknown(String),
    /// Its folder cannot be loaded.
    #[error("{model} cannot be loaded: {reason}")]
    Broken {
        /// Its id.
        model: String,
        /// Why.
        reason: String,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// A model's place in the pool: one caller loads it while others wait.
type Slot = Arc<tokio::sync::OnceCell<Arc<ServedModel>>>;

/// The models in memory.
pub struct ModelPool {
    registry: ModelRegistry,
    max_tuned: usize,
    tokens: Arc<TokenCache>,
    slots: Mutex<HashMap<String, (Slot, Instant)>>,
}

impl ModelPool {
    /// Keeps at most `max_tuned` tuned models; bases stay, their tables are mapped files.
    pub fn new(registry: ModelRegistry, max_tuned: usize) -> Self {
        Self { registry, max_tuned, tokens: Arc::default(), slots: Mutex::default() }
    }

    /// The model of an id, alias or name, loaded where it is not yet.
    ///
    /// # Errors
    /// Where there is none or it cannot be loaded.
    pub async fn get(&self, wanted: &str) -> Result<Arc<ServedModel>, PoolError> {
        let row = self.registry.find(wanted).await?.ok_or_else(|| PoolError::Unknown(wanted.to_owned()))?;
        let base = match &row.base_model {
            Some(base) => {
                let unknown = || PoolError::Unknown(base.clone());
                Some(self.load(self.registry.find(base).await?.ok_or_else(unknown)?, None).await?)
            }
            None => None,
        };
        self.load(row, base).await
    }

    async fn load(&self, row: ModelRow, base: Option<Arc<ServedModel>>) -> Result<Arc<ServedModel>, PoolError> {
        let slot = self.slot(&row);
        let load = || async {
            let (registry, tokens) = (self.registry.clone(), Arc::clone(&self.tokens));
            let (id, started) = (row.model_id.clone(), Instant::now());
            let loaded = tokio::task::spawn_blocking(move || {
                let base = base.map(|base| base.handle());
                registry.load(&row, base.as_ref()).map(|model| Arc::new(ServedModel::new(row, model, &tokens)))
            });
            let broken = |reason: String| PoolError::Broken { model: id.clone(), reason };
            let model = loaded.await.map_err(|error| broken(error.to_string()))?;
            let model = model.map_err(|error| broken(error.to_string()))?;
            tracing::info!(model = id, seconds = started.elapsed().as_secs_f64(), "model loaded");
            Ok(model)
        };
        slot.get_or_try_init(load).await.cloned()
    }

    /// The model's slot, its time of use renewed; the oldest tuned models beyond the limit lose theirs.
    fn slot(&self, row: &ModelRow) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (slot, used) = slots.entry(row.model_id.clone()).or_insert_with(|| (Slot::default(), Instant::now()));
        *used = Instant::now();
        let slot = Arc::clone(slot);
        let tuned = |slot: &Slot| slot.get().is_some_and(|model| model.row.kind == Kind::Tuned);
        while slots.values().filter(|(slot, _)| tuned(slot)).count() > self.max_tuned {
            let oldest = slots.iter().filter(|(_, (slot, _))| tuned(slot)).min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(id, _)| id.clone()) else { break };
            slots.remove(&oldest);
        }
        slot
    }
}
