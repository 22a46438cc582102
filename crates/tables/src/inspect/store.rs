//! An inspected table's pairs become a table of our own.

use std::io::{ErrorKind, Write};

use super::{Inspection, ScoreSummary, Stored};
use crate::choices::OnBadRow;
use crate::pair::{POSITIVE_FROM, Pair};
use crate::problems::Problems;
use crate::reading::rows::Reader;
use crate::reading::{Outcome, columns};
use crate::source::{Fault, Input, Source};
use crate::stored::Writer;

/// Writes an inspected table's pairs as a table of our own (`stored.rs`), fixes applied.
///
/// # Errors
/// All that is wrong, where rows cannot be used and are not to be skipped, where no pair is left, or where the table
/// cannot be written.
pub fn store(input: &Input, inspection: &Inspection, out: &mut dyn Write) -> Result<Stored, Problems> {
    let mut writer = Writer::new(out).map_err(not_written)?;
    let mut summary = Summary::default();
    pairs(input, inspection, &mut |pair, line| {
        summary.add(pair.score);
        writer.write(&pair, line).map_err(not_written)
    })?;
    writer.finish().map_err(not_written)?;
    Ok(Stored {
        rows: summary.scores.len(),
        skipped: inspection.rows.bad,
        fixed_out: inspection.rows.fixed_out,
        scores: summary.told(),
    })
}

/// Goes over the pairs that are stored, with their lines.
pub(crate) fn pairs(
    input: &Input,
    inspection: &Inspection,
    each: &mut dyn FnMut(Pair, usize) -> Result<(), Problems>,
) -> Result<(), Problems> {
    may_be_stored(inspection)?;
    let choices = &inspection.choices;
    let source = Source::open(input, &choices.read_as)?;
    let reader = Reader::new(source.header.as_deref(), inspection.columns.len(), choices, inspection.scores)?;
    let mut place = 0;
    for row in source {
        let row = match row {
            Ok(row) => row,
            Err(Fault::Row(_)) => continue,
            Err(Fault::Table(problems)) => return Err(problems),
        };
        let Some(facts) = inspection.facts.get(place) else { break };
        // Of a row that became several, some may be of no use.
        if facts.row as usize != row.row || (inspection.unfolded && !matches!(reader.read(&row), Outcome::Pair(..))) {
            continue;
        }
        if let Some(score) = inspection.plan.of(place) {
            each(reader.pair(&row, score), row.line)?;
        }
        place += 1;
    }
    if place < inspection.facts.len() {
        return Err(Problems::table(
            "file_changed",
            "The file is another than the one that was inspected.",
            "Send it again.",
        ));
    }
    Ok(())
}

/// Findings that somebody has to answer.
const ASKED: [&str; 5] =
    ["looks_like_taxonomy", "encoding_not_sure", "score_not_taken", "distance_or_similarity", "classes_or_scale"];

fn may_be_stored(inspection: &Inspection) -> Result<(), Problems> {
    let rows = inspection.rows;
    if rows.read == 0 {
        return Err(no_rows());
    }
    let question = inspection.findings.iter().find(|finding| ASKED.contains(&finding.code));
    if let (Some(asked), Some(code)) = (question, inspection.blocked_by.first()) {
        return Err(Problems::table(code, asked.message.clone(), asked.hint.clone()));
    }
    if inspection.kind.is_none() {
        let names: Option<Vec<String>> = inspection.columns.iter().map(|column| column.name.clone()).collect();
        return Err(columns::unclear(names.as_deref(), inspection.columns.len()));
    }
    if rows.bad > 0 && inspection.choices.on_bad_row == OnBadRow::Fail {
        let problems =
            Problems { shown: inspection.problems.clone(), total: inspection.problems_total, ..Problems::default() };
        problems.into_result(rows.read, inspection.scale.as_ref().map(|scale| (scale.lowest, scale.highest)))?;
    }
    if rows.usable == 0 { Err(no_rows()) } else { Ok(()) }
}

fn no_rows() -> Problems {
    Problems::table(
        "no_rows",
        "The table has no pairs.",
        "Send a table with two texts and a score in each row, for example a CSV with the columns base, ref, similarity.",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err wants")]
fn not_written(error: std::io::Error) -> Problems {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return Problems::table(
            "disk_full",
            "The disk is full. Nothing was saved.",
            "Make room on the disk that the table is written to, then try again.",
        );
    }
    Problems::table(
        "table_not_written",
        format!("The table cannot be written: {error}."),
        "Look whether the disk is full, then send it again.",
    )
}

#[derive(Default)]
struct Summary {
    /// Their bits, to count the different ones: eight bytes each.
    scores: Vec<u64>,
    sum: f64,
    positives: usize,
}

impl Summary {
    fn add(&mut self, score: f64) {
        // 0 and -0 are one score.
        self.scores.push((score + 0.0).to_bits());
        self.sum += score;
        self.positives += usize::from(score >= POSITIVE_FROM);
    }

    fn told(&mut self) -> ScoreSummary {
        self.scores.sort_unstable();
        let scores = || self.scores.iter().map(|bits| f64::from_bits(*bits));
        let distinct = self.scores.chunk_by(|one, other| one == other).count();
        let count = self.scores.len() as f64;
        let mean = self.sum / count;
        ScoreSummary {
            lowest: scores().fold(f64::INFINITY, f64::min),
            highest: scores().fold(f64::NEG_INFINITY, f64::max),
            // The sum of a benchmark's scores may lie beyond all numbers, their mean does not.
            mean: if mean.is_finite() { mean } else { scores().map(|score| score / count).sum() },
            distinct,
            positives: Some(self.positives),
        }
    }
}
