//! Scores that can be read in two ways: what would turn their meaning round is asked, what would only stretch it is
//! told.

use std::collections::BTreeMap;

use super::survey::Survey;
use crate::checks::{Finding, Level};
use crate::choices::{self, Encoding, Scale, TableOptions};
use crate::problems::Problems;
use crate::reading::columns::{self, Layout};
use crate::reading::names;
use crate::reading::scale::Numbers;
use crate::source::{Dialect, contents, lists};

/// What stands in the way of a table whose scores could mean the opposite.
pub(super) const UNCLEAR: &str = "scores_unclear";

/// What stands in the way of a table whose texts could be others.
pub(super) const ENCODING: &str = "encoding_unclear";

/// Whether the text reads as well in another encoding, to other words.
pub(super) fn encoding(dialect: &Dialect) -> Option<Finding> {
    let readings = &dialect.encoding_unsure;
    let name = |encoding: &Encoding| choices::name_of(encoding);
    let told: Vec<String> = readings.iter().map(|(encoding, text)| format!("{}: {text}", name(encoding))).collect();
    let facts: BTreeMap<String, String> =
        readings.iter().map(|(encoding, text)| (name(encoding), text.clone())).collect();
    let finding = Finding::new("encoding_not_sure", Level::Error, readings.len(), 0)
        .says(
            format!("The text can be read in {} encodings, to different words. {}.", readings.len(), told.join(" | ")),
            "Say which of them is right, as in encoding=windows-1252; or save the file as \"CSV UTF-8\" and send that.",
        )
        .fact("readings", serde_json::json!(facts));
    (!readings.is_empty()).then_some(finding)
}

/// A table of concepts and not of pairs.
pub(super) fn taxonomy() -> Finding {
    let Problems { what, hint, .. } = contents::taxonomy();
    let hint = format!(
        "{hint} If it does hold pairs, say which columns: mapping={{\"text_a\": .., \"text_b\": ..}} and kind."
    );
    Finding::new("looks_like_taxonomy", Level::Error, 1, 0).says(what, hint)
}

/// Columns that may be the score, where none was taken.
pub(super) fn unread(names: &[String]) -> Finding {
    let Problems { what, hint, .. } = columns::score_unread(names);
    Finding::new("score_not_taken", Level::Error, names.len(), 0).says(what, hint).fact("columns", names.to_vec())
}

/// Whether the scores could as well mean the opposite of what they would be read as.
pub(super) fn opposite(layout: &Layout, survey: &Survey, said: &TableOptions) -> Option<Finding> {
    if said.scale.is_some() || survey.kinds.numbers == 0 {
        return None;
    }
    let score = layout.score?;
    let name = layout.name(score).unwrap_or_default();
    let rows = survey.kinds.numbers;
    if names::is_distance(name) {
        let Scale { lowest, highest } = survey.numbers.scale();
        let finding = Finding::new("distance_or_similarity", Level::Error, rows, rows)
            .says(
                format!(
                    "\"{name}\" sounds like a distance, which is small where texts are alike; read as a similarity it would teach the opposite."
                ),
                format!(
                    "Say the scale from the farthest to the nearest: scale=\"{highest}..{lowest}\" where small numbers mean alike, scale=\"{lowest}..{highest}\" where large ones do."
                ),
            )
            .fact("column", name)
            .fact("lowest", lowest)
            .fact("highest", highest);
        return Some(finding);
    }
    let classes = survey.numbers.few_whole()?;
    let text = |place: usize| layout.name(layout.texts[place]).map(names::normal).unwrap_or_default();
    let inference = names::are_inference(&text(0), &text(1));
    // 0 and 1 alone are different and the same everywhere but there.
    if !(inference || names::is_class(name) && classes.len() > 2) || classes.len() < 2 {
        return None;
    }
    let list = classes.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
    let (first, last) = (classes[0], classes[classes.len() - 1]);
    // As most files of this kind count: entailment first.
    let usual = match classes.as_slice() {
        [0.0, 1.0] => r#"{"0": 1, "1": 0}"#,
        _ => r#"{"0": 1, "1": 0.5, "2": 0}"#,
    };
    let finding = Finding::new("classes_or_scale", Level::Error, rows, rows)
        .says(
            format!(
                "\"{name}\" has the numbers {list}, which may be a scale (the largest is most alike) or stand for classes: in tables of inferences 0 is entailment, 1 neutral, 2 contradiction, the other way round."
            ),
            format!(
                "Say what each stands for, 1 for the most alike: words={usual} where 0 is entailment; or scale=\"{first}-{last}\" where {last} is the most alike."
            ),
        )
        .fact("column", name)
        .fact("classes", classes.clone());
    Some(finding)
}

/// Whether few whole numbers may be a part of a longer scale.
pub(super) fn stretched(numbers: &Numbers, taken: Scale, said: &TableOptions) -> Option<Finding> {
    if said.scale.is_some() {
        return None;
    }
    let other = numbers.other_scale(taken)?;
    let rows = numbers.few_whole()?.len();
    let finding = Finding::new("scale_not_sure", Level::Info, rows, rows)
        .says(
            format!(
                "The scores are read from {} to {}; they may be a part of {} to {}.",
                taken.lowest, taken.highest, other.lowest, other.highest
            ),
            format!(
                "Nothing needs to be done where {} means nothing in common and {} the same; else say scale=\"{}-{}\".",
                taken.lowest, taken.highest, other.lowest, other.highest
            ),
        )
        .fact("lowest", taken.lowest)
        .fact("highest", taken.highest)
        .fact("other_lowest", other.lowest)
        .fact("other_highest", other.highest);
    Some(finding)
}

/// Rows above the one that names the columns.
pub(super) fn above(dialect: &Dialect, choices: &TableOptions) -> Option<Finding> {
    let row = dialect.header_row.filter(|_| choices.read_as.header_row.is_some())?;
    let finding = Finding::new("header_below_others", Level::Info, row.saturating_sub(1), 0)
        .says(
            format!("The columns are named in row {row}; what stands above it is not read."),
            "Nothing needs to be done; where another row names them, say which: header_row=3.",
        )
        .fact("row", row);
    Some(finding)
}

/// Cells that hold the value of a merged one.
pub(super) fn merged(survey: &Survey) -> Option<Finding> {
    let rows = survey.merged;
    let finding = Finding::new("cells_merged", Level::Info, rows, rows)
        .says(
            format!("In {rows} rows a cell is merged with the one above it, and has its value."),
            "Nothing needs to be done where the value is meant for each of the rows.",
        )
        .fact("rows", rows);
    (rows > 0).then_some(finding)
}

/// Rows that hold several pairs each.
pub(super) fn unfolded(survey: &Survey) -> Option<Finding> {
    let (rows, full) = survey.unfolded;
    let most = lists::MOST;
    let cut = if full > 0 { format!(" Of {full} of them the first {most} were taken.") } else { String::new() };
    let finding = Finding::new("rows_unfolded", Level::Info, rows, rows)
        .says(
            format!("{rows} rows hold several texts that belong to one, or do not: each became as many pairs.{cut}"),
            format!("Nothing needs to be done. {most} pairs are made of one row at most."),
        )
        .fact("rows", rows)
        .fact("most", most)
        .fact("cut", full);
    (rows > 0).then_some(finding)
}

#[cfg(test)]
mod tests;
