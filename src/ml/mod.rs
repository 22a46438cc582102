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
pub use tables::similarity;

/// The old paths, until every caller says `tables`.
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
