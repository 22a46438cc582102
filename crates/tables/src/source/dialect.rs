//! What nobody said about a table of text: what stands between cells, what ends a line, whether the first row
//! names the columns.

use std::collections::BTreeSet;

use csv::ReaderBuilder;
use unicode_normalization::UnicodeNormalization;

/// Rows that are looked at.
pub(super) const SAMPLE: usize = 50;

/// What may stand between cells. Where two explain a table equally well, the first: a tab is hardly ever part of a
/// text, a comma often.
const DELIMITERS: [char; 4] = ['\t', ',', ';', '|'];

/// What a first line `sep=;` says, and how many bytes of the text it takes, its end not counted.
pub(super) fn named_delimiter(text: &str) -> Option<(char, usize)> {
    let line = text.split(['\n', '\r']).next().unwrap_or_default();
    let named =
        line.strip_prefix("sep=").or_else(|| line.strip_prefix("\"sep=").and_then(|rest| rest.strip_suffix('"')))?;
    let mut named = named.chars();
    let delimiter = named.next().filter(|delimiter| DELIMITERS.contains(delimiter))?;
    // Some programs fill the line up with separators.
    named.all(|c| c == delimiter).then_some((delimiter, line.len()))
}

/// What stands between the cells of a table's beginning. `whole`: the text is not cut off.
pub(super) fn delimiter(text: &str, whole: bool) -> char {
    let mut best = (',', 0.0);
    for delimiter in DELIMITERS {
        let fits = fits(text, whole, delimiter);
        if fits > best.1 {
            best = (delimiter, fits);
        }
    }
    best.0
}

/// How well a separator explains a text: rows are equally wide, and wide enough for a table of pairs.
fn fits(text: &str, whole: bool, delimiter: char) -> f64 {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter as u8).from_reader(text.as_bytes());
    let mut rows: Vec<Vec<String>> = Vec::new();
    for record in reader.records().map_while(Result::ok).take(SAMPLE + 1) {
        if record.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(record.iter().map(str::to_owned).collect());
        }
    }
    // The last row may be cut off where the sample ends.
    if (!whole || rows.len() > SAMPLE) && rows.len() > 1 {
        rows.pop();
    }
    let width = |width: usize| rows.iter().filter(|row| row.len() == width).count();
    let Some(common) = rows.iter().map(Vec::len).max_by_key(|&count| (width(count), count)) else { return 0.0 };
    if common < 2 {
        return 0.0;
    }
    let share = width(common) as f64 / rows.len() as f64;
    let names = rows[0].iter().filter(|name| is_known(name)).count();
    let wide = if common > 2 { 1.0 } else { 0.7 };
    share * share * wide + 0.5 * names.min(3) as f64
}

/// How a cell may hold its own separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quoting {
    /// RFC 4180: in quotes, a quote within them written twice.
    Doubled,
    /// In quotes, a quote within them behind a backslash, as databases write it.
    Backslash,
    /// Not at all: a quote is a character like others.
    None,
}

/// How the cells of a table's beginning are quoted. A tab hardly ever stands in a text, so that what programs write
/// with tabs is quoted only where all of it plainly is.
pub(super) fn quoting(text: &str, delimiter: char) -> Quoting {
    if delimiter == '\t' {
        return if plainly_quoted(text) { Quoting::Doubled } else { Quoting::None };
    }
    let ends = |c: Option<char>| c.is_none_or(|c| c == delimiter || matches!(c, '\n' | '\r'));
    // A quote behind a backslash in the middle of a quoted cell; at a cell's end the backslash may be the text's own.
    let escaped = text.match_indices("\\\"").filter(|(place, found)| {
        let mut after = text[place + found.len()..].chars();
        let next = after.next();
        !ends(next) && next != Some('"')
    });
    let opens =
        [format!("{delimiter}\""), "\n\"".to_owned()].iter().any(|open| text.contains(open)) || text.starts_with('"');
    if opens && escaped.count() > 0 && !text.contains("\\\"\"") { Quoting::Backslash } else { Quoting::Doubled }
}

/// Whether each cell of a text with tabs that begins with a quote ends with one on its line, those within doubled; or
/// lines break within quotes, and the rows are as wide as others only so.
fn plainly_quoted(text: &str) -> bool {
    let cells =
        || text.split(['\n', '\r']).filter(|line| !line.is_empty()).take(2000).flat_map(|line| line.split('\t'));
    let is_closed = |cell: &str| {
        cell.len() > 1 && cell.ends_with('"') && !cell[1..cell.len() - 1].replace("\"\"", "").contains('"')
    };
    let (mut closed, mut open) = (0, 0);
    for cell in cells().filter(|cell| cell.starts_with('"')) {
        if is_closed(cell) { closed += 1 } else { open += 1 }
    }
    if open == 0 {
        return closed > 0;
    }
    let width = |rows: &[usize]| {
        let most = rows.iter().copied().max_by_key(|width| rows.iter().filter(|other| *other == width).count());
        let share = rows.iter().filter(|width| Some(**width) == most).count() as f64 / rows.len().max(1) as f64;
        (most.unwrap_or_default(), share)
    };
    let lines: Vec<usize> = text
        .split(['\n', '\r'])
        .filter(|line| !line.is_empty())
        .take(2000)
        .map(|line| line.split('\t').count())
        .collect();
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(b'\t').from_reader(text.as_bytes());
    let records: Vec<usize> = reader.records().map_while(Result::ok).take(2000).map(|record| record.len()).collect();
    width(&records).1 > width(&lines).1 && width(&records).0 > 1
}

/// What ends most lines of a text.
pub(super) fn line_ending(text: &str) -> Option<String> {
    let both = text.matches("\r\n").count();
    let feeds = text.matches('\n').count() - both;
    let returns = text.matches('\r').count() - both;
    // Of equally many the last of these.
    let counts = [("\r", returns), ("\n", feeds), ("\r\n", both)];
    let (ending, most) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (most > 0).then(|| ending.to_owned())
}

/// The place of the row with which the table begins: above it stand titles, which fill one cell where the table's rows
/// fill more, and comments. `None` is a row that cannot be read.
pub(super) fn first_row(rows: &[Option<&[String]>]) -> usize {
    /// Rows that may stand above a table.
    const MOST_ABOVE: usize = 20;
    let filled = |row: &[String]| row.iter().filter(|cell| !cell.trim().is_empty()).count();
    let wide = rows.iter().flatten().filter(|row| filled(row) > 1).count();
    if 2 * wide <= rows.iter().flatten().filter(|row| filled(row) > 0).count() {
        return 0;
    }
    let is_above = |row: &&Option<&[String]>| match row {
        None => false,
        Some(row) => filled(row) < 2 || row.first().is_some_and(|cell| cell.trim_start().starts_with('#')),
    };
    let first = rows.iter().take_while(is_above).count();
    if first == rows.len() {
        return 0;
    }
    // A row that names columns of pairs, below one of two cells or more that does not.
    let known = |row: &[String]| row.iter().filter(|name| is_known(name)).count();
    let named = |place: &usize| rows[*place].is_some_and(|row| known(row) > 1);
    let below = (first..rows.len().min(first + MOST_ABOVE)).find(named);
    let narrower = |place: usize| {
        rows[first..place]
            .iter()
            .flatten()
            .all(|row| known(row) == 0 && filled(row) < filled(rows[place].unwrap_or_default()))
    };
    below.filter(|&place| narrower(place)).unwrap_or(first)
}

/// Whether the first rows of a sheet are those of a table of pairs: two columns of them have names that are known.
pub(super) fn holds_pairs(rows: &[Vec<String>]) -> bool {
    let rows: Vec<Option<&[String]>> = rows.iter().map(|row| Some(row.as_slice())).collect();
    let Some(Some(header)) = rows.get(first_row(&rows)) else { return false };
    rows.len() > 3 && (header.iter().filter(|name| is_known(name)).count() > 1 || are_twins(header))
}

/// Whether the first of some rows names the columns. Blank rows are not among them.
pub(super) fn has_header(rows: &[&[String]]) -> bool {
    let Some((first, others)) = rows.split_first() else { return false };
    let numeric_column = |column: usize| {
        let cells = others.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
        let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
        !cells.is_empty() && 10 * cells.iter().filter(|cell| is_number(cell)).count() >= 8 * cells.len()
    };
    if first.iter().any(|name| is_known(name)) || are_twins(first) {
        // Whatever words stand beside it: a column of numbers is not called by one.
        return !first.iter().enumerate().any(|(column, name)| is_number(name.trim()) && numeric_column(column));
    }
    let (mut unlike, mut alike) = (0, 0);
    for (column, name) in first.iter().enumerate() {
        let name = name.trim();
        if name.is_empty() {
            continue;
        }
        let cells = others.iter().filter_map(|row| row.get(column)).map(|cell| cell.trim());
        let cells: Vec<&str> = cells.filter(|cell| !cell.is_empty()).collect();
        let numeric = 10 * cells.iter().filter(|cell| is_number(cell)).count() >= 8 * cells.len();
        match (is_number(name), numeric) {
            _ if cells.is_empty() => {}
            (true, true) => alike += 1,
            // Words for scores come again and again; their column's name does not.
            (false, false) => match (repeats(&cells, name), is_short(&cells, name)) {
                (Some(true), _) => alike += 1,
                (Some(false), _) | (None, true) => unlike += 1,
                (None, false) => {}
            },
            _ => unlike += 1,
        }
    }
    unlike > alike
}

/// Where a column holds the same few cells in at least six rows: whether the first row's is one of them.
fn repeats(cells: &[&str], name: &str) -> Option<bool> {
    let distinct: BTreeSet<&str> = cells.iter().copied().collect();
    (cells.len() >= 6 && distinct.len() <= 5).then(|| distinct.contains(name))
}

/// Whether a column's cells are sentences and the first row's is a word.
fn is_short(cells: &[&str], name: &str) -> bool {
    let shortest = cells.iter().map(|cell| cell.chars().count()).min().unwrap_or_default();
    cells.len() >= 3 && shortest >= 2 * name.chars().count()
}

/// Whether two cells differ in their last letter alone, which is A and B or 1 and 2: 職種A, 職種B.
fn are_twins(cells: &[String]) -> bool {
    let names: Vec<String> = cells.iter().map(|cell| key(cell)).collect();
    let twin = |name: &String, last: char, other: char| {
        let Some(stem) = name.strip_suffix(last).filter(|stem| !stem.is_empty()) else { return false };
        names.contains(&format!("{stem}{other}")) && names.iter().all(|name| !is_number(name))
    };
    names.iter().any(|name| name.chars().count() <= 20 && (twin(name, 'a', 'b') || twin(name, '1', '2')))
}

/// Whether a cell may be a score or a number of any kind: `0.5`, `０，５`, `80%`, `4/5`, `4月5日`.
fn is_number(cell: &str) -> bool {
    let cell: String = cell.trim().chars().take(25).nfkc().collect();
    cell.len() <= 32
        && cell.chars().any(|c| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || "+-−.,/%:eE 月日点分".contains(c))
}

/// A name as names are compared.
fn key(name: &str) -> String {
    let folded = name.nfkc().flat_map(char::to_lowercase);
    folded.filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '\u{feff}')).collect()
}

/// Names that columns of pairs go by. Which column becomes what is decided elsewhere; here they only show that a
/// row is a header.
const KNOWN: &str = "base ref reference similarity sentence1 sentence2 sentencea sentenceb score label text1 text2 \
    texta textb left right anchor positive negative query answer question target premise hypothesis source document \
    passage rating lefttext righttext 文1 文2 文a 文b 文章1 文章2 文章a 文章b テキスト1 テキスト2 テキストa テキストb 原文 訳文 \
    類似度 点数 評価 スコア 一致度 判定 得点 ラベル 質問 回答 正例 負例 左";

fn is_known(name: &str) -> bool {
    let name = key(name);
    KNOWN.split(' ').any(|known| known == name)
}
