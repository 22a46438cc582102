//! A verdict in words, and the figures that the words name.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::report::{Agreement, BaselineReason, Gap, MeasuredBy, Separation};

pub(super) fn facts(
    agreement: &Agreement,
    separation: Option<&Separation>,
    mean_gap: f64,
    pairs: usize,
    (mistakes, far): (Vec<usize>, Vec<usize>),
) -> BTreeMap<&'static str, Value> {
    let mut facts = BTreeMap::from([
        ("pairs", json!(pairs)),
        ("agreement", json!(agreement.pearson)),
        ("mean_gap", json!(mean_gap)),
        ("mistakes", json!(mistakes)),
        ("far", json!(far)),
    ]);
    if let Some(separation) = separation {
        facts.insert("right", json!(separation.right));
        facts.insert("of", json!(separation.of));
        facts.insert("cut", json!(separation.threshold));
    }
    facts
}

/// A number as it is told: two digits.
fn shown(fact: Option<&Value>) -> String {
    fact.and_then(Value::as_f64).map_or_else(|| "no number".to_owned(), |number| format!("{number:.2}"))
}

/// `row 65`, `rows 65, 66 and 97`.
fn shown_rows(rows: &Value) -> String {
    let rows: Vec<String> = rows.as_array().into_iter().flatten().map(Value::to_string).collect();
    match rows.as_slice() {
        [] => "no row".to_owned(),
        [one] => format!("row {one}"),
        [first @ .., last] => format!("rows {} and {last}", first.join(", ")),
    }
}

pub(super) fn message(reason: BaselineReason, facts: &BTreeMap<&'static str, Value>, gaps: &[Gap]) -> String {
    let agreement = shown(facts.get("agreement"));
    let agreement = format!("The base model agrees with your scores at {agreement} (1 = perfectly, 0 = not at all)");
    let separation = match (facts.get("right"), facts.get("of")) {
        (Some(right), Some(of)) => {
            format!(" and tells related from unrelated in {right} of {of} pairs (cut at {})", shown(facts.get("cut")))
        }
        _ => String::new(),
    };
    let largest = gaps.first().map_or_else(String::new, |gap| {
        format!(" The largest gap is in row {}: wanted {:.2}, the base says {:.2}.", gap.row, gap.wanted, gap.base)
    });
    match reason {
        BaselineReason::FewPairs => {
            format!("{} pairs are too few to tell whether training would help.", facts["pairs"])
        }
        BaselineReason::OneScore => {
            "All pairs have the same score, so nothing tells what is alike from what is not.".to_owned()
        }
        BaselineReason::Reversed => {
            format!("{agreement}: the higher your score, the less alike it finds the texts.")
        }
        BaselineReason::FewMistakes => {
            let rows = shown_rows(&facts["mistakes"]);
            format!(
                "{agreement}{separation}. Without {rows} it would agree almost everywhere; they look like mistakes."
            )
        }
        BaselineReason::Agrees | BaselineReason::Separates => {
            format!("{agreement}{separation}. There is little left to learn.{largest}")
        }
        BaselineReason::SeparatesWithGaps => {
            format!(
                "{agreement}{separation}. Where only related or not matters, that is enough. Training can close gaps.{largest}"
            )
        }
        BaselineReason::Gaps => {
            let most = match facts["far"].as_array().map_or(0, Vec::len) {
                0 => String::new(),
                _ => format!(", most of all in {}", shown_rows(&facts["far"])),
            };
            format!("{agreement}{separation}. Training has something to teach{most}.{largest}")
        }
    }
}

pub(super) fn hint(reason: BaselineReason, facts: &BTreeMap<&'static str, Value>, measured_by: MeasuredBy) -> String {
    let (cut, mistakes) = (shown(facts.get("cut")), shown_rows(&facts["mistakes"]));
    let told = match reason {
        BaselineReason::FewPairs => "Add pairs: from some fifty on there is something to see.".to_owned(),
        BaselineReason::OneScore => {
            "Add pairs with other scores, or call these pairs that belong together and train with a contrastive loss."
                .to_owned()
        }
        BaselineReason::Reversed => {
            "Check the scale: perhaps the scores are distances, or two columns were mixed up.".to_owned()
        }
        BaselineReason::FewMistakes => {
            format!("Look at {mistakes} first; correct the score, or keep it where it is meant.")
        }
        BaselineReason::Agrees => "Try the base model as it is; train where the rows below matter to you.".to_owned(),
        BaselineReason::Separates => format!("Use the base model with the cut {cut}; train where finer grades matter."),
        BaselineReason::SeparatesWithGaps => format!(
            "Look at the rows below: if the base should know them, train; if related or not is all you ask, use the base with the cut {cut}."
        ),
        BaselineReason::Gaps => {
            "Look at the rows below: correct those that are mistakes, then train on the others.".to_owned()
        }
    };
    match measured_by {
        MeasuredBy::LowestMeans => told,
        MeasuredBy::StraightLine => format!(
            "{told} What your lowest score means was not said, so gaps are measured from the straight line that fits best."
        ),
    }
}
