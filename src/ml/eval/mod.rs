//! How good an encoder is: on a job's own pairs, on a benchmark, to the eye; and whether tuning it was
//! worth it.

mod assessment;
pub mod baseline;
mod bootstrap;
mod calibration;
mod collapse;
mod correlation;
mod labels;
mod movers;
mod retrieval;
pub mod suggest;
mod verdict;

use serde::{Deserialize, Serialize};
use tables::similarity::Similarity;
use tables::{PairDataset, Scores, TableKind};
use tch::Tensor;

pub use assessment::{Assessment, Differences, EmbeddingStatsChange, EvalPairs, Predictions};
pub use bootstrap::{Difference, Metric, RESAMPLES, difference};
pub use calibration::{Calibration, PRECISE, ScoreThresholds, Threshold, Uncalibrated};
pub use collapse::{ALIKE, Collapse, EmbeddingStats, LEAST_RANK, embedding_stats};
pub use correlation::{pearson, spearman};
pub use labels::{LabelDifferences, LabelJudgements, LabelScores, label_scores, label_scores_each};
pub use movers::{MOST_MOVERS, Mover, Movers};
pub use retrieval::{Retrieval, retrieval};
pub use verdict::{
    Axis, Doubt, FEWEST_PAIRS, LEAST_GAIN, LEAST_GAIN_OF_ERROR, Verdict, Verdicts, WIDEST, WIDEST_OF_ERROR, overall,
};

use crate::ml::encoder::{Encoder, Model, encode_all};
use crate::ml::pairs::{self, Labels, TokenPair, share_label};
use crate::ml::pulse;
use crate::ml::target::ScoreTarget;
use crate::ml::vectors::{angular_similarity, cosine, numbers};

/// Shamisen's own sentence pairs, so that a fresh machine can tell whether general ability holds.
const RETENTION_PAIRS: &[u8] = include_bytes!("retention_pairs.csv");
/// The name under which their correlation is told.
pub const RETENTION_NAME: &str = "shamisen-retention";

/// The tutorial's nine job titles.
pub const TITLES: [&str; 9] = [
    "Data Scientist",
    "Data Analyst",
    "Data Engineer",
    "Nurse Practitioner",
    "Registered Nurse",
    "Medical Assistant",
    "Social Media Manager",
    "Marketing Strategist",
    "Product Marketing Manager",
];

/// What validation pairs say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Validation {
    /// How many pairs.
    pub pairs: usize,
    /// The measure that the loss and the errors are on.
    pub measure: Similarity,
    /// Mean squared error of the similarity.
    pub mse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean absolute percentage error.
    pub mape: f64,
    /// Pearson's correlation; `null` where all scores are the same.
    pub pearson: Option<f64>,
    /// Spearman's correlation; `null` likewise.
    pub spearman: Option<f64>,
    /// How well the pairs' texts find each other; `null` where fewer than two belong together, and for labelled texts.
    pub retrieval: Option<Retrieval>,
    /// How well labelled texts find their like; other tables lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LabelScores, required = false)]
    pub labels: Option<LabelScores>,
}

/// Correlation of the cosine with graded similarity, in the manner of the STS benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Benchmark {
    /// The table's name.
    pub name: String,
    /// How many pairs.
    pub pairs: usize,
    /// Pearson's correlation.
    pub pearson: Option<f64>,
    /// Spearman's correlation.
    pub spearman: Option<f64>,
    /// How well labelled texts find their like, where the benchmark is a table of such: it has no correlations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = LabelScores, required = false)]
    pub labels: Option<LabelScores>,
}

/// A table's rows as token ids, cut to what the model reads.
pub fn token_pairs(model: &Model, table: &PairDataset) -> Vec<TokenPair> {
    let ids = |text: &str| {
        pulse::beat();
        model.tokenize(text).ids
    };
    if table.kind == TableKind::Labelled {
        return pairs::labelled(table, ids);
    }
    let row = |pair: &tables::Pair| TokenPair {
        left: ids(&pair.left),
        right: ids(&pair.right),
        negative: pair.negative.as_deref().map(ids),
        score: pair.score,
        row: pair.row,
        labels: None,
    };
    table.pairs.iter().map(row).collect()
}

/// Rows as pairs with a score, so that every kind of table can be judged: a triplet is a pair of score 1
/// and one of score 0; pairs that belong together are joined by as many that do not, each left text with
/// the right text of a row further on; a labelled text is joined by another of its label and by one of another label.
pub fn scored_pairs(rows: &[TokenPair], kind: TableKind) -> Vec<TokenPair> {
    let pair = |row: &TokenPair, right: &[u32], score| TokenPair {
        left: row.left.clone(),
        right: right.to_vec(),
        negative: None,
        score,
        row: row.row,
        labels: None,
    };
    let apart: Vec<TokenPair> = match kind {
        TableKind::PairScore | TableKind::PairClass => Vec::new(),
        TableKind::Triplet => rows.iter().filter_map(|row| Some(pair(row, row.negative.as_deref()?, 0.0))).collect(),
        TableKind::PairPositive => {
            let strange = strangers(rows, |row| (&row.left, &row.right));
            strange.map(|(row, other)| pair(row, &other.right, 0.0)).collect()
        }
        TableKind::Labelled => return partnered(rows),
    };
    rows.iter().map(|row| pair(row, &row.right, row.score)).chain(apart).collect()
}

/// Labelled texts, each with another of its label (1) and with one that shares none (0), as far as there are such.
fn partnered(rows: &[TokenPair]) -> Vec<TokenPair> {
    let labels: Vec<Labels> = rows.iter().map(|row| row.labels.clone().unwrap_or_default()).collect();
    let own: Vec<u32> = labels.iter().map(|labels| labels.own).collect();
    let same_text = |one: usize, other: usize| rows[one].left == rows[other].left;
    let shared = |one: usize, other: usize| share_label(&labels[one].left, &labels[other].left);
    let partners = pairs::partners(&own, same_text, shared);
    let pair = |row: usize, right: usize, score: f64| TokenPair {
        right: rows[right].left.clone(),
        score,
        labels: Some(Labels { right: labels[right].left.clone(), right_row: rows[right].row, ..labels[row].clone() }),
        ..rows[row].clone()
    };
    let together = partners.iter().enumerate().filter_map(|(row, [same, _])| Some(pair(row, (*same)?, 1.0)));
    let apart = partners.iter().enumerate().filter_map(|(row, [_, apart])| Some(pair(row, (*apart)?, 0.0)));
    together.chain(apart).collect()
}

/// Each row with another further on, where the left text of the one and the right text of the other are strangers.
fn strangers<'a, R, T: PartialEq + 'a>(
    rows: &'a [R],
    texts: impl Fn(&'a R) -> (&'a T, &'a T),
) -> impl Iterator<Item = (&'a R, &'a R)> {
    let further = (0..rows.len()).map(|place| (&rows[place], &rows[(place + rows.len() / 2) % rows.len()]));
    further.filter(move |&(row, other)| {
        let ((left, right), (other_left, other_right)) = (texts(row), texts(other));
        other_right != right && other_right != left && other_left != left
    })
}

/// The pairs' vectors: left `(B, D)` and right `(B, D)`.
pub(crate) fn vectors(encoder: &dyn Encoder, pairs: &[TokenPair]) -> (Tensor, Tensor) {
    let left: Vec<&[u32]> = pairs.iter().map(|pair| pair.left.as_slice()).collect();
    let right: Vec<&[u32]> = pairs.iter().map(|pair| pair.right.as_slice()).collect();
    (encode_all(encoder, &left), encode_all(encoder, &right))
}

/// Errors against what the scores ask for, and correlations with them, on validation pairs.
pub fn validate(encoder: &dyn Encoder, pairs: &[TokenPair], target: ScoreTarget) -> Validation {
    validate_each(encoder, pairs, target).0
}

/// The same, and each pair's similarity.
pub fn validate_each(encoder: &dyn Encoder, pairs: &[TokenPair], target: ScoreTarget) -> (Validation, Vec<f64>) {
    let (left, right) = vectors(encoder, pairs);
    let measure = target.measure;
    let similarities: Vec<f64> = numbers(&match measure {
        Similarity::Angular => angular_similarity(&left, &right),
        Similarity::Cosine => cosine(&left, &right),
    });
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let each =
            similarities.iter().zip(pairs).map(|(similarity, pair)| of(*similarity, target.similarity(pair.score)));
        each.sum::<f64>() / pairs.len() as f64
    };
    let (pearson, spearman) = correlations(&similarities, pairs);
    let validation = Validation {
        pairs: pairs.len(),
        measure,
        mse: mean(&|similarity, score| (similarity - score).powi(2)),
        mae: mean(&|similarity, score| (similarity - score).abs()),
        // A score nearer to zero than 1e-7 counts as 1e-7, as in Keras.
        mape: mean(&|similarity, score| 100.0 * (similarity - score).abs() / score.abs().max(1e-7)),
        pearson,
        spearman,
        // Of labelled texts more belong together than those that are pairs here.
        retrieval: if pairs.iter().any(|pair| pair.labels.is_some()) {
            None
        } else {
            retrieval::of_pairs(pairs, &left, &right)
        },
        labels: None,
    };
    (validation, similarities)
}

/// Correlation of the pairs' cosine with their scores, whatever the scores' scale.
pub fn benchmark(encoder: &dyn Encoder, name: &str, pairs: &[TokenPair]) -> Benchmark {
    benchmark_each(encoder, name, pairs).0
}

/// The same, and each pair's cosine.
pub fn benchmark_each(encoder: &dyn Encoder, name: &str, pairs: &[TokenPair]) -> (Benchmark, Vec<f64>) {
    let (left, right) = vectors(encoder, pairs);
    let cosines: Vec<f64> = numbers(&(left * right).sum_dim_intlist([1].as_slice(), false, tch::Kind::Double));
    let (pearson, spearman) = correlations(&cosines, pairs);
    (Benchmark { name: name.to_owned(), pairs: pairs.len(), pearson, spearman, labels: None }, cosines)
}

/// Pearson's and Spearman's correlation of similarities with scores; `None` where one does not vary.
fn correlations(similarities: &[f64], pairs: &[TokenPair]) -> (Option<f64>, Option<f64>) {
    let scores: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
    (pearson(similarities, &scores), spearman(similarities, &scores))
}

/// Shamisen's own pairs. See [`RETENTION_NAME`].
pub fn retention_pairs() -> PairDataset {
    tables::read(RETENTION_PAIRS, Scores::Any).expect("the built-in table is read by a test")
}

/// The cosine of each title with each: `(T, T)` in rows.
pub fn heatmap(model: &Model, encoder: &dyn Encoder, titles: &[String]) -> Vec<Vec<f64>> {
    let ids = |text: &String| model.tokenize(text).ids;
    let ids: Vec<Vec<u32>> = titles.iter().map(ids).collect();
    let texts: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    each_with_each(&Vec::<Vec<f32>>::try_from(&encode_all(encoder, &texts)).expect("a matrix"))
}

/// The cosine of each vector with each: `(T, T)` in rows.
pub fn each_with_each(vectors: &[impl AsRef<[f32]>]) -> Vec<Vec<f64>> {
    let with = |a: &[f32]| vectors.iter().map(|b| Similarity::Cosine.between(a, b.as_ref())).collect();
    vectors.iter().map(|a| with(a.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_pairs_are_read_and_cover_both_languages_and_the_scale() {
        let table = retention_pairs();
        assert!(table.pairs.len() >= 60);
        let japanese = |text: &str| text.chars().any(|c| ('\u{3040}'..='\u{30ff}').contains(&c));
        assert!(table.pairs.iter().filter(|pair| japanese(&pair.left)).count() >= 20);
        assert!(table.pairs.iter().filter(|pair| !japanese(&pair.left)).count() >= 20);
        assert!(table.pairs.iter().all(|pair| (0.0..=5.0).contains(&pair.score)));
    }
}
