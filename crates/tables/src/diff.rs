//! What changed from one version of a table to the next.

use std::collections::HashMap;

use serde::Serialize;

use super::checks::row_key;
use super::stored::StoredPair;
use crate::problems::Problems;

/// At most this many examples of each kind.
pub const MOST_EXAMPLES: usize = 100;

/// What changed between two tables. Pairs are known by their texts, whichever stands left (see
/// [`super::checks::text_key`]): a corrected text is a pair removed and one added, a corrected score a pair changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DatasetChanges))]
pub struct Diff {
    /// Rows whose pair was not there before, or not as often.
    pub added: usize,
    /// Rows whose pair is no longer there, or not as often.
    pub removed: usize,
    /// Rows whose pair has another score.
    pub changed: usize,
    /// Rows with the same pair and the same score.
    pub unchanged: usize,
    /// The first hundred of each, in the order of their file.
    pub examples: DiffExamples,
}

/// The first rows of each kind of change.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DatasetChangeExamples))]
pub struct DiffExamples {
    /// Of the later table.
    pub added: Vec<DiffRow>,
    /// Of the earlier table.
    pub removed: Vec<DiffRow>,
    /// Of the later table.
    pub changed: Vec<ChangedRow>,
}

/// A row that is in one of the tables.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DatasetChangeRow))]
pub struct DiffRow {
    /// As a spreadsheet counts it, in the file it is in.
    pub row: usize,
    /// The left text.
    pub left: String,
    /// The right text.
    pub right: String,
    /// Its score.
    pub score: f64,
}

/// A row with another score than before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = DatasetChangedRow))]
pub struct ChangedRow {
    /// As a spreadsheet counts it, in the later file.
    pub row: usize,
    /// The left text.
    pub left: String,
    /// The right text.
    pub right: String,
    /// The earlier score.
    pub before: f64,
    /// The later score.
    pub after: f64,
}

/// A row of a table: 24 bytes, so that two tables of a million rows fit in 48 MB.
struct Entry {
    key: u64,
    score: f64,
    place: u32,
}

/// Compares two tables. Each is opened twice: once to count, once for the texts of examples, so that no text need be
/// held meanwhile. (`stored::pairs` gives what is asked for.)
pub fn diff<I, J, E: From<Problems>>(
    before: impl Fn() -> Result<I, E>,
    after: impl Fn() -> Result<J, E>,
) -> Result<Diff, E>
where
    I: Iterator<Item = Result<StoredPair, Problems>>,
    J: Iterator<Item = Result<StoredPair, Problems>>,
{
    let changes = Changes::between(&entries(before()?)?, &entries(after()?)?);
    let mut examples = DiffExamples::default();
    let row =
        |StoredPair { pair, .. }| DiffRow { row: pair.row, left: pair.left, right: pair.right, score: pair.score };
    examples.removed =
        at(before()?, &first(changes.removed.iter().copied()))?.into_iter().map(|(_, it)| row(it)).collect();
    let added = first(changes.added.iter().copied());
    let earlier: HashMap<u32, f64> = changes.changed.iter().copied().collect();
    let changed = first(earlier.keys().copied());
    let mut wanted: Vec<u32> = added.iter().chain(&changed).copied().collect();
    wanted.sort_unstable();
    for (place, stored) in at(after()?, &wanted)? {
        match earlier.get(&place) {
            Some(before) => examples.changed.push(ChangedRow {
                row: stored.pair.row,
                left: stored.pair.left,
                right: stored.pair.right,
                before: *before,
                after: stored.pair.score,
            }),
            None => examples.added.push(row(stored)),
        }
    }
    Ok(Diff {
        added: changes.added.len(),
        removed: changes.removed.len(),
        changed: changes.changed.len(),
        unchanged: changes.unchanged,
        examples,
    })
}

/// A table's rows by their keys, then by their scores.
fn entries(pairs: impl Iterator<Item = Result<StoredPair, Problems>>) -> Result<Vec<Entry>, Problems> {
    let entry = |(place, stored): (usize, Result<StoredPair, Problems>)| {
        let pair = stored?.pair;
        Ok(Entry { key: row_key(&pair), score: pair.score, place: place as u32 })
    };
    let mut entries = pairs.enumerate().map(entry).collect::<Result<Vec<Entry>, Problems>>()?;
    entries.sort_unstable_by(|one, other| {
        one.key.cmp(&other.key).then(one.score.total_cmp(&other.score)).then(one.place.cmp(&other.place))
    });
    Ok(entries)
}

/// Places of rows: of those removed in the earlier table, of the others in the later one.
#[derive(Default)]
struct Changes {
    added: Vec<u32>,
    removed: Vec<u32>,
    /// With the earlier score.
    changed: Vec<(u32, f64)>,
    unchanged: usize,
}

impl Changes {
    fn between(before: &[Entry], after: &[Entry]) -> Self {
        let same = |one: &Entry, next: &Entry| one.key == next.key;
        let mut changes = Self::default();
        let (mut olds, mut news) = (before.chunk_by(same).peekable(), after.chunk_by(same).peekable());
        loop {
            let (old, new) = (olds.peek().map(|old| old[0].key), news.peek().map(|new| new[0].key));
            let Some(key) = old.into_iter().chain(new).min() else { return changes };
            let old = olds.next_if(|group| group[0].key == key).unwrap_or_default();
            let new = news.next_if(|group| group[0].key == key).unwrap_or_default();
            changes.of_one_pair(old, new);
        }
    }

    /// Rows of one pair: those with the same score are the same; of the rest the first of the one table is the first
    /// of the other with a new score.
    fn of_one_pair(&mut self, mut old: &[Entry], mut new: &[Entry]) {
        let (mut left_old, mut left_new) = (Vec::new(), Vec::new());
        loop {
            match (old, new) {
                ([one, olds @ ..], [other, news @ ..]) if (one.score - other.score).abs() <= 1e-9 => {
                    self.unchanged += 1;
                    (old, new) = (olds, news);
                }
                ([one, olds @ ..], others) if others.first().is_none_or(|other| one.score < other.score) => {
                    left_old.push((one.place, one.score));
                    old = olds;
                }
                (_, [other, news @ ..]) => {
                    left_new.push(other.place);
                    new = news;
                }
                (_, []) => break,
            }
        }
        left_old.sort_unstable_by_key(|(place, _)| *place);
        left_new.sort_unstable();
        let both = left_old.len().min(left_new.len());
        self.changed.extend(left_new.iter().zip(&left_old).map(|(place, (_, score))| (*place, *score)));
        self.removed.extend(left_old[both..].iter().map(|(place, _)| *place));
        self.added.extend(&left_new[both..]);
    }
}

/// The first places, in order.
fn first(places: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut places: Vec<u32> = places.collect();
    places.sort_unstable();
    places.truncate(MOST_EXAMPLES);
    places
}

/// The rows at sorted places.
fn at(
    pairs: impl Iterator<Item = Result<StoredPair, Problems>>,
    places: &[u32],
) -> Result<Vec<(u32, StoredPair)>, Problems> {
    let end = places.last().map_or(0, |last| *last as usize + 1);
    let mut found = Vec::with_capacity(places.len());
    for (place, stored) in pairs.take(end).enumerate() {
        if places.binary_search(&(place as u32)).is_ok() {
            found.push((place as u32, stored?));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::pairs_of;

    fn table(rows: &[(&str, &str, f64)]) -> Vec<StoredPair> {
        pairs_of(rows).into_iter().map(|pair| StoredPair { line: pair.row, pair }).collect()
    }

    fn compare(before: &[StoredPair], after: &[StoredPair]) -> Diff {
        let before = || Ok::<_, Problems>(before.iter().cloned().map(Ok));
        diff(before, || Ok(after.iter().cloned().map(Ok))).unwrap()
    }

    fn counts(diff: &Diff) -> [usize; 4] {
        [diff.added, diff.removed, diff.changed, diff.unchanged]
    }

    #[test]
    fn a_corrected_table_shows_what_was_corrected() {
        let before = table(&[("a", "b", 0.2), ("c", "d", 0.4), ("e", "f", 0.6), ("看護師", "ナース", 1.0)]);
        let after = table(&[("x", "y", 0.5), ("d", "c", 0.9), ("ﾅｰｽ", " 看護師", 1.0), ("e", "f", 0.6)]);
        let diff = compare(&before, &after);
        assert_eq!(counts(&diff), [1, 1, 1, 2]);
        assert_eq!((diff.examples.added[0].row, &*diff.examples.added[0].left), (2, "x"));
        assert_eq!((diff.examples.removed[0].row, diff.examples.removed[0].score), (2, 0.2));
        let changed = &diff.examples.changed[0];
        assert_eq!((changed.row, &*changed.left, changed.before, changed.after), (3, "d", 0.4, 0.9));
    }

    #[test]
    fn rows_of_a_repeated_pair_are_matched_by_their_scores_first() {
        let before = table(&[("a", "b", 0.1), ("a", "b", 0.3)]);
        assert_eq!(counts(&compare(&before, &table(&[("a", "b", 0.5), ("a", "b", 0.1)]))), [0, 0, 1, 1]);
        assert_eq!(counts(&compare(&before, &table(&[("a", "b", 0.3)]))), [0, 1, 0, 1]);
        let thrice = table(&[("b", "a", 0.3), ("a", "b", 0.1), ("a", "b", 0.1)]);
        let diff = compare(&before, &thrice);
        assert_eq!(counts(&diff), [1, 0, 0, 2]);
        assert_eq!(diff.examples.added[0].row, 4);
    }

    #[test]
    fn a_table_does_not_differ_from_itself_and_examples_end_at_a_hundred() {
        let texts: Vec<String> = (0..250).map(|number| format!("text {number}")).collect();
        let rows: Vec<(&str, &str, f64)> = texts.iter().map(|text| (text.as_str(), "hub", 0.5)).collect();
        let all = table(&rows);
        assert_eq!(counts(&compare(&all, &all)), [0, 0, 0, 250]);
        let diff = compare(&all, &[]);
        assert_eq!(counts(&diff), [0, 250, 0, 0]);
        let rows: Vec<usize> = diff.examples.removed.iter().map(|row| row.row).collect();
        assert_eq!(rows, (2..102).collect::<Vec<_>>());
    }

    #[test]
    fn a_table_that_cannot_be_read_is_no_change() {
        let broken = || Ok::<_, Problems>(std::iter::once(Err(Problems::table("stored_table_damaged", "", ""))));
        let whole = || Ok::<_, Problems>(table(&[("a", "b", 0.1)]).into_iter().map(Ok));
        assert_eq!(diff(broken, whole).unwrap_err().code, "stored_table_damaged");
        assert_eq!(diff(whole, broken).unwrap_err().code, "stored_table_damaged");
    }
}
