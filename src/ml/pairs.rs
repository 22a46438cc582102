//! A table's rows as a model reads them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tables::PairDataset;
use tables::checks::text_key;

/// A row whose texts are tokens already: once, not once an epoch.
///
/// A row of labelled texts is its text twice, until another is drawn to go with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenPair {
    /// The left text's ids.
    pub left: Vec<u32>,
    /// The right text's ids.
    pub right: Vec<u32>,
    /// Of a triplet, the ids of the text that does not belong.
    pub negative: Option<Vec<u32>>,
    /// How alike left and right are, 0 to 1, as the table says it;
    /// [`ScoreTarget`](crate::ml::target::ScoreTarget) knows which similarity that asks for.
    pub score: f64,
    /// The row as a spreadsheet counts it.
    pub row: usize,
    /// Of labelled texts, their labels.
    pub labels: Option<Labels>,
}

/// The labels of a row's texts, as numbers in ascending order. A text that stands in several rows has the labels of all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// The label that stands in the row.
    pub own: u32,
    /// The left text's.
    pub left: Arc<[u32]>,
    /// The right text's.
    pub right: Arc<[u32]>,
    /// Those of a triplet's negative.
    pub negative: Arc<[u32]>,
    /// The row that the right text comes from.
    pub right_row: usize,
}

impl TokenPair {
    /// The row's texts as the model reads them: texts that become the same tokens are the same.
    pub fn texts(&self) -> impl Iterator<Item = &[u32]> {
        [self.left.as_slice(), &self.right].into_iter().chain(self.negative.as_deref())
    }
}

/// Whether two texts have a label in common.
pub fn share_label(one: &[u32], other: &[u32]) -> bool {
    one.iter().any(|label| other.binary_search(label).is_ok())
}

/// Rows of labelled texts. Labels are the same where texts would be: blanks and widths of characters do not count.
pub fn labelled(table: &PairDataset, tokens: impl Fn(&str) -> Vec<u32>) -> Vec<TokenPair> {
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut of_text: HashMap<Vec<u32>, BTreeSet<u32>> = HashMap::new();
    let mut rows = Vec::with_capacity(table.pairs.len());
    for pair in &table.pairs {
        let next = numbers.len() as u32;
        let own = *numbers.entry(text_key(&pair.right)).or_insert(next);
        let text = tokens(&pair.left);
        of_text.entry(text.clone()).or_default().insert(own);
        rows.push((text, own, pair.row));
    }
    let of_text: HashMap<Vec<u32>, Arc<[u32]>> =
        of_text.into_iter().map(|(text, labels)| (text, labels.into_iter().collect())).collect();
    let row = |(text, own, row): (Vec<u32>, u32, usize)| {
        let all = Arc::clone(&of_text[&text]);
        let labels = Labels { own, left: Arc::clone(&all), right: all, right_row: row, ..Labels::default() };
        TokenPair { right: text.clone(), left: text, negative: None, score: 1.0, row, labels: Some(labels) }
    };
    rows.into_iter().map(row).collect()
}

/// For each row of a label another row with a different text of that label, and one whose text has none of its labels,
/// where there are such. Nothing is drawn: a row is asked the same whenever it is asked.
///
/// `own` is each row's label; `same_text` and `shared` tell of two rows whether their texts are the same, and whether
/// they have a label in common.
pub fn partners<L: Ord + Copy>(
    own: &[L],
    same_text: impl Fn(usize, usize) -> bool,
    shared: impl Fn(usize, usize) -> bool,
) -> Vec<[Option<usize>; 2]> {
    let mut of_label: std::collections::BTreeMap<L, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, label) in own.iter().enumerate() {
        of_label.entry(*label).or_default().push(row);
    }
    let groups: Vec<Vec<usize>> = of_label.into_values().collect();
    let mut found = vec![[None, None]; own.len()];
    for (number, group) in groups.iter().enumerate() {
        for (place, &row) in group.iter().enumerate() {
            let further = (1..group.len()).map(|step| group[(place + step) % group.len()]);
            let others = (0..groups.len()).map(|step| &groups[(number + 1 + place + step) % groups.len()]);
            let others = others.map(|other| other[place % other.len()]);
            let same = further.take(LOOKED_AT).find(|&other| !same_text(row, other));
            let apart = others.take(LOOKED_AT).find(|&other| !shared(row, other));
            found[row] = [same, apart];
        }
    }
    found
}

/// Rows that are looked at for a partner: a text that repeats so often has none.
const LOOKED_AT: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;
    use tables::{Pair, TableKind};

    #[test]
    fn a_text_in_several_rows_has_the_labels_of_all_and_partners_keep_to_them() {
        let rows = [("a", "x"), ("b", "x"), ("a", "y"), ("c", "ｙ "), ("d", "z"), ("a", "x")];
        let pair = |(row, (text, label)): (usize, (&str, &str))| {
            let (left, right) = (text.to_owned(), label.to_owned());
            Pair { left, right, negative: None, score: 1.0, row }
        };
        let pairs = (2..).zip(rows).map(pair).collect();
        let table = PairDataset { columns: None, kind: TableKind::Labelled, pairs };
        let rows = labelled(&table, |text| text.bytes().map(u32::from).collect());
        let labels: Vec<&Labels> = rows.iter().map(|row| row.labels.as_ref().unwrap()).collect();
        assert_eq!((labels[0].own, &*labels[0].left, &*labels[1].left), (0, &[0, 1][..], &[0][..]));
        assert_eq!((labels[3].own, &*labels[3].left, &*labels[4].left), (1, &[1][..], &[2][..]));
        let own: Vec<u32> = labels.iter().map(|labels| labels.own).collect();
        let found = partners(
            &own,
            |one, other| rows[one].left == rows[other].left,
            |one, other| share_label(&labels[one].left, &labels[other].left),
        );
        assert_eq!(found[0], [Some(1), Some(4)]);
        assert_eq!(found[4], [None, Some(0)], "a label of one text has no other");
        for (row, [same, apart]) in found.iter().enumerate() {
            assert!(same.is_none_or(|same| own[same] == own[row] && rows[same].left != rows[row].left));
            assert!(apart.is_some_and(|apart| !share_label(&labels[apart].left, &labels[row].left)));
        }
    }
}
