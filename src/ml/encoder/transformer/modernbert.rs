//! ModernBERT (Warner et al. 2024): norms before the sublayers, rotary positions, attention that sees all
//! tokens in some layers and the near ones in the others, gated feed-forward layers.
//!
//! Shapes: N tokens, H columns, h heads of d columns, I intermediate columns.

use tch::{Kind, Tensor};

use super::attention::ProbabilityDropout;
use super::config::{ModernBertConfig, TransformerConfig};
use super::layer::{LayerNorm, Linear, Shape, Tensors};
use crate::ml::encoder::pass::Dropout;

pub(super) const WORDS: &str = "embeddings.tok_embeddings.weight";

/// The network without its words.
#[derive(Debug)]
pub(super) struct ModernBert {
    norm: LayerNorm,
    pub(super) layers: Vec<Layer>,
    final_norm: LayerNorm,
}

#[derive(Debug)]
pub(super) struct Layer {
    /// The first layer has none: the embeddings' norm is just before it.
    attn_norm: Option<LayerNorm>,
    wqkv: Linear, // (3H, H)
    wo: Linear,   // (H, H)
    mlp_norm: LayerNorm,
    wi: Linear,     // (2I, H)
    mlp_wo: Linear, // (H, I)
}

fn modern(config: &TransformerConfig) -> &ModernBertConfig {
    config.modernbert.as_ref().expect("ModernBERT's configuration has its part")
}

/// Every tensor but the words, with its shape, in the order of the forward pass.
pub(super) fn shapes(config: &TransformerConfig) -> Vec<Shape> {
    let (columns, inner) = (config.hidden_size, config.intermediate_size);
    let ModernBertConfig { norm_bias, attention_bias, mlp_bias, .. } = *modern(config);
    let mut shapes = LayerNorm::shapes("embeddings.norm", columns, norm_bias);
    for layer in 0..config.layers {
        let name = |part: &str| format!("layers.{layer}.{part}");
        if layer > 0 {
            shapes.extend(LayerNorm::shapes(&name("attn_norm"), columns, norm_bias));
        }
        shapes.extend(Linear::shapes(&name("attn.Wqkv"), (columns, 3 * columns), attention_bias));
        shapes.extend(Linear::shapes(&name("attn.Wo"), (columns, columns), attention_bias));
        shapes.extend(LayerNorm::shapes(&name("mlp_norm"), columns, norm_bias));
        shapes.extend(Linear::shapes(&name("mlp.Wi"), (columns, 2 * inner), mlp_bias));
        shapes.extend(Linear::shapes(&name("mlp.Wo"), (inner, columns), mlp_bias));
    }
    shapes.extend(LayerNorm::shapes("final_norm", columns, norm_bias));
    shapes
}

/// The layer that a tensor is of, from 0; `None` for what lies below the layers. The last norm goes with
/// the last layer.
pub(super) fn layer_of(config: &TransformerConfig, name: &str) -> Option<usize> {
    if name.starts_with("final_norm.") {
        return Some(config.layers - 1);
    }
    name.strip_prefix("layers.")?.split('.').next()?.parse().ok()
}

impl ModernBert {
    /// Takes the tensors in the order of [`shapes`].
    pub(super) fn assemble(config: &TransformerConfig, tensors: &mut Tensors<'_>) -> Self {
        let eps = config.layer_norm_eps;
        let ModernBertConfig { norm_bias, attention_bias, mlp_bias, .. } = *modern(config);
        Self {
            norm: LayerNorm::take(tensors, norm_bias, eps),
            layers: (0..config.layers)
                .map(|layer| Layer {
                    attn_norm: (layer > 0).then(|| LayerNorm::take(tensors, norm_bias, eps)),
                    wqkv: Linear::take(tensors, attention_bias),
                    wo: Linear::take(tensors, attention_bias),
                    mlp_norm: LayerNorm::take(tensors, norm_bias, eps),
                    wi: Linear::take(tensors, mlp_bias),
                    mlp_wo: Linear::take(tensors, mlp_bias),
                })
                .collect(),
            final_norm: LayerNorm::take(tensors, norm_bias, eps),
        }
    }

    pub(super) fn linears(&self) -> Vec<&Linear> {
        self.layers.iter().flat_map(|Layer { wqkv, wo, wi, mlp_wo, .. }| [wqkv, wo, wi, mlp_wo]).collect()
    }

    pub(super) fn linears_mut(&mut self) -> Vec<&mut Linear> {
        self.layers.iter_mut().flat_map(|Layer { wqkv, wo, wi, mlp_wo, .. }| [wqkv, wo, wi, mlp_wo]).collect()
    }

    /// Words `(N, H)` to `(N, H)`.
    pub(super) fn embed(&self, config: &TransformerConfig, words: &Tensor, dropout: Option<Dropout>) -> Tensor {
        let x = self.norm.forward(words);
        dropout.map_or(x.shallow_clone(), |dropout| dropout.apply(&x, config.hidden_dropout, 0))
    }

    /// One layer: `(N, H)` to `(N, H)`, tokens standing at `positions` `(N,)` of their texts. The last norm
    /// follows the last layer.
    pub(super) fn layer(
        &self,
        config: &TransformerConfig,
        number: usize,
        x: &Tensor,
        positions: &Tensor,
        attend: &dyn Fn([&Tensor; 3], ProbabilityDropout) -> Tensor,
        dropout: Option<Dropout>,
    ) -> Tensor {
        let layer = &self.layers[number];
        let place = (number as u64 + 1) << 32;
        let dropped = |x: Tensor, rate: f64, behind: u64| match dropout {
            Some(dropout) => dropout.apply(&x, rate, place + (behind << 24)),
            None => x,
        };
        let of_probabilities = dropout.map(|dropout| (dropout, config.attention_dropout, place));

        let normed = layer.attn_norm.as_ref().map_or(x.shallow_clone(), |norm| norm.forward(x));
        let qkv = layer.wqkv.forward(&normed).chunk(3, 1);
        let turned = |x: &Tensor| rotate(x, config, modern(config).layers[number].rope_theta, positions);
        let mixed = attend([&turned(&qkv[0]), &turned(&qkv[1]), &qkv[2]], of_probabilities);
        let x = x + dropped(layer.wo.forward(&mixed), config.attention_dropout, 1);

        let halves = layer.wi.forward(&layer.mlp_norm.forward(&x)).chunk(2, 1); // (N, I) each
        let inner = config.activation.of(halves[0].shallow_clone()) * &halves[1];
        let x = x + layer.mlp_wo.forward(&dropped(inner, modern(config).mlp_dropout, 2));
        if number + 1 == config.layers { self.final_norm.forward(&x) } else { x }
    }
}

/// Queries or keys `(N, h * d)`, each pair of columns turned by an angle that grows with the token's
/// position (Su et al. 2021, RoFormer; the pair of column k is column k + d / 2).
fn rotate(x: &Tensor, config: &TransformerConfig, theta: f64, positions: &Tensor) -> Tensor {
    let size = config.head_size();
    let speeds: Vec<f32> = (0..size / 2).map(|pair| theta.powf(-2.0 * pair as f64 / size as f64) as f32).collect();
    let speeds = Tensor::from_slice(&speeds).to_device(x.device());
    let angles = (positions.unsqueeze(1) * speeds).unsqueeze(1); // (N, 1, d / 2)
    let (cos, sin) = (angles.cos(), angles.sin());
    let halves = x.view_([-1, config.heads, 2, size / 2]);
    let (first, second) = (halves.select(2, 0), halves.select(2, 1)); // (N, h, d / 2)
    let turned = [&first * &cos - &second * &sin, &second * &cos + &first * &sin];
    Tensor::stack(&turned, 2).reshape([-1, config.hidden_size])
}

/// What keeps a token of a local layer from seeing those further away than `reach`: `(1, L, L)` for tokens
/// at `positions` `(L,)`.
pub(super) fn local_bias(positions: &Tensor, reach: i64) -> Tensor {
    let far = (positions.unsqueeze(1) - positions.unsqueeze(0)).abs().gt(reach); // (L, L)
    // Float32 whatever the device, without a number that leaves a tensor.
    (far.to_kind(Kind::Float) * f64::from(f32::MIN)).unsqueeze(0)
}
