//! One text: when it is the same as another, what is odd about it, and how it is mended.

use std::borrow::Cow;
use std::hash::Hasher;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::damage::damaged;
use super::{Finding, Knowledge, Level, RowFacts, counted, grouped};
use crate::choices::Fix;
use crate::pair::TableKind;

/// Signs of one row's texts, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signs(pub u16);

impl Signs {
    /// Blanks at an end, a line break, a blank that is no blank (U+00A0), a control character.
    pub const STRAY: Self = Self(1);
    /// Characters that a wrong encoding made.
    pub const DAMAGED: Self = Self(2);
    /// The model reads only a part of a text.
    pub const TRUNCATED: Self = Self(4);
    /// A label that looks like several.
    pub const LISTED: Self = Self(8);

    /// Whether a sign is among them.
    pub fn has(self, sign: Self) -> bool {
        self.0 & sign.0 != 0
    }

    /// These and those.
    #[must_use]
    pub fn and(self, those: Self) -> Self {
        Self(self.0 | those.0)
    }
}

/// Shorter texts (in bytes) are not asked about whether they are cut: tokenising every text of a large table would
/// take longer than all the rest, and 200 bytes are some 50 tokens.
const LONG: usize = 200;

/// What two texts look like. `is_truncated` says whether the model reads only a part of a text; it is asked for long ones.
pub fn signs(left: &str, right: &str, is_truncated: Option<&dyn Fn(&str) -> bool>) -> Signs {
    let mut signs = Signs::default();
    for text in [left, right] {
        if !tidy(text) && stray(text) {
            signs = signs.and(Signs::STRAY);
        }
        if !text.is_ascii() && damaged(text) {
            signs = signs.and(Signs::DAMAGED);
        }
        if text.len() > LONG && is_truncated.is_some_and(|asked| asked(text)) {
            signs = signs.and(Signs::TRUNCATED);
        }
    }
    signs
}

/// Whether a text is printable ASCII with single blanks between words: as most are, and there is nothing to do.
fn tidy(text: &str) -> bool {
    let mut before = b' ';
    for byte in text.bytes() {
        if !(b' '..0x7f).contains(&byte) || (byte == b' ' && before == b' ') {
            return false;
        }
        before = byte;
    }
    before != b' ' || text.is_empty()
}

/// Nothing is seen of these: zero width space, word joiner, byte order mark, soft hyphen.
fn unseen(character: char) -> bool {
    matches!(character, '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}')
}

fn blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

fn stray(text: &str) -> bool {
    text.starts_with(blank)
        || text.ends_with(blank)
        || text.chars().any(|c| (blank(c) && c != ' ' && c != '\u{3000}') || unseen(c))
}

/// A text with each run of blanks, line breaks and control characters as one blank, none at its ends, and without
/// characters that nobody sees. A Japanese blank (U+3000) that stands alone stays.
pub fn mend(text: &str) -> Cow<'_, str> {
    if tidy(text) || !(stray(text) || doubled(text)) {
        return Cow::Borrowed(text);
    }
    let mut mended = String::with_capacity(text.len());
    let mut gap: Option<char> = None;
    for character in text.chars().filter(|character| !unseen(*character)) {
        if blank(character) {
            gap = Some(if gap.is_none() && character == '\u{3000}' { character } else { ' ' });
        } else {
            if let Some(gap) = gap.take().filter(|_| !mended.is_empty()) {
                mended.push(gap);
            }
            mended.push(character);
        }
    }
    Cow::Owned(mended)
}

fn doubled(text: &str) -> bool {
    text.chars().zip(text.chars().skip(1)).any(|(one, next)| blank(one) && blank(next))
}

/// A hash of what makes two texts the same: [`mend`]ed, in Unicode's NFKC (so `ＡＢＣ` is `ABC` and `㈱` is `(株)`),
/// blanks collapsed. Capitals count: in `IT` and `it`, `Polish` and `polish` they carry meaning, and the published
/// counts of STS-B are made so.
///
/// Not to be stored: the hash may differ from one version of the program to the next.
pub fn text_key(text: &str) -> u64 {
    if tidy(text) {
        return hash(text);
    }
    let mended = mend(text);
    if is_nfkc_quick(mended.chars()) == IsNormalized::Yes && !mended.contains('\u{3000}') {
        return hash(&mended);
    }
    let composed: String = mended.nfkc().collect();
    hash(&mend(&composed))
}

fn hash(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// 2^64 over the golden ratio, made odd: multiplying by it spreads bits.
pub(super) const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of a pair out of its texts' [`text_key`]s, the same whichever stands first.
pub fn pair_key(left: u64, right: u64) -> u64 {
    let (low, high) = (left.min(right), left.max(right));
    (low.wrapping_mul(ODD) ^ high).rotate_left(29).wrapping_mul(ODD)
}

pub(super) const HUB: &str = "hub_text";

pub(super) fn findings(rows: &[RowFacts], knowledge: &Knowledge) -> [Option<Finding>; 4] {
    [damaged_text(rows), hub_text(rows, knowledge), texts_too_long(rows, knowledge), stray_characters(rows)]
}

/// A finding about the rows that show a sign, still without words.
fn with(rows: &[RowFacts], sign: Signs, code: &'static str, level: Level) -> Option<Finding> {
    let places = || rows.iter().enumerate().filter(|(_, row)| row.signs.has(sign)).map(|(place, _)| place);
    let count = places().count();
    let finding = Finding::new(code, level, count, count).fact("rows", count).at(places());
    (count > 0).then_some(finding)
}

fn damaged_text(rows: &[RowFacts]) -> Option<Finding> {
    let finding = with(rows, Signs::DAMAGED, "damaged_text", Level::Warning)?;
    let have = counted(finding.rows, "row has", "rows have");
    let message = format!("{have} damaged characters: the text was read in a wrong encoding before it came here.");
    let hint = "Save the table again from the original, or leave these rows out.";
    Some(finding.says(message, hint).fix(Fix::DropDamaged))
}

fn stray_characters(rows: &[RowFacts]) -> Option<Finding> {
    let finding = with(rows, Signs::STRAY, "stray_characters", Level::Info)?;
    let have = counted(finding.rows, "row has", "rows have");
    let message = format!("{have} blanks at an end, line breaks, or characters that nobody sees in a text.");
    let hint = "They do little harm. Trimming makes one blank of each and removes those at the ends.";
    Some(finding.says(message, hint).fix(Fix::TrimTexts))
}

fn texts_too_long(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    let finding = with(rows, Signs::TRUNCATED, "texts_too_long", Level::Info)?;
    let reads = match knowledge.most_tokens {
        Some(tokens) => format!("The model reads the first {} tokens of a text", grouped(tokens)),
        None => "The model reads the beginning of a text".to_owned(),
    };
    let message = format!("{reads}; {} a longer one.", counted(finding.rows, "row has", "rows have"));
    let hint = "What comes later in these texts counts for nothing. Put what matters first, or shorten them.";
    Some(finding.says(message, hint).fact("tokens", knowledge.most_tokens))
}

/// Texts that stand in more than a fifth of the rows, on either side. In a row of two identical texts one counts, and
/// a label is no text.
fn hub_text(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    /// In fewer rows a share says little.
    const LEAST_ROWS: usize = 20;
    if rows.len() < LEAST_ROWS {
        return None;
    }
    let labelled = knowledge.kind == TableKind::Labelled;
    let sides = |row: &RowFacts| [Some(row.left), (!labelled && !row.identical()).then_some(row.right)];
    let mut keys: Vec<u64> = rows.iter().flat_map(sides).flatten().collect();
    keys.sort_unstable();
    let runs = keys.chunk_by(|one, next| one == next).map(|run| (run.len(), run[0]));
    let mut hubs: Vec<(usize, u64)> = runs.filter(|(count, _)| count * 5 > rows.len()).collect();
    hubs.sort_unstable_by(|one, other| other.cmp(one));
    let &(count, key) = hubs.first()?;
    let holds = |row: &RowFacts| row.left == key || (!labelled && row.right == key);
    let first = rows.iter().find(|row| holds(row))?;
    let side = if first.left == key { "left" } else { "right" };
    let percent = (count * 100 + rows.len() / 2) / rows.len();
    let finding = Finding::new(HUB, Level::Info, hubs.len(), count)
        .says(
            format!(
                "One text stands in {} of {} rows ({percent} %), first on the {side} of row {}.",
                grouped(count),
                grouped(rows.len()),
                first.row
            ),
            "The model learns mostly about this one text. Pairs without it make what is learned broader.",
        )
        .fact("rows", count)
        .fact("of", rows.len())
        .fact("percent", percent)
        .fact("row", first.row)
        .fact("side", side)
        .at(rows.iter().enumerate().filter(|(_, row)| holds(row)).map(|(place, _)| place));
    Some(finding)
}

/// Names the text, once the first example is there.
pub(super) fn name_hub(finding: &mut Finding) {
    let Some(example) = finding.examples.first() else { return };
    let left = finding.facts.get("side").is_some_and(|side| side == "left");
    let text: String = if left { &example.left } else { &example.right }.chars().take(80).collect();
    let fact = |name| finding.facts.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default() as usize;
    let (rows, of, percent) = (fact("rows"), fact("of"), fact("percent"));
    finding.message = format!("{text:?} stands in {} of {} rows ({percent} %).", grouped(rows), grouped(of));
    finding.facts.insert("text", text.into());
}
