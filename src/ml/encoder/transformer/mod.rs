//! Transformer encoders in the form of sentence-transformers: a network of the family of BERT or a
//! ModernBERT, pooling, and modules over the texts' vectors.
//!
//! Shapes: B texts, N tokens of all texts together, H columns, D dimensions of a text's vector.

mod activation;
mod attention;
pub(super) mod bert;
mod config;
mod description;
mod keys;
mod layer;
mod modernbert;
mod modules;
mod packed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tch::Tensor;

pub(crate) use activation::Activation;
pub(crate) use config::{Architecture, ModernBertLayerConfig, TransformerConfig};
pub(crate) use description::{Description, module_list};
pub use modules::PoolingMode;
pub(crate) use modules::{DenseActivation, ModuleConfig};
pub(super) use packed::Packed;

use super::arrangement::{self, Arrangement};
use super::embedding_table::EmbeddingTable;
use super::model_files::ModelFiles;
use super::pass::Pass;
use super::{Encoder, TokenCache};
use crate::ml::Result;
use attention::{ProbabilityDropout, attend, attend_recordable};
use bert::Bert;
use layer::{Linear, Tensors};
use modernbert::{ModernBert, local_bias};
use modules::Module;

/// A transformer with its pooling and modules.
#[derive(Debug)]
pub(crate) struct TransformerEncoder {
    description: Description,
    embeddings: EmbeddingTable,
    /// Every tensor but the words, in the order of [`Description::shapes`]; network and modules share them.
    tensors: Vec<Tensor>,
    network: Network,
    modules: Vec<Module>,
}

#[derive(Debug)]
enum Network {
    Bert(Bert),
    ModernBert(ModernBert),
}

impl Network {
    fn linears(&self) -> Vec<&Linear> {
        match self {
            Self::Bert(bert) => bert.linears(),
            Self::ModernBert(modernbert) => modernbert.linears(),
        }
    }

    fn linears_mut(&mut self) -> Vec<&mut Linear> {
        match self {
            Self::Bert(bert) => bert.linears_mut(),
            Self::ModernBert(modernbert) => modernbert.linears_mut(),
        }
    }
}

impl TransformerEncoder {
    /// Takes the tensors in the order of [`Description::shapes`].
    fn assemble(description: Description, embeddings: EmbeddingTable, tensors: Vec<Tensor>) -> Self {
        let mut parts = tensors.iter().map(Tensor::shallow_clone);
        let parts: &mut Tensors<'_> = &mut parts;
        let config = &description.config;
        let network = match config.architecture {
            Architecture::ModernBert => Network::ModernBert(ModernBert::assemble(config, parts)),
            _ => Network::Bert(Bert::assemble(config, parts)),
        };
        let modules = description.modules.iter().map(|module| module.take(parts)).collect();
        Self { description, embeddings, tensors, network, modules }
    }

    /// Reads every tensor of the model; the table of words stays where it is.
    pub(super) fn load(description: Description, files: &ModelFiles) -> Result<Self> {
        let (embeddings, tensors) = description.read_tensors(files)?;
        Ok(Self::assemble(description, embeddings, tensors))
    }

    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    fn config(&self) -> &TransformerConfig {
        &self.description.config
    }

    fn arrangement<'a>(&self, pass: &'a Pass) -> &'a Arrangement {
        pass.arrangement.get_or_init(|| Arrangement::new(&pass.lengths, self.tensors[0].device()))
    }

    /// What layer `number` adds to the products of tokens at `positions` `(L,)`.
    fn bias(&self, number: usize, positions: &Tensor) -> Option<Tensor> {
        match &self.network {
            Network::Bert(bert) => bert.relative_bias(positions),
            Network::ModernBert(_) => {
                let reach = self.config().modernbert.as_ref()?.layers[number].reach?;
                Some(local_bias(positions, reach))
            }
        }
    }

    fn layer(
        &self,
        number: usize,
        x: &Tensor,
        positions: &Tensor,
        attend: &dyn Fn([&Tensor; 3], ProbabilityDropout) -> Tensor,
        pass: Option<&Pass>,
    ) -> Tensor {
        let dropout = pass.and_then(|pass| pass.dropout);
        match &self.network {
            Network::Bert(bert) => bert.layer(self.config(), number, x, attend, dropout),
            Network::ModernBert(modernbert) => modernbert.layer(self.config(), number, x, positions, attend, dropout),
        }
    }
}

impl Encoder for TransformerEncoder {
    fn dimensions(&self) -> i64 {
        self.description.dimensions()
    }

    fn max_tokens(&self) -> usize {
        self.description.max_tokens
    }

    fn word_embeddings(&self) -> &EmbeddingTable {
        &self.embeddings
    }

    fn set_word_embeddings(&mut self, embeddings: EmbeddingTable) {
        self.embeddings = embeddings;
    }

    fn embedding_shards(&self) -> i64 {
        1
    }

    fn variables(&self) -> Vec<(String, Tensor)> {
        let names = self.description.shapes().into_iter().map(|(name, _)| name);
        names.zip(&self.tensors).map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    fn set_variables(&mut self, tensors: Vec<Tensor>) {
        *self = Self::assemble(self.description.clone(), self.embeddings.shallow_clone(), tensors);
    }

    fn layers(&self) -> Vec<String> {
        let mut layers = vec!["table".to_owned(), "embeddings".to_owned()];
        layers.extend((0..self.config().layers).map(|layer| format!("layer.{layer}")));
        if self.description.has_head() {
            layers.push("head".to_owned());
        }
        layers
    }

    fn layer_of(&self, variable: &str) -> usize {
        match self.description.layer_of(variable) {
            Some(layer) => layer + 2,
            None if variable.contains('/') => self.config().layers + 2,
            None => 1,
        }
    }

    fn add_head(&mut self) {
        let mut description = self.description.clone();
        if description.add_head() {
            let columns = description.pooled();
            let mut tensors: Vec<Tensor> = self.tensors.iter().map(Tensor::shallow_clone).collect();
            let kind = (tch::Kind::Float, tensors[0].device());
            // Modules with tensors there were none: the head's come last.
            tensors.extend([Tensor::eye(columns, kind), Tensor::zeros([columns], kind)]);
            *self = Self::assemble(description, self.embeddings.shallow_clone(), tensors);
        }
    }

    fn head_layer(&self) -> Option<usize> {
        self.description.has_head().then_some(self.config().layers + 2)
    }

    fn drops(&self) -> bool {
        true
    }

    fn begin(&self, words: &Tensor, pass: &Pass) -> Tensor {
        let arrangement = self.arrangement(pass);
        let words = arrangement.order.as_ref().map_or(words.shallow_clone(), |order| words.index_select(0, order));
        match &self.network {
            Network::Bert(bert) => bert.embed(self.config(), &words, &arrangement.positions, pass.dropout),
            Network::ModernBert(modernbert) => modernbert.embed(self.config(), &words, pass.dropout),
        }
    }

    fn blocks(&self) -> usize {
        self.config().layers
    }

    fn block(&self, number: usize, x: &Tensor, pass: &Pass) -> Tensor {
        let arrangement = self.arrangement(pass);
        let bias = |length: i64| self.bias(number, &Tensor::arange(length, (tch::Kind::Int64, x.device())));
        let attend = |qkv: [&Tensor; 3], dropout: ProbabilityDropout| {
            attend(qkv, self.config().heads, arrangement, &bias, dropout)
        };
        self.layer(number, x, &arrangement.positions, &attend, Some(pass))
    }

    fn features(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let Arrangement { lengths, texts, positions, places, .. } = self.arrangement(pass);
        let pooled = self.description.pooling.forward(x, lengths, texts, positions);
        places.as_ref().map_or(pooled.shallow_clone(), |places| pooled.index_select(0, places))
    }

    fn head(&self, features: &Tensor) -> Tensor {
        self.modules.iter().fold(features.shallow_clone(), |x, module| module.forward(&x))
    }

    fn normalizes(&self) -> bool {
        matches!(self.modules.last(), Some(Module::Normalize))
    }

    /// Attention takes all tokens of the batch at once here: its cost grows with the square of their number.
    fn forward_recordable(&self, words: &Tensor, lengths: &Tensor) -> Tensor {
        let (texts, positions) = arrangement::recordable(lengths);
        let foreign = texts.unsqueeze(0).ne_tensor(&texts.unsqueeze(1)); // (N, N)
        let foreign = ((foreign * 1.0) * f64::from(f32::MIN)).unsqueeze(0);
        let mut x = match &self.network {
            Network::Bert(bert) => bert.embed(self.config(), words, &positions, None),
            Network::ModernBert(modernbert) => modernbert.embed(self.config(), words, None),
        };
        for number in 0..self.blocks() {
            let added = self.bias(number, &positions).map_or(foreign.shallow_clone(), |bias| &foreign + bias);
            let attend = |qkv: [&Tensor; 3], _| attend_recordable(qkv, self.config().heads, &added);
            x = self.layer(number, &x, &positions, &attend, None);
        }
        self.unit(self.head(&self.description.pooling.forward(&x, lengths, &texts, &positions)))
    }

    fn prepare_inference(&mut self, _tokens: &Arc<TokenCache>) {
        self.network.linears_mut().into_iter().for_each(Linear::pack);
    }

    fn inference_bytes(&self) -> u64 {
        self.network.linears().into_iter().map(Linear::packed_bytes).sum()
    }

    fn shallow_clone(&self) -> Box<dyn Encoder> {
        let tensors = self.tensors.iter().map(Tensor::shallow_clone).collect();
        let mut clone = Self::assemble(self.description.clone(), self.embeddings.shallow_clone(), tensors);
        clone.network.linears_mut().into_iter().zip(self.network.linears()).for_each(|(own, other)| own.share(other));
        Box::new(clone)
    }
}
