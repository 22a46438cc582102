//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod pool;
mod served_model;

pub use engine::{Encoded, Engine, EngineError};
pub use pool::{LoadFailure, ModelPool, ModelState, ModelStatus, PoolError, PoolLimits};
pub use served_model::ServedModel;
