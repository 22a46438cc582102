//! What scores as a whole can teach, and rows that have none.

use super::{Finding, Knowledge, Level, RowFacts, counted, grouped, written};
use crate::choices::{Fix, LowestMeans};

/// The fewest pairs that a job takes: below, validation has next to nothing to measure with.
pub const FEWEST_PAIRS: usize = 10;

/// Findings about scores and about rows that cannot be used.
pub(super) fn findings(rows: &[RowFacts], knowledge: &Knowledge) -> Vec<Finding> {
    let about_rows = [rows_unusable(rows, knowledge), dates_as_scores(knowledge), too_few_pairs(rows, knowledge)];
    let mut findings: Vec<Finding> = about_rows.into_iter().flatten().collect();
    if knowledge.kind.scored() && !rows.is_empty() {
        match one_score_only(rows) {
            Some(finding) => findings.push(finding),
            None => findings.extend(nothing_below_middle(rows, knowledge).into_iter().chain(sorted_by_score(rows))),
        }
    }
    findings
}

fn rows_unusable(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    let (bad, all) = (knowledge.unusable, knowledge.unusable + rows.len());
    let (level, end, hint) = if knowledge.unusable_skipped {
        (Level::Info, "left out", "What is wrong with each is listed with its row and line.")
    } else {
        let hint =
            "Correct them in the file, or leave them out (on_bad_row=skip). Each is listed with its row and line.";
        (Level::Error, "of no use yet", hint)
    };
    let finding = Finding::new("rows_unusable", level, bad, bad)
        .says(format!("{} of {} {end}.", grouped(bad), counted(all, "row is", "rows are")), hint)
        .fact("rows", bad)
        .fact("of", all)
        .fact("skipped", knowledge.unusable_skipped);
    (bad > 0).then_some(finding)
}

fn dates_as_scores(knowledge: &Knowledge) -> Option<Finding> {
    let count = knowledge.dates;
    let (level, message, hint) = if knowledge.dates_read {
        (Level::Info, "read as fractions: month / day", "A date that a spreadsheet made of 4/5 counts as 0.8.")
    } else {
        let hint = "A spreadsheet makes a date of 4/5. Read them as month / day (4/5 = 0.8), or write 0.8 in the file.";
        (Level::Error, "dates", hint)
    };
    let finding = Finding::new("dates_as_scores", level, count, count)
        .says(format!("{} {message}.", counted(count, "score is", "scores are")), hint)
        .fact("rows", count)
        .fact("read", knowledge.dates_read)
        .fix(Fix::DatesAsFractions);
    (count > 0).then_some(finding)
}

fn too_few_pairs(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    let count = rows.len();
    let finding = Finding::new("too_few_pairs", Level::Error, count, count)
        .says(
            format!("{} can be used; training needs {FEWEST_PAIRS}.", counted(count, "pair", "pairs")),
            "Add pairs: 200 are comfortable. The table can be kept as it is, but no job takes it.",
        )
        .fact("pairs", count)
        .fact("needed", FEWEST_PAIRS);
    (!knowledge.own_scale && count < FEWEST_PAIRS).then_some(finding)
}

fn one_score_only(rows: &[RowFacts]) -> Option<Finding> {
    let score = rows.first()?.score;
    let finding = Finding::new("one_score_only", Level::Warning, 1, rows.len())
        .says(
            format!("All {} have the score {}.", counted(rows.len(), "pair", "pairs"), written(score)),
            "From one score a model cannot learn what is more alike and what less. Add pairs with other scores.",
        )
        .fact("score", score)
        .fact("rows", rows.len());
    (rows.len() > 1 && rows.iter().all(|row| row.score == score)).then_some(finding)
}

/// The middle of the scale is 0.5; a benchmark's scale is its own affair.
fn nothing_below_middle(rows: &[RowFacts], knowledge: &Knowledge) -> Option<Finding> {
    let lowest = rows.iter().map(|row| row.score).fold(f64::MAX, f64::min);
    if knowledge.own_scale || lowest < 0.5 {
        return None;
    }
    let angular = knowledge.lowest_means == Some(LowestMeans::Angular);
    let (level, hint) = if angular {
        (Level::Info, "On this table's angular scale 0.5 means unrelated, so all is well.")
    } else {
        let hint = "The model never sees what is unrelated. Add such pairs; or say that the scores are angular (0.5 means unrelated).";
        (Level::Warning, hint)
    };
    let finding = Finding::new("nothing_below_middle", level, rows.len(), rows.len())
        .says(format!("No pair has a score below 0.5; the lowest is {}.", written(lowest)), hint)
        .fact("lowest", lowest)
        .fact("angular", angular);
    Some(finding)
}

/// Scores only rise, only fall, or each stands in one block (as in the tutorial's file).
fn sorted_by_score(rows: &[RowFacts]) -> Option<Finding> {
    if rows.len() < FEWEST_PAIRS {
        return None;
    }
    let (mut rises, mut falls) = (0_usize, 0_usize);
    for pair in rows.windows(2) {
        rises += usize::from(pair[1].score > pair[0].score);
        falls += usize::from(pair[1].score < pair[0].score);
    }
    let changes = rises + falls;
    // With few changes for so many rows, each score's rows stand together, or nearly so.
    let blocks = changes * 10 <= rows.len() && distinct(rows) == changes + 1;
    let (order, how) = match (rises, falls) {
        (_, 0) => ("rising", "from the lowest score to the highest"),
        (0, _) => ("falling", "from the highest score to the lowest"),
        _ if blocks => ("blocks", "by score, each score's rows together"),
        _ => return None,
    };
    let finding = Finding::new("sorted_by_score", Level::Info, rows.len(), rows.len())
        .says(
            format!("The rows are sorted {how}."),
            "Nothing needs to be done: training shuffles them, and takes pairs of all scores to check with.",
        )
        .fact("order", order)
        .fact("rows", rows.len());
    Some(finding)
}

fn distinct(rows: &[RowFacts]) -> usize {
    let mut scores: Vec<u64> = rows.iter().map(|row| row.score.to_bits()).collect();
    scores.sort_unstable();
    scores.chunk_by(|one, next| one == next).count()
}
