//! A model in memory: tokenizer, network, card.

use std::sync::Arc;

use super::Encoder;
use super::card::ModelCard;
use super::tokenizer::{Ids, Prompts, Tokenizer};

/// Which end of a text that is too long is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TruncationDirection {
    /// The end goes.
    #[default]
    Right,
    /// The beginning goes.
    Left,
}

/// A text's token ids as the encoder reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, `<s>` and `</s>` included.
    pub ids: Vec<u32>,
    /// Tokens that were cut because the text is longer than the model reads.
    pub dropped: usize,
}

/// What a model folder loads into.
pub struct Model {
    /// Text to ids. Shared by threads.
    pub tokenizer: Arc<Tokenizer>,
    /// What may stand in front of texts.
    pub prompts: Arc<Prompts>,
    /// Ids to vectors.
    pub encoder: Box<dyn Encoder>,
    /// What the folder says of itself.
    pub card: ModelCard,
}

impl Model {
    /// The same tokenizer and card around another encoder.
    #[must_use]
    pub fn with_encoder(&self, encoder: Box<dyn Encoder>) -> Self {
        Self {
            tokenizer: Arc::clone(&self.tokenizer),
            prompts: Arc::clone(&self.prompts),
            encoder,
            card: self.card.clone(),
        }
    }

    /// A text's tokens, the default prompt in front, the end cut where it is too long.
    pub fn tokenize(&self, text: &str) -> Tokens {
        let prompt = self.prompts.prompt(None).unwrap_or_default();
        tokenize(&self.tokenizer, prompt, text, self.encoder.max_tokens(), TruncationDirection::Right)
    }
}

/// The ids of a text with a prompt in front, cut to `max_tokens`; the tokenizer's own first and last ones
/// are kept.
///
/// A text of more than 100,000 bytes (less where a tokenizer's rules make much of few) is cut before, so that time
/// and memory are bounded; how many tokens the rest of it has is then an estimate.
pub fn tokenize(
    tokenizer: &Tokenizer,
    prompt: &str,
    text: &str,
    max_tokens: usize,
    direction: TruncationDirection,
) -> Tokens {
    let longest = tokenizer.longest();
    let (read, unread) = match direction {
        TruncationDirection::Right => text.split_at(text.floor_char_boundary(longest)),
        TruncationDirection::Left => {
            let (unread, read) = text.split_at(text.ceil_char_boundary(text.len().saturating_sub(longest)));
            (read, unread)
        }
    };
    let Ids { mut ids, before, behind } =
        if prompt.is_empty() { tokenizer.encode(read) } else { tokenizer.encode(&format!("{prompt}{read}")) };
    let unread = ids.len() * unread.len() / read.len().max(1);
    let dropped = ids.len().saturating_sub(max_tokens);
    if dropped > 0 {
        let from = if direction == TruncationDirection::Left { before } else { ids.len() - behind - dropped };
        ids.drain(from..from + dropped);
    }
    Tokens { ids, dropped: dropped + unread }
}
