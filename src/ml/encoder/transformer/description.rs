//! What a model's folder in the form of sentence-transformers says of its network.

use serde::Deserialize;
use serde_json::{Value, json};
use tch::Tensor;

use super::config::{Architecture, TransformerConfig};
use super::layer::Shape;
use super::modules::{DenseActivation, ModuleConfig, Pooling};
use super::{bert, modernbert};
use crate::ml::encoder::card::{CONFIG, MODULES, SENTENCE_CONFIG, WEIGHTS};
use crate::ml::encoder::embedding_table::EmbeddingTable;
use crate::ml::encoder::model_files::ModelFiles;
use crate::ml::{Error, Result};

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// What may be in a model's folder beside its modules.
const FILES: [&str; 14] = [
    CONFIG,
    MODULES,
    WEIGHTS,
    SENTENCE_CONFIG,
    TOKENIZER_CONFIG,
    "1_Pooling/config.json",
    "added_tokens.json",
    "config_sentence_transformers.json",
    "merges.txt",
    "sentencepiece.bpe.model",
    "special_tokens_map.json",
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
];

/// A transformer's network, pooling and modules without their tensors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Description {
    pub(crate) config: TransformerConfig,
    pub(crate) pooling: Pooling,
    pub(crate) modules: Vec<ModuleConfig>,
    /// Tokens of a text that are read, the tokenizer's own included.
    pub(crate) max_tokens: usize,
    /// Whether texts are put in lower case before anything else.
    pub(crate) lowercase: bool,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    #[serde(rename = "type")]
    class: String,
}

#[derive(Default, Deserialize)]
struct SentenceFile {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

#[derive(Default, Deserialize)]
struct TokenizerFile {
    /// Python writes 1e30 where there is no bound.
    model_max_length: Option<f64>,
}

impl Description {
    pub(in crate::ml::encoder) fn read(files: &ModelFiles) -> Result<Self> {
        let path = files.path(CONFIG);
        let config = TransformerConfig::parse(&files.read(CONFIG)?).map_err(|reason| Error::model(&path, reason))?;
        let path = files.path(MODULES);
        let entries: Vec<Entry> = files.json(MODULES)?;
        let mut pooling = None;
        let mut modules = Vec::new();
        let mut columns = config.hidden_size;
        for Entry { path: name, class } in entries.iter().skip(1) {
            let file = format!("{name}/{CONFIG}");
            let json = || files.read(&file);
            let of_file = |reason| Error::model(&files.path(&file), reason);
            match class.rsplit('.').next().unwrap_or(class) {
                "Pooling" if pooling.is_none() && modules.is_empty() => {
                    let found = Pooling::parse(&json()?, columns).map_err(of_file)?;
                    columns *= found.0.len() as i64;
                    pooling = Some(found);
                }
                "Dense" => modules.push(ModuleConfig::dense(name, &json()?, columns).map_err(of_file)?),
                "LayerNorm" => modules.push(ModuleConfig::layer_norm(name, &json()?, columns).map_err(of_file)?),
                "Normalize" => modules.push(ModuleConfig::Normalize),
                other => return Err(Error::model(&path, format!("the module {other:?} is not supported here"))),
            }
            columns = modules.last().map_or(columns, |module| module.columns(columns));
        }
        let pooling = pooling.ok_or_else(|| Error::model(&path, "there is no Pooling behind the Transformer"))?;
        let sentence: SentenceFile = files.json_if_there(SENTENCE_CONFIG)?.unwrap_or_default();
        let tokenizer: TokenizerFile = files.json_if_there(TOKENIZER_CONFIG)?.unwrap_or_default();
        let most = config.max_tokens();
        // A float becomes the nearest number of tokens that there is.
        let by_tokenizer = tokenizer.model_max_length.map_or(most, |length| length as usize);
        let max_tokens = sentence.max_seq_length.unwrap_or(by_tokenizer).min(most);
        if max_tokens < 3 {
            return Err(Error::model(files.folder(), format!("a text of {max_tokens} tokens is no text")));
        }
        Ok(Self { config, pooling, modules, max_tokens, lowercase: sentence.do_lower_case })
    }

    pub(crate) fn pooled(&self) -> i64 {
        self.config.hidden_size * self.pooling.0.len() as i64
    }

    /// D
    pub(crate) fn dimensions(&self) -> i64 {
        self.modules.iter().fold(self.pooled(), |columns, module| module.columns(columns))
    }

    /// The table of words in `model.safetensors`.
    pub(crate) fn words(&self) -> &'static str {
        match self.config.architecture {
            Architecture::ModernBert => modernbert::WORDS,
            _ => bert::WORDS,
        }
    }

    /// Every tensor but the words, with its shape, in the order of the forward pass. Those of modules have
    /// their module's folder in front: `2_Dense/linear.weight`.
    pub(crate) fn shapes(&self) -> Vec<Shape> {
        let mut shapes = self.network_shapes();
        for module in &self.modules {
            let named = |(name, shape)| (format!("{}/{name}", module.path()), shape);
            shapes.extend(module.shapes().into_iter().map(named));
        }
        shapes
    }

    fn network_shapes(&self) -> Vec<Shape> {
        match self.config.architecture {
            Architecture::ModernBert => modernbert::shapes(&self.config),
            _ => bert::shapes(&self.config),
        }
    }

    /// The layer that a tensor is of, from 0; `None` for what lies below the layers and for modules.
    pub(super) fn layer_of(&self, name: &str) -> Option<usize> {
        match self.config.architecture {
            Architecture::ModernBert => modernbert::layer_of(&self.config, name),
            _ => bert::layer_of(&self.config, name),
        }
    }

    /// Whether a module has something to learn.
    pub(super) fn has_head(&self) -> bool {
        self.modules.iter().any(|module| !module.path().is_empty())
    }

    /// Puts a dense module that changes nothing over the pooled vectors, below their normalization, where no
    /// module can learn. `true` where it was put there.
    pub(super) fn add_head(&mut self) -> bool {
        if self.has_head() {
            return false;
        }
        let columns = self.pooled();
        let head = ModuleConfig::Dense {
            path: format!("{}_Dense", self.modules.len() + 2),
            inputs: columns,
            outputs: columns,
            bias: true,
            activation: DenseActivation::Identity,
        };
        self.modules.insert(0, head);
        true
    }

    pub(crate) fn module_list(&self) -> Value {
        let modules = self.modules.iter().map(|module| match module {
            ModuleConfig::Dense { path, .. } => ("Dense", path.as_str()),
            ModuleConfig::LayerNorm { path, .. } => ("LayerNorm", path.as_str()),
            ModuleConfig::Normalize => ("Normalize", "Normalize"),
        });
        module_list([("Transformer", ""), ("Pooling", "1_Pooling")].into_iter().chain(modules))
    }

    /// The files that the model is made of, by their paths in its folder, sorted. What else may be there tells
    /// people about it.
    pub(in crate::ml::encoder) fn files(&self, of: &ModelFiles) -> Vec<String> {
        let of_modules = self.modules.iter().map(ModuleConfig::path).filter(|path| !path.is_empty());
        let modules = of_modules.flat_map(|path| [format!("{path}/{CONFIG}"), format!("{path}/{WEIGHTS}")]);
        let mut files: Vec<String> = FILES.iter().map(|&name| name.to_owned()).chain(modules).collect();
        files.retain(|name| of.has(name));
        files.sort();
        files
    }

    /// The table of words where it is, and every other tensor in the order of [`Description::shapes`].
    pub(super) fn read_tensors(&self, files: &ModelFiles) -> Result<(EmbeddingTable, Vec<Tensor>)> {
        let file = files.weights(WEIGHTS)?;
        let mut tensors = Vec::new();
        for (name, shape) in self.network_shapes() {
            tensors.push(file.floats(&name, &shape)?);
        }
        let words = file.into_matrix(self.words())?;
        if words.size() != (self.config.vocab_size, self.config.hidden_size) {
            return Err(Error::model(files.folder(), "the table of words has another size than config.json says"));
        }
        for module in self.modules.iter().filter(|module| !module.path().is_empty()) {
            let file = files.weights(&format!("{}/{WEIGHTS}", module.path()))?;
            for (name, shape) in module.shapes() {
                tensors.push(file.floats(&name, &shape)?);
            }
        }
        Ok((EmbeddingTable::new(words), tensors))
    }
}

/// `modules.json` of classes and their paths, in the form that every version of sentence-transformers reads.
pub(crate) fn module_list<'a>(modules: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(number, (class, path)): (usize, (&str, &str))| {
        let class = format!("sentence_transformers.models.{class}");
        json!({"idx": number, "name": number.to_string(), "path": path, "type": class})
    };
    modules.enumerate().map(entry).collect()
}
