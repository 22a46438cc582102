//! A batch as indices: in which text each token is, and which tokens are beside it.

use tch::{Device, Kind, Tensor};

/// What a forward pass asks of the texts' lengths.
pub(super) struct BatchIndex {
    /// For each window, the places of each token's n neighbours in the batch, `(N * n,)`; a place
    /// outside the text is N.
    pub(super) neighbours: Vec<Tensor>,
    /// Each token's text, `(N,)`.
    pub(super) texts: Tensor,
    /// Each text's length as float32, `(B, 1)`.
    pub(super) lengths: Tensor,
}

impl BatchIndex {
    /// From known lengths `(B,)`. A window is its n tokens and how many of them stand left of the token
    /// that it is about.
    pub(super) fn known(lengths: &[i64], windows: &[(i64, i64)], device: Device) -> Self {
        let texts: Vec<i64> = (0..).zip(lengths).flat_map(|(text, length)| vec![text; *length as usize]).collect();
        Self {
            neighbours: windows.iter().map(|(n, left)| neighbours(lengths, *n, *left).to_device(device)).collect(),
            texts: Tensor::from_slice(&texts).to_device(device),
            lengths: Tensor::from_slice(lengths).to_device(device).to_kind(Kind::Float).unsqueeze(1),
        }
    }

    /// The same from lengths in a tensor `(B,)` int64, by tensor operations alone: no number leaves a
    /// tensor, so that libtorch can record them for batches of any size, on any device.
    pub(super) fn recordable(lengths: &Tensor, windows: &[(i64, i64)]) -> Self {
        let texts = Tensor::repeat_interleave(lengths, None); // (N,)
        let ends = lengths.cumsum(0, Kind::Int64); // (B,)
        let first = (&ends - lengths).index_select(0, &texts); // (N,)
        let end = ends.index_select(0, &texts); // (N,)
        let outside = lengths.sum(Kind::Int64); // ()
        let token = texts.ones_like().cumsum(0, Kind::Int64) - 1; // (N,)
        let neighbour = |offset: i64| {
            let place = &token + offset;
            let inside = place.ge_tensor(&first).logical_and(&place.lt_tensor(&end));
            place.where_self(&inside, &outside)
        };
        let window = |(n, left): &(i64, i64)| {
            let columns: Vec<Tensor> = (-left..n - left).map(neighbour).collect();
            Tensor::stack(&columns, 1).reshape([-1])
        };
        Self {
            neighbours: windows.iter().map(window).collect(),
            texts,
            // Not a conversion, which would be recorded with this machine's device.
            lengths: lengths.unsqueeze(1) * 1.0,
        }
    }
}

fn neighbours(lengths: &[i64], n: i64, left: i64) -> Tensor {
    let outside: i64 = lengths.iter().sum();
    let mut places = Vec::with_capacity((outside * n) as usize);
    let mut start = 0;
    for length in lengths {
        let end = start + length;
        for token in start..end {
            for place in token - left..token - left + n {
                places.push(if (start..end).contains(&place) { place } else { outside });
            }
        }
        start = end;
    }
    Tensor::from_slice(&places)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn places_from_a_tensor_are_those_from_numbers(lengths in prop::collection::vec(1..9_i64, 1..9)) {
            let windows = [(2, 0), (3, 1), (5, 2)];
            let known = BatchIndex::known(&lengths, &windows, Device::Cpu);
            let recordable = BatchIndex::recordable(&Tensor::from_slice(&lengths), &windows);
            prop_assert_eq!(known.neighbours, recordable.neighbours);
            prop_assert_eq!(known.texts, recordable.texts);
            prop_assert_eq!(known.lengths, recordable.lengths);
        }
    }
}
