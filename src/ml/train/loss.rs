//! What training makes small.

use tch::{Kind, Tensor};

use crate::ml::similarity::COSINE_LIMIT;

/// The angular similarity of each pair of rows: `1 - acos(cos(u, v)) / pi`, `(B, D)` twice to `(B,)`.
///
/// The cosine is kept within +-0.99999 as in the tutorial: beyond it the slope is zero.
pub fn angular_similarity(u: &Tensor, v: &Tensor) -> Tensor {
    // The encoder's vectors have length 1, so their product is the cosine.
    let cosine = (u * v).sum_dim_intlist([1].as_slice(), false, Kind::Float);
    let angle = cosine.clamp(-COSINE_LIMIT, COSINE_LIMIT).arccos();
    angle * (-1.0 / std::f64::consts::PI) + 1.0
}

/// Mean squared error between the pairs' angular similarity and their scores `(B,)`: a scalar.
pub fn angular_mse(u: &Tensor, v: &Tensor, scores: &Tensor) -> Tensor {
    (angular_similarity(u, v) - scores).square().mean(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two unit vectors with the given cosine.
    fn pair(cosine: f64) -> (Tensor, Tensor) {
        let u = Tensor::from_slice(&[1.0_f64, 0.0]).unsqueeze(0);
        let v = Tensor::from_slice(&[cosine, (1.0 - cosine * cosine).sqrt()]).unsqueeze(0);
        (u.set_requires_grad(true), v)
    }

    #[test]
    fn angular_similarity_of_known_cosines() {
        let expected =
            [(-1.0, 0.001424), (-0.5, 0.333333), (0.0, 0.5), (0.5, 0.666667), (0.7, 0.746817), (1.0, 0.998576)];
        for (cosine, similarity) in expected {
            let (u, v) = pair(cosine);
            assert!((angular_similarity(&u, &v).double_value(&[0]) - similarity).abs() < 1e-6, "{cosine}");
        }
    }

    #[test]
    fn angular_mse_and_its_slope_are_the_formulas() {
        for (cosine, score, loss, slope) in
            [(0.0, 1.0, 0.25, -std::f64::consts::FRAC_1_PI), (0.5, 0.5, 0.0277777778, 0.1225175323)]
        {
            let (u, v) = pair(cosine);
            let value = angular_mse(&u, &v, &Tensor::from_slice(&[score]));
            value.backward();
            assert!((value.double_value(&[]) - loss).abs() < 1e-6);
            // d loss / d u = d loss / d cos * v
            let gradient = u.grad().double_value(&[0, 1]) / v.double_value(&[0, 1]);
            assert!((gradient - slope).abs() < 1e-5, "{gradient}");
        }
    }
}
