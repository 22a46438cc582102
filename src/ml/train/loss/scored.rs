//! The parts of losses that read a pair's score.

use tch::Tensor;

/// `log(1 + sum over y_i < y_j of exp(scale (s_i - s_j)))` in O(B log B).
///
/// Sorted by score, the inner sum over all lower pairs is a running one: each pair needs the sum up to
/// where its own score begins.
pub(super) fn ordering(similarities: &Tensor, scores: &Tensor, scale: f64) -> Tensor {
    let scores: Vec<f64> = Vec::try_from(scores.to_kind(tch::Kind::Double)).expect("one dimension");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&i, &j| scores[i].total_cmp(&scores[j]));
    // (place in the order, last place with a lower score)
    let (mut places, mut below) = (Vec::new(), Vec::new());
    let mut start = 0_i64;
    for ties in order.chunk_by(|&i, &j| scores[i] == scores[j]) {
        let end = start + ties.len() as i64;
        if start > 0 {
            places.extend(start..end);
            below.extend(std::iter::repeat_n(start - 1, ties.len()));
        }
        start = end;
    }
    let order: Vec<i64> = order.into_iter().map(|place| place as i64).collect();
    let sorted = similarities.index_select(0, &Tensor::from_slice(&order)) * scale;
    let zero = Tensor::zeros([1], (sorted.kind(), sorted.device()));
    if places.is_empty() {
        // All scores are the same: nothing to order, and no slope.
        return sorted.sum(sorted.kind()) * 0.0;
    }
    let lower = sorted.logcumsumexp(0).index_select(0, &Tensor::from_slice(&below));
    let terms = lower - sorted.index_select(0, &Tensor::from_slice(&places));
    Tensor::cat(&[zero, terms], 0).logsumexp([0].as_slice(), false)
}

/// AnglE's similarity: the halves of a vector are the real and imaginary parts of complex numbers.
pub(super) fn angle(u: &Tensor, v: &Tensor) -> Tensor {
    let (u, v) = (u.chunk(2, 1), v.chunk(2, 1));
    let ([a, b], [c, d]) = ([&u[0], &u[1]], [&v[0], &v[1]]);
    let sum = |x: &Tensor| x.sum_dim_intlist([1].as_slice(), true, x.kind());
    let squares = sum(&(c.square() + d.square()));
    let lengths = sum(&(a.square() + b.square())).sqrt() / squares.sqrt();
    let re = (a * c + b * d) / &squares / &lengths;
    let im = (b * c - a * d) / &squares / &lengths;
    sum(&(re + im)).squeeze_dim(1).abs()
}

/// Only pairs on the wrong side of a pair of the other kind count. Where the other kind has fewer than
/// two pairs in the batch, the mean of the own kind is the border.
pub(super) fn online_contrastive(distances: &Tensor, scores: &Tensor, margin: f64) -> Tensor {
    let values: Vec<f64> = Vec::try_from(distances.detach().to_kind(tch::Kind::Double)).expect("one dimension");
    let labels: Vec<f64> = Vec::try_from(scores.to_kind(tch::Kind::Double)).expect("one dimension");
    let of = |label: f64| -> Vec<f64> {
        values.iter().zip(&labels).filter(|(_, other)| **other == label).map(|(value, _)| *value).collect()
    };
    let (positives, negatives) = (of(1.0), of(0.0));
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let farthest = positives.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let nearest = negatives.iter().copied().fold(f64::INFINITY, f64::min);
    let far = if negatives.len() > 1 { nearest } else { mean(&positives) };
    let near = if positives.len() > 1 { farthest } else { mean(&negatives) };
    let mask = |hard: &dyn Fn(f64, f64) -> bool| {
        let mask: Vec<f64> = values.iter().zip(&labels).map(|(&d, &y)| f64::from(u8::from(hard(d, y)))).collect();
        Tensor::from_slice(&mask).to_kind(distances.kind())
    };
    let together = distances.square() * mask(&|d, y| y == 1.0 && d > far);
    let apart = (distances.neg() + margin).relu().square() * mask(&|d, y| y == 0.0 && d < near);
    (together + apart).sum(distances.kind())
}
