//! Bytes become text: which encoding it is, and where it breaks.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use super::letters;
use super::pack::{BUFFER, Stream, head, told};
use crate::choices::Encoding;
use crate::problems::Problems;

/// Bytes that are looked at to tell encodings apart.
const HEAD: usize = 1 << 20;

/// Every encoding with its reader and as people call it. Web browsers' Shift_JIS is Windows-31J, their EUC-KR is 949.
const ALL: [(Encoding, &encoding_rs::Encoding, &str); 17] = [
    (Encoding::Utf8, &encoding_rs::UTF_8_INIT, "UTF-8"),
    (Encoding::Utf16Le, &encoding_rs::UTF_16LE_INIT, "UTF-16 (little endian)"),
    (Encoding::Utf16Be, &encoding_rs::UTF_16BE_INIT, "UTF-16 (big endian)"),
    (Encoding::EucJp, &encoding_rs::EUC_JP_INIT, "EUC-JP"),
    (Encoding::Windows31J, &encoding_rs::SHIFT_JIS_INIT, "Shift_JIS (Windows-31J)"),
    (Encoding::EucKr, &encoding_rs::EUC_KR_INIT, "EUC-KR (Windows-949)"),
    (Encoding::Gb18030, &encoding_rs::GB18030_INIT, "GB18030 (GBK, GB 2312)"),
    (Encoding::Big5, &encoding_rs::BIG5_INIT, "Big5"),
    (Encoding::Windows1250, &encoding_rs::WINDOWS_1250_INIT, "Windows-1250 (Central European)"),
    (Encoding::Windows1251, &encoding_rs::WINDOWS_1251_INIT, "Windows-1251 (Cyrillic)"),
    (Encoding::Windows1252, &encoding_rs::WINDOWS_1252_INIT, "Windows-1252 (Western European)"),
    (Encoding::Windows1254, &encoding_rs::WINDOWS_1254_INIT, "Windows-1254 (Turkish)"),
    (Encoding::Windows1256, &encoding_rs::WINDOWS_1256_INIT, "Windows-1256 (Arabic)"),
    (Encoding::Windows874, &encoding_rs::WINDOWS_874_INIT, "Windows-874 (Thai)"),
    (Encoding::Iso8859Part2, &encoding_rs::ISO_8859_2_INIT, "ISO 8859-2 (Central European)"),
    (Encoding::Iso8859Part15, &encoding_rs::ISO_8859_15_INIT, "ISO 8859-15 (Western European)"),
    (Encoding::Koi8U, &encoding_rs::KOI8_U_INIT, "KOI8 (Cyrillic)"),
];

impl Encoding {
    fn entry(self) -> &'static (Self, &'static encoding_rs::Encoding, &'static str) {
        ALL.iter().find(|(encoding, ..)| *encoding == self).unwrap_or(&ALL[0])
    }

    pub(crate) fn reader(self) -> &'static encoding_rs::Encoding {
        self.entry().1
    }

    /// As people call it.
    fn name(self) -> &'static str {
        self.entry().2
    }
}

/// How a file's bytes are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) encoding: Encoding,
    /// Others in which the whole file can be read too, to another text.
    pub(super) candidates: Vec<Encoding>,
    /// Whether a byte order mark stands first.
    pub(super) bom: bool,
    /// Too little of the text tells the candidates apart: its first lines beyond ASCII, as each of them reads them.
    pub(super) unsure: Vec<(Encoding, String)>,
}

/// Finds out a file's encoding: the byte order mark, the zeros of UTF-16, UTF-8 where the whole file can be read in it,
/// then what its letters look like. Text in UTF-8 is read once for that; a file whose first character beyond ASCII comes
/// late is not guessed from its beginning.
pub(super) fn find(open: &dyn Fn() -> Result<Stream, Problems>, said: Option<Encoding>) -> Result<Found, Problems> {
    let start = head(&mut *open()?, HEAD)?;
    let mark = mark(&start);
    let certain = |encoding, bom| Found { encoding, candidates: Vec::new(), bom, unsure: Vec::new() };
    if let Some(encoding) = said.or(mark).or_else(|| zeros(&start)) {
        return Ok(certain(encoding, mark == Some(encoding)));
    }
    let Some(utf8) = breaks(open, Encoding::Utf8)? else { return Ok(certain(Encoding::Utf8, false)) };
    // All of them read ASCII alike, so they are told apart around the place where it ends.
    let around = window(&mut *open()?, utf8.offset)?;
    if mostly_utf8(&around) {
        return Err(broken(Encoding::Utf8, &utf8));
    }
    let euc = breaks(open, Encoding::EucJp)?;
    let sjis = breaks(open, Encoding::Windows31J)?;
    let japanese = match (euc, sjis) {
        (None, _) => Some(Encoding::EucJp),
        (_, None) => Some(Encoding::Windows31J),
        _ => None,
    };
    let guessed = letters::guess(&around);
    let chosen = match (guessed, japanese) {
        // Whoever writes in Japanese writes kana; of a few words without any it is asked.
        (_, Some(japanese)) if letters::has_kana(&around, japanese) => Some(japanese),
        (Some(Encoding::EucKr | Encoding::Gb18030 | Encoding::Big5), Some(japanese))
            if letters::beyond_ascii(&around, japanese) < letters::ENOUGH =>
        {
            Some(japanese)
        }
        (Some(Encoding::EucJp | Encoding::Windows31J) | None, _) => japanese,
        (Some(guessed), _) => breaks(open, guessed)?.is_none().then_some(guessed).or(japanese),
    };
    let Some(chosen) = chosen else {
        let (encoding, place) = match (euc, sjis) {
            (Some(euc), Some(sjis)) if sjis.offset >= euc.offset => (Encoding::Windows31J, sjis),
            (Some(euc), _) => (Encoding::EucJp, euc),
            _ => (Encoding::Utf8, utf8),
        };
        return Err(if place.offset > utf8.offset { broken(encoding, &place) } else { broken(Encoding::Utf8, &utf8) });
    };
    let mut candidates = Vec::new();
    for other in letters::others(&around, chosen) {
        if breaks(open, other)?.is_none() {
            candidates.push(other);
        }
    }
    let few = letters::beyond_ascii(&around, chosen) < letters::ENOUGH;
    let unsure = if few && !candidates.is_empty() {
        [chosen].iter().chain(&candidates).map(|&encoding| (encoding, letters::shown(&around, encoding))).collect()
    } else {
        Vec::new()
    };
    Ok(Found { encoding: chosen, candidates, bom: false, unsure })
}

fn mark(start: &[u8]) -> Option<Encoding> {
    match start {
        [0xef, 0xbb, 0xbf, ..] => Some(Encoding::Utf8),
        [0xff, 0xfe, ..] => Some(Encoding::Utf16Le),
        [0xfe, 0xff, ..] => Some(Encoding::Utf16Be),
        _ => None,
    }
}

/// UTF-16 without a mark: separators and line ends have a zero beside them, always on the same side.
fn zeros(start: &[u8]) -> Option<Encoding> {
    let separator = |byte: u8| b"\n\r\t,;|\"".contains(&byte);
    let units = start.chunks_exact(2);
    let (mut first, mut second) = (0, 0);
    // Separators with a zero beside them, and without one: plain text may hold a stray zero.
    let (mut little, mut big, mut low, mut high) = (0, 0, 0, 0);
    for unit in units.clone() {
        first += usize::from(unit[0] == 0);
        second += usize::from(unit[1] == 0);
        low += usize::from(separator(unit[0]));
        high += usize::from(separator(unit[1]));
        little += usize::from(unit[1] == 0 && separator(unit[0]));
        big += usize::from(unit[0] == 0 && separator(unit[1]));
    }
    let enough = units.len() / 50;
    let (encoding, separators, all, zeros, others) = if second > first {
        (Encoding::Utf16Le, little, low, second, first)
    } else {
        (Encoding::Utf16Be, big, high, first, second)
    };
    (2 * separators > all && zeros > enough && others <= zeros / 20).then_some(encoding)
}

/// Some bytes on both sides of a place.
fn window(stream: &mut dyn Read, offset: u64) -> Result<Vec<u8>, Problems> {
    let before = offset.saturating_sub(HEAD as u64 / 2);
    io::copy(&mut stream.take(before), &mut io::sink()).map_err(told)?;
    head(stream, HEAD)
}

/// Whether text is UTF-8 but for a few damaged characters. Japanese text in another encoding hardly ever holds
/// valid UTF-8 by chance, while any text can be read as Shift_JIS, to rubbish.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    good >= 8 && good >= 8 * bad
}

/// A place in a file, where it cannot be read on in an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Break {
    /// Decoded bytes before it, or more: only to be compared.
    offset: u64,
    line: usize,
    column: usize,
}

/// Reads a whole file, and says where it cannot be read on.
fn breaks(open: &dyn Fn() -> Result<Stream, Problems>, encoding: Encoding) -> Result<Option<Break>, Problems> {
    let mut text = Text::new(open()?, encoding);
    while text.fill().map_err(told)? {}
    Ok(text.broken)
}

fn broken(encoding: Encoding, place: &Break) -> Problems {
    let Break { line, column, .. } = place;
    let name = encoding.name();
    if encoding == Encoding::Utf8 {
        return not_utf8(place, "bytes that are no UTF-8 character");
    }
    Problems::table(
        "not_in_encoding",
        format!(
            "The table cannot be read as {name}: line {line}, column {column} holds bytes that are no character there."
        ),
        "Choose another encoding, or choose \"CSV UTF-8\" in the spreadsheet when you save, then send it again.",
    )
}

fn not_utf8(Break { line, column, .. }: &Break, holds: &str) -> Problems {
    Problems::table(
        "not_utf8",
        format!("The table is not UTF-8 text: line {line}, column {column} holds {holds}."),
        "In the spreadsheet choose \"CSV UTF-8\" when you save, then send it again.",
    )
}

/// A file's text in UTF-8, without byte order marks. Where it cannot be decoded the error holds the [`Problems`],
/// after all text before that place.
pub(super) struct Text {
    packed: Stream,
    encoding: Encoding,
    decoder: Decoder,
    input: Vec<u8>,
    /// What of the input is not yet decoded.
    pending: std::ops::Range<usize>,
    ended: bool,
    output: Vec<u8>,
    given: usize,
    made: usize,
    /// Where what is decoded ends.
    at: Break,
    after_return: bool,
    begun: bool,
    broken: Option<Break>,
}

impl Text {
    pub(super) fn new(packed: Stream, encoding: Encoding) -> Self {
        Self {
            packed,
            encoding,
            decoder: encoding.reader().new_decoder_without_bom_handling(),
            input: vec![0; BUFFER],
            pending: 0..0,
            ended: false,
            // No character of these encodings takes more than three bytes of UTF-8 for one of its own.
            output: vec![0; 3 * BUFFER + 16],
            given: 0,
            made: 0,
            at: Break { offset: 0, line: 1, column: 0 },
            after_return: false,
            begun: false,
            broken: None,
        }
    }

    /// Decodes on; `false` at the end or where the text breaks.
    fn fill(&mut self) -> io::Result<bool> {
        (self.given, self.made) = (0, 0);
        while self.made == 0 {
            if self.broken.is_some() || (self.ended && self.pending.is_empty()) {
                return Ok(false);
            }
            if self.pending.is_empty() {
                let count = self.packed.read(&mut self.input)?;
                self.pending = 0..count;
                self.ended = count == 0;
            }
            let input = &self.input[self.pending.clone()];
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(input, &mut self.output[self.made..], self.ended);
            self.pending.start += read;
            self.at.offset += read as u64;
            self.made += written;
            if let DecoderResult::Malformed(..) = result {
                self.count();
                self.broken = Some(Break { column: self.at.column + 1, ..self.at });
                return Ok(self.made > 0);
            }
        }
        self.count();
        Ok(true)
    }

    /// Counts lines and columns of what was decoded.
    fn count(&mut self) {
        let text = &self.output[..self.made];
        let last = text.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        if let Some(last) = last {
            let returns = text.iter().filter(|&&byte| byte == b'\r').count();
            let feeds = text.iter().filter(|&&byte| byte == b'\n').count();
            let both = if returns > 0 { text.windows(2).filter(|pair| pair == b"\r\n").count() } else { 0 };
            let split = usize::from(self.after_return && text[0] == b'\n');
            self.at.line += returns + feeds - both - split;
            self.after_return = text[self.made - 1] == b'\r';
            self.at.column = characters(&text[last + 1..]);
        } else {
            self.after_return &= text.is_empty();
            self.at.column += characters(text);
        }
    }
}

fn characters(text: &[u8]) -> usize {
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

const MARK: &[u8] = "\u{feff}".as_bytes();

impl Read for Text {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.made {
            if !self.fill()? {
                return match &self.broken {
                    Some(place) => Err(io::Error::other(broken(self.encoding, place))),
                    None => Ok(0),
                };
            }
            // A mark is one character and so comes out in one piece.
            while !self.begun && self.output[self.given..self.made].starts_with(MARK) {
                self.given += MARK.len();
            }
            self.begun |= self.given < self.made;
        }
        let count = out.len().min(self.made - self.given);
        out[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
