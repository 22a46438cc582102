//! A model's folder on disk: complete or absent.
//!
//! A base model holds `config.json`, `model.safetensors` and `sentencepiece.model`. A tuned model is
//! a delta: it names its base and holds the weights that training changed, the table's rows with
//! their ids, changes of low rank as their factors. Both hold `shamisen.json`, the card, written last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::card::{CONFIG, MODULES, ModelCard, TOKENIZER, TRANSFORMER_TOKENIZER, WEIGHTS};
use super::embedding_table::EmbeddingTable;
use super::fingerprint;
use super::golden::{GOLDEN, GoldenVectors};
use super::lora::Adapters;
use super::model_files::{ModelFiles, Place, write_card};
use super::sentencepiece::SentencePiece;
use super::tokenizer::{Prompts, Tokenizer};
use super::transformer::{Description, TransformerEncoder};
use super::use_multilingual::{UseMultilingual, UseMultilingualConfig};
use super::weights::{self, Stored, WeightFile};
use super::{Encoder, Model};
use crate::ml::files::{complete_or_absent, write_json, write_new};
use crate::ml::{Error, Result};

/// A tuned model's tensors for the table: ids `(R,)` and rows `(R, E)`.
const ROW_IDS: &str = "table.ids";
const ROWS: &str = "table.rows";

/// In the names of the tensors of a head that a base without one was given.
const HEAD: &str = "_Dense/";

pub(crate) fn save_base(
    target: &Path,
    name: &str,
    config: &UseMultilingualConfig,
    tensors: &BTreeMap<String, Stored>,
    sentencepiece: &[u8],
) -> Result<ModelCard> {
    complete_or_absent(target, |draft| {
        weights::write(&draft.join(WEIGHTS), tensors)?;
        write_json(&draft.join(CONFIG), config)?;
        write_new(&draft.join(TOKENIZER), sentencepiece)?;
        let card = ModelCard {
            name: name.to_owned(),
            fingerprint: fingerprint::full(draft)?,
            dimensions: config.dimensions,
            max_tokens: config.max_seq_length,
            base_fingerprint: None,
        };
        write_card(draft, &card)?;
        Ok(card)
    })
}

/// Writes what distinguishes `tuned` from `base`, the full model that it was tuned from, to the new folder
/// `target`: the variables and the table's rows that have other bits. Kernels that `adapters` make out of
/// the base's, bit by bit, are stored as factors.
///
/// # Errors
/// Where `tuned` was not tuned from `base`, or the folder cannot be written.
pub fn save_tuned(
    target: &Path,
    name: &str,
    tuned: &Model,
    base: &Model,
    adapters: Option<&Adapters>,
) -> Result<ModelCard> {
    let root = tuned.card.base_fingerprint.as_ref().unwrap_or(&tuned.card.fingerprint);
    if *root != base.card.fingerprint {
        return Err(not_tuned_from(target, base));
    }
    let mut tensors = changed_rows(tuned.encoder.word_embeddings(), base.encoder.word_embeddings())?;
    let mut factored = BTreeSet::new();
    let base_variables: BTreeMap<String, Tensor> = base.encoder.variables().into_iter().collect();
    for (name, tensor) in tuned.encoder.variables() {
        // The base has none where it has no head.
        let before = base_variables.get(&name);
        if before.is_some_and(|before| same_bits(&tensor, before)) {
            continue;
        }
        let made = adapters.and_then(|adapters| adapters.apply(&name, before?, base.encoder.inputs_first()));
        if made.is_some_and(|made| same_bits(&made, &tensor)) {
            factored.insert(name);
        } else {
            tensors.insert(name, Stored::tensor(&tensor)?);
        }
    }
    if let Some(adapters) = adapters {
        for (name, factor) in adapters.only(|name| factored.contains(name)).tensors() {
            tensors.insert(name, Stored::tensor(&factor)?);
        }
    }
    complete_or_absent(target, |draft| {
        weights::write(&draft.join(WEIGHTS), &tensors)?;
        let card = ModelCard {
            name: name.to_owned(),
            fingerprint: fingerprint::delta(draft, root)?,
            base_fingerprint: Some(root.clone()),
            ..tuned.card.clone()
        };
        write_card(draft, &card)?;
        Ok(card)
    })
}

fn not_tuned_from(folder: &Path, base: &Model) -> Error {
    Error::model(folder, format!("this model was not tuned from {}", base.card.name))
}

fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    let bits = |tensor: &Tensor| tensor.detach().contiguous().view_dtype(Kind::Int);
    a.size() == b.size() && bits(a).equal(&bits(b))
}

/// The rows of `tuned` whose bits are not `base`'s, with their ids; nothing where there are none.
fn changed_rows(tuned: &EmbeddingTable, base: &EmbeddingTable) -> Result<BTreeMap<String, Stored>> {
    let ids = tuned.tuned_ids();
    let bits = |embeddings: &EmbeddingTable| embeddings.lookup(&ids).view_dtype(Kind::Int);
    let mut tensors = BTreeMap::new();
    if !ids.is_empty() {
        let differs = Vec::<bool>::try_from(bits(tuned).not_equal_tensor(&bits(base)).any_dim(1, false))?;
        let ids: Vec<i64> = ids.iter().zip(differs).filter_map(|(&id, differs)| differs.then_some(id)).collect();
        tensors.insert(ROWS.to_owned(), Stored::tensor(&tuned.lookup(&ids))?);
        tensors.insert(ROW_IDS.to_owned(), Stored::integers(&ids));
    }
    Ok(tensors)
}

/// What a full model's folder holds beside its card.
pub(super) struct Parts {
    pub(super) tokenizer: Tokenizer,
    pub(super) prompts: Prompts,
    pub(super) encoder: Box<dyn Encoder>,
}

impl Parts {
    /// Reads them.
    pub(super) fn read(files: &ModelFiles) -> Result<Self> {
        let parts = if files.has(MODULES) { Self::transformer(files) } else { Self::use_multilingual(files) }?;
        if parts.encoder.word_embeddings().size().0 < parts.tokenizer.size() {
            return Err(Error::model(files.folder(), "the tokenizer has more pieces than the table has rows"));
        }
        Ok(parts)
    }

    fn transformer(files: &ModelFiles) -> Result<Self> {
        let description = Description::read(files)?;
        let tokenizer = Tokenizer::of_transformer(&files.read(TRANSFORMER_TOKENIZER)?, description.lowercase)
            .map_err(|reason| Error::model(&files.path(TRANSFORMER_TOKENIZER), reason))?;
        let encoder = Box::new(TransformerEncoder::load(description, files)?);
        Ok(Self { tokenizer, prompts: Prompts::read(files)?, encoder })
    }

    fn use_multilingual(files: &ModelFiles) -> Result<Self> {
        let config: UseMultilingualConfig = files.json(CONFIG)?;
        if config.model_type != UseMultilingualConfig::default().model_type {
            let reason = format!(
                "without modules.json it must be of the kind use_multilingual, and not {:?}. Import a transformer with `shamisen model import`",
                config.model_type
            );
            return Err(Error::model(&files.path(CONFIG), reason));
        }
        let tokenizer = SentencePiece::parse(&files.read(TOKENIZER)?);
        let tokenizer = tokenizer.map_err(|reason| Error::model(&files.path(TOKENIZER), reason))?;
        let encoder = Box::new(UseMultilingual::load(config, files.weights(WEIGHTS)?)?);
        Ok(Self { tokenizer: Tokenizer::SentencePiece(Box::new(tokenizer)), prompts: Prompts::default(), encoder })
    }
}

/// Numbers of the full model in a folder, at least, without its table's. Reads the file's header alone.
pub(crate) fn numbers_beside_table(folder: &Path) -> Result<usize> {
    Ok(WeightFile::open(&folder.join(WEIGHTS))?.numbers_beside_the_largest())
}

/// Loads a base model. Its table stays in the file.
///
/// # Errors
/// Where a file is missing, cannot be read, or is not what was written.
pub fn load(folder: &Path) -> Result<Model> {
    ModelFiles::read_beside(folder, ModelFiles::load)
}

/// Loads a base model anew that this process has loaded before and still maps: its weights as they were before training.
///
/// # Errors
/// As [`load`], but files are compared by their lengths alone.
pub fn load_again(folder: &Path) -> Result<Model> {
    ModelFiles::again(folder)?.load()
}

/// Loads a tuned model over its base, whose tokenizer, table and unchanged weights it shares.
///
/// # Errors
/// Where a file is missing or damaged, or `base` is not the model that it was tuned from.
pub fn load_tuned(folder: &Path, base: &Model) -> Result<Model> {
    ModelFiles::open(folder, Place::File)?.load_over(base)
}

impl ModelFiles {
    /// The card, once it vouches for the files or they were held to its fingerprint.
    fn trusted_card(&self) -> Result<ModelCard> {
        let card = self.card()?;
        if !self.sealed() {
            fingerprint::check(self, &card)?;
        }
        Ok(card)
    }

    /// Loads a base model.
    pub fn load(&self) -> Result<Model> {
        let card = self.trusted_card()?;
        let Parts { tokenizer, prompts, encoder } = Parts::read(self)?;
        Ok(Model { tokenizer: Arc::new(tokenizer), prompts: Arc::new(prompts), encoder, card })
    }

    /// Loads a tuned model over its base.
    pub fn load_over(&self, base: &Model) -> Result<Model> {
        load_delta(self, base)
    }

    /// What the model said when it was made; `None` where it was made without.
    pub fn golden(&self) -> Result<Option<GoldenVectors>> {
        self.json_if_there(GOLDEN)
    }
}

fn load_delta(files: &ModelFiles, base: &Model) -> Result<Model> {
    let (folder, card) = (files.folder(), files.trusted_card()?);
    if card.base_fingerprint.as_deref() != Some(base.card.fingerprint.as_str()) {
        return Err(not_tuned_from(folder, base));
    }
    let path = folder.join(WEIGHTS);
    let mut stored = files.weights(WEIGHTS)?.tensors()?;
    let damaged = |name: &str| Error::model(&path, format!("the tensor {name:?} is not of this model's shape"));
    let adapters = Adapters::take(&mut stored)?;
    let adapters = adapters.ok_or_else(|| Error::model(&path, "a factor of a kernel is missing"))?;
    let mut encoder = base.encoder.shallow_clone();
    let is_known = |encoder: &dyn Encoder, name: &String| encoder.variables().iter().any(|(known, _)| known == name);
    if stored.keys().any(|name| name.contains(HEAD) && !is_known(&*encoder, name)) {
        encoder.add_head();
    }
    let before = encoder.variables();
    let unknown = adapters.kernels().find(|kernel| !before.iter().any(|(name, _)| name == kernel));
    if let Some(name) = unknown {
        return Err(Error::model(&path, format!("the kernel {name:?} is none of this model's")));
    }
    let mut variables = Vec::new();
    for (name, before) in before {
        let variable = match stored.remove(&name) {
            Some(tensor) if tensor.size() == before.size() => Some(tensor),
            Some(_) => None,
            None => adapters.apply(&name, &before, encoder.inputs_first()),
        };
        variables.push(variable.ok_or_else(|| damaged(&name))?);
    }
    encoder.set_variables(variables);
    if let (Some(ids), Some(tuned)) = (stored.remove(ROW_IDS), stored.remove(ROWS)) {
        let ids = Vec::<i64>::try_from(&ids)?;
        let (rows, columns) = encoder.word_embeddings().size();
        if ids.iter().any(|id| !(0..rows).contains(id)) {
            return Err(Error::model(folder, "a tuned row is outside the vocabulary"));
        }
        if tuned.size() != [ids.len() as i64, columns] {
            return Err(damaged(ROWS));
        }
        let embeddings = encoder.word_embeddings().with_rows(&ids, tuned);
        encoder.set_word_embeddings(embeddings);
    }
    match stored.keys().next() {
        Some(name) => Err(Error::model(&path, format!("the tensor {name:?} is none of this model's"))),
        None => Ok(Model { card, ..base.with_encoder(encoder) }),
    }
}
