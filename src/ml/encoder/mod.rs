//! Sentence encoders: a text's tokens in, one vector out.

mod arrangement;
mod card;
#[cfg(test)]
mod damage;
mod embedding_table;
mod encode_all;
mod fingerprint;
mod folder;
mod golden;
mod import;
pub mod integrity;
mod lora;
mod model;
mod model_files;
mod onnx;
mod onnx_export;
mod pass;
mod protobuf;
mod ragged;
mod sentencepiece;
mod spans;
mod standalone;
mod tokenizer;
mod tokenizer_rules;
mod torchscript;
mod transformer;
mod use_multilingual;
mod weights;

use std::any::Any;
use std::sync::Arc;

use tch::{Kind, Tensor};

use crate::ml::vectors::normalize;

pub use card::{CARD, ModelCard, TOKENIZER, read_card};
pub use embedding_table::EmbeddingTable;
pub(crate) use encode_all::encode_features;
pub use encode_all::{encode_all, encode_all_raw};
pub(crate) use folder::numbers_beside_table;
pub use folder::{load, load_again, load_tuned, save_tuned};
pub use golden::{GOLDEN, GoldenVector, GoldenVectors, LEAST_COSINE, Origin, evenly_spaced};
pub use import::{Imported, check_transformer, import_transformer, is_transformer, pooling};
pub use lora::Adapters;
pub(crate) use lora::merged;
pub use model::{Model, Tokens, TruncationDirection, tokenize};
pub use model_files::{ModelFiles, Place, seal};
pub use onnx::import_use_multilingual;
pub(crate) use onnx_export::write_onnx;
pub(crate) use pass::split_mix;
pub use pass::{Dropout, Pass};
pub use ragged::RaggedBatch;
pub use sentencepiece::SentencePiece;
pub use spans::TokenSpan;
pub(crate) use standalone::write_standalone;
pub use tokenizer::{Ids, Prompts, Tokenizer};
pub(crate) use torchscript::write_torchscript;
pub use transformer::PoolingMode;
pub use use_multilingual::{TokenCache, UseMultilingual, UseMultilingualConfig};
pub(crate) use weights::{read_tensors, write_tensors};

/// A sentence encoder. It may move between threads and may not be shared by them, like a tensor;
/// [`Encoder::shallow_clone`] gives each thread its own over the same weights.
///
/// The vocabulary's table stands apart from the other weights: a batch reads few of its rows, so
/// training gathers those and serving leaves the rest in the file.
pub trait Encoder: Any + Send {
    /// Dimensions of a text's vector, D.
    fn dimensions(&self) -> i64;

    /// Tokens of a text that are read; the rest is cut.
    fn max_tokens(&self) -> usize;

    /// The vocabulary's vectors `(V, E)`.
    fn word_embeddings(&self) -> &EmbeddingTable;

    /// Puts a tuned table in the place of the present one.
    fn set_word_embeddings(&mut self, embeddings: EmbeddingTable);

    /// How many variables the checkpoint keeps the table in: row `i` belongs to variable `i % shards`.
    fn embedding_shards(&self) -> i64;

    /// Every weight but the table, by the checkpoint's names. The tensors share memory with the
    /// encoder's own.
    fn variables(&self) -> Vec<(String, Tensor)>;

    /// Puts other tensors in the place of the present ones, in the order of [`Encoder::variables`].
    fn set_variables(&mut self, tensors: Vec<Tensor>);

    /// The layers' names, the table first, the top last. What learns and how fast can differ by layer.
    fn layers(&self) -> Vec<String>;

    /// The layer of a variable, as a place in [`Encoder::layers`].
    fn layer_of(&self, variable: &str) -> usize;

    /// Whether a kernel is stored `(in, out)`, as TensorFlow does, and not `(out, in)`, as PyTorch does.
    fn inputs_first(&self) -> bool {
        false
    }

    /// Puts a layer that changes nothing on top where there is none above the texts' vectors, so that it
    /// can learn alone.
    fn add_head(&mut self) {}

    /// The head's layer, as a place in [`Encoder::layers`], where it can learn.
    fn head_layer(&self) -> Option<usize>;

    /// Makes inference faster, for weights that do not change any more; may take memory again. What can be kept of
    /// single tokens goes into `tokens`. [`Encoder::set_variables`] and [`Encoder::set_word_embeddings`] undo it.
    fn prepare_inference(&mut self, tokens: &Arc<TokenCache>);

    /// Bytes of what [`Encoder::prepare_inference`] made beside the weights, but for the rows in the cache.
    fn inference_bytes(&self) -> u64 {
        0
    }

    /// Whether it drops numbers in training.
    fn drops(&self) -> bool {
        false
    }

    /// What the first block reads: tokens' vectors `(N, E)`, in the order of the texts, to `(N, H)`, in an
    /// order of its own.
    fn begin(&self, tokens: &Tensor, _pass: &Pass) -> Tensor {
        tokens.shallow_clone()
    }

    /// How many blocks follow one another.
    fn blocks(&self) -> usize {
        0
    }

    /// Block `number`: `(N, H)` to `(N, H)`.
    fn block(&self, _number: usize, x: &Tensor, _pass: &Pass) -> Tensor {
        x.shallow_clone()
    }

    /// What the last block gave, `(N, H)`, to what the head reads of each text, `(B, F)`.
    fn features(&self, x: &Tensor, pass: &Pass) -> Tensor;

    /// What lies above the texts' own: `(B, F)` to `(B, D)`.
    fn head(&self, features: &Tensor) -> Tensor;

    /// Whether the head's vectors have length 1.
    fn normalizes(&self) -> bool;

    /// All below the head: tokens' vectors `(N, E)`, in the order of the texts, to `(B, F)`.
    fn body(&self, tokens: &Tensor, pass: &Pass) -> Tensor {
        let x = (0..self.blocks()).fold(self.begin(tokens, pass), |x, number| self.block(number, &x, pass));
        self.features(&x, pass)
    }

    /// The texts' vectors as the model makes them: tokens' vectors `(N, E)`, in the order of the texts, to
    /// `(B, D)`.
    fn forward_raw(&self, tokens: &Tensor, pass: &Pass) -> Tensor {
        self.head(&self.body(tokens, pass))
    }

    /// The same of length 1.
    fn forward(&self, tokens: &Tensor, pass: &Pass) -> Tensor {
        self.unit(self.forward_raw(tokens, pass))
    }

    /// The head's vectors, of length 1.
    fn unit(&self, vectors: Tensor) -> Tensor {
        if self.normalizes() { vectors } else { normalize(&vectors) }
    }

    /// The texts' vectors as the model makes them, without a graph: `(B, D)`.
    fn infer(&self, batch: &RaggedBatch) -> Tensor {
        self.forward_raw(&self.word_embeddings().lookup(&batch.ids), &Pass::new(&batch.lengths))
    }

    /// [`Encoder::forward_raw`] with the lengths in a tensor int64 `(B,)`, by tensor operations alone: no number leaves a
    /// tensor, so that libtorch can record the pass for batches of any size.
    fn forward_recordable(&self, tokens: &Tensor, lengths: &Tensor) -> Tensor;

    /// Another handle to the same weights.
    fn shallow_clone(&self) -> Box<dyn Encoder>;
}

/// The texts' vectors, of length 1, without a graph: `(B, D)`.
///
/// A text's vector does not depend on its batch-mates beyond float rounding: each coordinate is
/// within 1e-6 of the text's alone.
pub fn encode(encoder: &dyn Encoder, batch: &RaggedBatch) -> Tensor {
    encoder.unit(encode_raw(encoder, batch))
}

/// The same as the model makes them, of whatever length.
fn encode_raw(encoder: &dyn Encoder, batch: &RaggedBatch) -> Tensor {
    let _guard = tch::no_grad_guard();
    if batch.texts() == 0 {
        return Tensor::zeros([0, encoder.dimensions()], (Kind::Float, tch::Device::Cpu));
    }
    encoder.infer(batch)
}

/// What the head reads of texts, without a graph: `(B, F)`.
fn features(encoder: &dyn Encoder, batch: &RaggedBatch) -> Tensor {
    let _guard = tch::no_grad_guard();
    encoder.body(&encoder.word_embeddings().lookup(&batch.ids), &Pass::new(&batch.lengths))
}
