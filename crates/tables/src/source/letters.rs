//! Which of the encodings of before UTF-8 a text is in, told by what its letters look like.

use chardetng::EncodingDetector;

use crate::choices::Encoding;

/// Characters beyond ASCII that are enough to go by.
pub(super) const ENOUGH: usize = 12;

/// Encodings that may be taken for one another.
const OLDER: [Encoding; 12] = [
    Encoding::EucJp,
    Encoding::Windows31J,
    Encoding::EucKr,
    Encoding::Gb18030,
    Encoding::Big5,
    Encoding::Windows1252,
    Encoding::Windows1250,
    Encoding::Windows1251,
    Encoding::Windows1254,
    Encoding::Windows1256,
    Encoding::Windows874,
    Encoding::Koi8U,
];

/// The encoding that the letters of a text speak for, of those that are known here. What Japanese, Korean, Chinese,
/// Cyrillic and Western texts look like is a well-kept library's knowledge.
pub(super) fn guess(bytes: &[u8]) -> Option<Encoding> {
    let mut detector = EncodingDetector::new();
    // A piece of a text may end in the middle of a character: it is not said to be the last.
    detector.feed(bytes, false);
    let found = detector.guess(None, false);
    let found = match found.name() {
        "GBK" => encoding_rs::GB18030,
        // The letters of the languages here are in both.
        "windows-1257" | "windows-1258" | "ISO-8859-4" => encoding_rs::WINDOWS_1252,
        _ => found,
    };
    OLDER.iter().copied().chain([Encoding::Iso8859Part2]).find(|known| known.reader() == found)
}

fn read(bytes: &[u8], encoding: Encoding) -> Option<String> {
    let (text, _, broken) = encoding.reader().decode(bytes);
    // The piece may begin and end in the middle of a character.
    let broken = broken && text.matches('\u{fffd}').count() > 2;
    (!broken).then(|| text.into_owned())
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{309f}' | '\u{30a1}'..='\u{30fa}' | 'ー')
}

/// Whether a text, read as Japanese, has kana as Japanese texts have: not one by chance among rare characters.
pub(super) fn has_kana(bytes: &[u8], japanese: Encoding) -> bool {
    let text = read(bytes, japanese).unwrap_or_default();
    let letters: Vec<char> = text.chars().filter(|c| !c.is_ascii() && c.is_alphabetic()).collect();
    let kana = letters.iter().filter(|c| is_kana(**c)).count();
    // Kana stand together, as in endings and loan words.
    let pairs = letters.windows(2).filter(|pair| is_kana(pair[0]) && is_kana(pair[1])).count();
    kana >= 3 && 5 * kana >= letters.len() && 3 * pairs >= kana
}

/// How many characters beyond ASCII a text has.
pub(super) fn beyond_ascii(bytes: &[u8], encoding: Encoding) -> usize {
    read(bytes, encoding).unwrap_or_default().chars().filter(|c| !c.is_ascii()).count()
}

/// Other encodings in which the text could be meant as well: it can be read, to another text, whose words are possible.
pub(super) fn others(bytes: &[u8], chosen: Encoding) -> Vec<Encoding> {
    let mut texts: Vec<String> = read(bytes, chosen).into_iter().collect();
    let mut found = Vec::new();
    for encoding in OLDER.into_iter().filter(|encoding| *encoding != chosen) {
        let Some(text) = read(bytes, encoding).filter(|text| is_possible(text)) else { continue };
        if !texts.contains(&text) {
            texts.push(text);
            found.push(encoding);
        }
    }
    found
}

/// The first line that has something beyond ASCII, as an encoding reads it.
pub(super) fn shown(bytes: &[u8], encoding: Encoding) -> String {
    let text = read(bytes, encoding).unwrap_or_default();
    let line = text.lines().find(|line| line.chars().any(|c| !c.is_ascii() && c != '\u{fffd}')).unwrap_or_default();
    line.trim().chars().take(120).collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
    Thai,
    EastAsian,
    /// Of half width, as no text for people has in number.
    HalfKana,
}

fn script(c: char) -> Option<Script> {
    match c {
        'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' if !matches!(c, '×' | '÷') => {
            Some(Script::Latin)
        }
        '\u{370}'..='\u{3ff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' => Some(Script::Cyrillic),
        '\u{590}'..='\u{5ff}' => Some(Script::Hebrew),
        '\u{600}'..='\u{6ff}' => Some(Script::Arabic),
        '\u{e00}'..='\u{e7f}' => Some(Script::Thai),
        '\u{ff61}'..='\u{ff9f}' => Some(Script::HalfKana),
        '\u{3041}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' => {
            Some(Script::EastAsian)
        }
        _ => None,
    }
}

/// Whether words of a text could stand in one: no control characters, no letter of another script in the middle of a
/// word, no sign of an old table between letters.
fn is_possible(text: &str) -> bool {
    let (mut half, mut full, mut wide) = (0, 0, 0);
    let chars: Vec<char> = text.chars().collect();
    for (place, &c) in chars.iter().enumerate() {
        if c.is_ascii() || c == '\u{fffd}' {
            continue;
        }
        if c.is_control() || matches!(c, '\u{80}'..='\u{9f}' | '\u{e000}'..='\u{f8ff}') {
            return false;
        }
        let around =
            [place.checked_sub(1), Some(place + 1)].map(|place| place.and_then(|place| chars.get(place)).copied());
        let neighbours = around.map(|c| c.and_then(script));
        let within_latin = neighbours.iter().filter(|script| **script == Some(Script::Latin)).count();
        match script(c) {
            Some(Script::HalfKana) => half += 1,
            Some(Script::EastAsian) => {
                full += 1;
                wide += usize::from(within_latin == 2);
            }
            Some(Script::Latin) => {}
            Some(_) if within_latin > 0 => return false,
            Some(_) => {}
            // A quote or a dash may stand anywhere; a small three or a currency does not stand within a word.
            None if within_latin == 2
                && !matches!(c, '\u{2010}'..='\u{2027}' | '·' | '\u{ad}' | '\u{b4}' | '\u{2c6}'..='\u{2dd}') =>
            {
                return false;
            }
            None => {}
        }
    }
    wide * 4 <= full && half <= full
}
