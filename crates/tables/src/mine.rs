//! Hard negatives: texts that a model takes for alike and that do not belong together. They teach more than texts
//! drawn at random, which a model holds apart already.
//!
//! What is as near to a text as its own positive is likely to be a positive that nobody wrote down. A candidate must
//! therefore stay a margin below the positive's similarity (95 % of it by default: the percentage rule of
//! *NV-Retriever*, Moreira et al. 2024, arXiv:2407.15831).

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A text whose negatives are looked for, and texts that belong to it, by their rows among the vectors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchor {
    /// Its row.
    pub text: usize,
    /// Rows of what belongs to it; without any, nothing is too near.
    pub positives: Vec<usize>,
}

/// How negatives are looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mining {
    /// Negatives for each anchor, at most.
    pub per_text: usize,
    /// By how much of the nearest positive's similarity a negative stays below it.
    pub margin: f64,
    /// Candidates that each anchor is compared with, at most; of more, evenly spread ones.
    pub most_candidates: usize,
    /// Threads that compute.
    pub threads: usize,
}

impl Default for Mining {
    fn default() -> Self {
        Self { per_text: 1, margin: 0.05, most_candidates: 20_000, threads: 2 }
    }
}

/// A text that does not belong, and looks as if it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Negative {
    /// Its row among the vectors.
    pub text: usize,
    /// How alike the model takes both to be.
    pub cosine: f32,
}

/// Anchors that a thread takes at a time: a candidate's vector is read once for all of them.
const BLOCK: usize = 16;

/// The nearest candidates of each anchor that do not belong to it, nearest first. `vectors` are `(N, D)` numbers of
/// unit vectors and D; `belongs` says of an anchor (by its place) and a candidate (by its row) that they belong
/// together, beyond its positives. Candidates in equal distance come in their order, whatever the threads.
pub fn hard_negatives(
    vectors: (&[f32], usize),
    anchors: &[Anchor],
    candidates: &[usize],
    belongs: &(dyn Fn(usize, usize) -> bool + Sync),
    mining: &Mining,
) -> Vec<Vec<Negative>> {
    let step = candidates.len().div_ceil(mining.most_candidates.max(1)).max(1);
    let candidates: Vec<usize> = candidates.iter().copied().step_by(step).collect();
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<Vec<Negative>>)>> = Mutex::new(Vec::new());
    let work = || {
        loop {
            let first = next.fetch_add(BLOCK, Ordering::Relaxed);
            let Some(block) = anchors.get(first..(first + BLOCK).min(anchors.len())).filter(|block| !block.is_empty())
            else {
                return;
            };
            let found = of_block(vectors, first, block, &candidates, belongs, mining);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((first, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..mining.threads {
            scope.spawn(work);
        }
        work();
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_unstable_by_key(|(first, _)| *first);
    done.into_iter().flat_map(|(_, found)| found).collect()
}

fn of_block(
    (values, width): (&[f32], usize),
    first: usize,
    block: &[Anchor],
    candidates: &[usize],
    belongs: &(dyn Fn(usize, usize) -> bool + Sync),
    mining: &Mining,
) -> Vec<Vec<Negative>> {
    let row = |text: usize| &values[text * width..(text + 1) * width];
    let ceilings: Vec<f32> = block
        .iter()
        .map(|anchor| {
            let nearest = anchor.positives.iter().map(|&positive| dot(row(anchor.text), row(positive)));
            let nearest = nearest.fold(f32::NEG_INFINITY, f32::max);
            if nearest == f32::NEG_INFINITY { f32::INFINITY } else { nearest - mining.margin as f32 * nearest.abs() }
        })
        .collect();
    let mut found: Vec<Vec<Negative>> = vec![Vec::with_capacity(mining.per_text + 1); block.len()];
    for &candidate in candidates {
        let vector = row(candidate);
        for (place, anchor) in block.iter().enumerate() {
            let cosine = dot(row(anchor.text), vector);
            let found = &mut found[place];
            let full = found.len() == mining.per_text;
            let near = !full || found.last().is_some_and(|last| cosine > last.cosine);
            if !near || cosine > ceilings[place] || candidate == anchor.text || anchor.positives.contains(&candidate) {
                continue;
            }
            // Asked last: it is the dearest question.
            if mining.per_text == 0 || belongs(first + place, candidate) {
                continue;
            }
            let at = found.partition_point(|known| known.cosine >= cosine);
            found.insert(at, Negative { text: candidate, cosine });
            found.truncate(mining.per_text);
        }
    }
    found
}

/// Eight sums side by side: as many as a vector register holds, and a compiler sees it.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (ones, others) = (one.chunks_exact(16), other.chunks_exact(16));
    let rest: f32 = ones.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in ones.zip(others) {
        for place in 0..16 {
            sums[place] += a[place] * b[place];
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unit vectors in the plane at these angles.
    fn plane(angles: &[f32]) -> Vec<f32> {
        angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect()
    }

    #[test]
    fn the_nearest_that_is_not_too_near_is_found() {
        // The anchor, its positive, then candidates: one nearer than the positive, one as near, two farther.
        let vectors = plane(&[0.0, 0.5, 0.1, 0.5, 0.8, 1.2]);
        let anchors = [Anchor { text: 0, positives: vec![1] }];
        let all = [0, 1, 2, 3, 4, 5];
        let mining = Mining { per_text: 2, ..Mining::default() };
        let found = hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, &mining);
        assert_eq!(found[0].iter().map(|negative| negative.text).collect::<Vec<_>>(), [4, 5]);
        assert!((found[0][0].cosine - 0.8_f32.cos()).abs() < 1e-6);
    }

    #[test]
    fn what_belongs_together_is_no_negative() {
        let vectors = plane(&[0.0, 0.5, 0.8, 1.2]);
        let anchors = [Anchor { text: 0, positives: vec![1] }];
        let found = hard_negatives((&vectors, 2), &anchors, &[2, 3], &|_, text| text == 2, &Mining::default());
        assert_eq!(found[0].iter().map(|negative| negative.text).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn threads_do_not_change_what_is_found() {
        let vectors = plane(&(0..500).map(|place| (place * place) as f32 * 0.1).collect::<Vec<_>>());
        let anchors: Vec<Anchor> = (0..500).map(|text| Anchor { text, positives: vec![(text + 1) % 500] }).collect();
        let all: Vec<usize> = (0..500).collect();
        let of = |threads| {
            let mining = Mining { per_text: 3, threads, ..Mining::default() };
            hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, &mining)
        };
        assert_eq!(of(1), of(4));
        // By brute force, in double precision nowhere near a tie.
        for (text, found) in of(1).iter().enumerate() {
            let row = |text: usize| &vectors[2 * text..2 * text + 2];
            let positive = dot(row(text), row((text + 1) % 500));
            let ceiling = positive - 0.05 * positive.abs();
            let fits =
                |other: &usize| *other != text && *other != (text + 1) % 500 && dot(row(text), row(*other)) <= ceiling;
            let best = (0..500).filter(fits).map(|other| dot(row(text), row(other))).fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(found.first().map_or(f32::NEG_INFINITY, |negative| negative.cosine), best);
        }
    }

    #[test]
    fn many_candidates_are_thinned_evenly() {
        let vectors = plane(&[0.0, 0.5, 0.6, 0.7, 0.8, 0.9]);
        let mining = Mining { per_text: 9, most_candidates: 2, ..Mining::default() };
        let anchors = [Anchor { text: 0, positives: Vec::new() }];
        let found = hard_negatives((&vectors, 2), &anchors, &[1, 2, 3, 4], &|_, _| false, &mining);
        assert_eq!(found[0].iter().map(|negative| negative.text).collect::<Vec<_>>(), [1, 3]);
    }
}
