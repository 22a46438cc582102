//! ModernBERT (Warner et al. 2024) as a graph: rotary positions, local attention, GeGLU.
//!
//! Shapes as in [`super::attention`]; H columns, I intermediate columns.

use super::attention::{activate, attend, heads_of, visibility};
use super::graph::{Graph, Value};
use super::positions::Positions;
use super::weights::Weights;
use crate::ml::encoder::transformer::{ModernBertLayerConfig, TransformerConfig};

/// What the layers of one kind have in common: how tokens turn by their positions, and whom they see.
struct View<'g> {
    kind: ModernBertLayerConfig,
    /// `(S, d / 2)`
    cos: Value<'g, f32>,
    sin: Value<'g, f32>,
    /// `(B, 1, S or 1, S)`
    added: Value<'g, f32>,
}

/// The words' vectors to the tokens', `(B, S, H)` both.
pub(super) fn network<'g>(
    graph: &'g Graph,
    config: &TransformerConfig,
    kinds: &[ModernBertLayerConfig],
    weights: &Weights<'g>,
    words: Value<'g, f32>,
    positions: &Positions<'g>,
) -> Result<Value<'g, f32>, String> {
    graph.scope("embeddings");
    let mut x = weights.layer_norm(words, "embeddings.norm", config.layer_norm_eps)?;
    let mut views: Vec<View<'g>> = Vec::new();
    for (number, kind) in kinds.iter().enumerate() {
        let known = views.iter().position(|view| view.kind == *kind);
        let view = known.unwrap_or_else(|| {
            graph.scope(if kind.reach.is_some() { "local_attention" } else { "global_attention" });
            views.push(View::new(graph, config, *kind, positions));
            views.len() - 1
        });
        graph.scope(&format!("layers.{number}"));
        x = layer(config, weights, number, x, &views[view])?;
    }
    weights.layer_norm(x, "final_norm", config.layer_norm_eps)
}

impl<'g> View<'g> {
    fn new(
        graph: &'g Graph,
        config: &TransformerConfig,
        kind: ModernBertLayerConfig,
        positions: &Positions<'g>,
    ) -> Self {
        let size = config.head_size();
        let speed = |pair: i64| kind.rope_theta.powf(-2.0 * pair as f64 / size as f64) as f32;
        let speeds: Vec<f32> = (0..size / 2).map(speed).collect();
        let angles = positions.column().cast::<f32>().unsqueeze(&[1]) * graph.vector(&speeds); // (S, d / 2)
        let tokens = positions.mask.cast::<bool>().unsqueeze(&[1]); // (B, 1, S)
        let seen = match kind.reach {
            Some(reach) => positions.distance().abs().less_or_equal(graph.scalar(reach)) & tokens, // (B, S, S)
            None => tokens,
        };
        Self { kind, cos: angles.cos(), sin: angles.sin(), added: visibility(seen) }
    }
}

/// Attention, then a gated feed-forward layer, a norm before each; the first layer follows a norm already.
fn layer<'g>(
    config: &TransformerConfig,
    weights: &Weights<'g>,
    number: usize,
    x: Value<'g, f32>,
    view: &View<'g>,
) -> Result<Value<'g, f32>, String> {
    let (columns, inner) = (config.hidden_size, config.intermediate_size);
    let linear = |x, part: &str| weights.linear(x, &format!("layers.{number}.{part}"));
    let norm = |x, part: &str| weights.layer_norm(x, &format!("layers.{number}.{part}"), config.layer_norm_eps);

    let normed = if number == 0 { x } else { norm(x, "attn_norm")? };
    let qkv = linear(normed, "attn.Wqkv")?; // (B, S, 3H)
    let third = |n: i64| heads_of(qkv.slice(n * columns, (n + 1) * columns, 2), config.heads, config.head_size());
    let qkv = [rotate(third(0), config, view), rotate(third(1), config, view), third(2)];
    let x = x + linear(attend(qkv, config.head_size(), view.added), "attn.Wo")?;

    let halves = linear(norm(x, "mlp_norm")?, "mlp.Wi")?; // (B, S, 2I)
    let (input, gate) = (halves.slice(0, inner, 2), halves.slice(inner, 2 * inner, 2));
    Ok(x + linear(activate(config.activation, input) * gate, "mlp.Wo")?)
}

/// Queries or keys `(B, h, S, d)`, each pair of columns turned by its token's angle (Su et al. 2021, RoFormer;
/// the pair of column k is column k + d / 2).
fn rotate<'g>(x: Value<'g, f32>, config: &TransformerConfig, view: &View<'g>) -> Value<'g, f32> {
    let half = config.head_size() / 2;
    let (first, second) = (x.slice(0, half, 3), x.slice(half, 2 * half, 3));
    let turned = [first * view.cos - second * view.sin, second * view.cos + first * view.sin];
    x.graph().concat(&turned, -1)
}
