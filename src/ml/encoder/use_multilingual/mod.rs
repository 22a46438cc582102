//! Universal Sentence Encoder multilingual v3: n-gram convolutions over SentencePiece tokens, a sum
//! over the text, and a small residual network.
//!
//! Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval" (the CNN
//! variant). Struct and tensor names are the checkpoint's.
//!
//! Shapes: B texts, N tokens of all texts together, E = 512 table columns, H = 256 n-gram columns,
//! D = 512 dimensions of a text's vector.

mod batch_index;
mod inference;
mod network;
mod token_cache;

use std::sync::Arc;

use tch::{Device, Tensor};

pub use network::UseMultilingualConfig;
pub(super) use network::{CNN, DNN, NGRAMS, SMALLEST_NORM, shapes};
pub use token_cache::TokenCache;

use super::embedding_table::EmbeddingTable;
use super::weights::WeightFile;
use super::{Encoder, Pass, RaggedBatch};
use crate::ml::Result;
use batch_index::BatchIndex;
use inference::InferenceCache;
use network::{Network, NgramOrder};

/// The table's tensor.
pub(super) const EMBEDDINGS: &str = "EncoderDNN/EmbeddingLookup/embeddings";

/// The encoder. See the module's documentation.
#[derive(Debug)]
pub struct UseMultilingual {
    embeddings: EmbeddingTable,
    network: Network,
    /// For inference, while the weights do not change.
    inference: Option<InferenceCache>,
}

impl UseMultilingual {
    pub(super) fn config(&self) -> &UseMultilingualConfig {
        &self.network.config
    }

    /// Reads every tensor; the table stays where it is.
    pub(super) fn load(config: UseMultilingualConfig, file: WeightFile) -> Result<Self> {
        let tensors: Result<Vec<Tensor>> =
            shapes(&config).iter().map(|(name, shape)| file.floats(name, shape)).collect();
        let tensors = tensors?;
        let embeddings = EmbeddingTable::new(file.into_matrix(EMBEDDINGS)?);
        Ok(Self { embeddings, network: Network::assemble(config, tensors), inference: None })
    }
}

impl Encoder for UseMultilingual {
    fn dimensions(&self) -> i64 {
        self.network.config.dimensions
    }

    fn max_tokens(&self) -> usize {
        self.network.config.max_seq_length
    }

    fn word_embeddings(&self) -> &EmbeddingTable {
        &self.embeddings
    }

    fn set_word_embeddings(&mut self, embeddings: EmbeddingTable) {
        self.embeddings = embeddings;
        self.inference = None;
    }

    fn embedding_shards(&self) -> i64 {
        self.network.config.table_shards
    }

    fn variables(&self) -> Vec<(String, Tensor)> {
        let names = shapes(&self.network.config).into_iter().map(|(name, _)| name);
        names.zip(&self.network.tensors).map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    fn set_variables(&mut self, tensors: Vec<Tensor>) {
        self.network = Network::assemble(self.network.config.clone(), tensors);
        self.inference = None;
    }

    fn layers(&self) -> Vec<String> {
        ["table", "ngrams", "joint", "residual"].map(str::to_owned).into()
    }

    fn layer_of(&self, variable: &str) -> usize {
        if variable.contains("/ngram_order_") {
            1
        } else if variable.starts_with(CNN) {
            2
        } else {
            3
        }
    }

    fn inputs_first(&self) -> bool {
        true
    }

    fn prepare_inference(&mut self, tokens: &Arc<TokenCache>) {
        // What is kept of tokens is kept in this machine's memory.
        self.inference =
            (self.network.dense.kernel.device() == Device::Cpu).then(|| InferenceCache::new(&self.network, tokens));
    }

    fn inference_bytes(&self) -> u64 {
        // Of each n-gram layer the second convolution once more, turned.
        let turned = |order: &NgramOrder| order.conv_1.kernel.numel() as u64 * 4;
        self.inference.as_ref().map_or(0, |_| self.network.ngram_orders.iter().map(turned).sum())
    }

    fn infer(&self, batch: &RaggedBatch) -> Tensor {
        match &self.inference {
            Some(cache) => self.network.residual(&cache.features(&self.network, &self.embeddings, batch)),
            None => self.forward_raw(&self.embeddings.lookup(&batch.ids), &Pass::new(&batch.lengths)),
        }
    }

    fn head_layer(&self) -> Option<usize> {
        Some(3)
    }

    fn features(&self, tokens: &Tensor, pass: &Pass) -> Tensor {
        self.network.sums(tokens, &BatchIndex::known(&pass.lengths, &self.network.windows(), tokens.device()))
    }

    fn head(&self, m: &Tensor) -> Tensor {
        self.network.residual(m)
    }

    fn normalizes(&self) -> bool {
        true
    }

    fn forward_recordable(&self, tokens: &Tensor, lengths: &Tensor) -> Tensor {
        self.network.residual(&self.network.sums(tokens, &BatchIndex::recordable(lengths, &self.network.windows())))
    }

    fn shallow_clone(&self) -> Box<dyn Encoder> {
        let tensors = self.network.tensors.iter().map(Tensor::shallow_clone).collect();
        Box::new(Self {
            embeddings: self.embeddings.shallow_clone(),
            network: Network::assemble(self.network.config.clone(), tensors),
            inference: self.inference.as_ref().map(InferenceCache::shallow_clone),
        })
    }
}
