//! Texts become vectors: a small pool of inference threads runs every model.

mod batcher;
mod engine;
mod meter;
mod pool;

pub use engine::{Encoded, Engine, EngineError, QueueDepth};
pub use pool::{ModelPool, PoolError, ServedModel};
