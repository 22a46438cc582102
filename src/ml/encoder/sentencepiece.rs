//! SentencePiece's unigram encoder, exactly: the same ids as the reference library.
//!
//! Two details decide equality where other implementations differ: the normalizer looks for the
//! longest *byte* prefix in its map (not grapheme by grapheme), and path scores are summed in
//! float32 (in float64, ties break differently).
//!
//! Kudo and Richardson 2018, "SentencePiece"; Kudo 2018, "Subword Regularization" (unigram model).

use std::collections::HashMap;
use std::ops::Range;

use super::protobuf::{self, Value};

/// What SentencePiece writes in place of a space: U+2581.
const SPACE: &str = "\u{2581}";
/// Added below the smallest score for a character that no piece covers.
const UNKNOWN_PENALTY: f32 = 10.0;

/// The kind of a piece, by its number in the model file.
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;
const UNUSED: u64 = 5;
const BYTE: u64 = 6;

/// A unigram SentencePiece model: text to ids.
#[derive(Debug)]
pub struct SentencePiece {
    normalizer: Normalizer,
    /// All pieces that can match text, sorted, one after another.
    bytes: Vec<u8>,
    /// Where each sorted piece ends in `bytes`.
    ends: Vec<u32>,
    /// Id and score of each sorted piece; `None` is a piece that is not used.
    entries: Vec<Option<(u32, f32)>>,
    /// For each first byte the range of sorted pieces that begin with it.
    first: Vec<(u32, u32)>,
    pieces: u32,
    unknown: u32,
    unknown_score: f32,
    bos: u32,
    eos: u32,
}

/// Bytes that the normalizer may make of a character. Unicode's longest, of U+FDFA, are 33.
const LONGEST_REPLACEMENT: usize = 128;
/// Bytes of a piece, which is looked for from each character on.
const LONGEST_PIECE: usize = 4096;
/// Pieces that are looked for one by one.
const MOST_USER_DEFINED: usize = 4096;

impl SentencePiece {
    /// Reads a model file (`ModelProto`).
    ///
    /// # Errors
    /// A sentence that says what the file is, where it is no unigram model that this encoder covers.
    pub fn parse(model: &[u8]) -> Result<Self, String> {
        let damaged = || "this is not a SentencePiece model".to_owned();
        let mut pieces: Vec<(&str, f32, u64)> = Vec::new();
        let mut normalizer = None;
        for (field, value) in protobuf::fields(model).ok_or_else(damaged)? {
            match field {
                1 => pieces.push(piece(value).ok_or_else(damaged)?),
                2 => refuse_other_kinds(value).ok_or_else(damaged)??,
                3 => normalizer = Some(value.bytes().ok_or_else(damaged)?),
                _ => {}
            }
        }
        if pieces.iter().any(|piece| piece.0.len() > LONGEST_PIECE) {
            return Err(format!("a piece of the vocabulary is longer than {LONGEST_PIECE} bytes"));
        }
        let user_defined: Vec<String> =
            pieces.iter().filter(|piece| piece.2 == USER_DEFINED).map(|piece| piece.0.to_owned()).collect();
        if user_defined.len() > MOST_USER_DEFINED {
            return Err(format!("more than {MOST_USER_DEFINED} pieces are user-defined"));
        }
        let normalizer = Normalizer::parse(normalizer.unwrap_or_default(), user_defined).ok_or_else(damaged)?;
        if normalizer.replacements.split(|&byte| byte == 0).any(|text| text.len() > LONGEST_REPLACEMENT) {
            return Err(format!("the normalizer could make more than {LONGEST_REPLACEMENT} bytes of one character"));
        }
        Self::index(&pieces, normalizer)
    }

    fn index(pieces: &[(&str, f32, u64)], normalizer: Normalizer) -> Result<Self, String> {
        if let Some(piece) = pieces.iter().find(|piece| piece.2 == BYTE) {
            return Err(format!("byte fallback (piece {:?}) is not supported", piece.0));
        }
        let find = |wanted: &dyn Fn(&(&str, f32, u64)) -> bool| {
            pieces.iter().position(wanted).and_then(|id| u32::try_from(id).ok())
        };
        let unknown = find(&|piece| piece.2 == UNKNOWN).ok_or("the model has no unknown piece")?;
        let bos = find(&|piece| piece.0 == "<s>").ok_or("the model has no <s> piece")?;
        let eos = find(&|piece| piece.0 == "</s>").ok_or("the model has no </s> piece")?;

        let normal = || pieces.iter().filter(|piece| piece.2 == 1).map(|piece| piece.1);
        let lowest = normal().fold(f32::INFINITY, f32::min);
        let highest = normal().fold(f32::NEG_INFINITY, f32::max);

        let mut sorted = Vec::with_capacity(pieces.len());
        for (id, (text, score, kind)) in (0..).zip(pieces) {
            // Control and unknown pieces never match text.
            let entry = match *kind {
                CONTROL | UNKNOWN => continue,
                UNUSED => None,
                // A user-defined piece always wins over what it is made of.
                USER_DEFINED => Some((id, text.len() as f32 * highest - 0.1)),
                _ => Some((id, *score)),
            };
            sorted.push((text.as_bytes(), entry));
        }
        sorted.sort_unstable_by_key(|piece| piece.0);
        // The search below counts on it, as the reference library does, which takes neither.
        if sorted.first().is_some_and(|piece| piece.0.is_empty()) {
            return Err("a piece of the model has no text".to_owned());
        }
        if sorted.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err("a piece stands in the model twice".to_owned());
        }

        let mut first = vec![(0, 0); 256];
        let (mut bytes, mut ends, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (text, entry)) in (0_u32..).zip(sorted) {
            let Some(&byte) = text.first() else { continue };
            let range = &mut first[usize::from(byte)];
            *range = if range.1 == 0 { (place, place + 1) } else { (range.0, place + 1) };
            bytes.extend_from_slice(text);
            ends.push(u32::try_from(bytes.len()).map_err(|_| "the vocabulary is too large")?);
            entries.push(entry);
        }
        let pieces = u32::try_from(pieces.len()).map_err(|_| "the vocabulary is too large")?;
        let unknown_score = lowest - UNKNOWN_PENALTY;
        Ok(Self { normalizer, bytes, ends, entries, first, pieces, unknown, unknown_score, bos, eos })
    }

    /// How many pieces the model has; every id is below it.
    pub fn pieces(&self) -> u32 {
        self.pieces
    }

    /// The tokens that stand around every text: ids and names.
    pub(super) fn ends(&self) -> ((u32, &'static str), (u32, &'static str)) {
        ((self.bos, "<s>"), (self.eos, "</s>"))
    }

    /// The ids of a text between `<s>` and `</s>`.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.bos];
        ids.extend(self.path(&self.normalizer.normalize(text, |_, _| {})).into_iter().map(|(id, _)| id));
        ids.push(self.eos);
        ids
    }

    /// A text's pieces, without `<s>` and `</s>`: the id of each and the bytes of the text that it stands for.
    /// What the normalizer puts in or takes out belongs to no byte: such a piece has an empty range.
    pub(super) fn spans(&self, text: &str) -> Vec<(u32, Range<usize>)> {
        // Where each stretch of the normalized text ends, and the bytes that it came from.
        let mut stretches: Vec<(usize, Range<usize>)> = Vec::new();
        let normalized = self.normalizer.normalize(text, |end, from| stretches.push((end, from)));
        let stretch = |byte: usize| &stretches[stretches.partition_point(|(end, _)| *end <= byte)].1;
        let pieces = self.path(&normalized);
        let ends = pieces.iter().skip(1).map(|piece| piece.1).chain([normalized.len()]);
        let spans = pieces.iter().zip(ends);
        spans.map(|(&(id, start), end)| (id, stretch(start).start..stretch(end - 1).end)).collect()
    }

    /// The best path through a normalized text (Viterbi over byte positions): ids, and where each piece begins.
    fn path(&self, text: &str) -> Vec<(u32, usize)> {
        /// The best way to reach a byte position: score, where its last piece starts, that piece.
        #[derive(Clone, Copy)]
        struct Best {
            score: f32,
            start: usize,
            id: u32,
        }
        let mut best: Vec<Option<Best>> = vec![None; text.len() + 1];
        let reach = |best: &mut Vec<Option<Best>>, end: usize, candidate: Best| {
            if best[end].is_none_or(|known| candidate.score > known.score) {
                best[end] = Some(candidate);
            }
        };
        for (start, character) in text.char_indices() {
            let so_far = best[start].map_or(0.0, |best| best.score);
            let single = start + character.len_utf8();
            let mut single_is_known = false;
            self.matches(&text.as_bytes()[start..], |length, id, score| {
                single_is_known |= start + length == single;
                reach(&mut best, start + length, Best { score: score + so_far, start, id });
            });
            if !single_is_known {
                let score = self.unknown_score + so_far;
                reach(&mut best, single, Best { score, start, id: self.unknown });
            }
        }

        let mut pieces: Vec<(u32, usize)> = Vec::new();
        let mut end = text.len();
        while let Some(piece) = best[end].filter(|_| end > 0) {
            match pieces.last_mut() {
                // Neighbouring unknown characters are one unknown piece.
                Some(last) if piece.id == self.unknown && last.0 == self.unknown => last.1 = piece.start,
                _ => pieces.push((piece.id, piece.start)),
            }
            end = piece.start;
        }
        pieces.reverse();
        pieces
    }

    /// Calls `found(length, id, score)` for every piece that `text` begins with, shortest first.
    fn matches(&self, text: &[u8], mut found: impl FnMut(usize, u32, f32)) {
        let Some(&byte) = text.first() else { return };
        let (mut low, mut high) = self.first[usize::from(byte)];
        // Pieces in low..high share the first `length` bytes of the text.
        for length in 1..=text.len() {
            if low < high && self.piece(low).len() == length {
                if let Some((id, score)) = self.entries[low as usize] {
                    found(length, id, score);
                }
                low += 1;
            }
            let Some(&next) = text.get(length) else { return };
            low = self.bound(low, high, |piece| piece[length] < next);
            high = self.bound(low, high, |piece| piece[length] == next);
            if low == high {
                return;
            }
        }
    }

    fn piece(&self, place: u32) -> &[u8] {
        let place = place as usize;
        let start = if place == 0 { 0 } else { self.ends[place - 1] };
        &self.bytes[start as usize..self.ends[place] as usize]
    }

    /// The first place in `low..high` whose piece does not satisfy `before`.
    fn bound(&self, mut low: u32, mut high: u32, before: impl Fn(&[u8]) -> bool) -> u32 {
        while low < high {
            let middle = low + (high - low) / 2;
            if before(self.piece(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// `SentencePiece { piece = 1, score = 2, type = 3 }`; the type is NORMAL (1) where none is given.
fn piece(value: Value<'_>) -> Option<(&str, f32, u64)> {
    let mut piece = ("", 0.0, 1);
    for (field, value) in protobuf::fields(value.bytes()?)? {
        match field {
            1 => piece.0 = value.text()?,
            2 => piece.1 = value.float()?,
            3 => piece.2 = value.varint()?,
            _ => {}
        }
    }
    Some(piece)
}

/// `TrainerSpec`: model type (3) must be unigram (1); byte fallback (35) and spaces as suffixes
/// (24) are other algorithms.
fn refuse_other_kinds(value: Value<'_>) -> Option<Result<(), String>> {
    for (field, value) in protobuf::fields(value.bytes()?)? {
        let refused = match (field, value.varint()) {
            (3, Some(1)) => None,
            (3, _) => Some("only unigram SentencePiece models are supported, this one is of another type"),
            (24, Some(1)) => Some("SentencePiece models that treat spaces as suffixes are not supported"),
            (35, Some(1)) => Some("SentencePiece models with byte fallback are not supported"),
            _ => None,
        };
        if let Some(reason) = refused {
            return Some(Err(reason.to_owned()));
        }
    }
    Some(Ok(()))
}

/// `NormalizerSpec`: rewrites characters by a map, then treats spaces.
#[derive(Debug)]
struct Normalizer {
    /// A double-array trie over byte strings; a leaf's value is a place in `replacements`.
    trie: Vec<u32>,
    /// NUL-terminated strings.
    replacements: Vec<u8>,
    /// Pieces that are left as they are, longest match first.
    user_defined: HashMap<u8, Vec<String>>,
    add_dummy_prefix: bool,
    remove_extra_whitespaces: bool,
    escape_whitespaces: bool,
}

impl Normalizer {
    fn parse(spec: &[u8], pieces: Vec<String>) -> Option<Self> {
        let (mut trie, mut replacements) = (Vec::new(), Vec::new());
        let (mut add_dummy_prefix, mut remove_extra_whitespaces, mut escape_whitespaces) = (true, true, true);
        for (field, value) in protobuf::fields(spec)? {
            match field {
                2 if !value.bytes()?.is_empty() => {
                    // u32 size of the trie in bytes, the trie, the replacements.
                    let (size, rest) = value.bytes()?.split_first_chunk::<4>()?;
                    let (units, strings) = rest.split_at_checked(u32::from_le_bytes(*size) as usize)?;
                    trie = units.as_chunks::<4>().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
                    replacements = strings.to_vec();
                }
                3 => add_dummy_prefix = value.varint()? != 0,
                4 => remove_extra_whitespaces = value.varint()? != 0,
                5 => escape_whitespaces = value.varint()? != 0,
                _ => {}
            }
        }
        let mut user_defined: HashMap<u8, Vec<String>> = HashMap::new();
        for piece in pieces {
            user_defined.entry(*piece.as_bytes().first()?).or_default().push(piece);
        }
        for pieces in user_defined.values_mut() {
            pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len()));
        }
        Some(Self { trie, replacements, user_defined, add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces })
    }

    /// `tell` hears of each stretch where it ends in the normalized text, and the bytes of `whole` that it came from.
    fn normalize(&self, whole: &str, mut tell: impl FnMut(usize, Range<usize>)) -> String {
        let space = if self.escape_whitespaces { SPACE } else { " " };
        let mut text = whole;
        if self.remove_extra_whitespaces {
            while let Some((" ", length)) = self.prefix(text) {
                text = &text[length..];
            }
        }
        if text.is_empty() {
            return String::new();
        }
        let mut normalized = String::with_capacity(text.len() + text.len() / 4 + 3);
        if self.add_dummy_prefix {
            normalized.push_str(space);
            let start = whole.len() - text.len();
            tell(normalized.len(), start..start);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while let Some((mut piece, length)) = self.prefix(text) {
            let start = whole.len() - text.len();
            text = &text[length..];
            if after_space {
                piece = piece.trim_start_matches(' ');
            }
            if !piece.is_empty() {
                for (place, part) in piece.split(' ').enumerate() {
                    if place > 0 {
                        normalized.push_str(space);
                    }
                    normalized.push_str(part);
                }
                after_space = piece.ends_with(' ');
                tell(normalized.len(), start..start + length);
            }
            after_space &= self.remove_extra_whitespaces;
        }
        if self.remove_extra_whitespaces {
            normalized.truncate(normalized.trim_end_matches(space).len());
        }
        normalized
    }

    /// The replacement of the longest known prefix of `text`, and that prefix's length in bytes;
    /// a character that the map does not know stands for itself. `None` at the text's end.
    fn prefix<'a>(&'a self, text: &'a str) -> Option<(&'a str, usize)> {
        let first = *text.as_bytes().first()?;
        if let Some(pieces) = self.user_defined.get(&first)
            && let Some(piece) = pieces.iter().find(|piece| text.starts_with(piece.as_str()))
        {
            return Some((&text[..piece.len()], piece.len()));
        }
        if let Some((value, length)) = self.longest_in_trie(text.as_bytes())
            && let Some(replacement) = self.replacements.get(value..)
            && let Some(end) = replacement.iter().position(|&byte| byte == 0)
            && let Ok(replacement) = std::str::from_utf8(&replacement[..end])
            && text.is_char_boundary(length)
        {
            return Some((replacement, length));
        }
        let length = text.chars().next()?.len_utf8();
        Some((&text[..length], length))
    }

    /// Walks Darts-clone's double array: a unit holds the label, the offset to its children, and
    /// whether one of them is a leaf, whose unit holds a value.
    fn longest_in_trie(&self, text: &[u8]) -> Option<(usize, usize)> {
        let offset = |unit: u32| (unit >> 10) << ((unit & (1 << 9)) >> 6);
        let mut place = offset(*self.trie.first()?);
        let mut longest = None;
        for (index, &byte) in text.iter().enumerate() {
            place ^= u32::from(byte);
            let Some(&unit) = self.trie.get(place as usize) else { break };
            if unit & (1 << 31 | 0xff) != u32::from(byte) {
                break;
            }
            place ^= offset(unit);
            if unit & (1 << 8) != 0 {
                let Some(&leaf) = self.trie.get(place as usize) else { break };
                let value = leaf & !(1 << 31);
                longest = Some((value as usize, index + 1));
            }
        }
        longest
    }
}
