//! The core: texts in, tensors and numbers out.
//!
//! Knows neither HTTP, SQL nor async, never prints and never reads the environment. It reports
//! through return values and an [observer](crate::ml::train::Observer), and counts its signs of life.
//!
//! A model: [`load`](crate::ml::encoder::load) reads a folder, [`tokenize`](crate::ml::encoder::Model::tokenize) makes
//! token ids of a text, and [`encode_all`](crate::ml::encoder::encode_all()) vectors of ids. Training: [`tables::read()`]
//! reads a table, [`token_pairs`](crate::ml::eval::token_pairs) makes token ids of it,
//! [`split`](crate::ml::train::split()) parts its rows, [`train`](crate::ml::train::train()) learns from them, and
//! [`save_tuned`](crate::ml::encoder::save_tuned) keeps what changed. Whether that was worth it:
//! [`assess`](crate::ml::eval::EvalPairs::assess).

/// Models: load, encode, import, export.
pub mod encoder;
/// What can go wrong.
pub mod error;
/// Evaluation: before training, after it, and in between.
pub mod eval;
pub(crate) mod files;
mod memory;
/// What training and evaluation read.
pub mod pairs;
pub(crate) mod pulse;
/// Hashes of files and models.
pub mod sha256;
/// What a score means.
pub mod target;
/// Fine-tuning: losses, settings, optimizers, checkpoints.
pub mod train;
/// Similarities of tensors.
pub mod vectors;

pub use error::{Error, Result};
