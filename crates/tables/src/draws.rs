//! Draws that a seed decides: the same on every machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// An even draw from `0..below`, but for a bias of 2^-64.
pub fn draw(below: usize, rng: &mut ChaCha8Rng) -> usize {
    ((u128::from(rng.next_u64()) * below as u128) >> 64) as usize
}

/// Fisher and Yates' shuffle.
pub fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, draw(last + 1, rng));
    }
}

/// At most `most` items of a stream that may be long, drawn by the seed and kept in their order; and how many there
/// were. Vitter's algorithm R.
pub fn sample<T>(items: impl Iterator<Item = T>, most: usize, seed: u64) -> (Vec<T>, usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kept: Vec<(usize, T)> = Vec::new();
    let mut seen = 0;
    for item in items {
        if kept.len() < most {
            kept.push((seen, item));
        } else if let Some(slot) = kept.get_mut(draw(seen + 1, &mut rng)) {
            *slot = (seen, item);
        }
        seen += 1;
    }
    kept.sort_by_key(|(place, _)| *place);
    (kept.into_iter().map(|(_, item)| item).collect(), seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_ever_after() {
        let mut rng = ChaCha8Rng::seed_from_u64(42);
        let mut items: Vec<usize> = (0..10).collect();
        shuffle(&mut items, &mut rng);
        let draws = [98, 98, 2].map(|below| draw(below, &mut rng));
        let (sampled, _) = sample(0..100, 7, 42);
        assert_eq!(
            (items, draws, sampled),
            (vec![9, 7, 2, 5, 0, 1, 4, 3, 8, 6], [23, 49, 1], vec![7, 10, 27, 38, 67, 71, 92])
        );
    }

    #[test]
    fn a_sample_keeps_the_order_and_is_even() {
        assert_eq!(sample(0..5, 10, 1), ((0..5).collect(), 5));
        let mut counts = [0; 10];
        for seed in 0..2000 {
            let (drawn, seen) = sample(0..10, 3, seed);
            assert!(seen == 10 && drawn.len() == 3 && drawn.is_sorted());
            drawn.into_iter().for_each(|item: usize| counts[item] += 1);
        }
        assert!(counts.iter().all(|count| (500..700).contains(count)), "{counts:?}");
        assert_eq!(sample(0..100, 7, 42), sample(0..100, 7, 42));
    }
}
