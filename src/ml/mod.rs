//! The core: texts in, tensors and numbers out.
//!
//! Knows neither HTTP, SQL nor async, never prints and never reads the environment. It reports
//! through return values and an [`train::Observer`].

pub mod dataset;
pub mod encoder;
pub mod error;
pub mod eval;
pub(crate) mod files;
mod memory;
pub mod pairs;
pub mod sha256;
pub mod similarity;
pub mod target;
pub mod train;
pub mod vectors;

pub use error::{Error, Result};
