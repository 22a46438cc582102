//! Scores of texts, and what they come to: on the user's scale, and beside another model's.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ml::eval::Calibration;
use crate::ml::similarity::{Similarity, cosine};

/// Which texts are compared with which. Places count in the request's list of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Text `2 i` with text `2 i + 1`.
    Pairs,
    /// Each of the first `queries` texts with each of the others.
    Matrix { queries: usize },
    /// The first text with each of the others.
    OneToMany,
}

/// A number for each pair, or a row of them for each query.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Scores<T> {
    /// Of pairs, or of one text's sentences.
    Row(Vec<T>),
    /// A row for each query.
    Matrix(Vec<Vec<T>>),
}

/// The similarity from which on texts count as alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Threshold {
    /// On the reply's measure.
    similarity: f64,
    /// Pairs whose score in the training table is at least this one count as alike.
    alike_from: f64,
    /// Validation pairs that it was found on.
    pairs: usize,
}

/// A model's scores beside the first model's.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) delta: Option<Scores<f64>>,
    pub(crate) rank_change: Option<Scores<i64>>,
}

impl Form {
    /// How many of the texts are queries, where there are two sides.
    pub(crate) fn first_side(self) -> Option<usize> {
        match self {
            Self::Pairs => None,
            Self::Matrix { queries } => Some(queries),
            Self::OneToMany => Some(1),
        }
    }

    /// The cosines of the texts' vectors.
    pub(crate) fn cosines(self, vectors: &[Vec<f32>]) -> Scores<f64> {
        let against = |a: &Vec<f32>, many: &[Vec<f32>]| many.iter().map(|b| cosine(a, b)).collect::<Vec<f64>>();
        match self {
            Self::Pairs => Scores::Row(vectors.as_chunks::<2>().0.iter().map(|[a, b]| cosine(a, b)).collect()),
            Self::OneToMany => Scores::Row(against(&vectors[0], &vectors[1..])),
            Self::Matrix { queries } => {
                let (queries, documents) = vectors.split_at(queries);
                Scores::Matrix(queries.iter().map(|query| against(query, documents)).collect())
            }
        }
    }
}

impl<T: Copy> Scores<T> {
    /// Each number as another.
    pub(crate) fn map<U>(&self, of: impl Fn(T) -> U) -> Scores<U> {
        self.map_rows(|row| row.iter().map(|&score| of(score)).collect())
    }

    fn map_rows<U>(&self, of: impl Fn(&[T]) -> Vec<U>) -> Scores<U> {
        match self {
            Self::Row(row) => Scores::Row(of(row)),
            Self::Matrix(rows) => Scores::Matrix(rows.iter().map(|row| of(row)).collect()),
        }
    }

    /// Row by row with another's of the same shape.
    fn zip_rows<U>(&self, other: &Self, of: impl Fn(&[T], &[T]) -> Vec<U>) -> Scores<U> {
        match (self, other) {
            (Self::Matrix(rows), Self::Matrix(others)) => {
                Scores::Matrix(rows.iter().zip(others).map(|(row, other)| of(row, other)).collect())
            }
            (Self::Row(row), Self::Row(other)) => Scores::Row(of(row, other)),
            _ => Scores::Row(Vec::new()),
        }
    }
}

/// A model's cosines beside the first model's.
pub(crate) fn compare(form: Form, measure: Similarity, first: &Scores<f64>, now: &Scores<f64>) -> Compared {
    let less = |first: &[f64], now: &[f64]| {
        first.iter().zip(now).map(|(first, now)| measure.of_cosine(*now) - measure.of_cosine(*first)).collect()
    };
    let rose = |first: &[f64], now: &[f64]| {
        ranks(first).iter().zip(ranks(now)).map(|(&first, now)| first as i64 - now as i64).collect()
    };
    Compared {
        delta: Some(first.zip_rows(now, less)),
        rank_change: (form != Form::Pairs).then(|| first.zip_rows(now, rose)),
    }
}

/// Each score's place, the highest first; of equal ones the one that was sent first.
fn ranks(scores: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut ranks = vec![0; scores.len()];
    for (rank, text) in order.into_iter().enumerate() {
        ranks[text] = rank;
    }
    ranks
}

/// Cosines on the scale of the model's training table, and whether they reach the threshold of its middle.
pub(crate) fn calibrated(
    calibration: &Calibration,
    measure: Similarity,
    cosines: &Scores<f64>,
) -> Option<(Scores<f64>, Scores<bool>, Threshold)> {
    let cut = calibration.middle_cut()?;
    let least = cut.best_f1.similarity;
    let known = |cosine: f64| calibration.measure.of_cosine(cosine);
    let threshold = Threshold {
        similarity: measure.of_cosine(calibration.measure.to_cosine(least)),
        alike_from: cut.score,
        pairs: calibration.pairs,
    };
    Some((
        cosines.map(|cosine| calibration.score(known(cosine))),
        cosines.map(|cosine| known(cosine) >= least),
        threshold,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_tell_who_rose_and_equal_scores_keep_their_order() {
        assert_eq!(ranks(&[0.1, 0.9, 0.5, 0.9]), [3, 0, 2, 1]);
        let first = Scores::Row(vec![0.9, 0.5, 0.1]);
        let now = Scores::Row(vec![0.2, 0.5, 0.8]);
        let compared = compare(Form::OneToMany, Similarity::Cosine, &first, &now);
        assert_eq!(compared.rank_change, Some(Scores::Row(vec![-2, 0, 2])));
        let Some(Scores::Row(delta)) = compared.delta else { panic!("no row") };
        assert!((delta[0] + 0.7).abs() < 1e-12 && delta[1] == 0.0);
        assert_eq!(compare(Form::Pairs, Similarity::Cosine, &first, &now).rank_change, None);
    }

    #[test]
    fn a_calibrated_score_has_the_decision_of_its_threshold_on_either_measure() {
        let similarities: Vec<f64> = (0..60).map(|pair| f64::from(pair) / 60.0).collect();
        let labels: Vec<f64> = similarities.iter().map(|&similarity| f64::from(similarity >= 0.5)).collect();
        let calibration = Calibration::fit(Similarity::Angular, &similarities, &labels).unwrap();
        let cosines = Scores::Row(vec![Similarity::Angular.to_cosine(0.2), Similarity::Angular.to_cosine(0.8)]);
        let (probability, decision, threshold) = calibrated(&calibration, Similarity::Angular, &cosines).unwrap();
        assert_eq!(probability, Scores::Row(vec![0.0, 1.0]));
        assert_eq!(decision, Scores::Row(vec![false, true]));
        assert!((threshold.similarity - 0.5).abs() < 0.01 && threshold.alike_from == 1.0);
        let (_, same, on_cosines) = calibrated(&calibration, Similarity::Cosine, &cosines).unwrap();
        assert_eq!(same, decision);
        assert!((on_cosines.similarity - Similarity::Angular.to_cosine(threshold.similarity)).abs() < 1e-12);
    }
}
