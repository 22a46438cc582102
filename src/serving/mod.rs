//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod pool;
mod served_model;
mod vector_cache;

pub use batcher::Waiting;
pub use engine::{EncodeOptions, Encoded, EncodedText, Engine, EngineError};
pub use pool::{LoadFailure, ModelPool, ModelState, ModelStatus, PoolError, PoolLimits};
pub use served_model::ServedModel;
pub use vector_cache::VectorCache;
