//! Hard negatives: texts that a model takes for alike and that do not belong together. They teach more than texts
//! drawn at random, which a model holds apart already.
//!
//! One rule: a negative is the nearest text that is not known to belong and that stays a margin below what does belong.
//! What is as near to a text as its own positive is likely to be a positive that nobody wrote down, so its cosine is at
//! most 95 % of the positive's by default (the percentage rule of *NV-Retriever*, Moreira et al. 2024,
//! arXiv:2407.15831). Of several positives of one [`Anchor`] the nearest sets that limit; where each positive is to
//! have negatives of its own, each is an anchor, and anchors of one text that follow each other get different negatives
//! while there are any.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::panic::resume_unwind;

use crate::ties::tie;

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
    /// By how much of the nearest positive's cosine a negative's stays below it.
    pub margin: f64,
    /// Candidates that each anchor is compared with, at most; of more, evenly spread ones.
    pub most_candidates: usize,
    /// Threads that compute.
    pub threads: usize,
}

impl Default for Mining {
    fn default() -> Self {
        Self { per_text: 1, margin: 0.05, most_candidates: 20_000, threads: 1 }
    }
}

/// A text that does not belong, and looks as if it did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Negative {
    /// Its row among the vectors.
    pub text: usize,
    /// Its cosine with the anchor.
    pub cosine: f32,
}

/// What was found for an anchor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Negatives {
    /// Texts that do not belong, the nearest first; those that the text's anchors before have got come last.
    pub texts: Vec<Negative>,
    /// How many texts were passed over, since they are so near that they may belong.
    pub suspected: usize,
}

/// Texts that are compared with a candidate at a time: its vector is read once for all of them.
const BLOCK: usize = 16;

/// Negatives of each anchor among the candidates, which are rows. `vectors` are `(N, D)` numbers of unit vectors and D;
/// `belongs` says of two rows, an anchor's text and a candidate, that they belong together, beyond the anchor's
/// positives. Candidates in equal distance come in their order, whatever the threads.
pub fn hard_negatives(
    vectors: (&[f32], usize),
    anchors: &[Anchor],
    candidates: &[usize],
    belongs: &(dyn Fn(usize, usize) -> bool + Sync),
    mining: Mining,
) -> Vec<Negatives> {
    let step = candidates.len().div_ceil(mining.most_candidates.max(1)).max(1);
    let candidates: Vec<usize> = candidates.iter().copied().step_by(step).collect();
    let search = Search { vectors, candidates, belongs, mining };
    let texts: Vec<&[Anchor]> = anchors.chunk_by(|one, next| one.text == next.text).collect();
    let of_part = |part: &[&[Anchor]]| part.chunks(BLOCK).flat_map(|block| search.of_block(block)).collect::<Vec<_>>();
    let part = texts.len().div_ceil(mining.threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = texts.chunks(part).map(|part| scope.spawn(|| of_part(part))).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

struct Search<'a> {
    vectors: (&'a [f32], usize),
    candidates: Vec<usize>,
    belongs: &'a (dyn Fn(usize, usize) -> bool + Sync),
    mining: Mining,
}

impl Search<'_> {
    fn row(&self, text: usize) -> &[f32] {
        let (values, width) = self.vectors;
        &values[text * width..(text + 1) * width]
    }

    fn of_block(&self, block: &[&[Anchor]]) -> Vec<Negatives> {
        let mut cosines = vec![Vec::with_capacity(self.candidates.len()); block.len()];
        // Compiled once for each kind of vector unit; this takes the widest that there is.
        pulp::Arch::new().dispatch(|| {
            for &candidate in &self.candidates {
                let vector = self.row(candidate);
                for (anchors, cosines) in block.iter().zip(&mut cosines) {
                    cosines.push(dot(self.row(anchors[0].text), vector));
                }
            }
        });
        block.iter().zip(&cosines).flat_map(|(anchors, cosines)| self.of_text(anchors, cosines)).collect()
    }

    /// The negatives of one text's anchors, given its cosines with all candidates.
    fn of_text(&self, anchors: &[Anchor], cosines: &[f32]) -> Vec<Negatives> {
        let text = anchors[0].text;
        let own: BTreeSet<usize> = anchors.iter().flat_map(|anchor| anchor.positives.iter().copied()).collect();
        let strange =
            |candidate: usize| candidate != text && !own.contains(&candidate) && !(self.belongs)(text, candidate);
        let limits: Vec<f64> = anchors.iter().map(|anchor| self.limit(anchor)).collect();
        let highest = limits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // What is known of a candidate is asked late: it is the dearest question.
        let near = (0..).zip(cosines).filter(|(_, cosine)| f64::from(**cosine) <= highest);
        let mut rest: BinaryHeap<(i32, Reverse<u32>)> =
            near.map(|(place, cosine)| (in_order(*cosine), Reverse(place))).collect();
        // Those that were taken from the heap, in their order, and whether an anchor has got them.
        let mut nearest: Vec<(Negative, bool)> = Vec::new();
        let found = limits.iter().map(|&limit| {
            let is_near = |cosine: f32| f64::from(cosine) > limit;
            let mut at = nearest.partition_point(|(negative, _)| is_near(negative.cosine));
            let (mut fresh, mut again) = (Vec::new(), Vec::new());
            while fresh.len() < self.mining.per_text {
                if at == nearest.len() {
                    let Some((_, Reverse(place))) = rest.pop() else { break };
                    let (text, cosine) = (self.candidates[place as usize], cosines[place as usize]);
                    if !strange(text) {
                        continue;
                    }
                    nearest.push((Negative { text, cosine }, false));
                }
                let (negative, taken) = &mut nearest[at];
                at += 1;
                if is_near(negative.cosine) {
                    continue;
                }
                if std::mem::replace(taken, true) { again.push(*negative) } else { fresh.push(*negative) }
            }
            again.truncate(self.mining.per_text - fresh.len());
            let suspected = self.candidates.iter().zip(cosines).filter(|(_, cosine)| is_near(**cosine));
            let suspected = suspected.filter(|(candidate, _)| strange(**candidate)).count();
            Negatives { texts: [fresh, again].concat(), suspected }
        });
        found.collect()
    }

    /// The highest cosine that a negative may have.
    fn limit(&self, anchor: &Anchor) -> f64 {
        let cosine = |&positive: &usize| f64::from(dot(self.row(anchor.text), self.row(positive)));
        let nearest = anchor.positives.iter().map(cosine).reduce(f64::max);
        nearest.map_or(f64::INFINITY, |nearest| nearest - self.mining.margin * nearest.abs())
    }
}

/// A number with the order of floats ([`f32::total_cmp`]).
fn in_order(number: f32) -> i32 {
    let bits = number.to_bits().cast_signed();
    bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
}

/// Sums side by side, as a vector register holds them, so that a compiler sees it.
#[inline(always)]
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

/// A triplet, its texts by their rows, and the cosine that made it one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mined {
    /// The text.
    pub anchor: usize,
    /// One that belongs to it.
    pub positive: usize,
    /// One that does not.
    pub negative: usize,
    /// The cosine of text and negative.
    pub similarity: f64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The triplets in the order of the pairs, the nearest negative first.
    pub triplets: Vec<Mined>,
    /// Pairs for which there is no text that is far enough from belonging.
    pub without: usize,
    /// Texts that were passed over, since they are so near that they may belong, counted for each pair.
    pub suspected: usize,
}

/// Puts texts together that belong together directly or through others: for each text the place of one that stands for
/// its group.
pub fn groups(texts: usize, related: &[(usize, usize)]) -> Vec<usize> {
    let ties: Vec<[usize; 2]> = related.iter().map(|&(a, b)| [a, b]).collect();
    let mut group = vec![0; texts];
    for texts in tie(texts, ties.iter().map(<[usize; 2]>::as_slice)) {
        texts.iter().for_each(|&text| group[text] = texts[0]);
    }
    group
}

/// Finds negatives for pairs `(text, one that belongs to it)`, where no text of the same group is taken for one.
/// `vectors` `(N, D)` are rows of length 1, and texts are places in it.
pub fn mine_triplets(
    vectors: &[f32],
    dimensions: usize,
    pairs: &[(usize, usize)],
    groups: &[usize],
    mining: Mining,
) -> Found {
    let mut positives: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &(text, positive) in pairs {
        let known = positives.entry(text).or_default();
        if text != positive && !known.contains(&positive) {
            known.push(positive);
        }
    }
    let anchor = |(text, positives): (usize, Vec<usize>)| {
        positives.into_iter().map(move |positive| Anchor { text, positives: vec![positive] })
    };
    let anchors: Vec<Anchor> = positives.into_iter().flat_map(anchor).collect();
    let candidates: Vec<usize> = (0..groups.len()).collect();
    let together = |one: usize, other: usize| groups[one] == groups[other];
    let mut found = Found::default();
    let mined = hard_negatives((vectors, dimensions), &anchors, &candidates, &together, mining);
    for (anchor, negatives) in anchors.iter().zip(mined) {
        found.without += usize::from(negatives.texts.is_empty());
        found.suspected += negatives.suspected;
        found.triplets.extend(negatives.texts.iter().map(|negative| Mined {
            anchor: anchor.text,
            positive: anchor.positives[0],
            negative: negative.text,
            similarity: f64::from(negative.cosine),
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Unit vectors in the plane at these angles.
    fn plane(angles: &[f32]) -> Vec<f32> {
        angles.iter().flat_map(|angle| [angle.cos(), angle.sin()]).collect()
    }

    fn texts(found: &Negatives) -> Vec<usize> {
        found.texts.iter().map(|negative| negative.text).collect()
    }

    #[test]
    fn the_nearest_that_is_not_too_near_is_found() {
        // The anchor, its positive, then candidates: one nearer than the positive, one as near, two farther.
        let vectors = plane(&[0.0, 0.5, 0.1, 0.5, 0.8, 1.2]);
        let anchors = [Anchor { text: 0, positives: vec![1] }];
        let all = [0, 1, 2, 3, 4, 5];
        let mining = Mining { per_text: 2, ..Mining::default() };
        let found = hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, mining);
        assert_eq!(texts(&found[0]), [4, 5]);
        assert!((found[0].texts[0].cosine - 0.8_f32.cos()).abs() < 1e-6);
    }

    #[test]
    fn what_belongs_together_is_no_negative() {
        let vectors = plane(&[0.0, 0.5, 0.8, 1.2]);
        let anchors = [Anchor { text: 0, positives: vec![1] }];
        let found = hard_negatives((&vectors, 2), &anchors, &[2, 3], &|_, text| text == 2, Mining::default());
        assert_eq!(texts(&found[0]), [3]);
    }

    #[test]
    fn threads_do_not_change_what_is_found() {
        let vectors = plane(&(0..500).map(|place| (place * place) as f32 * 0.1).collect::<Vec<_>>());
        let anchors: Vec<Anchor> = (0..500).map(|text| Anchor { text, positives: vec![(text + 1) % 500] }).collect();
        let all: Vec<usize> = (0..500).collect();
        let of = |threads| {
            let mining = Mining { per_text: 3, threads, ..Mining::default() };
            hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, mining)
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
            assert_eq!(found.texts.first().map_or(f32::NEG_INFINITY, |negative| negative.cosine), best);
        }
    }

    #[test]
    fn many_candidates_are_thinned_evenly() {
        let vectors = plane(&[0.0, 0.5, 0.6, 0.7, 0.8, 0.9]);
        let mining = Mining { per_text: 9, most_candidates: 2, ..Mining::default() };
        let anchors = [Anchor { text: 0, positives: Vec::new() }];
        let found = hard_negatives((&vectors, 2), &anchors, &[1, 2, 3, 4], &|_, _| false, mining);
        assert_eq!(texts(&found[0]), [1, 3]);
    }

    /// Unit vectors at these angles in degrees.
    fn at(angles: &[f64]) -> Vec<f32> {
        angles.iter().flat_map(|angle| [angle.to_radians().cos() as f32, angle.to_radians().sin() as f32]).collect()
    }

    const ONE: Mining = Mining { per_text: 1, margin: 0.05, most_candidates: 20_000, threads: 1 };

    #[test]
    fn the_nearest_text_that_does_not_belong_is_found() {
        // 0 belongs to 1. 2 is nearer than 1 and may belong, 3 is the nearest that surely does not, 4 is far.
        let vectors = at(&[0.0, 30.0, 20.0, 50.0, 90.0]);
        let pairs = [(0, 1)];
        let found = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), ONE);
        assert_eq!(found.triplets.len(), 1);
        let triplet = found.triplets[0];
        assert_eq!((triplet.anchor, triplet.positive, triplet.negative), (0, 1, 3));
        assert!((triplet.similarity - 50.0_f64.to_radians().cos()).abs() < 1e-6);
        assert_eq!((found.suspected, found.without), (1, 0));
        let without_margin = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), Mining { margin: 0.0, ..ONE });
        assert_eq!(without_margin.triplets[0].negative, 3);
    }

    #[test]
    fn what_belongs_through_others_is_no_negative() {
        // 0 - 1 - 3: the third is the first's, though no pair says so.
        let vectors = at(&[0.0, 30.0, 80.0, 50.0]);
        let pairs = [(0, 1), (1, 3)];
        assert_eq!(groups(4, &pairs), [0, 0, 2, 0]);
        let found = mine_triplets(&vectors, 2, &pairs, &groups(4, &pairs), ONE);
        assert!(found.triplets.iter().all(|triplet| triplet.negative == 2), "{found:?}");
        // Where all texts belong together, there is none.
        let all = mine_triplets(&vectors, 2, &[(0, 1)], &[0; 4], ONE);
        assert_eq!((all.triplets.len(), all.without), (0, 1));
    }

    #[test]
    fn several_positives_get_different_negatives_while_there_are_any() {
        let vectors = at(&[0.0, 10.0, -10.0, 40.0, 50.0]);
        let pairs = [(0, 1), (0, 2)];
        let found = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), ONE);
        let negatives = |found: &Found| found.triplets.iter().map(|triplet| triplet.negative).collect::<Vec<_>>();
        assert_eq!(negatives(&found), [3, 4]);
        let three = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), Mining { per_text: 2, ..ONE });
        assert_eq!(negatives(&three), [3, 4, 3, 4]);
    }

    proptest! {
        /// Whatever the texts: no negative is of the text's own group or nearer than the margin allows, and where a
        /// pair has none there is none.
        #[test]
        fn negatives_are_what_they_are_said_to_be(
            angles in prop::collection::vec(0.0_f64..360.0, 2..40),
            links in prop::collection::vec((0_usize..40, 0_usize..40), 0..30),
            per_text in 1_usize..4,
        ) {
            let texts = angles.len();
            let vectors = at(&angles);
            let pairs: Vec<(usize, usize)> = links.into_iter().map(|(a, b)| (a % texts, b % texts)).collect();
            let groups = groups(texts, &pairs);
            let wish = Mining { per_text, ..ONE };
            let found = mine_triplets(&vectors, 2, &pairs, &groups, wish);
            let cosine = |a: usize, b: usize| (angles[a] - angles[b]).to_radians().cos();
            let limit = |a: usize, b: usize| cosine(a, b) - 0.05 * cosine(a, b).abs();
            for triplet in &found.triplets {
                prop_assert!(groups[triplet.negative] != groups[triplet.anchor]);
                let limit = limit(triplet.anchor, triplet.positive);
                prop_assert!(cosine(triplet.anchor, triplet.negative) <= limit + 1e-5);
            }
            let mut different: Vec<_> = pairs.iter().copied().filter(|(a, b)| a != b).collect();
            different.sort_unstable();
            different.dedup();
            let mut served: Vec<_> = found.triplets.iter().map(|triplet| (triplet.anchor, triplet.positive)).collect();
            served.dedup();
            prop_assert_eq!(served.len() + found.without, different.len());
        }
    }
}
