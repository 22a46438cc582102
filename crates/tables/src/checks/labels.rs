//! What labels as a whole can teach.

use std::collections::HashMap;

use super::{Finding, Knowledge, Level, RowFacts, Signs, counted, grouped};
use crate::pair::TableKind;

pub(super) fn findings(rows: &[RowFacts], knowledge: &Knowledge) -> Vec<Finding> {
    if knowledge.kind != TableKind::Labelled || rows.is_empty() {
        return Vec::new();
    }
    let mut of_label: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        of_label.entry(row.right).or_default().push(place);
    }
    let found = [one_label_only(&of_label, rows), lone_labels(of_label, rows), several_labels(rows), lists(rows)];
    found.into_iter().flatten().collect()
}

fn one_label_only(of_label: &HashMap<u64, Vec<usize>>, rows: &[RowFacts]) -> Option<Finding> {
    let finding = Finding::new("one_label_only", Level::Error, 1, rows.len())
        .says(
            format!("All {} have the same label.", counted(rows.len(), "text", "texts")),
            "A model learns from what is the same and what is not: add texts with other labels.",
        )
        .fact("rows", rows.len());
    (of_label.len() == 1).then_some(finding)
}

/// Labels that one text has: nothing can be drawn to go with it.
fn lone_labels(of_label: HashMap<u64, Vec<usize>>, rows: &[RowFacts]) -> Option<Finding> {
    let labels = of_label.len();
    let alone = |places: &Vec<usize>| places.iter().all(|&place| rows[place].left == rows[places[0]].left);
    let mut lone: Vec<usize> = of_label.into_values().filter(alone).map(|places| places[0]).collect();
    lone.sort_unstable();
    let count = lone.len();
    // With no label of two texts there is nothing to learn.
    let level = if count == labels { Level::Error } else { Level::Info };
    let finding = Finding::new("lone_labels", level, count, count)
        .says(
            format!("{} of {} one text alone.", grouped(count), counted(labels, "label has", "labels have")),
            "Such a text has no other that it should be near to; it only shows what other labels are not. Add texts to these labels.",
        )
        .fact("labels", count)
        .fact("of", labels)
        .at(lone);
    (count > 0 && labels > 1).then_some(finding)
}

/// Texts that stand in several rows, with different labels.
fn several_labels(rows: &[RowFacts]) -> Option<Finding> {
    let mut keys: Vec<(u64, u64, usize)> =
        rows.iter().enumerate().map(|(place, row)| (row.left, row.right, place)).collect();
    keys.sort_unstable();
    let mut places = Vec::new();
    let mut count = 0;
    for text in keys.chunk_by(|one, next| one.0 == next.0).filter(|text| text[0].1 != text[text.len() - 1].1) {
        count += 1;
        places.extend(text.iter().map(|(_, _, place)| *place));
    }
    let in_rows = places.len();
    let finding = Finding::new("texts_with_several_labels", Level::Info, count, in_rows)
        .says(
            format!(
                "{} more than one label, in {}.",
                counted(count, "text has", "texts have"),
                counted(in_rows, "row", "rows")
            ),
            "Such a text counts for all of its labels, and is drawn apart from none of them. Where only one is meant, correct the file.",
        )
        .fact("texts", count)
        .fact("rows", in_rows)
        .at(places);
    (count > 0).then_some(finding)
}

fn lists(rows: &[RowFacts]) -> Option<Finding> {
    let places: Vec<usize> = (0..rows.len()).filter(|&place| rows[place].signs.has(Signs::LISTED)).collect();
    let count = places.len();
    let finding = Finding::new("labels_look_like_lists", Level::Warning, count, count)
        .says(
            format!("In {} the label looks like several in one cell.", counted(count, "row", "rows")),
            "Each cell is one label, whole: \"a; b\" is another label than \"a\". For several labels write a row for each, with the text again.",
        )
        .fact("rows", count)
        .at(places);
    (count > 0).then_some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::Pair;

    fn found(rows: &[(&str, &str)]) -> Vec<(&'static str, usize, usize)> {
        let pair = |(row, &(text, label)): (usize, &(&str, &str))| {
            let (left, right) = (text.to_owned(), label.to_owned());
            RowFacts::of(&Pair { left, right, negative: None, score: 1.0, row }, row, None)
        };
        let facts: Vec<RowFacts> = (2..).zip(rows).map(pair).collect();
        let knowledge = Knowledge { kind: TableKind::Labelled, ..Knowledge::default() };
        let all = super::super::run(&facts, &knowledge);
        all.into_iter().map(|finding| (finding.code, finding.count, finding.rows)).collect()
    }

    #[test]
    fn what_labels_cannot_teach_is_told() {
        let twelve = |label: fn(usize) -> &'static str| -> Vec<(String, &'static str)> {
            (0..12).map(|row| (format!("text {row}"), label(row))).collect()
        };
        let told = |rows: Vec<(String, &str)>| {
            found(&rows.iter().map(|(text, label)| (text.as_str(), *label)).collect::<Vec<_>>())
        };
        assert_eq!(told(twelve(|_| "a")), [("one_label_only", 1, 12)]);
        assert_eq!(told(twelve(|row| if row < 11 { "a" } else { "b" })), [("lone_labels", 1, 1)]);
        // Labels repeat and so do texts that equal their label: neither is worth a word.
        let mut rows = twelve(|row| if row < 6 { "a" } else { "b" });
        rows.push(("a".to_owned(), "a"));
        assert_eq!(told(rows.clone()), []);
        rows.push(("text 0".to_owned(), "b"));
        assert_eq!(told(rows), [("texts_with_several_labels", 1, 2)]);
    }
}
