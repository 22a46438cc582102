//! The tests, in one binary: every binary loads libtorch anew.

mod encoder;
mod fixtures;
mod train;
