//! The tests, in one binary: every binary loads libtorch anew. A path repeats that of `src/http` where it is about
//! routes. `peers` needs Python environments; `make test-peers` runs it alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

// What tests use.
mod api;
mod app;
mod contract;
mod fixtures;
mod pipe;
mod published;
mod shared;
mod tiny;
mod wire;

mod cli;
mod datasets;
mod embeddings;
mod jobs;
mod ml;
mod models;
mod openai;
mod peers;
mod project;
mod server;
mod tei;
mod upkeep;
