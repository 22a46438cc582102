//! Other programs on what this one writes, reads and says. They need Python environments.

mod clients;
mod onnx;
mod sentence_transformers;
pub(crate) mod sentencepiece;
mod tensorboard;
