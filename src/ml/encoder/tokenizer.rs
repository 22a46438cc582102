//! Text to token ids.

use std::borrow::Cow;

use serde::Deserialize;

use super::model_files::ModelFiles;
use super::sentencepiece::SentencePiece;
use super::tokenizer_rules;
use crate::ml::{Error, Result};

/// The most bytes of a text that are cut into tokens.
const LONGEST_READ: usize = 100_000;
/// The most characters that a tokenizer's rules may make of a text. XLM-RoBERTa's make 36 of one, so that its texts are
/// read as far as all others'.
const MOST_CHARACTERS: usize = 4_000_000;

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
    /// Bytes of a text that are read at most.
    longest: usize,
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
    /// Out of the bytes of a `tokenizer.json`, or why not. Rules that could make much of a short text are refused.
    pub(crate) fn of_transformer(bytes: &[u8], lowercase: bool) -> Result<Self, String> {
        let wrong = |error: tokenizers::Error| error.to_string();
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes).map_err(wrong)?;
        tokenizer.with_truncation(None).map_err(wrong)?.with_padding(None);
        let growth = tokenizer_rules::growth(&tokenizer)?;
        let longest = LONGEST_READ.min(MOST_CHARACTERS / growth);
        Ok(Self::Transformer(Box::new(TransformerTokenizer { tokenizer, lowercase, longest })))
    }

    /// The most bytes of a text that are cut into tokens: far more than a model reads.
    pub(super) fn longest(&self) -> usize {
        match self {
            Self::SentencePiece(_) => LONGEST_READ,
            Self::Transformer(tokenizer) => tokenizer.longest,
        }
    }

    /// Whether its rules make so much of a character that less of a text is read.
    pub(super) fn reads_less(&self) -> bool {
        self.longest() < LONGEST_READ
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

    /// Of a model's files; none where they tell none.
    pub(super) fn read(files: &ModelFiles) -> Result<Self> {
        let found: Self = files.json_if_there(Self::FILE)?.unwrap_or_default();
        match &found.default_prompt_name {
            Some(name) if !found.prompts.contains_key(name) => {
                let reason = format!("default_prompt_name {name:?} is not among the prompts");
                Err(Error::model(&files.path(Self::FILE), reason))
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
