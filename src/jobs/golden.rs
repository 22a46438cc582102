//! Golden texts: what a tuned model is asked when it is made and whenever it is loaded.

use std::collections::BTreeSet;

use crate::ml::encoder::{Origin, evenly_spaced};
use crate::ml::eval::retention_pairs;
use tables::{Pair, PairDataset, TableKind};

/// Of the table, which reach the rows that training changed.
const OF_TABLE: usize = 12;
/// Of the report's titles.
const OF_TITLES: usize = 8;
/// Of the general texts, in English and Japanese.
const GENERAL: usize = 12;

/// About 32 texts, no two the same.
pub(super) fn golden_texts<'a>(table: &'a PairDataset, titles: &[String]) -> Vec<(Origin, String)> {
    let labelled = table.kind == TableKind::Labelled;
    let texts = |pair: &'a Pair| [Some(&pair.left), (!labelled).then_some(&pair.right)].into_iter().flatten();
    let of_table: Vec<&str> = table.pairs.iter().flat_map(texts).map(String::as_str).collect();
    let general = retention_pairs();
    let general: Vec<&str> = general.pairs.iter().map(|pair| pair.left.as_str()).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let sources =
        [(Origin::Table, of_table, OF_TABLE), (Origin::Title, titles, OF_TITLES), (Origin::General, general, GENERAL)];
    let mut taken = BTreeSet::new();
    let mut texts = Vec::new();
    for (origin, from, count) in sources {
        let mut seen = BTreeSet::new();
        let distinct: Vec<&str> = from.into_iter().filter(|text| seen.insert(*text)).collect();
        let new = evenly_spaced(distinct, count).into_iter().filter(|text| taken.insert((*text).to_owned()));
        texts.extend(new.map(|text| (origin, text.to_owned())).collect::<Vec<_>>());
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_texts_are_of_the_table_the_titles_and_both_languages_and_no_two_are_the_same() {
        let pair = |row: usize| Pair {
            left: format!("left {row}"),
            right: "the same".to_owned(),
            negative: None,
            score: 0.5,
            row,
        };
        let table = PairDataset { columns: None, kind: TableKind::PairScore, pairs: (0..500).map(pair).collect() };
        let texts = golden_texts(&table, &["the same".to_owned(), "nurse".to_owned()]);
        let count = |wanted| texts.iter().filter(|(origin, _)| *origin == wanted).count();
        assert_eq!(count(Origin::Table), OF_TABLE);
        assert_eq!(count(Origin::General), GENERAL);
        assert!((1..=2).contains(&count(Origin::Title)));
        let distinct: BTreeSet<&String> = texts.iter().map(|(_, text)| text).collect();
        assert_eq!(distinct.len(), texts.len());
        let of_japanese = |(origin, text): &&(Origin, String)| *origin == Origin::General && !text.is_ascii();
        let japanese = texts.iter().filter(of_japanese).count();
        assert!((3..GENERAL).contains(&japanese), "{japanese}");
    }
}
