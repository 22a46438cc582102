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

use crate::problems::Problems;
use crate::stop::Stop;
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
#[derive(Clone, Debug)]
pub struct Mining {
    /// Negatives for each anchor, at most.
    pub per_text: usize,
    /// By how much of the nearest positive's cosine a negative's stays below it.
    pub margin: f64,
    /// Candidates that each anchor is compared with, at most; of more, evenly spread ones.
    pub most_candidates: usize,
    /// Threads that compute.
    pub threads: usize,
    /// Whether they are still wanted.
    pub stop: Stop,
}

impl Default for Mining {
    fn default() -> Self {
        Self { per_text: 1, margin: 0.05, most_candidates: 20_000, threads: 1, stop: Stop::NEVER }
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
///
/// # Errors
/// Where nobody wants them any more.
pub fn hard_negatives(
    vectors: (&[f32], usize),
    anchors: &[Anchor],
    candidates: &[usize],
    belongs: &(dyn Fn(usize, usize) -> bool + Sync),
    mining: Mining,
) -> Result<Vec<Negatives>, Problems> {
    let step = candidates.len().div_ceil(mining.most_candidates.max(1)).max(1);
    let candidates: Vec<usize> = candidates.iter().copied().step_by(step).collect();
    let search = Search { vectors, candidates, belongs, mining };
    let texts: Vec<&[Anchor]> = anchors.chunk_by(|one, next| one.text == next.text).collect();
    let of_part = |part: &[&[Anchor]]| -> Result<Vec<Negatives>, Problems> {
        let mut found = Vec::new();
        for block in part.chunks(BLOCK) {
            search.mining.stop.check()?;
            found.extend(search.of_block(block));
        }
        Ok(found)
    };
    let part = texts.len().div_ceil(search.mining.threads.max(1)).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = texts.chunks(part).map(|part| scope.spawn(|| of_part(part))).collect();
        let parts = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)));
        Ok(parts.collect::<Result<Vec<_>, _>>()?.concat())
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
///
/// # Errors
/// Where nobody wants them any more.
pub fn mine_triplets(
    vectors: &[f32],
    dimensions: usize,
    pairs: &[(usize, usize)],
    groups: &[usize],
    mining: Mining,
) -> Result<Found, Problems> {
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
    let mined = hard_negatives((vectors, dimensions), &anchors, &candidates, &together, mining)?;
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
    Ok(found)
}

#[cfg(test)]
mod tests;
