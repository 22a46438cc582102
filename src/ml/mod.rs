//! The core: texts in, tensors and numbers out.
//!
//! Knows neither HTTP, SQL nor async, never prints and never reads the environment. It reports
//! through return values and an [`train::Observer`].
//!
//! A model: [`encoder::load`] reads a folder, [`encoder::Model::tokenize`] makes token ids of a text, and
//! [`encoder::encode_all`] vectors of ids. Training: [`tables::read`] reads a table, [`eval::token_pairs`] makes
//! token ids of it, [`train::split()`] parts its rows, [`train::train`] learns from them, and [`encoder::save_tuned`]
//! keeps what changed. Whether that was worth it: [`eval::EvalPairs::assess`].

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
/// Hashes of files and models.
pub mod sha256;
/// What a score means.
pub mod target;
/// Fine-tuning: losses, settings, optimizers, checkpoints.
pub mod train;
/// Similarities of tensors.
pub mod vectors;

pub use error::{Error, Result};
pub use tables::similarity;

/// The old paths, until every caller says `tables`.
#[allow(missing_docs)]
pub mod dataset {
    pub use tables::*;
    pub mod checks {
        pub use tables::checks::*;
        pub use tables::choices::Fix;
    }
    pub mod inspect {
        pub use tables::choices::Why;
        pub use tables::inspect::InspectContext as Circumstances;
        pub use tables::inspect::*;
    }
    pub mod reading {
        pub use tables::choices::TableOptions as Choices;
        pub use tables::choices::{Column, LowestMeans, Mapping, OnBadRow, Scale};
        pub use tables::reading::*;
    }
    pub mod source {
        pub use tables::choices::FileOptions as ReadAs;
        pub use tables::choices::{Encoding, FileFormat};
        pub use tables::source::*;
    }
}
