//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod cache;
mod embed;
mod encoding;
mod engine;
mod model;
mod pool;
mod slot;

pub(crate) use embed::{EmbedError, EmbedOptions, Stages, TextFault, Truncated, Vectors, embed, prompt};
pub(crate) use encoding::EngineError;
pub(crate) use engine::{BATCH_TOKENS, Engine};
pub(crate) use model::LoadFault;
pub(crate) use pool::{ModelPool, PoolError, PoolLimits};
pub(crate) use slot::{LoadFailure, ModelState};
