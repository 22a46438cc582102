//! An encoder as an ONNX file, which onnxruntime runs without Shamisen.
//!
//! Its inputs and outputs are named as sentence-transformers and Optimum name them: `input_ids` and
//! `attention_mask`, int64 `(batch, sequence)`; `sentence_embedding`, float32 `(batch, D)`, and a transformer's
//! `token_embeddings`, float32 `(batch, sequence, H)`. Batch and sequence are of any size. A text's vector does
//! not depend on the padding: neither on how much there is, nor on its side, nor on which ids stand there.

mod attention;
mod bert;
mod file;
mod graph;
mod modernbert;
mod ops;
mod ports;
mod positions;
mod transformer;
mod use_multilingual;
mod weights;

use std::any::Any;
use std::fs::File;
use std::path::Path;

use graph::Graph;
use weights::Weights;

use super::standalone::append_embeddings;
use super::transformer::TransformerEncoder;
use super::{Model, UseMultilingual};
use crate::ml::{Error, Result};

/// Writes `model` to the new file `path`. `base` is the folder of the full model that it is, or is a delta
/// of. A model of 2 GiB or more has its weights in a second file, `path` + `_data`.
///
/// Of the weights one at a time is copied in memory; the table goes from file to file.
pub(crate) fn write_onnx(path: &Path, model: &Model, base: &Path) -> Result<()> {
    let graph = Graph::default();
    let weights = Weights::of(&*model.encoder, &graph);
    let encoder: &dyn Any = &*model.encoder;
    let written = if let Some(encoder) = encoder.downcast_ref::<UseMultilingual>() {
        use_multilingual::write_forward_pass(&graph, encoder.config(), &weights)
    } else if let Some(encoder) = encoder.downcast_ref::<TransformerEncoder>() {
        transformer::write_forward_pass(&graph, encoder.description(), &weights)
    } else {
        Err("there is no ONNX graph for models of this kind".to_owned())
    };
    written.map_err(|reason| Error::model(path, reason))?;
    let embeddings = |file: &mut File, path: &Path| append_embeddings(file, path, model, base);
    file::write(path, &graph.into_parts(), &model.card.name, &embeddings)
}
