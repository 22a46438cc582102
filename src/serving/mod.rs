//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod pool;

pub use engine::{BATCH_TOKENS, Encoded, Engine, EngineError};
pub use pool::{ModelPool, PoolError, ServedModel};
