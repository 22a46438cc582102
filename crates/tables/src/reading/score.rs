//! One score cell: what somebody meant who wrote `0.5`, `４．５`, `0,5`, `80%`, `4/5`, `○`, or what a spreadsheet made
//! of it.

use unicode_normalization::UnicodeNormalization;

use super::words;

/// What stands in a score cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Written {
    Empty,
    /// A number on the table's own scale.
    Number(f64),
    /// `80%`: a part of the scale.
    Percent(f64),
    /// `4/5`: a part of the scale.
    Fraction(f64),
    /// A word or a mark of the dictionary, or one that somebody gave a value.
    Word(String),
    /// A day: what a spreadsheet makes of `4/5`.
    Date(Day),
    Other,
}

/// The two numbers of a day, as they were probably typed: the smaller first, for no score is above its whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    smaller: u32,
    larger: u32,
}

impl Day {
    fn of(one: u32, other: u32) -> Self {
        Self { smaller: one.min(other), larger: one.max(other) }
    }

    /// The part of the scale that was probably meant.
    pub(crate) fn fraction(self) -> f64 {
        f64::from(self.smaller) / f64::from(self.larger)
    }

    pub(crate) fn typed(self) -> String {
        format!("{}/{}", self.smaller, self.larger)
    }
}

/// Reads a cell. `date` says that the workbook itself calls it one; `said` whether somebody gave this word a value.
pub(crate) fn read(cell: &str, date: bool, said: &dyn Fn(&str) -> bool) -> Written {
    let cell = cell.trim_matches(blank);
    if cell.is_empty() {
        return Written::Empty;
    }
    // Most scores are plain numbers.
    if !date
        && is_plain(cell)
        && let Ok(number) = cell.parse::<f64>()
        && !said(cell)
    {
        return finite(number).map_or(Written::Other, Written::Number);
    }
    // What is longer is no score, and is not worth a normalisation.
    if cell.len() > 200 {
        return Written::Other;
    }
    let text = normal(cell);
    if said(&text) {
        return Written::Word(text);
    }
    if let Some(day) = day(&text) {
        return Written::Date(day);
    }
    if date {
        return Written::Other;
    }
    if words::known(&text) {
        return Written::Word(text);
    }
    let part = |number: f64, whole: f64| finite(number / whole);
    let percent = text.strip_suffix('%').or_else(|| text.strip_suffix("パーセント"));
    if let Some(number) = percent.and_then(number) {
        return part(number, 100.0).map_or(Written::Other, Written::Percent);
    }
    if let Some((above, below)) = text.split_once('/')
        && let (Some(above), Some(below)) = (number(above), number(below))
        && below > 0.0
    {
        return part(above, below).map_or(Written::Other, Written::Fraction);
    }
    let plain = UNITS.iter().find_map(|unit| text.strip_suffix(unit)).unwrap_or(&text);
    number(plain).map_or(Written::Other, Written::Number)
}

/// What people write behind a score.
const UNITS: [&str; 6] = ["点", "points", "point", "pts", "pt", "ポイント"];

/// A cell's or a word's form in which it is compared: NFKC, lower case, one kind of dash and of ring, no blanks at its
/// ends.
pub(crate) fn normal(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).map(|c| match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        '\u{2044}' | '\u{2215}' => '/',
        '〇' | '◯' | '●' => '○',
        '✕' | '✖' | '✗' | '✘' | '╳' | '❌' => '×',
        '▲' => '△',
        other => other,
    });
    folded.collect::<String>().trim_matches(blank).to_owned()
}

/// White space, and the marks that nobody sees.
fn blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}' | '\u{fe0e}' | '\u{fe0f}')
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

/// Whether only what a number needs stands there; the parser knows `inf` and `nan` as well.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
}

/// A number with a point or a comma before its decimals. One comma alone is a decimal one: a score with three decimals
/// is more common than one of a thousand.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(blank);
    let (commas, points) = (text.matches(',').count(), text.matches('.').count());
    let plain = match (commas, points) {
        (0, _) => text.to_owned(),
        (1, 0) => text.replace(',', "."),
        (_, 0 | 1) if grouped(text, ',', '.') => text.replace(',', ""),
        (1, _) if grouped(text, '.', ',') => text.replace('.', "").replace(',', "."),
        _ => return None,
    };
    (is_plain(&plain) && plain.bytes().any(|byte| byte.is_ascii_digit())).then(|| plain.parse().ok())?.and_then(finite)
}

/// Whether `separator` stands between groups of three digits, and nowhere behind the decimal mark.
fn grouped(text: &str, separator: char, decimal: char) -> bool {
    let whole = text.split(decimal).next().unwrap_or_default();
    let mut groups = whole.trim_start_matches(['-', '+']).split(separator);
    let first = groups.next().unwrap_or_default();
    (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))
        && !text[whole.len()..].contains(separator)
}

/// The month's and the day's number of `4月5日`, `5-apr`, `apr-05`, `2026-04-05`, `04/05/2026`.
fn day(text: &str) -> Option<Day> {
    // A time of day behind it says nothing more.
    let text = text.split_once('t').filter(|(date, _)| date.len() == 10).map_or(text, |(date, _)| date);
    let text = text.strip_suffix("00:00:00").unwrap_or(text).trim_end();
    if let Some((before, after)) = text.split_once('月') {
        let month = before.rsplit_once('年').map_or(before, |(_, month)| month);
        return Some(Day::of(small(month, 12)?, small(after.strip_suffix('日')?, 31)?));
    }
    let parts: Vec<&str> = text.split(['-', '/', ' ', '.', ',']).filter(|part| !part.is_empty()).collect();
    let words = parts.iter().filter(|part| part.chars().all(char::is_alphabetic)).count();
    match (parts.as_slice(), words) {
        ([one, other], 1) => named(one, other).or_else(|| named(other, one)),
        // A year stands last, but for "2026 apr 5".
        ([one, other, year], 1) if is_year(year) => named(one, other).or_else(|| named(other, one)),
        ([year, month, number], 1) if is_year(year) => named(month, number),
        ([year, month, number], 0) if year.len() == 4 && is_year(year) && !text.contains('.') => {
            Some(Day::of(small(month, 12)?, small(number, 31)?))
        }
        ([one, other, year], 0) if is_year(year) && text.matches('/').count() == 2 => {
            let (one, other) = (small(one, 31)?, small(other, 31)?);
            (one.min(other) <= 12).then(|| Day::of(one, other))
        }
        _ => None,
    }
}

fn small(text: &str, most: u32) -> Option<u32> {
    text.trim().parse().ok().filter(|number| (1..=most).contains(number))
}

fn is_year(text: &str) -> bool {
    matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `apr` and `5`; a number above 31 is the end of a year, which a spreadsheet makes of `4/50`.
fn named(month: &str, number: &str) -> Option<Day> {
    const MONTHS: &str = "january february march april may june july august september october november december";
    let place = MONTHS.split(' ').position(|whole| month == whole || month == &whole[..3])?;
    Some(Day::of(place as u32 + 1, small(number, 99)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(cell: &str) -> Written {
        read(cell, false, &|_| false)
    }

    #[test]
    fn a_number_is_read_however_it_is_written() {
        for (cell, number) in [
            ("0.5", 0.5),
            (" 4 ", 4.0),
            ("４．５", 4.5),
            ("0,5", 0.5),
            ("0,500", 0.5),
            ("1,234.5", 1234.5),
            ("1.234,5", 1234.5),
            ("1,234,567", 1_234_567.0),
            ("−0.5", -0.5),
            ("－１", -1.0),
            ("+1", 1.0),
            ("1e-3", 0.001),
            ("3点", 3.0),
            ("３．５ 点", 3.5),
            ("4 pts", 4.0),
            ("\u{feff}5", 5.0),
            ("\u{a0}5\u{a0}", 5.0),
            (".5", 0.5),
        ] {
            assert_eq!(plain(cell), Written::Number(number), "{cell:?}");
        }
    }

    #[test]
    fn percents_and_fractions_are_parts_of_the_scale() {
        for (cell, part) in [("80%", 0.8), ("８０％", 0.8), ("80 %", 0.8), ("12,5%", 0.125), ("80パーセント", 0.8)]
        {
            assert_eq!(plain(cell), Written::Percent(part), "{cell:?}");
        }
        for (cell, part) in [("4/5", 0.8), ("４／５", 0.8), ("4 / 5", 0.8), ("½", 0.5), ("2.5/5", 0.5), ("0/5", 0.0)]
        {
            assert_eq!(plain(cell), Written::Fraction(part), "{cell:?}");
        }
    }

    #[test]
    fn what_a_spreadsheet_made_of_a_fraction_is_seen() {
        const CELLS: &str = "4月5日|４月５日|2026年4月5日|5-Apr|05-Apr|Apr-05|5-Apr-26|April 5|5 Apr 2026|2026-04-05|2026/4/5|\
            2026-04-05 00:00:00|2026-04-05T00:00:00|04/05/2026|4/5/26|5月4日";
        for cell in CELLS.split('|') {
            let Written::Date(day) = plain(cell) else { panic!("{cell:?}: {:?}", plain(cell)) };
            assert_eq!((day.typed().as_str(), day.fraction()), ("4/5", 0.8), "{cell:?}");
        }
        assert_eq!(plain("Apr-50"), Written::Date(Day { smaller: 4, larger: 50 }));
        assert_eq!(read("2026-04-05", true, &|_| false), Written::Date(Day { smaller: 4, larger: 5 }));
        assert_eq!(plain("13月40日"), Written::Other);
    }

    #[test]
    fn words_are_those_of_the_dictionary_and_those_that_were_said() {
        for cell in ["高", "○", "〇", "◯", "×", "✕", "◎", "はい", "YES", "Ｙｅｓ", "不一致", "unrelated", " same "]
        {
            assert!(matches!(plain(cell), Written::Word(_)), "{cell:?}");
        }
        assert_eq!(plain("A"), Written::Other);
        assert_eq!(read("Ａ", false, &|word| word == "a"), Written::Word("a".to_owned()));
        assert_eq!(read("5", false, &|word| word == "5"), Written::Word("5".to_owned()));
    }

    #[test]
    fn what_is_no_score_is_none() {
        for cell in
            ["x", "nan", "inf", "-", "--", "1/0", "a/b", "%", "1,2,3", "1.2.3", "要確認", "1 2", "12-34", "e", "."]
        {
            assert_eq!(plain(cell), Written::Other, "{cell:?}");
        }
        for cell in ["", " ", "\u{3000}", "\u{feff}"] {
            assert_eq!(plain(cell), Written::Empty, "{cell:?}");
        }
        assert_eq!(plain(&"9".repeat(500)), Written::Other);
    }
}
