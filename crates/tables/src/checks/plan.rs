//! What the fixes of findings make of each row.

use std::collections::BTreeSet;

use super::pairs::{Groups, SAME};
use super::{Knowledge, RowFacts, Signs, pair_key};
use crate::choices::Fix;

/// What becomes of each row, by its place in the facts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// NaN for a row that goes. A score that was read is always a number.
    scores: Vec<f64>,
    dropped: usize,
}

impl Plan {
    /// The score with which the row at a place stays; `None` for one that goes. Rows beyond the facts go.
    pub fn of(&self, place: usize) -> Option<f64> {
        self.scores.get(place).copied().filter(|score| !score.is_nan())
    }

    /// Rows that go.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Rows that stay.
    pub fn kept(&self) -> usize {
        self.scores.len() - self.dropped
    }

    fn drop(&mut self, place: usize) {
        if self.of(place).is_some() {
            self.scores[place] = f64::NAN;
            self.dropped += 1;
        }
    }
}

/// Decides about all rows. Whatever the order in which fixes were chosen, they are done in this one, each on what
/// those before have left:
///
/// 1. rows go that are not wanted for themselves: `DropDamaged`, `DropBenchmarkPairs`, `DropIdentical`;
/// 2. `RaiseIdentical`: identical texts get the highest score, and so agree with each other;
/// 3. pairs with several scores: `DropContradictions`, else `AverageContradictions` (the mean of all rows, in the
///    first), else `KeepFirstContradiction`;
/// 4. `DropRepeats`: a row goes whose pair stands before it with the same score. Pairs with several scores are left
///    to 3, where somebody decides about them.
///
/// `DatesAsFractions` is for who reads scores, `TrimTexts` for who reads texts (see [`super::mend`]).
pub fn apply(rows: &[RowFacts], fixes: &BTreeSet<Fix>, knowledge: &Knowledge) -> Plan {
    let mut plan = Plan { scores: rows.iter().map(|row| row.score).collect(), dropped: 0 };
    let chosen = |fix: Fix| fixes.contains(&fix);
    let top = knowledge.top(rows);
    for (place, row) in rows.iter().enumerate() {
        let unwanted = (chosen(Fix::DropDamaged) && row.signs.has(Signs::DAMAGED))
            || (chosen(Fix::DropIdentical) && row.identical())
            || (chosen(Fix::DropBenchmarkPairs) && knowledge.benchmark.contains(&pair_key(row.left, row.right)));
        if unwanted {
            plan.drop(place);
        } else if chosen(Fix::RaiseIdentical) && knowledge.kind.scored() && row.identical() {
            plan.scores[place] = top;
        }
    }
    let contradictions = [Fix::DropContradictions, Fix::AverageContradictions, Fix::KeepFirstContradiction];
    let settle = contradictions.into_iter().find(|fix| chosen(*fix)).filter(|_| knowledge.kind.scored());
    if settle.is_none() && !chosen(Fix::DropRepeats) {
        return plan;
    }
    let groups = Groups::of(rows, |place, _| plan.of(place).is_some());
    for group in groups.repeated() {
        let split = group.spread(|place| plan.scores[place]) > SAME;
        match settle {
            Some(fix) if split => {
                let mean = group.places().map(|place| plan.scores[place]).sum::<f64>() / group.len() as f64;
                let kept = (fix != Fix::DropContradictions).then(|| group.first());
                for place in group.places().filter(|place| Some(*place) != kept) {
                    plan.drop(place);
                }
                if fix == Fix::AverageContradictions {
                    plan.scores[group.first()] = mean;
                }
            }
            _ if chosen(Fix::DropRepeats) => drop_repeats(&mut plan, group.places().collect()),
            _ => {}
        }
    }
    plan
}

/// Of rows with the same pair and the same score the first stays.
fn drop_repeats(plan: &mut Plan, mut places: Vec<usize>) {
    places.sort_by(|one, other| plan.scores[*one].total_cmp(&plan.scores[*other]).then(one.cmp(other)));
    let mut kept: Option<f64> = None;
    for place in places {
        let score = plan.scores[place];
        if kept.is_some_and(|kept| score - kept <= SAME) {
            plan.drop(place);
        } else {
            kept = Some(score);
        }
    }
}
