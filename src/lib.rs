//! Shamisen tunes sentence encoders to a domain and serves them over HTTP.
//!
//! The modules from the core outward; each may use those above it (ARCHITECTURE.md).

pub mod ml;

pub mod store;

pub mod datasets;
pub mod keys;
pub mod registry;

pub mod jobs;
pub mod serving;

pub mod analysis;

pub mod http;

pub mod cli;
pub mod config;
