//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod cache;
mod embed;
mod encoding;
mod engine;
mod model;
mod pool;
mod slot;

pub use batcher::Waiting;
pub use cache::VectorCache;
pub(crate) use embed::{EmbedError, EmbedOptions, Stages, TextFault, Truncated, Vectors, embed, prompt};
pub(crate) use encoding::{EncodeOptions, EngineError};
pub use engine::{BATCH_TOKENS, Engine};
pub use model::{LoadFault, ServedModel};
pub use pool::{ModelPool, PoolError, PoolLimits};
pub use slot::{LoadFailure, ModelState, ModelStatus};
