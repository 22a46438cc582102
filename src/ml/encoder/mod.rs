//! Sentence encoders: a text's tokens in, one vector out.

mod folder;
mod import;
mod onnx;
mod places;
mod protobuf;
mod ragged;
mod sentencepiece;
mod standalone;
mod token_table;
mod torchscript;
mod use_multilingual;
mod weights;

use std::sync::Arc;

use tch::{Kind, Tensor};

pub(crate) use folder::complete_or_absent;
pub use folder::{CARD, ModelCard, TOKENIZER, load, load_tuned, read_card, save_tuned};
pub use import::{Imported, PoolingMode, check_transformer, import_transformer, is_transformer};
pub use onnx::import_use_multilingual;
pub use ragged::RaggedBatch;
pub use sentencepiece::SentencePiece;
pub(crate) use standalone::write_standalone;
pub use token_table::TokenTable;
pub(crate) use torchscript::write_torchscript;
pub use use_multilingual::{UseMultilingual, UseMultilingualConfig};
pub(crate) use weights::{read_tensors, write_file as write_new_file, write_tensors};

/// A sentence encoder. It may move between threads and may not be shared by them, like a tensor;
/// [`Encoder::shallow_clone`] gives each thread its own over the same weights.
///
/// The vocabulary's table stands apart from the other weights: a batch reads few of its rows, so
/// training gathers those and serving leaves the rest in the file.
pub trait Encoder: Send {
    /// Dimensions of a text's vector, D.
    fn dimensions(&self) -> i64;

    /// Tokens of a text that are read; the rest is cut.
    fn max_tokens(&self) -> usize;

    /// The vocabulary's vectors `(V, E)`.
    fn table(&self) -> &TokenTable;

    /// Puts a tuned table in the place of the present one.
    fn set_table(&mut self, table: TokenTable);

    /// How many variables the checkpoint keeps the table in: row `i` belongs to variable `i % shards`.
    fn table_shards(&self) -> i64;

    /// Every weight but the table, by the checkpoint's names. The tensors share memory with the
    /// encoder's own.
    fn variables(&self) -> Vec<(String, Tensor)>;

    /// Puts other tensors in the place of the present ones, in the order of [`Encoder::variables`].
    fn set_variables(&mut self, tensors: Vec<Tensor>);

    /// The layers' names, the table first, the top last. What learns and how fast can differ by layer.
    fn layers(&self) -> Vec<&'static str>;

    /// The layer of a variable, as a place in [`Encoder::layers`].
    fn layer_of(&self, variable: &str) -> usize;

    /// The texts' vectors, of length 1: tokens' vectors `(N, E)`, in the order of the texts, and the
    /// texts' lengths `(B,)`, to `(B, D)`.
    fn forward(&self, tokens: &Tensor, lengths: &[i64]) -> Tensor;

    /// The same with the lengths in a tensor int64 `(B,)`, by tensor operations alone: no number leaves a
    /// tensor, so that libtorch can record the pass for batches of any size.
    fn forward_recordable(&self, tokens: &Tensor, lengths: &Tensor) -> Tensor;

    /// Another handle to the same weights.
    fn shallow_clone(&self) -> Box<dyn Encoder>;
}

/// The texts' vectors without a graph: `(B, D)`.
///
/// A text's vector does not depend on its batch-mates beyond float rounding: each coordinate is
/// within 1e-6 of the text's alone.
pub fn encode(encoder: &dyn Encoder, batch: &RaggedBatch) -> Tensor {
    let _guard = tch::no_grad_guard();
    if batch.texts() == 0 {
        return Tensor::zeros([0, encoder.dimensions()], (Kind::Float, tch::Device::Cpu));
    }
    encoder.forward(&encoder.table().lookup(&batch.ids), &batch.lengths)
}

/// Tokens that one forward pass of [`encode_all`] takes. A few thousand keep the matrix products
/// large and the intermediate tensors in the cache.
const TOKENS_PER_PASS: usize = 2048;

/// The vectors of any number of texts, `(B, D)`, in passes of bounded size.
pub fn encode_all(encoder: &dyn Encoder, texts: &[&[u32]]) -> Tensor {
    let mut passes = Vec::new();
    let mut batch = RaggedBatch::default();
    for text in texts {
        if batch.texts() > 0 && batch.tokens() + text.len() > TOKENS_PER_PASS {
            passes.push(encode(encoder, &std::mem::take(&mut batch)));
        }
        batch.push(text);
    }
    passes.push(encode(encoder, &batch));
    Tensor::cat(&passes, 0)
}

/// Which end of a text that is too long is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cut {
    /// The end goes.
    #[default]
    Right,
    /// The beginning goes.
    Left,
}

/// A text's token ids as the encoder reads them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Ids, `<s>` and `</s>` included.
    pub ids: Vec<u32>,
    /// Tokens that were cut because the text is longer than the model reads.
    pub dropped: usize,
}

/// What a model folder loads into.
pub struct Model {
    /// Text to ids. Shared by threads.
    pub tokenizer: Arc<SentencePiece>,
    /// Ids to vectors.
    pub encoder: Box<dyn Encoder>,
    /// What the folder says of itself.
    pub card: ModelCard,
}

/// A text's ids, cut to `max_tokens` with `<s>` and `</s>` kept.
pub fn tokenize(tokenizer: &SentencePiece, text: &str, max_tokens: usize, cut: Cut) -> Tokens {
    let mut ids = tokenizer.encode(text);
    let dropped = ids.len().saturating_sub(max_tokens);
    if dropped > 0 {
        // The first and the last id are the markers.
        let from = if cut == Cut::Left { 1 } else { ids.len() - 1 - dropped };
        ids.drain(from..from + dropped);
    }
    Tokens { ids, dropped }
}
