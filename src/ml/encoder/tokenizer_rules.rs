//! What a stranger's `tokenizer.json` may ask for.
//!
//! Its rules are run on every text of every request, and a few of them can make gigabytes of one letter: a
//! replacement by a thousand letters, four times over. So each kind of rule that the supported families use is known
//! here with the most characters that it makes of one, and what a file's rules make together is bounded. Everything
//! else is refused, when a model is imported and whenever it is loaded.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

/// Characters that all rules together may make of one. XLM-RoBERTa's make 36, ModernBERT's 12.
const MOST_GROWTH: usize = 128;
/// Characters that one replacement may put in the place of each that it takes.
const MOST_FOR_ONE: usize = 4;
/// Rules, one after another. Published files have at most five.
const MOST_STEPS: usize = 32;
/// Tokens around a text, and ids of each.
const MOST_AROUND: usize = 16;
/// Characters of a word that WordPiece looks up: its time grows with their square. Published files say 100.
const LONGEST_WORD: usize = 256;
/// Characters of a piece of Unigram, which is looked for from each character on.
const LONGEST_PIECE: usize = 1000;
/// Characters of what BPE and WordPiece put before or behind pieces: `##` and `</w>`.
const LONGEST_AFFIX: usize = 16;

/// The most characters that a tokenizer makes of one of a text's, before that becomes tokens.
///
/// # Errors
/// Why its rules are not run.
pub(super) fn growth(tokenizer: &Tokenizer) -> Result<usize, String> {
    let mut steps = Steps { growth: 1, count: 0 };
    if let Some(normalizer) = tokenizer.get_normalizer() {
        steps.take("normalizer", &json(normalizer)?)?;
    }
    if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
        steps.take("pre_tokenizer", &json(pre_tokenizer)?)?;
    }
    if let Some(processor) = tokenizer.get_post_processor() {
        around(&json(processor)?)?;
    }
    model(tokenizer.get_model())?;
    Ok(steps.growth)
}

/// A rule as the crate has understood it, whatever the file had beside that.
fn json(rule: &impl Serialize) -> Result<Value, String> {
    serde_json::to_value(rule).map_err(|error| error.to_string())
}

struct Steps {
    growth: usize,
    count: usize,
}

impl Steps {
    fn take(&mut self, part: &str, rule: &Value) -> Result<(), String> {
        let kind = rule["type"].as_str().unwrap_or_default();
        if kind == "Sequence" {
            let rules = ["normalizers", "pretokenizers"].iter().find_map(|key| rule[key].as_array());
            return rules.into_iter().flatten().try_for_each(|rule| self.take(part, rule));
        }
        self.count += 1;
        if self.count > MOST_STEPS {
            return Err(format!("its normalizer and pre_tokenizer have more than {MOST_STEPS} rules"));
        }
        let times = match kind {
            "Strip" | "StripAccents" | "Nmt" => 1,
            "NFC" | "Lowercase" => 3,
            "NFD" | "BertNormalizer" => 4,
            // U+FDFA is a phrase of 18 letters.
            "NFKC" | "NFKD" => 18,
            // Each byte becomes a character.
            "ByteLevel" => 4,
            "Precompiled" => longest_replacement(rule)?,
            "Replace" => replaced(rule)?,
            "Prepend" => 1 + few(part, kind, rule["prepend"].as_str().unwrap_or_default(), 1)?,
            // A mark in front of each word.
            "Metaspace" => 1,
            "BertPreTokenizer" | "CharDelimiterSplit" | "Digits" | "FixedLength" | "Punctuation" | "Split"
            | "UnicodeScripts" | "Whitespace" | "WhitespaceSplit" => 1,
            other => return Err(format!("its {part} is of the kind {other:?}, which is not supported")),
        };
        self.growth = self.growth.saturating_mul(times);
        if self.growth > MOST_GROWTH {
            return Err(format!(
                "the rules of its normalizer and pre_tokenizer could make more than {MOST_GROWTH} characters of one"
            ));
        }
        Ok(())
    }
}

fn replaced(rule: &Value) -> Result<usize, String> {
    let content = rule["content"].as_str().unwrap_or_default();
    match rule["pattern"]["String"].as_str().map(|pattern| pattern.chars().count()) {
        Some(taken @ 1..) => Ok(few("normalizer", "Replace", content, taken)?.div_ceil(taken).max(1)),
        // A pattern may take nothing, at each place of a text.
        _ => Ok(1 + few("normalizer", "Replace", content, 1)?),
    }
}

/// The characters of what a rule puts in for `taken` others.
fn few(part: &str, kind: &str, content: &str, taken: usize) -> Result<usize, String> {
    let count = content.chars().count();
    if count > MOST_FOR_ONE * taken {
        return Err(format!(
            "its {part} has a {kind} that puts in {count} characters for {taken}; {MOST_FOR_ONE} for each are the most, so that a short text cannot become a huge one"
        ));
    }
    Ok(count)
}

/// The longest text that a table of SentencePiece's puts in for one character.
fn longest_replacement(rule: &Value) -> Result<usize, String> {
    let table = rule["precompiled_charsmap"].as_str().unwrap_or_default();
    let table = BASE64_STANDARD.decode(table).map_err(|error| format!("its precompiled_charsmap: {error}"))?;
    // The length of what finds replacements, that, and the replacements with a zero behind each.
    let length = table.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let replacements = table.get(4 + length..).unwrap_or_default();
    let characters = |text: &[u8]| text.iter().filter(|byte| (**byte).cast_signed() >= -0x40).count();
    Ok(replacements.split(|&byte| byte == 0).map(characters).max().unwrap_or(1).max(1))
}

/// What stands around a text's tokens.
fn around(rule: &Value) -> Result<(), String> {
    let too_much = || format!("its post_processor repeats the text, or puts more than {MOST_AROUND} tokens around it");
    match rule["type"].as_str().unwrap_or_default() {
        "Sequence" => {
            let rules = rule["processors"].as_array().map(Vec::as_slice).unwrap_or_default();
            if rules.len() > MOST_AROUND { Err(too_much()) } else { rules.iter().try_for_each(around) }
        }
        "TemplateProcessing" => {
            let pieces = rule["single"].as_array().map(Vec::as_slice).unwrap_or_default();
            let texts = pieces.iter().filter(|piece| piece["Sequence"].is_object()).count();
            let ids = |token: &Value| token["ids"].as_array().map_or(0, Vec::len);
            let most_ids = rule["special_tokens"].as_object().into_iter().flat_map(|all| all.values()).map(ids).max();
            if texts > 1 || pieces.len() > MOST_AROUND || most_ids > Some(MOST_AROUND) {
                Err(too_much())
            } else {
                Ok(())
            }
        }
        "BertProcessing" | "RobertaProcessing" | "ByteLevel" => Ok(()),
        other => Err(format!("its post_processor is of the kind {other:?}, which is not supported")),
    }
}

fn model(model: &ModelWrapper) -> Result<(), String> {
    let affix = |affix: Option<&String>| match affix {
        Some(long) if long.chars().count() > LONGEST_AFFIX => {
            Err(format!("what its model puts around pieces is longer than {LONGEST_AFFIX} characters"))
        }
        _ => Ok(()),
    };
    match model {
        ModelWrapper::BPE(bpe) => {
            if bpe.dropout.is_some_and(|rate| rate != 0.0) {
                return Err("its model has a dropout: it would cut a text in another way each time".to_owned());
            }
            affix(bpe.continuing_subword_prefix.as_ref())?;
            affix(bpe.end_of_word_suffix.as_ref())
        }
        ModelWrapper::WordPiece(pieces) => {
            let most = pieces.max_input_chars_per_word;
            if most > LONGEST_WORD {
                return Err(format!("its max_input_chars_per_word is {most}; {LONGEST_WORD} is the most"));
            }
            affix(Some(&pieces.continuing_subword_prefix))
        }
        ModelWrapper::Unigram(unigram) => {
            let long = unigram.iter().find(|(piece, _)| piece.chars().count() > LONGEST_PIECE);
            match long {
                Some(_) => Err(format!("a piece of its vocabulary is longer than {LONGEST_PIECE} characters")),
                None => Ok(()),
            }
        }
        ModelWrapper::WordLevel(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::encoder::SentencePiece;
    use serde_json::json;

    fn with(normalizer: &Value, pre_tokenizer: &Value) -> Value {
        json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": null, "decoder": null,
            "model": { "type": "WordLevel", "vocab": { "[UNK]": 0 }, "unk_token": "[UNK]" }
        })
    }

    fn ruled(tokenizer: &Value) -> Result<usize, String> {
        growth(&Tokenizer::from_bytes(tokenizer.to_string()).map_err(|error| error.to_string())?)
    }

    fn sequence(rules: &[Value]) -> Value {
        json!({ "type": "Sequence", "normalizers": rules })
    }

    fn replace(pattern: &Value, content: &str) -> Value {
        json!({ "type": "Replace", "pattern": pattern, "content": content })
    }

    #[test]
    fn the_rules_of_the_supported_families_are_taken() {
        let none = Value::Null;
        let bert = json!({ "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true });
        let byte_level =
            json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
        let metaspace = json!({ "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true });
        let words = json!({ "type": "Sequence", "pretokenizers": [{ "type": "WhitespaceSplit" }, metaspace] });
        let spaces = json!({ "Regex": " {2,}" });
        for (growth, normalizer, pre_tokenizer) in [
            (4, bert, json!({ "type": "BertPreTokenizer" })),
            (4, none.clone(), byte_level.clone()),
            (12, json!({ "type": "NFC" }), byte_level),
            (36, sequence(&[json!({ "type": "Nmt" }), json!({ "type": "NFKC" }), replace(&spaces, " ")]), words),
            (
                2,
                sequence(&[json!({ "type": "Prepend", "prepend": "▁" }), replace(&json!({ "String": " " }), "▁")]),
                none,
            ),
        ] {
            assert_eq!(ruled(&with(&normalizer, &pre_tokenizer)), Ok(growth), "{normalizer}");
        }
    }

    #[test]
    fn rules_that_make_much_of_little_are_refused() {
        let (q, any) = (json!({ "String": "q" }), json!({ "Regex": "" }));
        let byte_level =
            json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
        let four = |rule: Value| sequence(&[rule.clone(), rule.clone(), rule.clone(), rule]);
        for (normalizer, pre_tokenizer, why) in [
            (four(replace(&q, &"q".repeat(1000))), Value::Null, "puts in 1000 characters for 1"),
            (replace(&any, "qqqqq"), Value::Null, "puts in 5 characters"),
            (sequence(&vec![replace(&q, "qqqq"); 5]), Value::Null, "more than 128 characters of one"),
            (sequence(&vec![json!({ "type": "Prepend", "prepend": "▁" }); 10]), Value::Null, "more than 128"),
            (json!({ "type": "Prepend", "prepend": "q".repeat(100) }), Value::Null, "puts in 100 characters"),
            (
                sequence(&vec![json!({ "type": "Strip", "strip_left": true, "strip_right": true }); 33]),
                Value::Null,
                "32 rules",
            ),
            (Value::Null, json!({ "type": "Sequence", "pretokenizers": vec![byte_level; 5] }), "more than 128"),
        ] {
            let refused = ruled(&with(&normalizer, &pre_tokenizer)).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let mut other = with(&Value::Null, &Value::Null);
        let a = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        other["post_processor"] =
            json!({ "type": "TemplateProcessing", "single": [a, a], "pair": [a], "special_tokens": {} });
        assert!(ruled(&other).unwrap_err().contains("repeats the text"));
        other["post_processor"] = Value::Null;
        other["model"] = json!({ "type": "WordPiece", "vocab": { "[UNK]": 0 }, "unk_token": "[UNK]",
            "continuing_subword_prefix": "##", "max_input_chars_per_word": 1_u64 << 62 });
        assert!(ruled(&other).unwrap_err().contains("max_input_chars_per_word is 4611686018427387904"));
        other["model"] = json!({ "type": "BPE", "vocab": { "a": 0 }, "merges": [], "dropout": 0.1 });
        assert!(ruled(&other).unwrap_err().contains("dropout"));
    }

    #[test]
    fn a_sentencepiece_model_is_held_to_the_same() {
        let field = |number: u8, bytes: &[u8]| {
            let length = u16::try_from(bytes.len()).unwrap();
            [&[number << 3 | 2, length as u8 | 0x80, (length >> 7) as u8][..], bytes].concat()
        };
        let of = |replacement: &str| {
            let table = [&0_u32.to_le_bytes()[..], replacement.as_bytes(), b"\0"].concat();
            SentencePiece::parse(&field(3, &field(2, &table))).err().unwrap()
        };
        assert_eq!(of(&"q".repeat(1000)), "the normalizer could make more than 128 bytes of one character");
        assert_eq!(of("qqqq"), "the model has no unknown piece");
    }

    #[test]
    fn a_table_of_replacements_is_known_by_its_longest() {
        let table = [&4_u32.to_le_bytes()[..], &[0; 4], "ab\0職種\0abc\0".as_bytes()].concat();
        let rule = json!({ "type": "Precompiled", "precompiled_charsmap": BASE64_STANDARD.encode(table) });
        assert_eq!(longest_replacement(&rule), Ok(3));
    }
}
