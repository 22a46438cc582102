//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod meter;
mod place;
mod pool;
mod served_model;
mod vector_cache;

pub use batcher::Waiting;
pub use engine::{BATCH_TOKENS, EncodeOptions, Encoded, EncodedText, Engine, EngineError};
pub use place::{LoadFailure, ModelState, ModelStatus};
pub use pool::{ModelPool, PoolError, PoolLimits};
pub use served_model::ServedModel;
pub use vector_cache::VectorCache;
