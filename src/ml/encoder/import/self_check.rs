//! A model's first use, before it has a name: texts that make tokenizers and networks fail.

use crate::ml::encoder::folder::Parts;
use crate::ml::encoder::{TruncationDirection, encode_all_raw, tokenize};

/// Scripts, signs and silence.
const TEXTS: &[&str] = &[
    "",
    " ",
    "Data Scientist",
    "データ分析担当 看護師",
    "ДАННЫЕ учёный",
    "عالم بيانات",
    "डेटा वैज्ञानिक",
    "데이터 과학자",
    "e\u{301} \u{fb01} \u{200d} \u{feff} \u{0} \u{fffd}",
    "👩\u{200d}🔬 🇯🇵 \u{10ffff}",
    "[CLS] <s> </s> [MASK] <mask> [PAD]",
];
/// Bytes of a text that a request may have.
const LONGEST: usize = 100_000;

pub(super) fn encode(parts: &Parts) -> Result<(), String> {
    let Parts { tokenizer, prompts, encoder } = parts;
    let prompt = prompts.prompt(None).unwrap_or_default();
    let (rows, _) = encoder.word_embeddings().size();
    let long = ["a".repeat(LONGEST), "data ".repeat(LONGEST / 5), "看護師".repeat(LONGEST / 9)];
    let mut ids = Vec::new();
    for text in TEXTS.iter().copied().chain(long.iter().map(String::as_str)) {
        let shown: String = text.chars().take(20).collect();
        tokenizer.try_encode(text).map_err(|reason| format!("its tokenizer cannot read {shown:?}: {reason}"))?;
        let tokens = tokenize(tokenizer, prompt, text, encoder.max_tokens(), TruncationDirection::Right).ids;
        if tokens.iter().any(|&id| i64::from(id) >= rows) {
            return Err(format!("its tokenizer makes ids of {shown:?} that the table of words does not have"));
        }
        ids.push(tokens);
    }
    let texts: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let vectors = encode_all_raw(&**encoder, &texts);
    if vectors.isfinite().all().int64_value(&[]) == 0 {
        return Err("it makes vectors that are not numbers of ordinary texts".to_owned());
    }
    Ok(())
}
