//! The core: texts in, tensors and numbers out.
//!
//! Knows neither HTTP, SQL nor async, never prints and never reads the environment. It reports
//! through return values and an [`train::Observer`].

pub mod encoder;
pub mod error;
pub mod eval;
mod memory;
pub mod sha256;
pub mod train;

pub use error::{Error, Result};
pub use tables as dataset;
pub use tables::similarity;
