//! Multi-head attention (Vaswani et al. 2017) over texts of different lengths.

use tch::{Kind, Tensor};

use crate::ml::encoder::arrangement::{Arrangement, Group};
use crate::ml::encoder::pass::Dropout;

/// What is added to the products of queries and keys before the softmax, for a length L: `(h, L, L)` or
/// `(1, L, L)`; `None` for nothing.
pub(super) type Bias<'a> = dyn Fn(i64) -> Option<Tensor> + 'a;

/// Dropout of the attention's probabilities: the masks, the rate, and the first of the layer's places.
pub(super) type ProbabilityDropout = Option<(Dropout, f64, u64)>;

/// Each token's mix of the values of its text's tokens: queries, keys and values `(N, h * d)` in the
/// arrangement's order to `(N, h * d)`.
pub(super) fn attend(
    [query, key, value]: [&Tensor; 3],
    heads: i64,
    arrangement: &Arrangement,
    bias: &Bias<'_>,
    dropout: ProbabilityDropout,
) -> Tensor {
    let columns = query.size()[1];
    let plain = query.requires_grad() || dropout.is_some();
    let of_group = |(number, group): (u64, &Group)| {
        let heads_of = |x: &Tensor| {
            let x = x.narrow(0, group.start, group.tokens);
            let x = group.padding.as_ref().map_or(x.shallow_clone(), |padding| x.index_select(0, &padding.fill));
            x.view_([group.texts, group.length, heads, columns / heads]).transpose(1, 2) // (G, h, L, d)
        };
        let padding = group.padding.as_ref().map(|padding| padding.mask.shallow_clone());
        let added = match (padding, bias(group.length)) {
            (Some(mask), Some(bias)) => Some(mask + bias),
            (mask, bias) => mask.or(bias),
        };
        let dropout = dropout.map(|(dropout, rate, place)| (dropout, rate, place + number));
        let mixed = weigh([&heads_of(query), &heads_of(key), &heads_of(value)], added.as_ref(), dropout, plain);
        let mixed = mixed.transpose(1, 2).reshape([group.texts * group.length, columns]);
        group.padding.as_ref().map_or(mixed.shallow_clone(), |padding| mixed.index_select(0, &padding.inside))
    };
    let mut mixed: Vec<Tensor> = (0..).zip(&arrangement.groups).map(of_group).collect();
    if mixed.len() == 1 { mixed.remove(0) } else { Tensor::cat(&mixed, 0) }
}

/// The same for all texts at once by tensor operations alone, so that libtorch can record it for any
/// lengths: all tokens' products, those of two texts taken out. `added` is `(h or 1, N, N)`.
pub(super) fn attend_recordable([query, key, value]: [&Tensor; 3], heads: i64, added: &Tensor) -> Tensor {
    let columns = query.size()[1];
    let heads_of = |x: &Tensor| x.reshape([1, -1, heads, columns / heads]).transpose(1, 2); // (1, h, N, d)
    let mixed = weigh([&heads_of(query), &heads_of(key), &heads_of(value)], Some(added), None, true);
    mixed.transpose(1, 2).reshape([-1, columns])
}

/// Scaled dot-product attention, `(G, h, L, d)` each.
fn weigh(
    [query, key, value]: [&Tensor; 3],
    added: Option<&Tensor>,
    dropout: ProbabilityDropout,
    plain: bool,
) -> Tensor {
    if !plain {
        return Tensor::scaled_dot_product_attention(query, key, value, added, 0.0, false, None, false);
    }
    let size = query.size()[3];
    let products = (query * (size as f64).powf(-0.5)).matmul(&key.transpose(2, 3)); // (G, h, L, L)
    let products = added.map_or(products.shallow_clone(), |added| products + added);
    let probabilities = products.softmax(-1, Kind::Float);
    let probabilities = match dropout {
        Some((dropout, rate, place)) => dropout.apply(&probabilities, rate, place),
        None => probabilities,
    };
    probabilities.matmul(value)
}
