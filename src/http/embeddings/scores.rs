//! Scores of texts, and what they come to: on the user's scale, and beside another model's.

use serde::Serialize;
use utoipa::ToSchema;

use crate::analysis::ranking::{order, ranks};
use crate::ml::eval::Calibration;
use tables::similarity::{Similarity, cosine};

/// Which texts are compared with which. Places count in the request's list of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairing {
    /// Text `2 i` with text `2 i + 1`.
    Pairs,
    /// Each of the first `queries` texts with each of the others.
    Matrix { queries: usize },
    /// The first text with each of the others.
    OneToMany,
}

/// A number for each pair, or a row of them for each query; none where one of the two texts cannot be used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Scores<T> {
    /// Of pairs, or of one text's sentences.
    Row(Vec<Option<T>>),
    Matrix(Vec<Vec<Option<T>>>),
}

/// A number for each pair, or a row of them for each query; `null` where one of the two texts cannot be used.
#[derive(ToSchema)]
#[schema(as = Scores)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes numbers, of which a generic type cannot say that some may be missing")]
pub(crate) enum ScoresShape {
    /// Of pairs, or of one text's sentences.
    Row(Vec<Option<f64>>),
    /// A row for each query.
    Matrix(Vec<Vec<Option<f64>>>),
}

/// A decision for each score.
#[derive(ToSchema)]
#[schema(as = Decisions)]
#[serde(untagged)]
#[expect(dead_code, reason = "likewise")]
pub(crate) enum DecisionsShape {
    /// Of pairs, or of one text's sentences.
    Row(Vec<Option<bool>>),
    /// A row for each query.
    Matrix(Vec<Vec<Option<bool>>>),
}

/// The similarity from which on texts count as alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = DecisionThreshold)]
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

impl Pairing {
    /// How many of the texts are queries, where there are two sides.
    pub(crate) fn first_side(self) -> Option<usize> {
        match self {
            Self::Pairs => None,
            Self::Matrix { queries } => Some(queries),
            Self::OneToMany => Some(1),
        }
    }

    /// The cosines of the texts' vectors. A text that cannot be used has an empty one.
    pub(crate) fn cosines(self, vectors: &[Vec<f32>]) -> Scores<f64> {
        let of = |a: &Vec<f32>, b: &Vec<f32>| (!a.is_empty() && !b.is_empty()).then(|| cosine(a, b));
        let against = |a: &Vec<f32>, many: &[Vec<f32>]| many.iter().map(|b| of(a, b)).collect();
        match self {
            Self::Pairs => Scores::Row(vectors.as_chunks::<2>().0.iter().map(|[a, b]| of(a, b)).collect()),
            Self::OneToMany => Scores::Row(against(&vectors[0], &vectors[1..])),
            Self::Matrix { queries } => {
                let (queries, documents) = vectors.split_at(queries);
                Scores::Matrix(queries.iter().map(|query| against(query, documents)).collect())
            }
        }
    }
}

impl<T: Copy> Scores<T> {
    pub(crate) fn map<U>(&self, of: impl Fn(T) -> U) -> Scores<U> {
        let row = |row: &Vec<Option<T>>| row.iter().map(|score| score.map(&of)).collect();
        match self {
            Self::Row(scores) => Scores::Row(row(scores)),
            Self::Matrix(rows) => Scores::Matrix(rows.iter().map(row).collect()),
        }
    }

    pub(crate) fn into_row(self) -> Vec<Option<T>> {
        match self {
            Self::Row(row) => row,
            Self::Matrix(rows) => rows.concat(),
        }
    }

    /// Row by row with another's of the same shape.
    fn zip_rows<U>(&self, other: &Self, of: impl Fn(&[Option<T>], &[Option<T>]) -> Vec<Option<U>>) -> Scores<U> {
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
pub(crate) fn compare(pairing: Pairing, measure: Similarity, first: &Scores<f64>, now: &Scores<f64>) -> Compared {
    let less = |first: &[Option<f64>], now: &[Option<f64>]| {
        let both = first.iter().zip(now);
        both.map(|(first, now)| Some(measure.of_cosine((*now)?) - measure.of_cosine((*first)?))).collect()
    };
    Compared {
        delta: Some(first.zip_rows(now, less)),
        rank_change: (pairing != Pairing::Pairs).then(|| first.zip_rows(now, rises)),
    }
}

/// By how many places each score rose, among those that both models have.
fn rises(first: &[Option<f64>], now: &[Option<f64>]) -> Vec<Option<i64>> {
    let both = || first.iter().zip(now).filter_map(|(first, now)| Some(((*first)?, (*now)?)));
    let ranked = |scores: Vec<f64>| ranks(&order(&scores)).into_iter();
    let (before, after) =
        (ranked(both().map(|(first, _)| first).collect()), ranked(both().map(|(_, now)| now).collect()));
    let mut rises = before.zip(after).map(|(before, after)| before as i64 - after as i64);
    first.iter().zip(now).map(|(first, now)| first.and(*now).and_then(|_| rises.next())).collect()
}

/// Cosines on the scale of the model's training table, and whether they reach the threshold of its middle.
pub(crate) fn calibrated(
    calibration: &Calibration,
    measure: Similarity,
    cosines: &Scores<f64>,
) -> Option<(Scores<f64>, Scores<bool>, Threshold)> {
    let cut = calibration.middle()?;
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
        assert_eq!(ranks(&order(&[0.1, 0.9, 0.5, 0.9])), [3, 0, 2, 1]);
        let row = |scores: [f64; 3]| Scores::Row(scores.map(Some).to_vec());
        let (first, now) = (row([0.9, 0.5, 0.1]), row([0.2, 0.5, 0.8]));
        let compared = compare(Pairing::OneToMany, Similarity::Cosine, &first, &now);
        assert_eq!(compared.rank_change, Some(Scores::Row(vec![Some(-2), Some(0), Some(2)])));
        let Some(Scores::Row(delta)) = compared.delta else { panic!("no row") };
        assert!((delta[0].unwrap() + 0.7).abs() < 1e-12 && delta[1] == Some(0.0));
        assert_eq!(compare(Pairing::Pairs, Similarity::Cosine, &first, &now).rank_change, None);
    }

    #[test]
    fn a_text_without_a_vector_has_no_score_and_no_rank_and_the_others_are_ranked_without_it() {
        let (one, other, none) = (vec![1.0, 0.0], vec![0.0, 1.0], Vec::new());
        let scores = |pairing: Pairing, vectors: [&Vec<f32>; 4]| pairing.cosines(&vectors.map(Clone::clone));
        assert_eq!(scores(Pairing::Pairs, [&one, &one, &none, &one]), Scores::Row(vec![Some(1.0), None]));
        let row = scores(Pairing::OneToMany, [&one, &none, &one, &other]);
        assert_eq!(row, Scores::Row(vec![None, Some(1.0), Some(0.0)]));
        let nothing = Scores::Matrix(vec![vec![None, None], vec![Some(1.0), Some(0.0)]]);
        assert_eq!(scores(Pairing::Matrix { queries: 2 }, [&none, &one, &one, &other]), nothing);
        let rises = rises(&[Some(0.9), Some(0.5), Some(0.1), None], &[None, Some(0.2), Some(0.8), Some(0.9)]);
        assert_eq!(rises, [None, Some(-1), Some(1), None]);
    }

    #[test]
    fn a_calibrated_score_has_the_decision_of_its_threshold_on_either_measure() {
        let similarities: Vec<f64> = (0..60).map(|pair| f64::from(pair) / 60.0).collect();
        let labels: Vec<f64> = similarities.iter().map(|&similarity| f64::from(similarity >= 0.5)).collect();
        let calibration = Calibration::fit(Similarity::Angular, &similarities, &labels).unwrap();
        let cosines = Scores::Row([0.2, 0.8].map(|angular| Some(Similarity::Angular.to_cosine(angular))).to_vec());
        let (probability, decision, threshold) = calibrated(&calibration, Similarity::Angular, &cosines).unwrap();
        assert_eq!(probability, Scores::Row(vec![Some(0.0), Some(1.0)]));
        assert_eq!(decision, Scores::Row(vec![Some(false), Some(true)]));
        assert!((threshold.similarity - 0.5).abs() < 0.01 && threshold.alike_from == 1.0);
        let (_, same, on_cosines) = calibrated(&calibration, Similarity::Cosine, &cosines).unwrap();
        assert_eq!(same, decision);
        assert!((on_cosines.similarity - Similarity::Angular.to_cosine(threshold.similarity)).abs() < 1e-12);
    }
}
