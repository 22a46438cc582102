//! What a model's folder says of itself, and what its files are called.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ml::Result;
use crate::ml::files::{read_json, write_json};

/// A network's sizes, or a module's.
pub(super) const CONFIG: &str = "config.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
/// A transformer's tokenizer.
pub(super) const TRANSFORMER_TOKENIZER: &str = "tokenizer.json";
/// The SentencePiece model.
pub const TOKENIZER: &str = "sentencepiece.model";
/// What the folder says of itself: a [`ModelCard`].
pub const CARD: &str = "shamisen.json";
/// How a transformer of sentence-transformers reads texts.
pub(super) const SENTENCE_CONFIG: &str = "sentence_bert_config.json";
/// The list of modules. A folder that has it holds a transformer.
pub(super) const MODULES: &str = "modules.json";

/// What a model folder says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// The name people call it by.
    pub name: String,
    /// SHA-256 over configuration, weights and tokenizer (a tuned model's: over its base's
    /// fingerprint and its delta). Equal fingerprints give equal vectors.
    pub fingerprint: String,
    /// Dimensions of a text's vector.
    pub dimensions: i64,
    /// Tokens of a text that are read.
    pub max_tokens: usize,
    /// The fingerprint of the base that a tuned model is a delta of.
    pub base_fingerprint: Option<String>,
}

/// A folder's card.
pub fn read_card(folder: &Path) -> Result<ModelCard> {
    read_json(&folder.join(CARD))
}

pub(super) fn write_card(folder: &Path, card: &ModelCard) -> Result<()> {
    write_json(&folder.join(CARD), card)
}
