//! The tests, in one binary: every binary loads libtorch anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod app;
mod clients;
mod command_line;
mod contract;
mod fixtures;

mod aliases;
mod connections;
mod dataset_file;
mod datasets;
mod delta;
mod encoder;
mod engine;
mod errors;
mod export;
mod hard_negatives;
mod import;
mod inspect;
mod jobs;
mod keys;
mod layers;
mod lora;
mod models;
mod neighbours;
mod onnx;
mod openai;
mod openapi;
mod operations;
mod page;
mod plan;
mod public_tables;
mod readme;
mod recovery;
mod sentence_transformers;
mod serving;
mod suggestions;
mod taxonomy;
mod tokenize;
mod tokenizer;
mod train;
mod transformer;
mod truth;
mod verdict;
mod verdict_of_data;
mod versions;
