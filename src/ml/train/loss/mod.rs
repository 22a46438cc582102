//! What training makes small.
//!
//! Every loss reads [`Columns`]: vectors of length 1, so that the cosine of two is their product, and
//! what is known of the rows. It gives a scalar.

mod candidates;
mod columns;
mod contrast;
mod scored;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tables::TableKind;
use tables::choices::name_of;
use tables::similarity::Similarity;
use tch::Tensor;

pub(crate) use candidates::{Candidates, Rival};
pub(crate) use columns::Columns;

use crate::ml::vectors::{angular_similarity, cosine};
use contrast::{mnrl, triplet};
use scored::{angle, online_contrastive, ordering};

/// A loss by its name: `angular_mse`, `cosine_mse`, `cosent`, `angle`, `contrastive`, `online_contrastive`,
/// `mnrl`, `triplet`. `GET /losses` tells what each needs and when to prefer it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Mean squared error of the angular similarity.
    #[default]
    AngularMse,
    /// Mean squared error of the cosine.
    CosineMse,
    /// The order of the cosines follows the order of the scores.
    Cosent,
    /// The same of the angle in complex space.
    Angle,
    /// Same pairs together, different pairs apart.
    Contrastive,
    /// The same over the pairs of a batch that are hardest.
    OnlineContrastive,
    /// Multiple negatives ranking: each left text finds its right text among those of the batch.
    Mnrl,
    /// The positive is nearer than the negative.
    Triplet,
}

/// What a loss is and what data it needs.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct LossInfo {
    /// As `config.loss` names it.
    pub name: LossKind,
    /// `s` is the pair's cosine, `y` its score.
    pub formula: &'static str,
    /// The tables that it learns from.
    pub tables: &'static [TableKind],
    /// What the scores must be, in words.
    pub scores: &'static str,
    /// When to prefer it.
    pub use_when: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// The default of `config.scale`, where the loss has one.
    pub scale: Option<f64>,
    /// The default of `config.margin`, where the loss has one.
    pub margin: Option<f64>,
}

/// All losses.
pub const LOSSES: [LossInfo; 8] = [
    LossInfo {
        name: LossKind::AngularMse,
        formula: "mean (1 - acos(s) / pi - y)^2",
        tables: &SCORED,
        scores: "angular similarities, 0 to 1: 0.5 is unrelated",
        use_when: "the scores say how alike the texts are on the angular scale; the tutorial's loss",
        source: "Cer et al. 2018, Universal Sentence Encoder",
        scale: None,
        margin: None,
    },
    LossInfo {
        name: LossKind::CosineMse,
        formula: "mean (s - y)^2",
        tables: &SCORED,
        scores: "cosines, 0 to 1: 0 is unrelated",
        use_when: "the scores say how alike the texts are and 0 means unrelated",
        source: "Reimers and Gurevych 2019, Sentence-BERT",
        scale: None,
        margin: None,
    },
    LossInfo {
        name: LossKind::Cosent,
        formula: "log(1 + sum over y_i < y_j of exp(scale (s_i - s_j)))",
        tables: &SCORED,
        scores: "any that differ: only their order counts",
        use_when: "the scores rank pairs well but their distances mean little",
        source: "Su 2022, CoSENT",
        scale: Some(20.0),
        margin: None,
    },
    LossInfo {
        name: LossKind::Angle,
        formula: "the same with s = |sum of re and im of u / v| over the halves as complex numbers",
        tables: &SCORED,
        scores: "any that differ: only their order counts",
        use_when: "cosent stalls because many cosines are near 1",
        source: "Li and Li 2023, AnglE-optimized Text Embeddings",
        scale: Some(20.0),
        margin: None,
    },
    LossInfo {
        name: LossKind::Contrastive,
        formula: "mean 1/2 (y d^2 + (1 - y) max(0, margin - d)^2), d = 1 - s",
        tables: &CLASSES,
        scores: "0 (different) or 1 (the same)",
        use_when: "pairs are labelled yes or no",
        source: "Hadsell et al. 2006, Dimensionality Reduction by Learning an Invariant Mapping",
        scale: None,
        margin: Some(0.5),
    },
    LossInfo {
        name: LossKind::OnlineContrastive,
        formula: "sum d^2 over positives farther than the nearest negative + sum max(0, margin - d)^2 over negatives nearer than the farthest positive",
        tables: &CLASSES,
        scores: "0 (different) or 1 (the same)",
        use_when: "pairs are labelled yes or no and most are easy",
        source: "the sentence-transformers library",
        scale: None,
        margin: Some(0.5),
    },
    LossInfo {
        name: LossKind::Mnrl,
        formula: "mean over positives i of log(1 + sum over candidates j of exp(scale (s_ij - s_ii))), with symmetric the mean of both directions",
        tables: &[
            TableKind::PairPositive,
            TableKind::Triplet,
            TableKind::PairScore,
            TableKind::PairClass,
            TableKind::Labelled,
        ],
        scores: "none; of scored pairs, those from positive_from on are the positives",
        use_when: "pairs belong together and a search should find one by the other; large batches help",
        source: "Henderson et al. 2017, Efficient Natural Language Response Suggestion; van den Oord et al. 2018, InfoNCE",
        scale: Some(20.0),
        margin: None,
    },
    LossInfo {
        name: LossKind::Triplet,
        formula: "mean max(0, |u - p| - |u - n| + margin)",
        tables: &[TableKind::Triplet, TableKind::Labelled],
        scores: "none",
        use_when: "each row names a text that does not belong",
        source: "Schroff et al. 2015, FaceNet; Reimers and Gurevych 2019, Sentence-BERT (whose margin of 5 no vectors of length 1 reach)",
        scale: None,
        margin: Some(0.5),
    },
];

/// Pairs of labelled texts are drawn with the scores 0 and 1.
const SCORED: [TableKind; 3] = [TableKind::PairScore, TableKind::PairClass, TableKind::Labelled];
const CLASSES: [TableKind; 2] = [TableKind::PairClass, TableKind::Labelled];

impl LossKind {
    /// What the loss is and needs.
    pub fn info(self) -> &'static LossInfo {
        LOSSES.iter().find(|info| info.name == self).expect("every loss is in the table")
    }

    /// The measure that the scores are on.
    pub fn measure(self) -> Similarity {
        if self == Self::AngularMse { Similarity::Angular } else { Similarity::Cosine }
    }

    /// Why this table teaches nothing under this loss, if it does not: a loss without signal is an error,
    /// not a zero.
    pub fn objection(self, table: TableKind, lowest: f64, highest: f64, distinct: usize) -> Option<String> {
        let info = self.info();
        if !info.tables.contains(&table) {
            let others = LOSSES.iter().filter(|loss| loss.tables.contains(&table)).map(|loss| name_of(&loss.name));
            let others = others.collect::<Vec<_>>().join(", ");
            return Some(match (self, table) {
                (Self::Contrastive | Self::OnlineContrastive, TableKind::PairScore) => format!(
                    "this loss needs the scores 0 and 1; the table has {distinct} different ones from {lowest} to {highest}"
                ),
                _ => {
                    format!("this loss cannot learn from a table of the kind {}; these can: {others}", name_of(&table))
                }
            });
        }
        let ordered = matches!(self, Self::Cosent | Self::Angle) && table != TableKind::Labelled;
        if ordered && distinct < 2 {
            let reason = "this loss learns from the order of the scores, and all training scores are the same";
            return Some(reason.to_owned());
        }
        None
    }
}

/// A loss with its constants.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Which.
    pub kind: LossKind,
    /// Multiplies the similarities of an ordering loss.
    pub scale: f64,
    /// How far apart different pairs should be.
    pub margin: f64,
}

impl Loss {
    /// The loss, with its own defaults where no constant is given.
    pub fn new(kind: LossKind, scale: Option<f64>, margin: Option<f64>) -> Self {
        let info = kind.info();
        Self { kind, scale: scale.or(info.scale).unwrap_or(1.0), margin: margin.or(info.margin).unwrap_or(0.0) }
    }

    /// The loss of a batch: a scalar.
    pub(crate) fn compute(&self, batch: &Columns) -> Tensor {
        let Columns { left: u, right: v, scores, .. } = batch;
        match self.kind {
            LossKind::AngularMse => (angular_similarity(u, v) - scores).square().mean(u.kind()),
            LossKind::CosineMse => (cosine(u, v) - scores).square().mean(u.kind()),
            LossKind::Cosent => ordering(&cosine(u, v), scores, self.scale),
            LossKind::Angle => ordering(&angle(u, v), scores, self.scale),
            LossKind::Contrastive => {
                let d: Tensor = 1.0 - cosine(u, v);
                let different: Tensor = 1.0 - scores;
                let apart = (d.neg() + self.margin).relu().square() * different;
                (d.square() * scores + apart).mean(u.kind()) * 0.5
            }
            LossKind::OnlineContrastive => online_contrastive(&(1.0 - cosine(u, v)), scores, self.margin),
            LossKind::Mnrl => mnrl(batch, self.scale),
            LossKind::Triplet => triplet(batch, self.margin),
        }
    }
}
