//! What a baseline check comes to.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// What a model and the scores agree on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Agreement {
    /// Pearson's correlation of the cosines that the scores ask for with the model's; `null` where one side does not
    /// vary.
    pub pearson: Option<f64>,
    /// Spearman's.
    pub spearman: Option<f64>,
}

/// How well a model's cosine tells related pairs from unrelated ones. Pairs exactly in the middle are neither.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Separation {
    /// Pairs above the middle of what the scores ask for.
    pub related: usize,
    /// Pairs below it.
    pub unrelated: usize,
    /// The cosine from which on a pair counts as related: where the parts of both piles that are told right are
    /// largest together; of equally good cuts the one with the most room.
    #[serde(rename = "cut")]
    pub threshold: f64,
    /// Pairs on their side of the cut.
    pub right: usize,
    /// Of so many.
    pub of: usize,
    /// Related pairs that the cut finds.
    pub found: usize,
    /// Unrelated pairs that it takes for related.
    pub wrongly: usize,
    /// How often a related pair has the higher cosine than an unrelated one; half of the ties count.
    pub auc: f64,
}

/// A pair, what its score asks for, and what the model says.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = NeedGap)]
pub struct Gap {
    /// As a spreadsheet counts it.
    pub row: usize,
    /// As an editor counts it.
    pub line: usize,
    /// The left text.
    pub left: String,
    /// The right text.
    pub right: String,
    /// The pair's score.
    pub score: f64,
    /// The cosine that the score asks for.
    pub wanted: f64,
    /// The model's cosine.
    pub base: f64,
    /// How far they are apart.
    pub gap: f64,
}

/// How it is known which cosine a score asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredBy {
    /// What the lowest score means is known.
    LowestMeans,
    /// It is not: the straight line that fits scores and cosines best stands for it.
    StraightLine,
}

/// Whether training is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NeedVerdict)]
pub enum BaselineVerdict {
    /// The model says already what the scores say.
    ProbablyNot,
    /// There is something to learn.
    WorthIt,
    /// The pairs should be looked at first.
    LookAtData,
}

/// What the verdict rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = NeedReason)]
pub enum BaselineReason {
    /// The correlation is high.
    Agrees,
    /// All pairs are on their side of the cut, and the gaps are small.
    Separates,
    /// All pairs are on their side of the cut, and some gaps are large.
    SeparatesWithGaps,
    /// Some pairs are on the wrong side, or out of order.
    Gaps,
    /// Without a few pairs the model would agree.
    FewMistakes,
    /// All scores are the same.
    OneScore,
    /// There are too few pairs to tell.
    FewPairs,
    /// The higher the score, the less alike the model finds the texts.
    Reversed,
}

/// Do these pairs need training?
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[schema(as = Need)]
pub struct Baseline {
    /// What scores and model agree on.
    pub agreement: Agreement,
    /// `null` where there are not both related and unrelated pairs.
    pub separation: Option<Separation>,
    /// How it is known which cosine a score asks for.
    pub measured_by: MeasuredBy,
    /// The mean of all gaps.
    pub mean_gap: f64,
    /// The pairs of the largest gaps, at most ten.
    pub gaps: Vec<Gap>,
    /// Whether training is worth it.
    pub verdict: BaselineVerdict,
    /// What that rests on.
    pub reason: BaselineReason,
    /// The same in words.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The figures of `message` and `hint` by name, for other languages: `pairs`, `agreement`, `mean_gap`, `right`,
    /// `of`, `cut`, and the rows of `mistakes` and of gaps that are `far`.
    #[schema(value_type = Object)]
    pub facts: BTreeMap<&'static str, Value>,
}
