//! Rows of cells become pairs: which column is what, and what its scores mean.

pub(crate) mod columns;
pub(crate) mod labelled;
pub(crate) mod names;
pub(crate) mod rows;
pub(crate) mod scale;
pub(crate) mod score;
pub(crate) mod words;

pub(crate) use rows::{Outcome, Reader};
