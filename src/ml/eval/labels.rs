//! How well vectors tell labels apart: by the nearest text, by the nearest class centre, and by the order of all texts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::bootstrap::{Difference, Metric, difference};
use crate::ml::encoder::{Encoder, encode_all};
use crate::ml::pairs::{TokenPair, share_label};
use crate::ml::pulse;

/// Texts that are compared with each other, at most; of more, evenly spaced ones.
const MOST_TEXTS: usize = 2000;
/// Rows of the matrix of similarities that are in memory at a time.
const ROWS: usize = 256;

/// How well labelled texts find their like, by cosine. Each text is judged among all others: it is left out of them,
/// and of its own class centre.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelScores {
    /// Different texts that were judged: those that share a label with another.
    pub texts: usize,
    /// Their labels.
    pub labels: usize,
    /// The part of texts whose nearest other text has their label.
    pub nearest_neighbour: f64,
    /// The part of texts that are nearest to the mean of their own label's other texts.
    pub nearest_centre: f64,
    /// Mean average precision: how far before others a text's own label comes in the order of their similarity.
    pub mean_average_precision: f64,
}

/// The same of each text that was judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelJudgements {
    labels: usize,
    nearest: Vec<f64>,
    centre: Vec<f64>,
    precision: Vec<f64>,
}

/// What both models make of the same labelled texts, with intervals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelDifferences {
    /// Labels of the texts that were judged.
    pub labels: usize,
    /// The part of texts whose nearest other text has their label.
    pub nearest_neighbour: Difference,
    /// The part of texts that are nearest to their own label's mean.
    pub nearest_centre: Difference,
    /// Mean average precision.
    pub mean_average_precision: Difference,
}

impl LabelJudgements {
    fn scores(&self) -> Option<LabelScores> {
        let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
        (!self.nearest.is_empty()).then(|| LabelScores {
            texts: self.nearest.len(),
            labels: self.labels,
            nearest_neighbour: mean(&self.nearest),
            nearest_centre: mean(&self.centre),
            mean_average_precision: mean(&self.precision),
        })
    }

    /// The base's against the tuned model's.
    pub fn against(&self, tuned: &Self, seed: u64) -> LabelDifferences {
        let of =
            |metric, before: &[f64], after: &[f64]| difference(metric, before, after, &vec![0.0; before.len()], seed);
        LabelDifferences {
            labels: self.labels,
            nearest_neighbour: of(Metric::NearestNeighbour, &self.nearest, &tuned.nearest),
            nearest_centre: of(Metric::NearestCentre, &self.centre, &tuned.centre),
            mean_average_precision: of(Metric::MeanAveragePrecision, &self.precision, &tuned.precision),
        }
    }
}

/// How well labelled texts find their like; `None` where no two different texts share a label, or the rows have none.
pub fn label_scores(encoder: &dyn Encoder, rows: &[TokenPair]) -> Option<LabelScores> {
    label_scores_each(encoder, rows)?.0
}

/// The same, and each text's part in it. `None` where the rows have no labels.
pub fn label_scores_each(encoder: &dyn Encoder, rows: &[TokenPair]) -> Option<(Option<LabelScores>, LabelJudgements)> {
    rows.first()?.labels.as_ref()?;
    let mut seen = BTreeSet::new();
    let all: Vec<(&[u32], &[u32])> = rows
        .iter()
        .filter(|row| seen.insert(row.left.as_slice()))
        .filter_map(|row| Some((row.left.as_slice(), &*row.labels.as_ref()?.left)))
        .collect();
    let kept = all.len().min(MOST_TEXTS);
    let texts: Vec<(&[u32], &[u32])> = (0..kept).map(|place| all[place * all.len() / kept]).collect();
    let ids: Vec<&[u32]> = texts.iter().map(|(ids, _)| *ids).collect();
    let labels: Vec<&[u32]> = texts.iter().map(|(_, labels)| *labels).collect();
    let judged = judge(&encode_all(encoder, &ids), &labels);
    Some((judged.scores(), judged))
}

/// Judges each text of `vectors` (T, D), of length 1, that shares a label with another.
fn judge(vectors: &Tensor, labels: &[&[u32]]) -> LabelJudgements {
    let vectors = vectors.to_kind(Kind::Float);
    let mut of_label: BTreeMap<u32, Vec<i64>> = BTreeMap::new();
    for (text, labels) in (0_i64..).zip(labels) {
        labels.iter().for_each(|&label| of_label.entry(label).or_default().push(text));
    }
    let numbers: Vec<u32> = of_label.keys().copied().collect();
    let sums: Vec<Tensor> = of_label
        .values()
        .map(|texts| vectors.index_select(0, &Tensor::from_slice(texts)).sum_dim_intlist([0].as_slice(), false, None))
        .collect();
    let mut judged = LabelJudgements::default();
    if sums.is_empty() {
        return judged;
    }
    let sums = Tensor::stack(&sums, 0); // (L, D)
    let squares = Vec::<f32>::try_from(sums.square().sum_dim_intlist([1].as_slice(), false, None)).unwrap_or_default();
    let sizes: Vec<usize> = of_label.values().map(Vec::len).collect();
    let mut told: BTreeSet<u32> = BTreeSet::new();
    for start in (0..labels.len()).step_by(ROWS) {
        pulse::beat();
        let some = vectors.narrow(0, start as i64, ROWS.min(labels.len() - start) as i64);
        let rows = |of: &Tensor| Vec::<Vec<f32>>::try_from(some.matmul(&of.tr())).unwrap_or_default();
        for (step, (to_texts, to_sums)) in rows(&vectors).iter().zip(rows(&sums)).enumerate() {
            let own = labels[start + step];
            let others = || (0..labels.len()).filter(|&other| other != start + step);
            if !others().any(|other| share_label(own, labels[other])) {
                continue;
            }
            told.extend(own.iter().filter(|label| sizes[place_of(&numbers, **label)] > 1));
            let mut order: Vec<(f32, bool)> =
                others().map(|other| (to_texts[other], share_label(own, labels[other]))).collect();
            // Of texts that are equally near, those of other labels come first: a model that no longer tells texts
            // apart has lost, and was not lucky.
            order.sort_unstable_by(|one, other| descending(one.0, other.0).then(one.1.cmp(&other.1)));
            judged.nearest.push(f64::from(u8::from(order[0].1)));
            judged.precision.push(average_precision(order.iter().map(|(_, shared)| *shared)));
            let centres = numbers.iter().enumerate().filter_map(|(place, label)| {
                let mine = own.binary_search(label).is_ok();
                if !mine {
                    return Some((to_sums[place] / squares[place].sqrt().max(f32::EPSILON), false));
                }
                // Without the text itself, whose product with itself is 1.
                let square = (squares[place] - 2.0 * to_sums[place] + 1.0).max(0.0);
                (sizes[place] > 1).then(|| ((to_sums[place] - 1.0) / square.sqrt().max(f32::EPSILON), true))
            });
            let nearest = centres.min_by(|one, other| descending(one.0, other.0).then(one.1.cmp(&other.1)));
            judged.centre.push(f64::from(u8::from(nearest.is_some_and(|(_, mine)| mine))));
        }
    }
    judged.labels = told.len();
    judged
}

fn place_of(numbers: &[u32], label: u32) -> usize {
    numbers.binary_search(&label).expect("every label has its place")
}

fn descending(one: f32, other: f32) -> Ordering {
    other.total_cmp(&one)
}

/// The mean over the texts that belong of how large their part is among those so far.
fn average_precision(order: impl Iterator<Item = bool>) -> f64 {
    let (mut found, mut sum) = (0.0, 0.0);
    for (rank, belongs) in (1_u32..).zip(order) {
        if belongs {
            found += 1.0;
            sum += found / f64::from(rank);
        }
    }
    sum / found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(vectors: &[[f32; 2]], labels: &[&[u32]]) -> LabelJudgements {
        judge(&Tensor::from_slice2(vectors), labels)
    }

    #[test]
    fn a_text_is_judged_among_the_others() {
        // Two of label 0 along x, two of label 1 along y, and one of label 1 nearer to label 0.
        let vectors = [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.28, 0.96], [0.96, 0.28]];
        let labels: [&[u32]; 5] = [&[0], &[0], &[1], &[1], &[1]];
        let found = judged(&vectors, &labels);
        assert_eq!(found.nearest, [0.0, 0.0, 1.0, 1.0, 0.0]);
        // To text 0: 0.96 (no), 0.8 (yes): one of two. To text 2: 0.96 (yes), 0.6 (no), 0.28 (yes).
        assert_eq!(found.precision[0], 0.5);
        assert!((found.precision[2] - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-9);
        assert_eq!(found.centre, [1.0, 0.0, 1.0, 1.0, 0.0]);
        let scores = found.scores().unwrap();
        assert_eq!((scores.texts, scores.labels, scores.nearest_neighbour), (5, 2, 0.4));
    }

    #[test]
    fn a_label_of_one_text_is_not_judged_and_stands_in_the_way_of_others() {
        let labels: [&[u32]; 3] = [&[0], &[0], &[1]];
        let found = judged(&[[1.0, 0.0], [0.8, 0.6], [0.96, 0.28]], &labels);
        assert_eq!((found.labels, found.nearest), (1, vec![0.0, 0.0]));
        assert_eq!(judged(&[[1.0, 0.0], [0.0, 1.0]], &[&[0], &[1]]).scores(), None);
    }

    #[test]
    fn a_text_of_two_labels_is_right_with_either() {
        let labels: [&[u32]; 4] = [&[0, 1], &[0], &[1], &[1]];
        let found = judged(&[[0.8, 0.6], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0]], &labels);
        assert_eq!((found.nearest[0], found.precision[0], found.centre[0]), (1.0, 1.0, 1.0));
    }

    #[test]
    fn a_collapsed_model_finds_nothing() {
        let labels: [&[u32]; 4] = [&[0], &[0], &[1], &[1]];
        let found = judged(&[[1.0, 0.0]; 4], &labels);
        assert_eq!((found.nearest, found.centre), (vec![0.0; 4], vec![0.0; 4]));
        let sure = judged(&[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], &labels);
        let change = judged(&[[1.0, 0.0]; 4], &labels).against(&sure, 42).nearest_neighbour;
        assert_eq!((change.metric, change.n, change.delta), (Metric::NearestNeighbour, 4, Some(1.0)));
    }
}
