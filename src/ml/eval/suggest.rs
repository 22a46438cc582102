//! Which pairs to label next: those whose answer would teach a tuned model most.
//!
//! Three reasons, and each gets its share: pairs at the very threshold between alike and not (uncertainty sampling, Lewis and
//! Gale 1994), pairs about which base and tuned model differ most (query by committee, Seung et al. 1992), and
//! neighbours that nobody has ever paired.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use tables::similarity::cosine;
use tch::Tensor;

use super::correlation;
use crate::ml::vectors::numbers;

/// Texts that are compared with all others at once, so that memory stays bounded.
const BLOCK: usize = 256;
/// Pairs that are kept for each reason.
const KEPT: usize = 2000;
/// A text stands in at most so many suggestions.
const TEXT_AT_MOST: usize = 2;
/// Two texts are one for the eye from this cosine on.
const SAME: f64 = 0.95;

/// Why a pair is suggested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SuggestionWhy)]
pub enum Why {
    /// The tuned model is just between alike and not.
    Undecided,
    /// Tuning changed what the model says of it more than of other pairs.
    Disagreement,
    /// The tuned model finds the texts alike, and no pair has them both.
    UnknownNeighbour,
}

/// A pair to label, its texts by their places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suggestion {
    /// The left text.
    pub left: usize,
    /// The right text.
    pub right: usize,
    /// The tuned model's cosine.
    pub similarity: f64,
    /// The base's.
    pub base: Option<f64>,
    /// Why it is suggested.
    pub why: Why,
}

/// Texts and what is known of them.
pub struct Known<'a> {
    /// The tuned model's vectors `(N, D)`, rows of length 1.
    pub tuned: &'a [f32],
    /// The base's `(N, E)`, where there is a base.
    pub base: Option<&'a [f32]>,
    /// How many texts there are.
    pub texts: usize,
    /// The cosine at which the tuned model tells alike from not, where that is known.
    pub threshold: Option<f64>,
    /// Pairs that need no label, the smaller place first.
    pub labelled: &'a BTreeSet<(usize, usize)>,
}

#[derive(Clone, Copy)]
struct Candidate {
    merit: f64,
    left: usize,
    right: usize,
    similarity: f64,
    base: Option<f64>,
}

#[derive(Default)]
struct Best(Vec<Candidate>);

impl Best {
    fn offer(&mut self, candidate: Candidate) {
        if self.0.len() == 2 * KEPT {
            self.prune();
        }
        self.0.push(candidate);
    }

    fn prune(&mut self) {
        // Of equal merit the first texts.
        self.0.sort_by(|a, b| b.merit.total_cmp(&a.merit).then((a.left, a.right).cmp(&(b.left, b.right))));
        self.0.truncate(KEPT);
    }
}

/// At most `limit` pairs, the reasons in turn, each the best first. A text stands in at most two of them, and no two
/// pairs are nearly the same.
pub fn suggest(known: &Known<'_>, limit: usize) -> Vec<Suggestion> {
    if known.texts < 2 {
        return Vec::new();
    }
    let tuned = rows(known.tuned, known.texts);
    let base = known.base.map(|base| rows(base, known.texts));
    let line = base.as_ref().map(|base| line(&tuned, base));
    let mut best = [Best::default(), Best::default(), Best::default()];
    for start in (0..known.texts).step_by(BLOCK) {
        let size = BLOCK.min(known.texts - start);
        let block = |of: &Tensor| numbers::<f32>(&of.narrow(0, start as i64, size as i64).matmul(&of.tr()));
        let (now, before) = (block(&tuned), base.as_ref().map(block));
        for left in start..start + size {
            for right in left + 1..known.texts {
                if known.labelled.contains(&(left, right)) {
                    continue;
                }
                let at = (left - start) * known.texts + right;
                let similarity = f64::from(now[at]);
                let base = before.as_ref().map(|before| f64::from(before[at]));
                // The same words in another dress teach nothing.
                if similarity >= 1.0 - 1e-4 {
                    continue;
                }
                let candidate = |merit| Candidate { merit, left, right, similarity, base };
                if let Some(threshold) = known.threshold {
                    best[0].offer(candidate(-(similarity - threshold).abs()));
                }
                if let (Some(base), Some((slope, start))) = (base, line) {
                    best[1].offer(candidate((similarity - (start + slope * base)).abs()));
                }
                best[2].offer(candidate(similarity));
            }
        }
    }
    best.iter_mut().for_each(Best::prune);
    choose(&best, &tuned, limit)
}

/// Takes the reasons in turn, passing over what would repeat.
fn choose(best: &[Best; 3], tuned: &Tensor, limit: usize) -> Vec<Suggestion> {
    let mut chosen: Vec<Suggestion> = Vec::new();
    let mut used: HashMap<usize, usize> = HashMap::new();
    let mut next = [0; 3];
    let vector = |text: usize| numbers::<f32>(&tuned.get(text as i64));
    let same = |a: usize, b: usize| a == b || cosine(&vector(a), &vector(b)) >= SAME;
    while chosen.len() < limit && next.iter().zip(best).any(|(next, best)| *next < best.0.len()) {
        for (reason, why) in [Why::Undecided, Why::Disagreement, Why::UnknownNeighbour].into_iter().enumerate() {
            while let Some(candidate) = best[reason].0.get(next[reason]) {
                next[reason] += 1;
                let (left, right) = (candidate.left, candidate.right);
                let often = |text: usize| used.get(&text).is_some_and(|count| *count >= TEXT_AT_MOST);
                let repeats = |known: &Suggestion| {
                    same(known.left, left) && same(known.right, right)
                        || same(known.left, right) && same(known.right, left)
                };
                if often(left) || often(right) || chosen.iter().any(repeats) {
                    continue;
                }
                *used.entry(left).or_default() += 1;
                *used.entry(right).or_default() += 1;
                let (similarity, base) = (candidate.similarity, candidate.base);
                chosen.push(Suggestion { left, right, similarity, base, why });
                break;
            }
            if chosen.len() == limit {
                break;
            }
        }
    }
    chosen
}

/// The straight line `(slope, start)` from the base's cosines to the tuned model's, of pairs evenly strewn over all.
fn line(tuned: &Tensor, base: &Tensor) -> (f64, f64) {
    let texts = tuned.size()[0] as usize;
    // About 20,000 pairs: each text with some that stand ever farther away.
    let steps = (20_000 / texts).clamp(1, texts - 1);
    let pairs = (0..texts).flat_map(|left| {
        (1..=steps).map(move |step| (left as i64, ((left + step * (texts - 1).div_ceil(steps)) % texts) as i64))
    });
    let (left, right): (Vec<i64>, Vec<i64>) = pairs.filter(|(left, right)| left != right).unzip();
    let cosines = |of: &Tensor| {
        let side = |places: &[i64]| of.index_select(0, &Tensor::from_slice(places));
        let cosines = (side(&left) * side(&right)).sum_dim_intlist([1].as_slice(), false, tch::Kind::Float);
        numbers::<f64>(&cosines.to_kind(tch::Kind::Double))
    };
    let (slope, [mean_x, mean_y]) = correlation::line(&cosines(base), &cosines(tuned));
    (slope, mean_y - slope * mean_x)
}

fn rows(vectors: &[f32], texts: usize) -> Tensor {
    Tensor::from_slice(vectors).view([texts as i64, -1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of length 1 at these angles in degrees.
    fn at(angles: &[f64]) -> Vec<f32> {
        angles.iter().flat_map(|angle| [angle.to_radians().cos() as f32, angle.to_radians().sin() as f32]).collect()
    }

    fn of<'a>(tuned: &'a [f32], base: Option<&'a [f32]>, labelled: &'a BTreeSet<(usize, usize)>) -> Known<'a> {
        Known { tuned, base, texts: tuned.len() / 2, threshold: Some(0.5), labelled }
    }

    fn first(suggestions: &[Suggestion], why: Why) -> Option<(usize, usize)> {
        suggestions.iter().find(|known| known.why == why).map(|known| (known.left, known.right))
    }

    #[test]
    fn each_reason_names_its_best_pair_first() {
        // Texts 0 and 2 are 60 degrees apart: the threshold. 3 and 4 are near each other and strange to the rest. 5 was
        // beside 1 and was turned away.
        let tuned = at(&[0.0, 35.0, 60.0, 200.0, 212.0, 290.0]);
        let before = at(&[0.0, 35.0, 60.0, 200.0, 212.0, 36.0]);
        let labelled = BTreeSet::new();
        let found = suggest(&of(&tuned, Some(&before), &labelled), 3);
        assert_eq!(first(&found, Why::Undecided), Some((0, 2)));
        assert_eq!(first(&found, Why::UnknownNeighbour), Some((3, 4)));
        let disagreement = found.iter().find(|known| known.why == Why::Disagreement).unwrap();
        assert_eq!(disagreement.right, 5, "{found:?}");
        assert!((disagreement.base.unwrap() - disagreement.similarity).abs() > 0.5);
    }

    #[test]
    fn what_is_labelled_is_not_asked_again() {
        let tuned = at(&[0.0, 20.0, 100.0]);
        let labelled = BTreeSet::from([(0, 1), (1, 2)]);
        let found = suggest(&of(&tuned, None, &labelled), 10);
        assert_eq!(found.iter().map(|known| (known.left, known.right)).collect::<Vec<_>>(), [(0, 2)]);
        assert_eq!(found[0].base, None);
    }

    #[test]
    fn a_text_stands_in_two_suggestions_at_most_and_no_two_are_nearly_the_same() {
        // Pairs of twins: 0 and 1, 2 and 3, ..
        let angles: Vec<f64> = (0..40).map(|text| f64::from(text / 2) * 18.0 + f64::from(text % 2) * 5.0).collect();
        let tuned = at(&angles);
        let labelled = BTreeSet::new();
        let found = suggest(&of(&tuned, None, &labelled), 30);
        assert!(found.len() > 10, "{}", found.len());
        for text in 0..40 {
            let count = found.iter().filter(|known| known.left == text || known.right == text).count();
            assert!(count <= TEXT_AT_MOST, "{text} stands in {count}");
        }
        let near = |a: usize, b: usize| (angles[a] - angles[b]).to_radians().cos() >= SAME;
        for (place, a) in found.iter().enumerate() {
            for b in &found[..place] {
                assert!(!(near(a.left, b.left) && near(a.right, b.right)), "{a:?} repeats {b:?}");
            }
        }
    }

    #[test]
    fn few_texts_give_few_suggestions_and_no_panic() {
        let labelled = BTreeSet::new();
        let none = Known { tuned: &[], base: None, texts: 0, threshold: None, labelled: &labelled };
        assert_eq!(suggest(&none, 5), []);
        let two = at(&[0.0, 40.0]);
        let found = suggest(&Known { threshold: None, ..of(&two, Some(&two), &labelled) }, 5);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn more_pairs_than_are_kept_still_find_the_best() {
        // 200 texts all around: 19,900 pairs.
        let angles: Vec<f64> = (0..200).map(|text| f64::from(text) * 1.8).collect();
        let tuned = at(&angles);
        let labelled: BTreeSet<(usize, usize)> = (0..199).map(|text| (text, text + 1)).chain([(0, 199)]).collect();
        let found = suggest(&of(&tuned, None, &labelled), 4);
        let undecided = found.iter().find(|known| known.why == Why::Undecided).unwrap();
        assert!((undecided.similarity - 0.5).abs() < 0.02, "{undecided:?}");
        let neighbour = found.iter().find(|known| known.why == Why::UnknownNeighbour).unwrap();
        assert!((neighbour.similarity - 3.6_f64.to_radians().cos()).abs() < 1e-5, "{neighbour:?}");
    }
}
