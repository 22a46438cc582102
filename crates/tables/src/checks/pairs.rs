//! Pairs that say the same twice, or two things.

use super::{Finding, Knowledge, Level, MOST_EXAMPLES, RowFacts, counted, grouped, written};
use crate::choices::Fix;
use crate::pair::TableKind;

/// The places of all rows, rows of one pair together, each pair's in the order of the file.
pub(super) struct Groups {
    sorted: Vec<(u64, u32)>,
}

impl Groups {
    /// Of the rows that `counts`.
    pub(super) fn of(rows: &[RowFacts], counts: impl Fn(usize, &RowFacts) -> bool) -> Self {
        let counted = rows.iter().enumerate().filter(|(place, row)| counts(*place, row));
        let mut sorted: Vec<(u64, u32)> = counted.map(|(place, row)| (row.key(), place as u32)).collect();
        sorted.sort_unstable();
        Self { sorted }
    }

    /// The pairs that stand in more than one row.
    pub(super) fn repeated(&self) -> impl Iterator<Item = Group<'_>> {
        self.sorted.chunk_by(|one, next| one.0 == next.0).filter(|group| group.len() > 1).map(Group)
    }
}

/// The rows of one pair.
#[derive(Clone, Copy)]
pub(super) struct Group<'a>(&'a [(u64, u32)]);

impl Group<'_> {
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, place)| *place as usize)
    }

    pub(super) fn first(&self) -> usize {
        self.0[0].1 as usize
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The difference between a pair's highest and lowest score.
    pub(super) fn spread(&self, score: impl Fn(usize) -> f64) -> f64 {
        let scores = || self.places().map(&score);
        scores().fold(f64::MIN, f64::max) - scores().fold(f64::MAX, f64::min)
    }
}

/// Scores that differ by no more are the same: what is left of a division.
pub(super) const SAME: f64 = 1e-9;

pub(super) fn findings(rows: &[RowFacts], knowledge: &Knowledge) -> [Option<Finding>; 4] {
    let groups = Groups::of(rows, |_, _| true);
    [
        contradicting_scores(rows, knowledge, &groups),
        identical_texts(rows, knowledge),
        benchmark_overlap(rows, knowledge),
        repeated_pairs(rows, knowledge, &groups),
    ]
}

/// Examples: whole pairs in the order of their first rows, the rows of each together.
fn examples(mut groups: Vec<Group<'_>>) -> Vec<usize> {
    groups.sort_by_key(Group::first);
    groups.iter().flat_map(|group| group.places().collect::<Vec<_>>()).collect()
}

/// Counts each pair, mirrored or not, that has more than one score.
fn contradicting_scores(rows: &[RowFacts], knowledge: &Knowledge, groups: &Groups) -> Option<Finding> {
    if !knowledge.kind.scored() {
        return None;
    }
    let spread = |group: &Group<'_>| group.spread(|place| rows[place].score);
    let mut split: Vec<Group<'_>> = groups.repeated().filter(|group| spread(group) > SAME).collect();
    let in_rows = split.iter().map(Group::len).sum();
    split.sort_by(|one, other| spread(other).total_cmp(&spread(one)).then(one.first().cmp(&other.first())));
    let widest = *split.first()?;
    let by_score = |one: &usize, other: &usize| rows[*one].score.total_cmp(&rows[*other].score);
    let low = &rows[widest.places().min_by(by_score)?];
    let high = &rows[widest.places().max_by(by_score)?];
    let count = split.len();
    split.truncate(MOST_EXAMPLES / 2);
    let finding = Finding::new("contradicting_scores", Level::Warning, count, in_rows)
        .says(
            format!(
                "{} different scores in different rows, {} in all. Widest apart: {} in row {}, {} in row {}.",
                counted(count, "pair has", "pairs have"),
                counted(in_rows, "row", "rows"),
                written(low.score),
                low.row,
                written(high.score),
                high.row
            ),
            "A model cannot learn both. Take the mean, keep the first, leave these pairs out, or correct the file.",
        )
        .fact("pairs", count)
        .fact("rows", in_rows)
        .fact("low", low.score)
        .fact("low_row", low.row)
        .fact("high", high.score)
        .fact("high_row", high.row)
        .fix(Fix::AverageContradictions)
        .fix(Fix::KeepFirstContradiction)
        .fix(Fix::DropContradictions)
        .at(examples(split));
    Some(finding)
}

/// Counts each pair that stands in more than one row, also mirrored, with the same score or another. Triplets
/// repeat where all three texts do.
fn repeated_pairs(rows: &[RowFacts], knowledge: &Knowledge, groups: &Groups) -> Option<Finding> {
    let mirrored = |group: &Group<'_>| group.places().any(|place| rows[place].left != rows[group.first()].left);
    let contradicting = |group: &Group<'_>| group.spread(|place| rows[place].score) > SAME;
    let mut some: Vec<Group<'_>> = groups.repeated().collect();
    let count = some.len();
    let in_rows = some.iter().map(Group::len).sum::<usize>();
    let turned = some.iter().filter(|group| mirrored(group)).count();
    let split = some.iter().filter(|group| knowledge.kind.scored() && contradicting(group)).count();
    some.sort_by_key(Group::first);
    some.truncate(MOST_EXAMPLES / 2);
    let [one, many] = match knowledge.kind {
        TableKind::Triplet => ["triplet stands", "triplets stand"],
        TableKind::Labelled => ["text stands with the same label", "texts stand with the same label"],
        _ => ["pair stands", "pairs stand"],
    };
    let mut message =
        format!("{} in more than one row, {} in all", counted(count, one, many), counted(in_rows, "row", "rows"));
    if turned > 0 {
        message.push_str(&format!("; {} of them with the texts swapped", grouped(turned)));
    }
    if split > 0 {
        message.push_str(&format!("; {} of them with different scores", grouped(split)));
    }
    message.push('.');
    let finding = Finding::new("repeated_pairs", Level::Info, count, in_rows)
        .says(
            message,
            "A repeated pair counts more than others. Leave the repeats out unless that is meant. Pairs with different scores have a finding of their own.",
        )
        .fact("pairs", count)
        .fact("rows", in_rows)
        .fact("repeats", in_rows - count)
        .fact("swapped", turned)
        .fact("contradicting", split)
        .fix(Fix::DropRepeats)
        .at(examples(some));
    (count > 0).then_some(finding)
}

/// Counts rows whose two texts are the same.
fn identical_texts(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    if knowledge.kind == TableKind::Labelled {
        return None;
    }
    let top = knowledge.top(rows);
    let low = |row: &RowFacts| knowledge.kind.scored() && row.score < top - SAME;
    let all: Vec<usize> = (0..rows.len()).filter(|place| rows[*place].identical()).collect();
    let below: Vec<usize> = all.iter().copied().filter(|place| low(&rows[*place])).collect();
    let count = all.len();
    let same = format!("In {} both texts are the same", counted(count, "row", "rows"));
    let mut finding = Finding::new("identical_texts", Level::Info, count, count);
    if let Some(&worst) = below.iter().min_by(|one, other| rows[**one].score.total_cmp(&rows[**other].score)) {
        let worst = &rows[worst];
        finding.level = Level::Warning;
        finding = finding
            .says(
                format!(
                    "{same}; {} below the highest score. Lowest: {} in row {}.",
                    counted(below.len(), "is scored", "are scored"),
                    written(worst.score),
                    worst.row
                ),
                "A model gives the same vector to the same text: their similarity is the highest there is, whatever the score. Raise the scores or leave the rows out.",
            )
            .fact("lowest", worst.score)
            .fact("lowest_row", worst.row)
            .fix(Fix::RaiseIdentical);
    } else {
        finding = finding.says(
            format!("{same}."),
            "They teach nothing: the same text always has the same vector. They do no harm either.",
        );
    }
    let rest = all.iter().copied().filter(|place| !low(&rows[*place]));
    let finding = finding
        .fact("rows", count)
        .fact("below_top", below.len())
        .fix(Fix::DropIdentical)
        .at(below.iter().copied().chain(rest));
    (count > 0).then_some(finding)
}

/// Counts each pair that the benchmark holds too, mirrored or not.
fn benchmark_overlap(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    if knowledge.benchmark.is_empty() {
        return None;
    }
    let shared = |row: &RowFacts| knowledge.benchmark.contains(&super::pair_key(row.left, row.right));
    let places: Vec<usize> = (0..rows.len()).filter(|place| shared(&rows[*place])).collect();
    let mut keys: Vec<u64> =
        places.iter().map(|place| super::pair_key(rows[*place].left, rows[*place].right)).collect();
    keys.sort_unstable();
    keys.dedup();
    let (count, in_rows) = (keys.len(), places.len());
    let finding = Finding::new("benchmark_overlap", Level::Warning, count, in_rows)
        .says(
            format!(
                "{} in the benchmark too ({} of this table).",
                counted(count, "pair is", "pairs are"),
                counted(in_rows, "row", "rows")
            ),
            "A model that has learned them does better on the benchmark than it is. Leave them out of the training.",
        )
        .fact("pairs", count)
        .fact("rows", in_rows)
        .fix(Fix::DropBenchmarkPairs)
        .at(places);
    (count > 0).then_some(finding)
}
