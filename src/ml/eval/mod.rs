//! How good an encoder is: on a job's own pairs, on a benchmark, to the eye.

mod correlation;

use serde::{Deserialize, Serialize};
use tch::Tensor;

pub use correlation::{pearson, spearman};

use crate::ml::dataset::{self, Format, PairDataset, Scores};
use crate::ml::encoder::{Cut, Encoder, Model, encode_all, tokenize};
use crate::ml::similarity::Similarity;
use crate::ml::train::{Loss, LossKind, TokenPair, angular_similarity, cosine};

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

/// The loss, and Keras' metrics of the similarity against the scores on the loss's own measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairErrors {
    /// The loss over all pairs at once.
    pub loss: f64,
    /// Mean squared error.
    pub mse: f64,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean absolute percentage error; a score nearer to zero than 1e-7 counts as 1e-7, as in Keras.
    pub mape: f64,
}

/// What validation pairs say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

/// Correlation of the cosine with graded similarity, in the manner of the STS benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// The table's name.
    pub name: String,
    /// How many pairs.
    pub pairs: usize,
    /// Pearson's correlation.
    pub pearson: Option<f64>,
    /// Spearman's correlation.
    pub spearman: Option<f64>,
}

/// A table's pairs as token ids, cut to what the model reads.
pub fn token_pairs(model: &Model, table: &PairDataset) -> Vec<TokenPair> {
    let ids = |text: &str| tokenize(&model.tokenizer, text, model.encoder.max_tokens(), Cut::Right).ids;
    table
        .pairs
        .iter()
        .map(|pair| TokenPair { left: ids(&pair.left), right: ids(&pair.right), score: pair.score })
        .collect()
}

/// The pairs' vectors: left `(B, D)` and right `(B, D)`.
fn vectors(encoder: &dyn Encoder, pairs: &[TokenPair]) -> (Tensor, Tensor) {
    let left: Vec<&[u32]> = pairs.iter().map(|pair| pair.left.as_slice()).collect();
    let right: Vec<&[u32]> = pairs.iter().map(|pair| pair.right.as_slice()).collect();
    (encode_all(encoder, &left), encode_all(encoder, &right))
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::<f64>::try_from(tensor.to_kind(tch::Kind::Double)).expect("a one-dimensional tensor")
}

/// The pairs' similarities on the loss's measure, and how far they are from the scores.
fn measure(encoder: &dyn Encoder, pairs: &[TokenPair], loss: &Loss) -> (Vec<f64>, PairErrors) {
    let (left, right) = vectors(encoder, pairs);
    let similarities = numbers(&match loss.kind.measure() {
        Similarity::Angular => angular_similarity(&left, &right),
        Similarity::Cosine => cosine(&left, &right),
    });
    let mean = |of: &dyn Fn(f64, f64) -> f64| {
        let each = similarities.iter().zip(pairs).map(|(similarity, pair)| of(*similarity, pair.score));
        each.sum::<f64>() / pairs.len() as f64
    };
    let mse = mean(&|similarity, score| (similarity - score).powi(2));
    let loss = match loss.kind {
        LossKind::AngularMse | LossKind::CosineMse => mse,
        _ => {
            let scores: Vec<f32> = pairs.iter().map(|pair| pair.score as f32).collect();
            loss.compute(&left, &right, &Tensor::from_slice(&scores)).double_value(&[])
        }
    };
    let mae = mean(&|similarity, score| (similarity - score).abs());
    let mape = mean(&|similarity, score| 100.0 * (similarity - score).abs() / score.abs().max(1e-7));
    (similarities, PairErrors { loss, mse, mae, mape })
}

/// Pearson's and Spearman's correlation of similarities with scores; `None` where one does not vary.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlations {
    /// Pearson's.
    pub pearson: Option<f64>,
    /// Spearman's.
    pub spearman: Option<f64>,
}

/// The loss, the errors and the correlations on pairs.
pub fn pair_errors(encoder: &dyn Encoder, pairs: &[TokenPair], loss: &Loss) -> (PairErrors, Correlations) {
    let (similarities, errors) = measure(encoder, pairs, loss);
    let scores: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
    let correlations =
        Correlations { pearson: pearson(&similarities, &scores), spearman: spearman(&similarities, &scores) };
    (errors, correlations)
}

/// Errors and correlations on validation pairs.
pub fn validate(encoder: &dyn Encoder, pairs: &[TokenPair], loss: &Loss) -> Validation {
    let (PairErrors { mse, mae, mape, .. }, Correlations { pearson, spearman }) = pair_errors(encoder, pairs, loss);
    Validation { pairs: pairs.len(), measure: loss.kind.measure(), mse, mae, mape, pearson, spearman }
}

/// Correlation of the pairs' cosine with their scores, whatever the scores' scale.
pub fn benchmark(encoder: &dyn Encoder, name: &str, pairs: &[TokenPair]) -> Benchmark {
    let (left, right) = vectors(encoder, pairs);
    let cosines = numbers(&(left * right).sum_dim_intlist([1].as_slice(), false, tch::Kind::Double));
    let scores: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
    Benchmark {
        name: name.to_owned(),
        pairs: pairs.len(),
        pearson: pearson(&cosines, &scores),
        spearman: spearman(&cosines, &scores),
    }
}

/// Shamisen's own pairs. See [`RETENTION_NAME`].
pub fn retention_pairs() -> PairDataset {
    dataset::read(RETENTION_PAIRS, Format::Csv, Scores::Any).expect("the built-in table is read by a test")
}

/// The cosine of each title with each: `(T, T)` in rows.
pub fn heatmap(model: &Model, encoder: &dyn Encoder, titles: &[String]) -> Vec<Vec<f64>> {
    let ids = |text: &String| tokenize(&model.tokenizer, text, encoder.max_tokens(), Cut::Right).ids;
    let ids: Vec<Vec<u32>> = titles.iter().map(ids).collect();
    let texts: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let vectors = encode_all(encoder, &texts);
    let rows: Vec<Vec<f32>> = Vec::try_from(&vectors).expect("a matrix");
    rows.iter().map(|a| rows.iter().map(|b| Similarity::Cosine.between(a, b)).collect()).collect()
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
