//! The family of BERT as a graph: BERT, RoBERTa, XLM-RoBERTa, DistilBERT, MPNet.
//!
//! Devlin et al. 2019, figure 1 of Vaswani et al. 2017 for the layer. Shapes as in [`super::attention`]; H
//! columns, I intermediate columns.

use tch::{Device, Kind, Tensor};

use super::attention::{activate, attend, heads_of, visibility};
use super::graph::{Graph, Value};
use super::positions::Positions;
use super::weights::Weights;
use crate::ml::encoder::transformer::bert::{NORM, POSITIONS, RELATIVE, TOKEN_TYPES, bucket, names};
use crate::ml::encoder::transformer::{Architecture, TransformerConfig};

/// The words' vectors to the tokens', `(B, S, H)` both.
pub(super) fn network<'g>(
    graph: &'g Graph,
    config: &TransformerConfig,
    weights: &Weights<'g>,
    words: Value<'g, f32>,
    positions: &Positions<'g>,
) -> Result<Value<'g, f32>, String> {
    graph.scope("embeddings");
    // Padding has position 0 too, which nobody looks at.
    let position = (positions.number - graph.scalar(1)).at_least(graph.scalar(0)) + graph.scalar(config.first_position);
    let mut x = words + weights.get(POSITIONS)?.gather(position, 0);
    if config.type_vocab_size > 0 {
        // All texts are of segment 0.
        x = x + weights.rearranged(TOKEN_TYPES, |types| types.get(0))?;
    }
    x = weights.layer_norm(x, NORM, config.layer_norm_eps)?;

    let mut added = visibility(positions.mask.cast::<bool>().unsqueeze(&[1])); // (B, 1, 1, S)
    if config.architecture == Architecture::MpNet {
        added = added + relative_bias(graph, config, weights, positions)?; // (B, h, S, S)
    }
    for number in 0..config.layers {
        graph.scope(&format!("layer.{number}"));
        x = layer(config, weights, number, x, added)?;
    }
    Ok(x)
}

/// Attention, then a feed-forward layer, a norm behind the sum of each with what it was given.
fn layer<'g>(
    config: &TransformerConfig,
    weights: &Weights<'g>,
    number: usize,
    x: Value<'g, f32>,
    added: Value<'g, f32>,
) -> Result<Value<'g, f32>, String> {
    let names = names(config.architecture);
    let linear = |x, part: &str| weights.linear(x, &format!("{}.{number}.{part}", names.layer));
    let norm =
        |x, part: &str| weights.layer_norm(x, &format!("{}.{number}.{part}", names.layer), config.layer_norm_eps);
    let heads = |x| heads_of(x, config.heads, config.head_size());

    let [query, key, value] = [linear(x, names.query)?, linear(x, names.key)?, linear(x, names.value)?].map(heads);
    let mixed = attend([query, key, value], config.head_size(), added);
    let x = norm(linear(mixed, names.attention_output)? + x, names.attention_norm)?;
    let inner = activate(config.activation, linear(x, names.intermediate)?); // (B, S, I)
    norm(linear(inner, names.output)? + x, names.output_norm)
}

/// MPNet's bias by distance, `(1, h, S, S)`. Which distances share one is worked out here: the graph holds
/// a row for every distance that the model can meet.
fn relative_bias<'g>(
    graph: &'g Graph,
    config: &TransformerConfig,
    weights: &Weights<'g>,
    positions: &Positions<'g>,
) -> Result<Value<'g, f32>, String> {
    let furthest = config.max_position_embeddings - 1;
    let by_distance = weights.rearranged(RELATIVE, |buckets| {
        let distances = Tensor::arange_start(-furthest, furthest + 1, (Kind::Int64, Device::Cpu));
        buckets.index_select(0, &bucket(&distances, config.relative_buckets))
    })?; // (2P - 1, h)
    let distance = positions.distance() + graph.scalar(furthest);
    Ok(by_distance.gather(distance, 0).transpose(&[2, 0, 1]).unsqueeze(&[0]))
}
