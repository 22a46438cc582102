//! Some of a table's pairs: searched, sorted, a page at a time, whatever the table's size.

use std::io::BufReader;
use std::path::Path;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::DatasetError;
use tables::Stop;
use tables::stored::{self, StoredPair};

/// In which order pairs are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// As the file has them.
    #[default]
    Row,
    /// The lowest score first; of equal ones as the file has them.
    Lowest,
    Highest,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsWanted {
    /// Matching pairs to leave out at the beginning.
    pub offset: usize,
    pub limit: usize,
    /// Only pairs one of whose texts holds this, whatever the case and width of its letters.
    pub text: Option<String>,
    /// Only pairs whose score lies between these, both included.
    pub scores: Option<(f64, f64)>,
    pub sort: Sort,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsFound {
    pub rows: Vec<StoredPair>,
    /// How many there are on all pages.
    pub matching: usize,
}

/// Reads the table once, and a second time where it is to be sorted: then a number for each matching pair is all
/// that is kept in between.
pub(super) fn find(file: &Path, wanted: &RowsWanted, total: usize, stop: &Stop) -> Result<RowsFound, DatasetError> {
    let text = wanted.text.as_deref().map(folded).filter(|text| !text.is_empty());
    let fits = |pair: &StoredPair| {
        wanted.scores.is_none_or(|(low, high)| (low..=high).contains(&pair.pair.score))
            && text.as_ref().is_none_or(|text| holds(pair, text))
    };
    let pairs = || {
        let pairs = stored::pairs(BufReader::with_capacity(1 << 18, std::fs::File::open(file)?));
        Ok::<_, std::io::Error>(pairs.map(|pair| stop.check().and(pair)))
    };
    if wanted.sort == Sort::Row {
        let all = text.is_none() && wanted.scores.is_none();
        let mut found = RowsFound::default();
        for pair in pairs()? {
            let pair = pair?;
            if !fits(&pair) {
                continue;
            }
            if found.matching >= wanted.offset && found.rows.len() < wanted.limit {
                found.rows.push(pair);
            }
            found.matching += 1;
            if all && found.rows.len() == wanted.limit {
                found.matching = total;
                break;
            }
        }
        return Ok(found);
    }
    let mut places: Vec<(f64, u32)> = Vec::new();
    for (place, pair) in (0..).zip(pairs()?) {
        let pair = pair?;
        if fits(&pair) {
            places.push((pair.pair.score, place));
        }
    }
    let matching = places.len();
    places.sort_unstable_by(|a, b| {
        let scores = if wanted.sort == Sort::Lowest { a.0.total_cmp(&b.0) } else { b.0.total_cmp(&a.0) };
        scores.then(a.1.cmp(&b.1))
    });
    let page = places.iter().skip(wanted.offset).take(wanted.limit).map(|(_, place)| *place);
    let mut by_place: Vec<(u32, usize)> = page.zip(0..).collect();
    drop(places);
    by_place.sort_unstable();
    let mut rows: Vec<(usize, StoredPair)> = Vec::with_capacity(by_place.len());
    let mut next = by_place.into_iter().peekable();
    for (place, pair) in (0..).zip(pairs()?) {
        if let Some((_, order)) = next.next_if(|(wanted, _)| *wanted == place) {
            rows.push((order, pair?));
        } else if next.peek().is_none() {
            break;
        }
    }
    rows.sort_unstable_by_key(|(order, _)| *order);
    Ok(RowsFound { rows: rows.into_iter().map(|(_, pair)| pair).collect(), matching })
}

fn holds(pair: &StoredPair, folded_text: &str) -> bool {
    let pair = &pair.pair;
    [Some(&pair.left), Some(&pair.right), pair.negative.as_ref()]
        .into_iter()
        .flatten()
        .any(|text| folded(text).contains(folded_text))
}

/// A text as it is searched: of one case and one width.
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    match is_nfkc_quick(text.chars()) {
        IsNormalized::Yes => text.to_lowercase(),
        _ => text.nfkc().collect::<String>().to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::Pair;

    fn table() -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = stored::Writer::new(file.reopen().unwrap()).unwrap();
        let rows = [
            ("Nurse", "Doctor", 0.7),
            ("ＮＵＲＳＥ", "看護師", 1.0),
            ("Driver", "nurse aide", 0.2),
            ("Cook", "Chef", 0.7),
        ];
        for (row, (left, right, score)) in (2..).zip(rows) {
            let pair = Pair { left: left.to_owned(), right: right.to_owned(), negative: None, score, row };
            writer.write(&pair, row).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn rows(wanted: &RowsWanted) -> (Vec<usize>, usize) {
        let found = find(table().path(), wanted, 4, &Stop::NEVER).unwrap();
        (found.rows.iter().map(|row| row.pair.row).collect(), found.matching)
    }

    #[test]
    fn rows_are_found_by_text_of_any_case_and_width_and_by_their_scores() {
        let all = RowsWanted { limit: 10, ..RowsWanted::default() };
        assert_eq!(rows(&all), (vec![2, 3, 4, 5], 4));
        assert_eq!(rows(&RowsWanted { limit: 1, offset: 1, ..all.clone() }), (vec![3], 4));
        let nurse = RowsWanted { text: Some("nUrse".to_owned()), ..all.clone() };
        assert_eq!(rows(&nurse), (vec![2, 3, 4], 3));
        assert_eq!(rows(&RowsWanted { scores: Some((0.2, 0.7)), limit: 1, ..nurse }), (vec![2], 2));
    }

    #[test]
    fn equal_scores_keep_the_order_of_the_file_and_pages_go_on() {
        let sorted = |sort, offset| rows(&RowsWanted { limit: 2, offset, sort, ..RowsWanted::default() });
        assert_eq!(sorted(Sort::Lowest, 0), (vec![4, 2], 4));
        assert_eq!(sorted(Sort::Lowest, 2), (vec![5, 3], 4));
        assert_eq!(sorted(Sort::Highest, 0), (vec![3, 2], 4));
    }
}
