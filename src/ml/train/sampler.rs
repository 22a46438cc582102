//! Which rows make which batch: a function of the seed and the epoch alone.

use std::collections::{BTreeMap, HashMap};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tables::draws::{draw, shuffle};

use super::config::TrainConfig;
use super::options::SamplerKind;
use super::split::strata;
use crate::ml::pairs::TokenPair;

/// Batches whose rows are sorted by length together, so that like lengths meet and epochs still differ.
const BATCHES_IN_A_POOL: usize = 64;

/// Streams from here on draw what steps replay; those below order epochs.
const REPLAY_STREAMS: u64 = 1 << 32;

/// An epoch's batches, `ceil(rows / batch_size)` whatever the sampler.
pub(super) fn batches(pairs: &[TokenPair], config: &TrainConfig, epoch: usize) -> Vec<Vec<usize>> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    rng.set_stream(epoch as u64);
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    // Labelled texts were drawn in such an order that the labels of a batch differ.
    if config.shuffle && pairs.first().is_none_or(|pair| pair.labels.is_none()) {
        shuffle(&mut order, &mut rng);
    }
    let size = config.batch_size;
    match config.sampler {
        SamplerKind::Plain => chunks(&order, size),
        SamplerKind::Balanced => chunks(&balance(pairs, &order, &mut rng), size),
        SamplerKind::NoDuplicates => {
            // The texts that are in most rows first, while every batch still has room.
            let mut rows_of: HashMap<&[u32], usize> = HashMap::new();
            for text in pairs.iter().flat_map(TokenPair::texts) {
                *rows_of.entry(text).or_default() += 1;
            }
            order.sort_by_key(|&row| std::cmp::Reverse(pairs[row].texts().map(|text| rows_of[text]).max()));
            let mut batches = scatter(pairs, &order, size);
            shuffle(&mut batches, &mut rng);
            batches
        }
        SamplerKind::ByLength => {
            for pool in order.chunks_mut(size * BATCHES_IN_A_POOL) {
                pool.sort_by_key(|&row| pairs[row].texts().map(<[u32]>::len).sum::<usize>());
            }
            let mut batches = chunks(&order, size);
            shuffle(&mut batches, &mut rng);
            batches
        }
    }
}

fn chunks(order: &[usize], size: usize) -> Vec<Vec<usize>> {
    order.chunks(size).map(<[usize]>::to_vec).collect()
}

/// As many rows as before, one score after another in turn.
fn balance(pairs: &[TokenPair], order: &[usize], rng: &mut ChaCha8Rng) -> Vec<usize> {
    let stratum = strata(pairs);
    let mut of_stratum: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &row in order {
        of_stratum.entry(stratum[row]).or_default().push(row);
    }
    let mut strata: Vec<(Vec<usize>, usize)> = of_stratum.into_values().map(|rows| (rows, 0)).collect();
    let count = strata.len();
    let mut turn = |place: usize| {
        let (rows, next) = &mut strata[place % count];
        if *next == rows.len() {
            shuffle(rows, rng);
            *next = 0;
        }
        *next += 1;
        rows[*next - 1]
    };
    (0..order.len()).map(&mut turn).collect()
}

/// Each row into the first batch that has room and none of its texts; what fits nowhere, since its text
/// is in more rows than there are batches, into the first that has room.
fn scatter(pairs: &[TokenPair], order: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = vec![Vec::new(); order.len().div_ceil(size)];
    // The first batch from a place on that has room, with paths made short as they are walked.
    let mut onward: Vec<usize> = (0..=batches.len()).collect();
    fn with_room(onward: &mut [usize], from: usize) -> usize {
        let mut at = from;
        while onward[at] != at {
            onward[at] = onward[onward[at]];
            at = onward[at];
        }
        at
    }
    // The first batch that a text is not in, all before having it or being full.
    let mut free: HashMap<&[u32], usize> = HashMap::new();
    let mut left = Vec::new();
    let mut put = |row: usize, from: usize| {
        let batch = with_room(&mut onward, from);
        let rows = batches.get_mut(batch)?;
        rows.push(row);
        if rows.len() == size {
            onward[batch] = batch + 1;
        }
        Some(batch)
    };
    for &row in order {
        let from = pairs[row].texts().map(|text| free.get(text).copied().unwrap_or(0)).max().unwrap_or(0);
        match put(row, from) {
            Some(batch) => free.extend(pairs[row].texts().map(|text| (text, batch + 1))),
            None => left.push(row),
        }
    }
    for row in left {
        put(row, 0).expect("there is room for every row");
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// The rows of the replayed table in a step: a function of the seed and the step alone.
pub(super) fn replayed(rows: usize, count: usize, seed: u64, step: usize) -> Vec<usize> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(REPLAY_STREAMS + step as u64);
    (0..count).map(|_| draw(rows, &mut rng)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(rows: &[(u32, u32, f64)]) -> Vec<TokenPair> {
        let pair = |&(left, right, score): &(u32, u32, f64)| {
            let (left, right) = (vec![1; left as usize], vec![2; right as usize]);
            TokenPair { left, right, score, ..TokenPair::default() }
        };
        rows.iter().map(pair).collect()
    }

    fn config(sampler: SamplerKind, batch_size: usize) -> TrainConfig {
        TrainConfig { sampler, batch_size, ..TrainConfig::default() }
    }

    #[test]
    fn every_sampler_makes_as_many_batches_and_draws_by_seed_and_epoch() {
        let rows: Vec<_> = (0..50).map(|row| (row % 9 + 1, row + 1, f64::from(row % 2))).collect();
        let pairs = pairs(&rows);
        for sampler in [SamplerKind::Plain, SamplerKind::Balanced, SamplerKind::NoDuplicates, SamplerKind::ByLength] {
            let config = config(sampler, 8);
            let first = batches(&pairs, &config, 1);
            assert_eq!((first.len(), first.iter().map(Vec::len).sum::<usize>()), (7, 50), "{sampler:?}");
            assert_eq!(first, batches(&pairs, &config, 1));
            assert_ne!(first, batches(&pairs, &config, 2), "{sampler:?}");
            assert_ne!(first, batches(&pairs, &TrainConfig { seed: 1, ..config.clone() }, 1), "{sampler:?}");
            if sampler != SamplerKind::Balanced {
                let mut rows = first.concat();
                rows.sort_unstable();
                assert_eq!(rows, (0..50).collect::<Vec<_>>(), "{sampler:?} loses rows");
            }
        }
    }

    #[test]
    fn a_balanced_epoch_gives_each_score_the_same_share() {
        let rows: Vec<_> = (0..90).map(|row| (row + 1, row + 1, if row < 9 { 1.0 } else { 0.5 })).collect();
        for batch in batches(&pairs(&rows), &config(SamplerKind::Balanced, 10), 1) {
            assert_eq!(batch.iter().filter(|&&row| row < 9).count(), 5);
        }
    }

    #[test]
    fn no_text_stands_twice_in_a_batch_while_batches_are_enough() {
        // Text 1 is in 10 of 80 rows, and there are 10 batches.
        let rows: Vec<_> = (0..80).map(|row| (if row < 10 { 1 } else { row + 2 }, row + 1, 1.0)).collect();
        let pairs = pairs(&rows);
        for batch in batches(&pairs, &config(SamplerKind::NoDuplicates, 8), 1) {
            assert!(batch.iter().filter(|&&row| row < 10).count() <= 1, "{batch:?}");
        }
        // In 20 rows it must.
        let rows: Vec<_> = (0..40).map(|row| (if row < 20 { 1 } else { row }, row + 1, 1.0)).collect();
        let batches = batches(&self::pairs(&rows), &config(SamplerKind::NoDuplicates, 8), 1);
        assert_eq!(batches.concat().len(), 40);
    }

    #[test]
    fn like_lengths_meet() {
        let rows: Vec<_> = (0..64).map(|row| (row % 32 + 1, row % 32 + 1, 1.0)).collect();
        let pairs = pairs(&rows);
        for batch in batches(&pairs, &config(SamplerKind::ByLength, 8), 1) {
            let lengths: Vec<usize> = batch.iter().map(|&row| pairs[row].left.len()).collect();
            assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 4, "{lengths:?}");
        }
    }

    #[test]
    fn what_is_replayed_depends_on_the_step() {
        let drawn = replayed(1000, 6, 42, 7);
        assert_eq!((drawn.len(), drawn.iter().all(|&row| row < 1000)), (6, true));
        assert_eq!(drawn, replayed(1000, 6, 42, 7));
        assert_ne!(drawn, replayed(1000, 6, 42, 8));
    }
}
