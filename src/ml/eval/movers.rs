//! The pairs that tell most about a tuned model: which similarities moved, and which are wrong.

use serde::{Deserialize, Serialize};
use tables::{PairDataset, TableKind};

use crate::ml::pairs::TokenPair;
use crate::ml::target::ScoreTarget;

/// How many pairs each list holds at most.
pub const MOST_MOVERS: usize = 10;
/// Characters of a text that are told; the rest is cut, and `…` stands for it.
const LONGEST_TEXT: usize = 200;

/// A validation pair and its similarity before and after, on the measure of the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Mover {
    /// The row of the user's file, as a spreadsheet counts it.
    pub row: usize,
    /// The left text.
    pub left: String,
    /// The right text.
    pub right: String,
    /// The table's own score, 0 to 1.
    pub score: f64,
    /// The similarity that it asks for, on the measure of the loss; reports from before the two differed lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<f64>,
    /// The base's similarity.
    pub before: f64,
    /// The tuned model's.
    pub after: f64,
}

/// The pairs that tell most, at most [`MOST_MOVERS`] in each list, the farthest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Movers {
    /// Came nearer to their scores.
    pub toward: Vec<Mover>,
    /// Went away from them.
    pub away: Vec<Mover>,
    /// Are farthest from them now.
    pub worst: Vec<Mover>,
}

impl Movers {
    /// The movers of validation pairs whose similarities were `before` and are `after`; their texts are
    /// found in the table by the row.
    pub fn find(pairs: &[TokenPair], before: &[f64], after: &[f64], table: &PairDataset, target: ScoreTarget) -> Self {
        let error =
            |similarities: &[f64], index: usize| (similarities[index] - target.similarity(pairs[index].score)).abs();
        let nearer = |index| error(before, index) - error(after, index);
        let mover = |&index: &usize| {
            // A table's rows ascend.
            let pair = &pairs[index];
            let place = table.pairs.binary_search_by_key(&pair.row, |known| known.row).ok()?;
            let known = &table.pairs[place];
            // Of a table without scores, the pairs of score 0 are triplets' negatives, or strangers that
            // no row of the file holds.
            let right = match table.kind {
                TableKind::Labelled => {
                    let row = pair.labels.as_ref()?.right_row;
                    let place = table.pairs.binary_search_by_key(&row, |known| known.row).ok()?;
                    &table.pairs[place].left
                }
                TableKind::Triplet if pair.score == 0.0 => known.negative.as_ref()?,
                TableKind::PairPositive if pair.score == 0.0 => return None,
                _ => &known.right,
            };
            Some(Mover {
                row: pair.row,
                left: shortened(&known.left),
                right: shortened(right),
                score: pair.score,
                wanted: Some(target.similarity(pair.score)),
                before: before[index],
                after: after[index],
            })
        };
        // Only pairs that moved (or are wrong) at all; of equal ones the first row of the file.
        let farthest = |how_far: &dyn Fn(usize) -> f64| -> Vec<Mover> {
            let mut found: Vec<usize> = (0..pairs.len()).filter(|&index| how_far(index) > 0.0).collect();
            found.sort_by(|&i, &j| how_far(j).total_cmp(&how_far(i)).then(pairs[i].row.cmp(&pairs[j].row)));
            found.iter().filter_map(mover).take(MOST_MOVERS).collect()
        };
        Self {
            toward: farthest(&nearer),
            away: farthest(&|index| -nearer(index)),
            worst: farthest(&|index| error(after, index)),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tables::Pair;

    fn table(rows: std::ops::Range<usize>) -> PairDataset {
        let pair =
            |row| Pair { left: format!("left {row}"), right: "字".repeat(201), negative: None, score: 0.5, row };
        PairDataset { columns: None, kind: TableKind::PairScore, pairs: rows.map(pair).collect() }
    }

    fn validation(rows: impl Iterator<Item = usize>) -> Vec<TokenPair> {
        rows.map(|row| TokenPair { score: 0.5, row, ..TokenPair::default() }).collect()
    }

    #[test]
    fn movers_are_told_with_the_rows_and_texts_of_the_file() {
        // Rows 2 to 13 of a file, of which the even ones validate.
        let validation = validation((2..14).step_by(2));
        //            row: 2    4    6    8    10   12
        let before = [0.875, 0.5, 0.5, 0.625, 0.375, 0.75];
        let after = [0.625, 0.5, 0.125, 0.5, 0.75, 0.25];
        let movers = Movers::find(&validation, &before, &after, &table(2..14), ScoreTarget::default());
        let rows = |movers: &[Mover]| movers.iter().map(|mover| mover.row).collect::<Vec<_>>();
        assert_eq!(rows(&movers.toward), [2, 8]);
        assert_eq!(rows(&movers.away), [6, 10]);
        assert_eq!(rows(&movers.worst), [6, 10, 12, 2]);
        let first = &movers.toward[0];
        assert_eq!((first.left.as_str(), first.score, first.before, first.after), ("left 2", 0.5, 0.875, 0.625));
        assert_eq!(first.right, format!("{}…", "字".repeat(200)));
    }

    #[test]
    fn no_list_holds_more_than_ten() {
        let validation = validation(1..31);
        let after: Vec<f64> = (1..31).map(|row| 0.5 + f64::from(row) / 100.0).collect();
        let movers = Movers::find(&validation, &[0.5; 30], &after, &table(1..31), ScoreTarget::default());
        assert_eq!((movers.toward.len(), movers.away.len(), movers.worst.len()), (0, 10, 10));
        assert_eq!((movers.away[0].row, movers.away[9].row), (30, 21));
    }
}
