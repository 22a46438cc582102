//! Texts in groups of equal or nearly equal length, so that attention computes next to no padding.
//!
//! Linear layers and norms see all tokens `(N, H)` and do not care where a text ends. Attention does: it is
//! computed group by group. Texts of one length need no padding; a few that are close in length may cost
//! less in one padded group than in several small ones.

use tch::{Device, Kind, Tensor};

/// What a group costs beside its arithmetic, in products of two tokens. Measured on two cores: an extra
/// group takes as long as 1,600 products, a padded token's way there and back as long as 30.
const GROUP_COST: i64 = 1600;
const PADDED_TOKEN_COST: i64 = 30;

/// The tokens of a batch, shorter texts first.
#[derive(Debug)]
pub(super) struct Arrangement {
    /// For each place in the new order, the token that stands there, `(N,)`; `None` where the order is the
    /// given one.
    pub(super) order: Option<Tensor>,
    /// For each given text, its place in the new order, `(B,)`; `None` likewise.
    pub(super) places: Option<Tensor>,
    /// Lengths in the new order, `(B,)`.
    pub(super) lengths: Tensor,
    /// Each token's place in its text, from 0, `(N,)`.
    pub(super) positions: Tensor,
    /// The text of each token, in the new order, `(N,)`.
    pub(super) texts: Tensor,
    pub(super) groups: Vec<Group>,
}

/// Texts whose attention is computed together; their tokens stand one after another.
#[derive(Debug)]
pub(super) struct Group {
    /// The first token.
    pub(super) start: i64,
    /// G
    pub(super) texts: i64,
    /// L, the longest text's length.
    pub(super) length: i64,
    /// Tokens in all: G times L where nothing is padded.
    pub(super) tokens: i64,
    pub(super) padding: Option<Padding>,
}

/// How texts that are shorter than their group's longest are filled up.
#[derive(Debug)]
pub(super) struct Padding {
    /// For each place of the padded group, its token, `(G * L,)`. A place beyond a text's end has the text's
    /// last token, which nobody looks at.
    pub(super) fill: Tensor,
    /// For each token, its place in the padded group, `(tokens,)`.
    pub(super) inside: Tensor,
    /// 0 where there is a token and minus infinity elsewhere, `(G, 1, 1, L)`.
    pub(super) mask: Tensor,
}

impl Arrangement {
    pub(super) fn new(lengths: &[i64], device: Device) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&text| lengths[text]);
        let sorted: Vec<i64> = order.iter().map(|&text| lengths[text]).collect();
        let tensor = |numbers: &[i64]| Tensor::from_slice(numbers).to_device(device);

        let starts = starts(lengths);
        let moved = (!lengths.is_sorted()).then(|| {
            let tokens: Vec<i64> = order.iter().flat_map(|&text| starts[text]..starts[text] + lengths[text]).collect();
            let mut places = vec![0; lengths.len()];
            for (place, &text) in (0_i64..).zip(&order) {
                places[text] = place;
            }
            (tensor(&tokens), tensor(&places))
        });
        let (order, places) = moved.unzip();
        let positions: Vec<i64> = sorted.iter().flat_map(|&length| 0..length).collect();
        let texts: Vec<i64> =
            (0_i64..).zip(&sorted).flat_map(|(text, &length)| std::iter::repeat_n(text, length as usize)).collect();
        let mut groups = Vec::new();
        let (mut text, mut start) = (0, 0);
        for count in group_sizes(&sorted) {
            let group = Group::new(&sorted[text..text + count], start, device);
            text += count;
            start += group.tokens;
            groups.push(group);
        }
        Self { order, places, lengths: tensor(&sorted), positions: tensor(&positions), texts: tensor(&texts), groups }
    }
}

impl Group {
    fn new(lengths: &[i64], start: i64, device: Device) -> Self {
        let length = lengths.last().copied().unwrap_or_default();
        let tokens = lengths.iter().sum();
        let texts = lengths.len() as i64;
        let padding = (tokens < texts * length).then(|| Padding::new(lengths, length, device));
        Self { start, texts, length, tokens, padding }
    }
}

impl Padding {
    fn new(lengths: &[i64], longest: i64, device: Device) -> Self {
        let (mut fill, mut inside, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        let mut token = 0;
        for (text, &length) in (0_i64..).zip(lengths) {
            inside.extend((0..length).map(|place| text * longest + place));
            fill.extend((0..longest).map(|place| token + place.min(length - 1)));
            mask.extend((0..longest).map(|place| if place < length { 0.0_f32 } else { f32::NEG_INFINITY }));
            token += length;
        }
        Self {
            fill: Tensor::from_slice(&fill).to_device(device),
            inside: Tensor::from_slice(&inside).to_device(device),
            mask: Tensor::from_slice(&mask).to_device(device).view([lengths.len() as i64, 1, 1, longest]),
        }
    }
}

fn starts(lengths: &[i64]) -> Vec<i64> {
    let mut start = 0;
    let next = |&length: &i64| {
        start += length;
        start - length
    };
    lengths.iter().map(next).collect()
}

/// How many texts each group takes, in order: the cheapest way to cut ascending lengths into groups.
fn group_sizes(sorted: &[i64]) -> Vec<usize> {
    // Texts of one length stay together: (length, how many).
    let runs: Vec<(i64, usize)> = sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
    // cheapest[i]: what the first i runs cost at least, and where their last group begins.
    let mut cheapest = vec![(0_i64, 0_usize)];
    for end in 1..=runs.len() {
        let longest = runs[end - 1].0;
        let mut texts = 0;
        let options = (0..end).rev().map(|begin| {
            texts += runs[begin].1 as i64;
            let padding = if begin + 1 < end { texts * longest * PADDED_TOKEN_COST } else { 0 };
            (cheapest[begin].0 + GROUP_COST + texts * longest * longest + padding, begin)
        });
        let best = options.min().unwrap_or_default();
        cheapest.push(best);
    }
    let (mut sizes, mut end) = (Vec::new(), runs.len());
    while end > 0 {
        let begin = cheapest[end].1;
        sizes.push(runs[begin..end].iter().map(|run| run.1).sum());
        end = begin;
    }
    sizes.reverse();
    sizes
}

/// Whether a mask's lengths are in a tensor or known: each token's text and position from lengths `(B,)`,
/// by tensor operations alone, so that libtorch can record them.
pub(super) fn recordable(lengths: &Tensor) -> (Tensor, Tensor) {
    let texts = Tensor::repeat_interleave(lengths, None); // (N,)
    let starts = lengths.cumsum(0, Kind::Int64) - lengths; // (B,)
    let token = texts.ones_like().cumsum(0, Kind::Int64) - 1; // (N,)
    let positions = token - starts.index_select(0, &texts);
    (texts, positions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_token_has_its_place_once(lengths in prop::collection::vec(1..40_i64, 1..40)) {
            let arranged = Arrangement::new(&lengths, Device::Cpu);
            let tokens: i64 = lengths.iter().sum();
            let in_groups: i64 = arranged.groups.iter().map(|group| group.tokens).sum();
            prop_assert_eq!(in_groups, tokens);
            if let Some(order) = &arranged.order {
                let mut order = Vec::<i64>::try_from(order).unwrap();
                order.sort_unstable();
                prop_assert_eq!(order, (0..tokens).collect::<Vec<_>>());
            }
            for group in &arranged.groups {
                if let Some(padding) = &group.padding {
                    // There and back is where it was.
                    let back = padding.fill.index_select(0, &padding.inside);
                    prop_assert_eq!(back, Tensor::arange(group.tokens, (Kind::Int64, Device::Cpu)));
                }
            }
        }
    }

    #[test]
    fn a_short_text_does_not_pay_for_a_long_one() {
        assert_eq!(group_sizes(&[5, 5, 5, 500]), [3, 1]);
        assert_eq!(group_sizes(&[9, 10, 10, 11, 12]), [5]);
        assert_eq!(group_sizes(&[]), Vec::<usize>::new());
        // Padded products stay within a bound of the real ones.
        let lengths: Vec<i64> = (0..200).map(|text| 4 + (text * text) % 257).collect();
        let mut sorted = lengths.clone();
        sorted.sort_unstable();
        let arranged = Arrangement::new(&lengths, Device::Cpu);
        let computed: i64 = arranged.groups.iter().map(|group| group.texts * group.length * group.length).sum();
        let needed: i64 = sorted.iter().map(|length| length * length).sum();
        assert!(computed as f64 <= needed as f64 * 1.1, "{computed} for {needed}");
    }
}
