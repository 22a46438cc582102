//! A transformer with its pooling and modules as a graph, as sentence-transformers runs them.
//!
//! Shapes: B texts, S tokens of the longest, H columns, D dimensions of a text's vector.

use super::attention::gelu;
use super::graph::{Graph, Size, Value};
use super::ports::{BATCH, Inputs, SEQUENCE, give_sentence_embedding};
use super::positions::Positions;
use super::weights::Weights;
use super::{bert, modernbert};
use crate::ml::encoder::transformer::{DenseActivation, Description, ModuleConfig, PoolingMode};

/// PyTorch's, which the LayerNorm module keeps.
const LAYER_NORM_EPS: f64 = 1e-5;
/// Keeps a vector of zeros from dividing by zero.
const SMALLEST_NORM: f64 = 1e-12;

/// Adds the forward pass to an empty graph. Its vectors are what the last module gives: of length 1 only if
/// that is Normalize.
pub(super) fn write_forward_pass<'g>(
    graph: &'g Graph,
    description: &Description,
    weights: &Weights<'g>,
) -> Result<(), String> {
    let config = &description.config;
    let Inputs { ids, mask } = Inputs::of(graph);
    let positions = Positions::of(mask);
    let words = weights.embeddings(description.words()).gather(ids, 0); // (B, S, H)
    let tokens = match &config.modernbert {
        Some(modernbert) => modernbert::network(graph, config, &modernbert.layers, weights, words, &positions)?,
        None => bert::network(graph, config, weights, words, &positions)?,
    };
    graph.output("token_embeddings", tokens, &[BATCH, SEQUENCE, Size::Known(config.hidden_size)]);

    graph.scope("pooling");
    let pooled: Vec<_> = description.pooling.0.iter().map(|mode| pool(*mode, tokens, &positions)).collect();
    let mut vectors = if let [vectors] = pooled[..] { vectors } else { graph.concat(&pooled, -1) };
    for module in &description.modules {
        graph.scope("modules");
        vectors = apply(module, weights, vectors)?;
    }
    give_sentence_embedding(graph, vectors, description.dimensions());
    Ok(())
}

/// Tokens `(B, S, H)` to a vector for each text, `(B, H)`.
fn pool<'g>(mode: PoolingMode, tokens: Value<'g, f32>, positions: &Positions<'g>) -> Value<'g, f32> {
    let graph = tokens.graph();
    // A weight for each token, 0 for padding: `(B, S)` to `(B, S, 1)`.
    let weights = |weights: Value<'g, i64>| weights.cast::<f32>().unsqueeze(&[-1]);
    let sum = |weights: Value<'g, f32>| (tokens * weights).sum(1, false); // (B, H)
    let inside = weights(positions.mask);
    let count = inside.sum(1, false); // (B, 1)
    match mode {
        PoolingMode::Cls => sum(weights(positions.number.equal(graph.scalar(1)).cast())),
        PoolingMode::Lasttoken => sum(weights(positions.number.equal(positions.number.max(1, true)).cast())),
        PoolingMode::Mean => sum(inside) / count,
        PoolingMode::MeanSqrtLenTokens => sum(inside) / count.sqrt(),
        PoolingMode::Weightedmean => sum(weights(positions.number)) / weights(positions.number).sum(1, false),
        PoolingMode::Max => {
            let tokens = positions.mask.cast::<bool>().unsqueeze(&[-1]).choose(tokens, graph.scalar(f32::MIN));
            tokens.max(1, false)
        }
    }
}

fn apply<'g>(module: &ModuleConfig, weights: &Weights<'g>, vectors: Value<'g, f32>) -> Result<Value<'g, f32>, String> {
    match module {
        ModuleConfig::Dense { path, activation, .. } => {
            let vectors = weights.linear(vectors, &format!("{path}/linear"))?;
            Ok(match activation {
                DenseActivation::Identity => vectors,
                DenseActivation::Tanh => vectors.tanh(),
                DenseActivation::Relu => vectors.relu(),
                DenseActivation::Gelu => gelu(vectors),
                DenseActivation::Silu => vectors * vectors.sigmoid(),
                DenseActivation::Sigmoid => vectors.sigmoid(),
            })
        }
        ModuleConfig::LayerNorm { path, .. } => weights.layer_norm(vectors, &format!("{path}/norm"), LAYER_NORM_EPS),
        ModuleConfig::Normalize => Ok(vectors.normalize(SMALLEST_NORM)),
    }
}
