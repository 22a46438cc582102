//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod meter;
mod pool;
mod vector_cache;

pub use batcher::Waiting;
pub use engine::{BATCH_TOKENS, EncodeOptions, Encoded, EncodedText, Engine, EngineError};
pub use pool::{ModelPool, PoolError, ServedModel};
pub use vector_cache::VectorCache;
