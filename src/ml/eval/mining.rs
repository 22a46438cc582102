//! Hard negatives: texts that a model finds near to a text and that are not known to belong to it.
//!
//! A text that is nearly as near as the one that belongs is often one that belongs, too, and that nobody has
//! labelled. It is left out: a negative's similarity is at most a part of the positive's (Moreira et al. 2024,
//! "NV-Retriever", find 95 % best).

use std::collections::BTreeMap;

use tch::Tensor;

use crate::ml::pairs::tie;

/// Texts whose neighbours are computed at once, so that memory stays bounded.
const BLOCK: usize = 256;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mining {
    /// Negatives for each text and a text that belongs to it.
    pub per_text: usize,
    /// A negative's similarity is at most the positive's less this part of it.
    pub margin: f64,
}

/// A triplet, its texts by their places, and the cosines that made it one.
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
pub fn hard_negatives(
    vectors: &[f32],
    dimensions: usize,
    pairs: &[(usize, usize)],
    groups: &[usize],
    wish: Mining,
) -> Found {
    let mut positives: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for &(anchor, positive) in pairs {
        let known = positives.entry(anchor).or_default();
        if anchor != positive && !known.contains(&positive) {
            known.push(positive);
        }
    }
    let anchors: Vec<(usize, Vec<usize>)> =
        positives.into_iter().filter(|(_, positives)| !positives.is_empty()).collect();
    let all = Tensor::from_slice(vectors).view([-1, dimensions as i64]);
    let mut found = Found::default();
    for block in anchors.chunks(BLOCK) {
        let places: Vec<i64> = block.iter().map(|(anchor, _)| *anchor as i64).collect();
        let cosines = all.index_select(0, &Tensor::from_slice(&places)).matmul(&all.tr());
        for (at, (anchor, positives)) in block.iter().enumerate() {
            let row = Vec::<f32>::try_from(cosines.get(at as i64)).expect("a row of numbers");
            of_anchor(*anchor, positives, &row, groups, wish, &mut found);
        }
    }
    found
}

/// The negatives of one text, whose cosines with all texts are `row`. Several positives get different ones while
/// there are any.
fn of_anchor(anchor: usize, positives: &[usize], row: &[f32], groups: &[usize], wish: Mining, found: &mut Found) {
    let limit = |positive: usize| {
        let cosine = f64::from(row[positive]);
        cosine - wish.margin * cosine.abs()
    };
    let nearest = positives.iter().map(|&positive| limit(positive)).fold(f64::NEG_INFINITY, f64::max);
    let strange = |text: &usize| groups[*text] != groups[anchor];
    for &positive in positives {
        found.suspected +=
            (0..row.len()).filter(strange).filter(|&text| f64::from(row[text]) > limit(positive)).count();
    }
    let mut candidates: Vec<usize> =
        (0..row.len()).filter(strange).filter(|&text| f64::from(row[text]) <= nearest).collect();
    candidates.sort_unstable_by(|&a, &b| row[b].total_cmp(&row[a]).then(a.cmp(&b)));
    let mut taken = vec![false; candidates.len()];
    for &positive in positives {
        let fits = candidates.partition_point(|&text| f64::from(row[text]) > limit(positive));
        let fresh: Vec<usize> = (fits..candidates.len()).filter(|&at| !taken[at]).take(wish.per_text).collect();
        let used = (fits..candidates.len()).filter(|&at| taken[at]).take(wish.per_text - fresh.len());
        let chosen: Vec<usize> = fresh.iter().copied().chain(used).collect();
        if chosen.is_empty() {
            found.without += 1;
        }
        for at in chosen {
            taken[at] = true;
            let negative = candidates[at];
            found.triplets.push(Mined { anchor, positive, negative, similarity: f64::from(row[negative]) });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Vectors of length 1 at these angles in degrees.
    fn at(angles: &[f64]) -> Vec<f32> {
        angles.iter().flat_map(|angle| [angle.to_radians().cos() as f32, angle.to_radians().sin() as f32]).collect()
    }

    const ONE: Mining = Mining { per_text: 1, margin: 0.05 };

    #[test]
    fn the_nearest_text_that_does_not_belong_is_found() {
        // 0 belongs to 1. 2 is nearer than 1 and may belong, 3 is the nearest that surely does not, 4 is far.
        let vectors = at(&[0.0, 30.0, 20.0, 50.0, 90.0]);
        let pairs = [(0, 1)];
        let found = hard_negatives(&vectors, 2, &pairs, &groups(5, &pairs), ONE);
        assert_eq!(found.triplets.len(), 1);
        let triplet = found.triplets[0];
        assert_eq!((triplet.anchor, triplet.positive, triplet.negative), (0, 1, 3));
        assert!((triplet.similarity - 50.0_f64.to_radians().cos()).abs() < 1e-6);
        assert_eq!((found.suspected, found.without), (1, 0));
        let without_margin = hard_negatives(&vectors, 2, &pairs, &groups(5, &pairs), Mining { margin: 0.0, ..ONE });
        assert_eq!(without_margin.triplets[0].negative, 3);
    }

    #[test]
    fn what_belongs_through_others_is_no_negative() {
        // 0 - 1 - 3: the third is the first's, though no pair says so.
        let vectors = at(&[0.0, 30.0, 80.0, 50.0]);
        let pairs = [(0, 1), (1, 3)];
        assert_eq!(groups(4, &pairs), [0, 0, 2, 0]);
        let found = hard_negatives(&vectors, 2, &pairs, &groups(4, &pairs), ONE);
        assert!(found.triplets.iter().all(|triplet| triplet.negative == 2), "{found:?}");
        // Where all texts belong together, there is none.
        let all = hard_negatives(&vectors, 2, &[(0, 1)], &[0; 4], ONE);
        assert_eq!((all.triplets.len(), all.without), (0, 1));
    }

    #[test]
    fn several_positives_get_different_negatives_while_there_are_any() {
        let vectors = at(&[0.0, 10.0, -10.0, 40.0, 50.0]);
        let pairs = [(0, 1), (0, 2)];
        let found = hard_negatives(&vectors, 2, &pairs, &groups(5, &pairs), ONE);
        let negatives: Vec<usize> = found.triplets.iter().map(|triplet| triplet.negative).collect();
        assert_eq!(negatives, [3, 4]);
        let three = hard_negatives(&vectors, 2, &pairs, &groups(5, &pairs), Mining { per_text: 2, ..ONE });
        let negatives: Vec<usize> = three.triplets.iter().map(|triplet| triplet.negative).collect();
        assert_eq!(negatives, [3, 4, 3, 4]);
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
            let wish = Mining { per_text, margin: 0.05 };
            let found = hard_negatives(&vectors, 2, &pairs, &groups, wish);
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
