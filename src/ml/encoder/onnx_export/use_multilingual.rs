//! Universal Sentence Encoder multilingual v3 as a graph: [`UseMultilingual`] over padded batches.
//!
//! Shapes: B texts, S tokens of the longest; the rest as there.
//!
//! [`UseMultilingual`]: crate::ml::encoder::UseMultilingual

use super::graph::{Graph, Value};
use super::ports::{Inputs, give_sentence_embedding};
use super::weights::Weights;
use crate::ml::encoder::use_multilingual::{CNN, DNN, EMBEDDINGS, NGRAMS, SMALLEST_NORM, UseMultilingualConfig};

pub(super) fn write_forward_pass(
    graph: &Graph,
    config: &UseMultilingualConfig,
    weights: &Weights<'_>,
) -> Result<(), String> {
    let Inputs { ids, mask } = Inputs::of(graph);
    let inside = mask.cast::<f32>().unsqueeze(&[-1]); // (B, S, 1)
    let tokens = weights.embeddings(EMBEDDINGS).gather(ids, 0); // (B, S, E)

    let mut joint = vec![tokens];
    for (n, left) in NGRAMS {
        graph.scope(&format!("ngram_order_{n}"));
        joint.push(ngram_order(config, weights, tokens, inside, (n, left))?);
    }
    graph.scope("CNN_layers");
    let norm = [weights.get(&format!("{CNN}/LayerNorm/gamma"))?, weights.get(&format!("{CNN}/LayerNorm/beta"))?];
    let f = graph.concat(&joint, -1).layer_norm(norm[0], Some(norm[1]), config.layer_norm_eps); // (B, S, E + 3H)

    // As in the encoder, the sum over the text comes before the projection.
    let length = inside.sum(1, false); // (B, 1)
    let [kernel, bias] = [weights.get(&format!("{CNN}/dense/kernel"))?, weights.get(&format!("{CNN}/dense/bias"))?];
    let m = ((f * inside).sum(1, false).matmul(kernel) + length * bias) / length.sqrt(); // (B, D)

    graph.scope("DNN");
    let kernel = |layer: &str| weights.get(&format!("{DNN}/{layer}/kernel"));
    let y0 = m.matmul(kernel("ResidualHidden_0/dense")?).relu(); // (B, hidden)
    let y1 = (m.matmul(kernel("ResidualHidden_1/AdjustDepth/projection")?)
        + y0.matmul(kernel("ResidualHidden_1/dense")?))
    .relu(); // (B, hidden)
    let y2 = y1.matmul(kernel("ResidualHidden_2/dense")?).relu(); // (B, D)
    let z = (y1.matmul(kernel("ResidualHidden_3/AdjustDepth/projection")?)
        + y2.matmul(kernel("ResidualHidden_3/dense")?))
    .tanh(); // (B, D)
    give_sentence_embedding(graph, z.normalize(SMALLEST_NORM), config.dimensions);
    Ok(())
}

/// One n-gram layer: `(B, S, E)` to `(B, S, H)`. Beyond a text's ends its windows see zeros, so what stands
/// there is made zero before each convolution.
fn ngram_order<'g>(
    config: &UseMultilingualConfig,
    weights: &Weights<'g>,
    tokens: Value<'g, f32>,
    inside: Value<'g, f32>,
    (n, left): (i64, i64),
) -> Result<Value<'g, f32>, String> {
    let order = format!("{CNN}/ngram_order_{n}");
    let get = |name: &str| weights.get(&format!("{order}/{name}"));
    let projected =
        tokens.matmul(get("input_size_projection/dense/kernel")?) + get("input_size_projection/dense/bias")?;
    let x = projected.layer_norm(get("LayerNorm/gamma")?, Some(get("LayerNorm/beta")?), config.layer_norm_eps);

    // ONNX convolves the last axis: (B, H, S) from here.
    let inside = inside.transpose(&[0, 2, 1]);
    let conv = |x: Value<'g, f32>, name: &str| -> Result<Value<'g, f32>, String> {
        // The checkpoint's (n * H, H) as (out, in, n).
        let kernel = weights.rearranged(&format!("{order}/Ngram-{n}-{name}/weights"), |weights| {
            weights.reshape([n, config.ngram_size, config.ngram_size]).permute([2, 1, 0])
        })?;
        let bias = weights.rearranged(&format!("{order}/Ngram-{n}-{name}/bias"), |bias| bias.reshape([-1]))?;
        let x = x * inside;
        Ok(x.conv(kernel, bias, [left, n - 1 - left]).relu() + x)
    };
    let x = x.transpose(&[0, 2, 1]);
    Ok(conv(conv(x, "Conv")?, "Conv_1")?.transpose(&[0, 2, 1]))
}
