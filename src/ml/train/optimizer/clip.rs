//! Gradients kept to a bound.

use tch::{Kind, Tensor};

/// `tf.clip_by_norm`: what scales the gradient so that its norm is at most `clipnorm`.
pub(super) fn clip(gradient: &Tensor, clipnorm: f64) -> f64 {
    (clipnorm / gradient.norm().double_value(&[])).min(1.0)
}

/// The same for a table in shards: each shard's rows are scaled by their own norm.
pub(super) fn clip_rows(gradient: &mut Tensor, shard_of_row: &[i64], shards: i64, clipnorm: f64) {
    let shard_of_row = Tensor::from_slice(shard_of_row);
    let squares = gradient.square().sum_dim_intlist([1].as_slice(), false, Kind::Float); // (U,)
    let norms = Tensor::zeros([shards], (Kind::Float, gradient.device())).index_add(0, &shard_of_row, &squares).sqrt();
    let factors = clipnorm / norms.clamp_min(clipnorm);
    let _ = gradient.g_mul_(&factors.index_select(0, &shard_of_row).unsqueeze(1));
}

/// What scales all gradients so that their joint norm is at most `clipnorm`.
pub(super) fn clip_together<'a>(gradients: impl Iterator<Item = &'a Tensor>, clipnorm: f64) -> f64 {
    let squares: f64 = gradients.map(|gradient| gradient.norm().double_value(&[]).powi(2)).sum();
    (clipnorm / squares.sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_gradient_is_scaled_to_the_norm_and_a_short_one_left_alone() {
        assert!((clip(&Tensor::from_slice(&[3.0_f32, 4.0]), 1.0) - 0.2).abs() < 1e-7);
        assert_eq!(clip(&Tensor::from_slice(&[0.3_f32, 0.4]), 1.0), 1.0);
    }

    #[test]
    fn a_tables_shards_are_clipped_each_by_its_own_norm() {
        let mut gradient = Tensor::from_slice(&[3.0_f32, 0.3, 4.0]).unsqueeze(1);
        clip_rows(&mut gradient, &[0, 1, 0], 2, 1.0);
        assert_eq!(Vec::<f32>::try_from(gradient.reshape(-1)).unwrap(), [0.6, 0.3, 0.8]);
    }

    #[test]
    fn gradients_together_keep_their_proportions() {
        let (a, b) = (Tensor::from_slice(&[3.0_f32]), Tensor::from_slice(&[4.0_f32]));
        assert!((clip_together([&a, &b].into_iter(), 1.0) - 0.2).abs() < 1e-7);
    }
}
