//! Multi-head attention (Vaswani et al. 2017) over a padded batch, and activations.
//!
//! Shapes: B texts, S tokens of the longest, h heads of d columns.

use super::graph::Value;
use crate::ml::encoder::transformer::Activation;

/// Added to the product of a token with one that it does not see. Not minus infinity: where a token sees
/// none, which only padding does, the softmax would be no numbers.
const UNSEEN: f32 = f32::MIN;

/// What is added to the products of queries and keys: 0 where `seen`, `(B or 1, S or 1, S)`, to
/// `(B or 1, 1, S or 1, S)`.
pub(super) fn visibility(seen: Value<'_, bool>) -> Value<'_, f32> {
    let graph = seen.graph();
    seen.choose(graph.scalar(0.0), graph.scalar(UNSEEN)).unsqueeze(&[1])
}

/// `(B, S, h * d)` to `(B, h, S, d)`.
pub(super) fn heads_of(x: Value<'_, f32>, heads: i64, head_size: i64) -> Value<'_, f32> {
    x.reshape(&[0, 0, heads, head_size]).transpose(&[0, 2, 1, 3])
}

/// Each token's mix of its text's values: queries, keys and values `(B, h, S, d)` to `(B, S, h * d)`. `added`
/// goes to the products before the softmax, `(B or 1, h or 1, S or 1, S)`.
pub(super) fn attend<'g>(
    [query, key, value]: [Value<'g, f32>; 3],
    head_size: i64,
    added: Value<'g, f32>,
) -> Value<'g, f32> {
    let products = (query * (head_size as f64).powf(-0.5)).matmul(key.transpose(&[0, 1, 3, 2])); // (B, h, S, S)
    let mixed = (products + added).softmax().matmul(value); // (B, h, S, d)
    mixed.transpose(&[0, 2, 1, 3]).reshape(&[0, 0, -1])
}

pub(super) fn activate(activation: Activation, x: Value<'_, f32>) -> Value<'_, f32> {
    match activation {
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => {
            let inner = (x + x * x * x * 0.044_715) * std::f64::consts::FRAC_2_PI.sqrt();
            x * 0.5 * (inner.tanh() + 1.0)
        }
        Activation::Relu => x.relu(),
        Activation::Silu => x * x.sigmoid(),
    }
}

/// Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", the exact form.
pub(super) fn gelu(x: Value<'_, f32>) -> Value<'_, f32> {
    x * 0.5 * ((x * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0)
}
