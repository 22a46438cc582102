//! Where a text's tokens stand in it.

use std::ops::Range;

use super::tokenizer::{Tokenizer, TransformerTokenizer};

/// A token, and the part of the text that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSpan {
    /// Its place in the vocabulary.
    pub id: u32,
    /// The part of prompt and text that it stands for, as they were written; a special token's name.
    pub text: String,
    /// Whether the tokenizer put it there.
    pub special: bool,
    /// Its first character and the one after its last, in characters of the text without its prompt; `None` for
    /// what is not of the text. A token that the normalizer put in stands for no character.
    pub place: Option<Range<usize>>,
}

/// A token as tokenizers tell it: its range counts characters of prompt and text together.
struct Found {
    id: u32,
    /// The name of a special token.
    special: Option<String>,
    range: Range<usize>,
}

impl Tokenizer {
    /// All tokens of a text with a prompt in front, none cut, with the tokenizer's own first and last ones
    /// where `special` asks for them.
    pub fn spans(&self, prompt: &str, text: &str, special: bool) -> Vec<TokenSpan> {
        // Where the rules make much of little, as much as is read at all.
        let longest = if self.reads_less() { self.longest() } else { text.len() };
        let whole = format!("{prompt}{}", &text[..text.floor_char_boundary(longest)]);
        let found = match self {
            Self::SentencePiece(tokenizer) => {
                let own = |(id, name): (u32, &str)| Found { id, special: Some(name.to_owned()), range: 0..0 };
                let (first, last) = tokenizer.ends();
                let character = characters(&whole);
                let pieces = tokenizer.spans(&whole).into_iter().map(|(id, bytes)| Found {
                    id,
                    special: None,
                    range: character[bytes.start]..character[bytes.end],
                });
                let (first, last) = (special.then(|| own(first)), special.then(|| own(last)));
                first.into_iter().chain(pieces).chain(last).collect()
            }
            Self::Transformer(tokenizer) => of_transformer(tokenizer, &whole, special),
        };
        let prompt = prompt.chars().count();
        let starts: Vec<usize> = whole.char_indices().map(|(byte, _)| byte).chain([whole.len()]).collect();
        let span = |Found { id, special, range }: Found| {
            // What ends within the prompt is the prompt's.
            let of_text = special.is_none() && (range.end > prompt || range.start >= prompt);
            let place = of_text.then(|| range.start.saturating_sub(prompt)..range.end - prompt);
            let is_special = special.is_some();
            let text = special.unwrap_or_else(|| whole[starts[range.start]..starts[range.end]].to_owned());
            TokenSpan { id, text, special: is_special, place }
        };
        found.into_iter().map(span).collect()
    }
}

/// For each byte where a character begins, and for the end, how many characters stand before it.
fn characters(text: &str) -> Vec<usize> {
    let mut before = vec![0; text.len() + 1];
    for (index, (byte, character)) in text.char_indices().enumerate() {
        before[byte + character.len_utf8()] = index + 1;
    }
    before
}

fn of_transformer(tokenizer: &TransformerTokenizer, text: &str, special: bool) -> Vec<Found> {
    // A character may have more than one in lower case: which one each of those came from.
    let lower = tokenizer.lowercase.then(|| {
        let characters = text.chars().enumerate();
        let from = characters.flat_map(|(index, character)| character.to_lowercase().map(move |_| index));
        (text.to_lowercase(), from.collect::<Vec<_>>())
    });
    let read = lower.as_ref().map_or(text, |(text, _)| text);
    // There is no text that a tokenizer cannot read, if it was checked when it was imported.
    let Ok(encoding) = tokenizer.tokenizer.encode_char_offsets(read, special) else { return Vec::new() };
    let whole = text.chars().count();
    let range = |(start, end): (usize, usize)| match &lower {
        None => start.min(whole)..end.min(whole),
        Some((_, from)) => {
            let place = |index: usize| from.get(index).copied().unwrap_or(whole);
            place(start)..if end > start { place(end - 1) + 1 } else { place(start) }
        }
    };
    let tokens = encoding.get_ids().iter().zip(encoding.get_tokens());
    let marks = encoding.get_special_tokens_mask().iter().zip(encoding.get_offsets());
    tokens
        .zip(marks)
        .map(|((&id, name), (&special, &offsets))| Found {
            id,
            special: (special == 1).then(|| name.clone()),
            range: if special == 1 { 0..0 } else { range(offsets) },
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_the_users_characters_whatever_lower_case_makes_of_them() {
        let vocabulary = ["[UNK]", "i\u{307}stanbul", "stra\u{df}e", "e", "n"];
        let vocab: serde_json::Map<_, _> =
            vocabulary.iter().zip(0..).map(|(word, id)| ((*word).to_owned(), id.into())).collect();
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "[UNK]" },
        });
        let tokenizer = Tokenizer::of_transformer(json.to_string().as_bytes(), true).unwrap();
        let told = |prompt: &str, text: &str| {
            let spans = tokenizer.spans(prompt, text, true);
            spans.into_iter().map(|span| (span.id, span.text, span.place)).collect::<Vec<_>>()
        };
        // In lower case the first word is a character longer.
        let spans = told("", "\u{130}STANBUL N \u{1f389}");
        assert_eq!(
            spans,
            [
                (1, "\u{130}STANBUL".to_owned(), Some(0..8)),
                (4, "N".to_owned(), Some(9..10)),
                (0, "\u{1f389}".to_owned(), Some(11..12))
            ]
        );
        // A prompt's tokens are not of the text.
        assert_eq!(told("E ", "N"), [(3, "E".to_owned(), None), (4, "N".to_owned(), Some(0..1))]);
    }
}
