//! The tests, in one binary: every binary loads libtorch anew.

mod app;
mod fixtures;

mod datasets;
mod encoder;
mod errors;
mod jobs;
mod layers;
mod page;
mod readme;
mod recovery;
mod serving;
mod tokenizer;
mod train;
