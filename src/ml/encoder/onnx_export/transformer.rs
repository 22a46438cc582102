//! A transformer with its pooling and modules as a graph, as sentence-transformers runs them.
//!
//! Shapes: B texts, S tokens of the longest, H columns, D dimensions of a text's vector.

use super::attention::gelu;
use super::graph::{Graph, Size};
use super::value::Value;
use super::weights::Weights;
use super::{BATCH, Inputs, SEQUENCE, bert, give_sentence_embedding, modernbert};
use crate::ml::encoder::transformer::{DenseActivation, Description, ModuleConfig, PoolingMode};

/// PyTorch's, which the LayerNorm module keeps.
const LAYER_NORM_EPS: f64 = 1e-5;
/// Keeps a vector of zeros from dividing by zero.
const SMALLEST_NORM: f64 = 1e-12;

/// Where the tokens of a padded batch stand. Tokens are counted, not columns, so that a text may be filled
/// up on either side.
pub(super) struct Places<'g> {
    /// `(B, S)`, 1 where there is a token, else 0.
    pub(super) mask: Value<'g, i64>,
    /// Each token's number in its text, from 1; 0 for padding. `(B, S)`
    pub(super) number: Value<'g, i64>,
}

impl<'g> Places<'g> {
    fn of(mask: Value<'g, i64>) -> Self {
        Self { mask, number: mask.cumsum(1) * mask }
    }

    /// The columns' numbers from 0, `(S,)`.
    pub(super) fn column(&self) -> Value<'g, i64> {
        self.mask.graph().range(self.mask.size(1))
    }

    /// How far left of each token each other is, `(S, S)`.
    pub(super) fn distance(&self) -> Value<'g, i64> {
        let column = self.column();
        column.unsqueeze(&[1]) - column.unsqueeze(&[0])
    }
}

/// Adds the forward pass to an empty graph. Its vectors are what the last module gives: of length 1 only if
/// that is Normalize.
pub(super) fn write_forward_pass<'g>(
    graph: &'g Graph,
    description: &Description,
    weights: &Weights<'g>,
) -> Result<(), String> {
    let config = &description.config;
    let Inputs { ids, mask } = Inputs::of(graph);
    let places = Places::of(mask);
    let words = weights.table(description.words()).gather(ids, 0); // (B, S, H)
    let tokens = match &config.modernbert {
        Some(modernbert) => modernbert::network(graph, config, &modernbert.layers, weights, words, &places)?,
        None => bert::network(graph, config, weights, words, &places)?,
    };
    graph.output("token_embeddings", tokens, &[BATCH, SEQUENCE, Size::Known(config.hidden_size)]);

    graph.scope("pooling");
    let pooled: Vec<_> = description.pooling.0.iter().map(|mode| pool(*mode, tokens, &places)).collect();
    let mut vectors = if let [vectors] = pooled[..] { vectors } else { graph.concat(&pooled, -1) };
    for module in &description.modules {
        graph.scope("modules");
        vectors = apply(module, weights, vectors)?;
    }
    give_sentence_embedding(graph, vectors, description.dimensions());
    Ok(())
}

/// Tokens `(B, S, H)` to a vector for each text, `(B, H)`.
fn pool<'g>(mode: PoolingMode, tokens: Value<'g, f32>, places: &Places<'g>) -> Value<'g, f32> {
    let graph = tokens.graph();
    // A weight for each token, 0 for padding: `(B, S)` to `(B, S, 1)`.
    let weights = |weights: Value<'g, i64>| weights.cast::<f32>().unsqueeze(&[-1]);
    let sum = |weights: Value<'g, f32>| (tokens * weights).sum(1, false); // (B, H)
    let inside = weights(places.mask);
    let count = inside.sum(1, false); // (B, 1)
    match mode {
        PoolingMode::Cls => sum(weights(places.number.equal(graph.scalar(1)).cast())),
        PoolingMode::Lasttoken => sum(weights(places.number.equal(places.number.max(1, true)).cast())),
        PoolingMode::Mean => sum(inside) / count,
        PoolingMode::MeanSqrtLenTokens => sum(inside) / count.sqrt(),
        PoolingMode::Weightedmean => sum(weights(places.number)) / weights(places.number).sum(1, false),
        PoolingMode::Max => {
            let tokens = places.mask.cast::<bool>().unsqueeze(&[-1]).choose(tokens, graph.scalar(f32::MIN));
            tokens.max(1, false)
        }
    }
}

/// A module over the texts' vectors.
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
