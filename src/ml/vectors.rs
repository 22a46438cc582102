//! Texts' vectors as tensors: their lengths, how alike they are, their numbers.

use tables::similarity::COSINE_LIMIT;
use tch::kind::Element;
use tch::{Kind, Tensor};

/// Rows to length 1; a row of zeros stays.
pub(crate) fn normalize(x: &Tensor) -> Tensor {
    let length = x.square().sum_dim_intlist([1].as_slice(), true, Kind::Float).sqrt();
    x / length.clamp_min(1e-12)
}

/// The cosine of each pair of rows of length 1: `(B,)`.
pub fn cosine(u: &Tensor, v: &Tensor) -> Tensor {
    (u * v).sum_dim_intlist([1].as_slice(), false, u.kind())
}

/// The angular similarity of each pair of rows: `1 - acos(cos(u, v)) / pi`, `(B,)`.
///
/// The cosine is kept within +-0.99999 as in the tutorial: beyond it the slope is zero.
pub fn angular_similarity(u: &Tensor, v: &Tensor) -> Tensor {
    let angle = cosine(u, v).clamp(-COSINE_LIMIT, COSINE_LIMIT).arccos();
    angle * (-1.0 / std::f64::consts::PI) + 1.0
}

/// A tensor's numbers, row by row.
pub(crate) fn numbers<T: Element + Copy>(tensor: &Tensor) -> Vec<T> {
    Vec::try_from(tensor.reshape([-1])).expect("one dimension")
}
