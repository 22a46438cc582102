//! The family of BERT: BERT, RoBERTa, XLM-RoBERTa, DistilBERT, MPNet.
//!
//! Devlin et al. 2019; Liu et al. 2019; Conneau et al. 2020; Sanh et al. 2019; Song et al. 2020. One network
//! with the norms behind the sums; what differs is the tensors' names, where positions begin, segments, where
//! training drops, and MPNet's bias by distance.
//!
//! Shapes: N tokens, H columns, h heads, I intermediate columns.

use tch::{Kind, Tensor};

use super::attention::ProbabilityDropout;
use super::config::{Architecture, TransformerConfig};
use super::layer::{LayerNorm, Linear, Shape, Tensors, next};
use crate::ml::encoder::pass::Dropout;

/// MPNet tells distances apart up to this one.
const MAX_DISTANCE: f64 = 128.0;

/// What a checkpoint of the family calls its tensors.
pub(crate) struct Names {
    pub(crate) layer: &'static str,
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) attention_output: &'static str,
    pub(crate) attention_norm: &'static str,
    pub(crate) intermediate: &'static str,
    pub(crate) output: &'static str,
    pub(crate) output_norm: &'static str,
}

const BERT: Names = Names {
    layer: "encoder.layer",
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attention_output: "attention.output.dense",
    attention_norm: "attention.output.LayerNorm",
    intermediate: "intermediate.dense",
    output: "output.dense",
    output_norm: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    layer: "transformer.layer",
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attention_output: "attention.out_lin",
    attention_norm: "sa_layer_norm",
    intermediate: "ffn.lin1",
    output: "ffn.lin2",
    output_norm: "output_layer_norm",
};

const MPNET: Names = Names {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    attention_output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    ..BERT
};

pub(crate) fn names(architecture: Architecture) -> &'static Names {
    match architecture {
        Architecture::DistilBert => &DISTILBERT,
        Architecture::MpNet => &MPNET,
        _ => &BERT,
    }
}

pub(super) const WORDS: &str = "embeddings.word_embeddings.weight";
pub(crate) const POSITIONS: &str = "embeddings.position_embeddings.weight";
pub(crate) const TOKEN_TYPES: &str = "embeddings.token_type_embeddings.weight";
pub(crate) const NORM: &str = "embeddings.LayerNorm";
pub(crate) const RELATIVE: &str = "encoder.relative_attention_bias.weight";

/// The network without its words.
#[derive(Debug)]
pub(super) struct Bert {
    position_embeddings: Tensor,             // (P, H)
    token_type_embeddings: Option<Tensor>,   // (T, H)
    norm: LayerNorm,                         // (H,)
    relative_attention_bias: Option<Tensor>, // (buckets, h)
    pub(super) layers: Vec<Layer>,
}

#[derive(Debug)]
pub(super) struct Layer {
    query: Linear,            // (H, H)
    key: Linear,              // (H, H)
    value: Linear,            // (H, H)
    attention_output: Linear, // (H, H)
    attention_norm: LayerNorm,
    intermediate: Linear, // (I, H)
    output: Linear,       // (H, I)
    output_norm: LayerNorm,
}

impl Layer {
    fn linears(&self) -> [&Linear; 6] {
        let Self { query, key, value, attention_output, intermediate, output, .. } = self;
        [query, key, value, attention_output, intermediate, output]
    }

    fn linears_mut(&mut self) -> [&mut Linear; 6] {
        let Self { query, key, value, attention_output, intermediate, output, .. } = self;
        [query, key, value, attention_output, intermediate, output]
    }
}

/// Every tensor but the words, with its shape, in the order of the forward pass.
pub(super) fn shapes(config: &TransformerConfig) -> Vec<Shape> {
    let (columns, names) = (config.hidden_size, names(config.architecture));
    let mut shapes = vec![(POSITIONS.to_owned(), vec![config.max_position_embeddings, columns])];
    if config.type_vocab_size > 0 {
        shapes.push((TOKEN_TYPES.to_owned(), vec![config.type_vocab_size, columns]));
    }
    shapes.extend(LayerNorm::shapes(NORM, columns, true));
    if config.relative_buckets > 0 {
        shapes.push((RELATIVE.to_owned(), vec![config.relative_buckets, config.heads]));
    }
    for layer in 0..config.layers {
        let name = |part: &str| format!("{}.{layer}.{part}", names.layer);
        let square = (columns, columns);
        for part in [names.query, names.key, names.value, names.attention_output] {
            shapes.extend(Linear::shapes(&name(part), square, true));
        }
        shapes.extend(LayerNorm::shapes(&name(names.attention_norm), columns, true));
        shapes.extend(Linear::shapes(&name(names.intermediate), (columns, config.intermediate_size), true));
        shapes.extend(Linear::shapes(&name(names.output), (config.intermediate_size, columns), true));
        shapes.extend(LayerNorm::shapes(&name(names.output_norm), columns, true));
    }
    shapes
}

/// The layer that a tensor is of, from 0; `None` for what lies below the layers.
pub(super) fn layer_of(config: &TransformerConfig, name: &str) -> Option<usize> {
    let behind = name.strip_prefix(names(config.architecture).layer)?.strip_prefix('.')?;
    behind.split('.').next()?.parse().ok()
}

impl Bert {
    /// Takes the tensors in the order of [`shapes`].
    pub(super) fn assemble(config: &TransformerConfig, tensors: &mut Tensors<'_>) -> Self {
        let eps = config.layer_norm_eps;
        Self {
            position_embeddings: next(tensors),
            token_type_embeddings: (config.type_vocab_size > 0).then(|| next(tensors)),
            norm: LayerNorm::take(tensors, true, eps),
            relative_attention_bias: (config.relative_buckets > 0).then(|| next(tensors)),
            layers: (0..config.layers)
                .map(|_| Layer {
                    query: Linear::take(tensors, true),
                    key: Linear::take(tensors, true),
                    value: Linear::take(tensors, true),
                    attention_output: Linear::take(tensors, true),
                    attention_norm: LayerNorm::take(tensors, true, eps),
                    intermediate: Linear::take(tensors, true),
                    output: Linear::take(tensors, true),
                    output_norm: LayerNorm::take(tensors, true, eps),
                })
                .collect(),
        }
    }

    pub(super) fn linears(&self) -> Vec<&Linear> {
        self.layers.iter().flat_map(Layer::linears).collect()
    }

    pub(super) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.layers.iter_mut().flat_map(Layer::linears_mut).collect()
    }

    /// Words and where they stand: `(N, H)` and positions `(N,)` to `(N, H)`. All texts are of segment 0.
    pub(super) fn embed(
        &self,
        config: &TransformerConfig,
        words: &Tensor,
        positions: &Tensor,
        dropout: Option<Dropout>,
    ) -> Tensor {
        // Added to the table's few rows and not to each token, which is the same.
        let places = match &self.token_type_embeddings {
            Some(types) => &self.position_embeddings + types.narrow(0, 0, 1),
            None => self.position_embeddings.shallow_clone(),
        };
        let x = self.norm.forward(&(words + places.index_select(0, &(positions + config.first_position))));
        dropout.map_or(x.shallow_clone(), |dropout| dropout.apply(&x, config.hidden_dropout, 0))
    }

    /// One layer: `(N, H)` to `(N, H)`. `attend` mixes the values of queries, keys and values.
    pub(super) fn layer(
        &self,
        config: &TransformerConfig,
        number: usize,
        x: &Tensor,
        attend: &dyn Fn([&Tensor; 3], ProbabilityDropout) -> Tensor,
        dropout: Option<Dropout>,
    ) -> Tensor {
        let layer = &self.layers[number];
        let place = (number as u64 + 1) << 32;
        // A sublayer's last linear layer, and the sum of what it gives and what the sublayer read.
        let plus = |linear: &Linear, x: &Tensor, which: u64, read: &Tensor| match dropout {
            // DistilBERT's attention drops nothing here.
            Some(dropout) if which != 1 || config.architecture != Architecture::DistilBert => {
                dropout.apply(&linear.forward(x), config.hidden_dropout, place + (which << 24)) + read
            }
            _ => linear.plus(x, read),
        };
        let of_probabilities = dropout.map(|dropout| (dropout, config.attention_dropout, place));
        let qkv = [layer.query.forward(x), layer.key.forward(x), layer.value.forward(x)];
        let mixed = attend(qkv.each_ref(), of_probabilities);
        let x = layer.attention_norm.forward(&plus(&layer.attention_output, &mixed, 1, x));
        let inner = layer.intermediate.activated(&x, config.activation); // (N, I)
        layer.output_norm.forward(&plus(&layer.output, &inner, 2, &x))
    }

    /// MPNet's bias by distance for tokens at `positions` `(L,)`: `(h, L, L)`.
    pub(super) fn relative_bias(&self, positions: &Tensor) -> Option<Tensor> {
        let table = self.relative_attention_bias.as_ref()?;
        let distance = positions.unsqueeze(1) - positions.unsqueeze(0); // (L, L): how far left the other is
        let buckets = bucket(&distance, table.size()[0]);
        let length = [distance.size()[0], -1, table.size()[1]];
        Some(table.index_select(0, &buckets.reshape([-1])).reshape(length).permute([2, 0, 1]))
    }
}

/// Of a distance, its kind: half of the kinds for each side; small distances each have their own, larger
/// ones share one by their logarithm (Raffel et al. 2020).
pub(crate) fn bucket(distance: &Tensor, buckets: i64) -> Tensor {
    let half = buckets / 2;
    let exact = half / 2;
    let far = distance.abs();
    let scaled = (far.clamp_min(1) / exact as f64).log() * ((half - exact) as f64 / (MAX_DISTANCE / exact as f64).ln());
    let shared = (scaled.to_kind(Kind::Int64) + exact).clamp_max(half - 1);
    far.where_self(&far.lt(exact), &shared) + distance.lt(0).to_kind(Kind::Int64) * half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_share_kinds_as_in_the_paper() {
        let distances = Tensor::from_slice(&[0_i64, 1, 7, 8, 15, 100, 128, 500, -1, -8, -500]);
        let found = Vec::<i64>::try_from(bucket(&distances, 32)).unwrap();
        assert_eq!(found, [0, 1, 7, 8, 9, 15, 15, 15, 17, 24, 31]);
    }
}
