//! Which negatives are found.

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
    let found = hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, mining).unwrap();
    assert_eq!(texts(&found[0]), [4, 5]);
    assert!((found[0].texts[0].cosine - 0.8_f32.cos()).abs() < 1e-6);
}

#[test]
fn what_belongs_together_is_no_negative() {
    let vectors = plane(&[0.0, 0.5, 0.8, 1.2]);
    let anchors = [Anchor { text: 0, positives: vec![1] }];
    let found = hard_negatives((&vectors, 2), &anchors, &[2, 3], &|_, text| text == 2, Mining::default()).unwrap();
    assert_eq!(texts(&found[0]), [3]);
}

#[test]
fn threads_do_not_change_what_is_found() {
    let vectors = plane(&(0..500).map(|place| (place * place) as f32 * 0.1).collect::<Vec<_>>());
    let anchors: Vec<Anchor> = (0..500).map(|text| Anchor { text, positives: vec![(text + 1) % 500] }).collect();
    let all: Vec<usize> = (0..500).collect();
    let of = |threads| {
        let mining = Mining { per_text: 3, threads, ..Mining::default() };
        hard_negatives((&vectors, 2), &anchors, &all, &|_, _| false, mining).unwrap()
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
    let found = hard_negatives((&vectors, 2), &anchors, &[1, 2, 3, 4], &|_, _| false, mining).unwrap();
    assert_eq!(texts(&found[0]), [1, 3]);
}

#[test]
fn what_nobody_wants_any_more_ends_at_the_next_block() {
    let stop = Stop::new();
    stop.stop();
    let anchors = [Anchor { text: 0, positives: Vec::new() }];
    let mining = Mining { stop, ..Mining::default() };
    let told = hard_negatives((&plane(&[0.0, 0.5]), 2), &anchors, &[1], &|_, _| panic!("asked"), mining);
    assert_eq!(told.unwrap_err().code, "deadline");
}

/// Unit vectors at these angles in degrees.
fn at(angles: &[f64]) -> Vec<f32> {
    angles.iter().flat_map(|angle| [angle.to_radians().cos() as f32, angle.to_radians().sin() as f32]).collect()
}

const ONE: Mining = Mining { per_text: 1, margin: 0.05, most_candidates: 20_000, threads: 1, stop: Stop::NEVER };

#[test]
fn the_nearest_text_that_does_not_belong_is_found() {
    // 0 belongs to 1. 2 is nearer than 1 and may belong, 3 is the nearest that surely does not, 4 is far.
    let vectors = at(&[0.0, 30.0, 20.0, 50.0, 90.0]);
    let pairs = [(0, 1)];
    let found = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), ONE).unwrap();
    assert_eq!(found.triplets.len(), 1);
    let triplet = found.triplets[0];
    assert_eq!((triplet.anchor, triplet.positive, triplet.negative), (0, 1, 3));
    assert!((triplet.similarity - 50.0_f64.to_radians().cos()).abs() < 1e-6);
    assert_eq!((found.suspected, found.without), (1, 0));
    let without_margin = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), Mining { margin: 0.0, ..ONE }).unwrap();
    assert_eq!(without_margin.triplets[0].negative, 3);
}

#[test]
fn what_belongs_through_others_is_no_negative() {
    // 0 - 1 - 3: the third is the first's, though no pair says so.
    let vectors = at(&[0.0, 30.0, 80.0, 50.0]);
    let pairs = [(0, 1), (1, 3)];
    assert_eq!(groups(4, &pairs), [0, 0, 2, 0]);
    let found = mine_triplets(&vectors, 2, &pairs, &groups(4, &pairs), ONE).unwrap();
    assert!(found.triplets.iter().all(|triplet| triplet.negative == 2), "{found:?}");
    // Where all texts belong together, there is none.
    let all = mine_triplets(&vectors, 2, &[(0, 1)], &[0; 4], ONE).unwrap();
    assert_eq!((all.triplets.len(), all.without), (0, 1));
}

#[test]
fn several_positives_get_different_negatives_while_there_are_any() {
    let vectors = at(&[0.0, 10.0, -10.0, 40.0, 50.0]);
    let pairs = [(0, 1), (0, 2)];
    let found = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), ONE).unwrap();
    let negatives = |found: &Found| found.triplets.iter().map(|triplet| triplet.negative).collect::<Vec<_>>();
    assert_eq!(negatives(&found), [3, 4]);
    let three = mine_triplets(&vectors, 2, &pairs, &groups(5, &pairs), Mining { per_text: 2, ..ONE }).unwrap();
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
        let found = mine_triplets(&vectors, 2, &pairs, &groups, wish).unwrap();
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
