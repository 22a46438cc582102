//! Text to token ids.

use std::borrow::Cow;
use std::path::Path;

use serde::Deserialize;

use super::sentencepiece::SentencePiece;
use crate::ml::files::{read, read_json};
use crate::ml::{Error, Result};

/// How a model cuts texts into tokens.
pub enum Tokenizer {
    /// USE's own.
    SentencePiece(Box<SentencePiece>),
    /// A transformer's `tokenizer.json`.
    Transformer(Box<TransformerTokenizer>),
}

/// A tokenizer out of `tokenizer.json`, without the truncation and padding that the file may ask for.
pub struct TransformerTokenizer {
    pub(super) tokenizer: tokenizers::Tokenizer,
    pub(super) lowercase: bool,
}

/// A text's ids, the tokenizer's own around them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// All ids.
    pub ids: Vec<u32>,
    /// How many of them stand in front of the text's own.
    pub before: usize,
    /// How many of them stand behind the text's own.
    pub behind: usize,
}

impl Tokenizer {
    pub(crate) fn read_transformer(path: &Path, lowercase: bool) -> Result<Self> {
        let bytes = read(path)?;
        let wrong = |error: tokenizers::Error| Error::model(path, error.to_string());
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(wrong)?;
        tokenizer.with_truncation(None).map_err(wrong)?.with_padding(None);
        Ok(Self::Transformer(Box::new(TransformerTokenizer { tokenizer, lowercase })))
    }

    /// A text's ids.
    pub fn encode(&self, text: &str) -> Ids {
        match self {
            Self::SentencePiece(tokenizer) => Ids { ids: tokenizer.encode(text), before: 1, behind: 1 },
            Self::Transformer(tokenizer) => tokenizer.encode(text),
        }
    }

    /// Whether texts are put in lower case before the tokenizer's file has its say.
    pub(crate) fn lowercases(&self) -> bool {
        matches!(self, Self::Transformer(tokenizer) if tokenizer.lowercase)
    }

    /// The same where the tokenizer's rules may not fit the text.
    pub(crate) fn try_encode(&self, text: &str) -> std::result::Result<Ids, String> {
        match self {
            Self::SentencePiece(_) => Ok(self.encode(text)),
            Self::Transformer(tokenizer) => tokenizer.try_encode(text).map_err(|error| error.to_string()),
        }
    }

    /// One more than the largest id that it gives.
    pub(crate) fn size(&self) -> i64 {
        match self {
            Self::SentencePiece(tokenizer) => i64::from(tokenizer.pieces()),
            Self::Transformer(tokenizer) => {
                let ids = tokenizer.tokenizer.get_vocab(true).into_values();
                ids.max().map_or(0, |id| i64::from(id) + 1)
            }
        }
    }
}

impl TransformerTokenizer {
    fn encode(&self, text: &str) -> Ids {
        // A text that the file's rules cannot read has no tokens of its own. There is no such text for any
        // tokenizer that was checked when it was imported: an unknown word has an id.
        let ids = self.try_encode(text).or_else(|_| self.try_encode(""));
        ids.unwrap_or_else(|_| Ids { ids: vec![0], before: 0, behind: 0 })
    }

    fn try_encode(&self, text: &str) -> tokenizers::Result<Ids> {
        let text = if self.lowercase { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) };
        let encoding = self.tokenizer.encode_fast(&*text, true)?;
        let ids = encoding.get_ids().to_vec();
        if ids.is_empty() {
            // A text has at least one token, or there is nothing to pool.
            return Ok(Ids { ids: vec![0], before: 0, behind: 0 });
        }
        let special = encoding.get_special_tokens_mask();
        let before = special.iter().take_while(|&&special| special == 1).count();
        let behind = special[before..].iter().rev().take_while(|&&special| special == 1).count();
        Ok(Ids { ids, before, behind })
    }
}

/// What may stand in front of a text, by name: `query: ` and the like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Prompts {
    /// Each prompt by its name.
    pub prompts: std::collections::BTreeMap<String, String>,
    /// The prompt of texts that ask for none.
    pub default_prompt_name: Option<String>,
}

impl Prompts {
    const FILE: &str = "config_sentence_transformers.json";

    /// Of a model's folder; none where it tells none.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        if !path.is_file() {
            return Ok(Self::default());
        }
        let found: Self = read_json(&path)?;
        match &found.default_prompt_name {
            Some(name) if !found.prompts.contains_key(name) => {
                Err(Error::model(&path, format!("default_prompt_name {name:?} is not among the prompts")))
            }
            _ => Ok(found),
        }
    }

    /// What stands in front of a text: the named prompt, or the default one.
    ///
    /// # Errors
    /// The names that there are, where the name is not among them.
    pub fn prompt(&self, name: Option<&str>) -> std::result::Result<&str, Vec<&str>> {
        let Some(name) = name.or(self.default_prompt_name.as_deref()) else { return Ok("") };
        let prompt = self.prompts.get(name).map(String::as_str);
        prompt.ok_or_else(|| self.prompts.keys().map(String::as_str).collect())
    }
}
