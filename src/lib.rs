//! Shamisen tunes sentence encoders to a domain and serves them over HTTP.
//!
//! The library behind the binary `shamisen`. What it promises to others is the program, its HTTP API and its data folder; the modules
//! move when they want to. Even so [`ml`] can be used by itself: texts in, tensors and numbers out, without a server.
//!
//! # Where to begin
//!
//! - [`ml::encoder`]: [`load`](ml::encoder::load) a model's folder, [`tokenize`](ml::encoder::Model::tokenize) texts,
//!   [`encode`](ml::encoder::encode()) them.
//! - [`ml::train`]: [`train()`](ml::train::train()) an encoder on pairs with a [`TrainConfig`](ml::train::TrainConfig), and
//!   [`save`](ml::encoder::save_tuned) what changed.
//! - [`http::serve`]: the server; `cli/serve.rs` puts its parts together.
//!
//! # An example
//!
//! `examples/embed.rs`, whole; `examples/train.rs` trains on twelve pairs.
//!
//! ```text
//! cargo run --release --example embed -- data/models/use-multilingual-v3
//! ```
//!
//! ```ignore
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! # The modules
//!
//! From the core outward; each may use those above it, and a test reads the sources to keep it so. ARCHITECTURE.md has the map and
//! four walks.

/// The least and the most of what can be sent.
pub(crate) mod bounds;

/// Encoders, losses, the training loop, what a report measures.
pub mod ml;

/// Every query, and its rows as types.
pub mod store;

/// Tables that were sent.
pub(crate) mod datasets;
/// Who may call.
pub(crate) mod keys;
/// Models that there are.
pub mod registry;

/// What becomes of `POST /jobs`, up to the tuned model in its folder.
pub(crate) mod jobs;
/// What becomes of `POST /embed`, from a text to its vector.
pub(crate) mod serving;

/// What becomes of a table that asks a model.
pub(crate) mod analysis;

/// A data folder as one backup, and back.
pub(crate) mod backup;
/// What is wrong with a data folder.
pub(crate) mod doctor;

/// What becomes of any request, up to the modules above.
pub mod http;

/// `shamisen serve`, `train`, `model` and the others.
pub mod cli;
/// Every flag and variable.
pub mod config;
