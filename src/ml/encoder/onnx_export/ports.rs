//! What every exported graph is given, and what it gives.

use super::graph::{Graph, Size, Value};

pub(super) const BATCH: Size = Size::Named("batch");
pub(super) const SEQUENCE: Size = Size::Named("sequence");

pub(super) struct Inputs<'g> {
    /// `(B, S)`, 0 where there is no token: every vocabulary has a 0.
    pub(super) ids: Value<'g, i64>,
    /// `(B, S)`, 1 where there is a token, else 0.
    pub(super) mask: Value<'g, i64>,
}

impl<'g> Inputs<'g> {
    pub(super) fn of(graph: &'g Graph) -> Self {
        graph.scope("inputs");
        let [ids, mask] = ["input_ids", "attention_mask"].map(|name| graph.input(name, &[BATCH, SEQUENCE]));
        Self { ids: ids * mask, mask }
    }
}

/// Declares the texts' vectors `(B, D)` as what the graph gives.
pub(super) fn give_sentence_embedding(graph: &Graph, vectors: Value<'_, f32>, dimensions: i64) {
    graph.output("sentence_embedding", vectors, &[BATCH, Size::Known(dimensions)]);
}
