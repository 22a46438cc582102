//! An encoder's weights on their way into a graph.

use std::collections::BTreeMap;

use tch::Tensor;

use super::graph::{Graph, Value};
use crate::ml::encoder::Encoder;

/// An encoder's weights by the checkpoint's names. Each may be taken once, as one initializer of the graph; an unknown
/// name is an error in a sentence.
pub(super) struct Weights<'g> {
    graph: &'g Graph,
    tensors: BTreeMap<String, Tensor>,
    embeddings: (i64, i64),
}

impl<'g> Weights<'g> {
    pub(super) fn of(encoder: &dyn Encoder, graph: &'g Graph) -> Self {
        let tensors = encoder.variables().into_iter().collect();
        Self { graph, tensors, embeddings: encoder.word_embeddings().size() }
    }

    /// The vocabulary's table `(V, E)`.
    pub(super) fn embeddings(&self, name: &str) -> Value<'g, f32> {
        self.graph.embeddings(name, self.embeddings)
    }

    pub(super) fn get(&self, name: &str) -> Result<Value<'g, f32>, String> {
        self.rearranged(name, Tensor::shallow_clone)
    }

    /// A weight in another layout, as ONNX' operators want it.
    pub(super) fn rearranged(
        &self,
        name: &str,
        layout: impl FnOnce(&Tensor) -> Tensor,
    ) -> Result<Value<'g, f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("the model has no weight {name:?}"))?;
        Ok(self.graph.weight(name, layout(tensor)))
    }

    /// PyTorch's `Linear`: `x W^T + b`, whose W is `(out, in)`, with b if the model has one.
    pub(super) fn linear(&self, x: Value<'g, f32>, name: &str) -> Result<Value<'g, f32>, String> {
        let product = x.matmul(self.rearranged(&format!("{name}.weight"), Tensor::tr)?);
        Ok(self.optional(&format!("{name}.bias")).map_or(product, |bias| product + bias))
    }

    /// PyTorch's `LayerNorm` over the last axis, with a bias if the model has one.
    pub(super) fn layer_norm(&self, x: Value<'g, f32>, name: &str, epsilon: f64) -> Result<Value<'g, f32>, String> {
        let weight = self.get(&format!("{name}.weight"))?;
        Ok(x.layer_norm(weight, self.optional(&format!("{name}.bias")), epsilon))
    }

    fn optional(&self, name: &str) -> Option<Value<'g, f32>> {
        Some(self.graph.weight(name, self.tensors.get(name)?.shallow_clone()))
    }
}
