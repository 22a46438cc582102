//! Which rows train, which validate, and in what order.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Keras' `validation_split`: the first `floor(rows * (1 - split))` rows train, the rest validate.
/// Rows are not shuffled before.
pub fn training_rows(rows: usize, validation_split: f64) -> usize {
    (rows as f64 * (1.0 - validation_split)).floor() as usize
}

/// The order of `rows` rows in an epoch: a function of the seed and the epoch alone (Fisher-Yates
/// over ChaCha8, one stream for each epoch).
pub(crate) fn order(rows: usize, shuffle: bool, seed: u64, epoch: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if shuffle {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(epoch as u64);
        for last in (1..rows).rev() {
            // An even draw from 0..=last but for a bias of 2^-64.
            let draw = (u128::from(rng.next_u64()) * (last as u128 + 1)) >> 64;
            order.swap(last, draw as usize);
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tutorials_98_rows_train_on_78() {
        assert_eq!(training_rows(98, 0.2), 78);
        assert_eq!(training_rows(10, 0.2), 8);
    }

    #[test]
    fn an_order_is_a_permutation_that_seed_and_epoch_decide() {
        let first = order(100, true, 1, 1);
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(first, order(100, true, 1, 1));
        assert_ne!(first, order(100, true, 1, 2));
        assert_ne!(first, order(100, true, 2, 1));
        assert_eq!(order(3, false, 1, 1), [0, 1, 2]);
    }
}
