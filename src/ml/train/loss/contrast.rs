//! In-batch contrast: a text's positive against the other texts of its batch.

use tch::Tensor;

use super::columns::Columns;
use crate::ml::vectors::cosine;

/// Stands for a similarity that does not count: its exponential is zero, and unlike minus infinity it
/// has a slope.
const OUT: f64 = -1e4;

/// `mean over positives i of log(1 + sum over candidates j of exp(scale (s_ij - s_ii)))`, which is the
/// cross entropy of finding the positive, written so that small values keep their digits.
pub(super) fn mnrl(batch: &Columns, scale: f64) -> Tensor {
    let Columns { left, right, negative, candidates, .. } = batch;
    let Some(candidates) = candidates.as_ref().filter(|candidates| !candidates.positives.is_empty()) else {
        return left.sum(left.kind()) * 0.0;
    };
    let positives = Tensor::from_slice(&candidates.positives);
    let (u, v) = (left.index_select(0, &positives), right.index_select(0, &positives)); // (P, D)
    let own = cosine(&u, &v).unsqueeze(1); // (P, 1)
    let find = |from: &Tensor, among: &Tensor, out: &[bool]| {
        let similarities = (from.matmul(&among.tr()) - &own) * scale; // (P, C)
        let out = Tensor::from_slice(out).reshape(similarities.size());
        similarities.masked_fill(&out, OUT).logsumexp([1].as_slice(), false).softplus().mean(u.kind())
    };
    let rivals = match negative {
        Some(negative) => Tensor::cat(&[right, negative], 0),
        None => right.shallow_clone(),
    };
    let forward = find(&u, &rivals, &candidates.right_out);
    if candidates.symmetric { (forward + find(&v, left, &candidates.left_out)) * 0.5 } else { forward }
}

/// `mean max(0, |u - p| - |u - n| + margin)`
pub(super) fn triplet(batch: &Columns, margin: f64) -> Tensor {
    let Columns { left, right, negative, .. } = batch;
    let Some(negative) = negative else { return left.sum(left.kind()) * 0.0 };
    // The square root has no slope at zero.
    let distance =
        |a: &Tensor, b: &Tensor| ((a - b).square().sum_dim_intlist([1].as_slice(), false, a.kind()) + 1e-12).sqrt();
    (distance(left, right) - distance(left, negative) + margin).relu().mean(left.kind())
}
