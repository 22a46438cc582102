//! A published transformer, as sentence-transformers or `transformers` save it, into a model folder.
//!
//! Everything here reads files that strangers made. Nothing of them is run, every length is bounded, and
//! what cannot be read exactly is refused with a reason. The command that calls this does so in a process
//! of its own, for what no check foresees.

mod archive;
mod files;
mod modules;
mod self_check;
mod tensors;

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use self::files::{copy, copy_some, new_folder, read, read_json, write_json};
use self::modules::{Class, Module};
use self::tensors::Source;
use super::card::{CONFIG, MODULES, ModelCard, SENTENCE_CONFIG, TRANSFORMER_TOKENIZER, WEIGHTS};
use super::fingerprint;
use super::folder::Parts;
use super::model_files::{ModelFiles, Place, write_card};
use super::transformer::{Description, PoolingMode, TransformerConfig};
use crate::ml::files::complete_or_absent;
use crate::ml::{Error, Result};

/// Files beside the transformer that go along where they are there.
const BESIDE: &[&str] = &[
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "sentencepiece.bpe.model",
];
/// The same, at the top of the model.
const ON_TOP: &[&str] = &["config_sentence_transformers.json", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE"];
/// What early versions of sentence-transformers called the transformer's settings, by the kind.
const SENTENCE_CONFIGS: &[&str] = &[
    SENTENCE_CONFIG,
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_mpnet_config.json",
];

/// An imported model.
#[derive(Debug)]
pub struct Imported {
    /// What its folder says of itself.
    pub card: ModelCard,
    /// What was assumed, in sentences for whoever imports it.
    pub notes: Vec<String>,
}

/// Reads a published transformer, a folder or an archive of one, and writes the model folder `target`,
/// complete or not at all. `pooling` is for a transformer that comes without `modules.json`.
///
/// # Errors
/// Where it is not a model that is supported, is damaged, or a file cannot be read or written.
pub fn import_transformer(source: &Path, target: &Path, name: &str, pooling: Option<PoolingMode>) -> Result<Imported> {
    complete_or_absent(target, |draft| {
        let unpacked = draft.join("unpacked");
        let notes = if source.is_dir() {
            convert(source, draft, pooling)?
        } else {
            let notes = convert(&archive::unpack(source, &unpacked)?, draft, pooling)?;
            std::fs::remove_dir_all(&unpacked).map_err(|error| Error::file(&unpacked, error))?;
            notes
        };
        let card = examine(&ModelFiles::draft(draft), name)?;
        write_card(draft, &card)?;
        Ok(Imported { card, notes })
    })
}

/// Whether a model's folder holds a transformer.
pub fn is_transformer(folder: &Path) -> bool {
    folder.join(MODULES).is_file()
}

/// How the full model in a folder makes one vector of a text's tokens: one mode, or several beside each other.
pub fn pooling(folder: &Path) -> Result<Vec<PoolingMode>> {
    // Universal Sentence Encoder divides the sum of a text's vectors by the square root of their number.
    let files = ModelFiles::open(folder, Place::File)?;
    if files.has(MODULES) { Ok(Description::read(&files)?.pooling.0) } else { Ok(vec![PoolingMode::MeanSqrtLenTokens]) }
}

/// Looks at a transformer's folder as if it were new: whether its card is that of its files, and whether
/// these give vectors.
pub fn check_transformer(folder: &Path) -> Result<ModelCard> {
    let files = ModelFiles::open(folder, Place::File)?;
    let card = files.card()?;
    if card != examine(&files, &card.name)? {
        let reason = "shamisen.json is not the card of these files; `shamisen model import FOLDER` makes another";
        return Err(Error::model(folder, reason));
    }
    Ok(card)
}

/// Uses a folder's files as they will be used; the card that is theirs.
fn examine(files: &ModelFiles, name: &str) -> Result<ModelCard> {
    let parts = Parts::read(files)?;
    self_check::encode(&parts).map_err(|reason| Error::model(files.folder(), reason))?;
    Ok(ModelCard {
        name: name.to_owned(),
        fingerprint: fingerprint::transformer(files)?,
        dimensions: parts.encoder.dimensions(),
        max_tokens: parts.encoder.max_tokens(),
        base_fingerprint: None,
    })
}

/// Writes everything but the card into `draft`, the weights last; what was assumed.
fn convert(source: &Path, draft: &Path, pooling: Option<PoolingMode>) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    let published = modules::published(source)?;
    let is_plain = published.is_none();
    if !is_plain && pooling.is_some() {
        let reason = "the model brings its own modules.json; a pooling is chosen only where there is none";
        return Err(Error::model(source, reason));
    }
    let modules = published.unwrap_or_else(|| modules::plain(source));
    for Module { class, folder, path } in &modules {
        match class {
            Class::Transformer => {
                let config = transformer(folder, draft)?;
                if is_plain {
                    notes.push(match pooling {
                        Some(_) => "It has no modules.json: its tokens' vectors are pooled as you say.".to_owned(),
                        None => "It has no modules.json: the mean of its tokens' vectors is taken, as sentence-transformers does. Where it was trained for another pooling, import it with that (--pooling).".to_owned(),
                    });
                    let pooling = modules::pooling(pooling.unwrap_or(PoolingMode::Mean), config.hidden_size);
                    write_json(&new_folder(draft, modules::POOLING)?.join(CONFIG), &pooling)?;
                }
            }
            Class::Pooling if is_plain => {}
            Class::Normalize if !folder.join(CONFIG).is_file() => {}
            _ => copy(folder, CONFIG, &new_folder(draft, path)?, CONFIG)?,
        }
    }
    write_json(&draft.join(MODULES), &modules::written(&modules))?;
    copy_some(source, ON_TOP, draft)?;
    notes.extend(similarity(draft)?);

    let description = Description::read(&ModelFiles::draft(draft))?;
    for Module { class, folder, path } in &modules {
        match class {
            Class::Transformer => {
                tensors::write_base(&Source::open(folder)?, &description, folder, &draft.join(WEIGHTS))?;
            }
            Class::Dense | Class::LayerNorm => {
                tensors::write_module(&Source::open(folder)?, &draft.join(path).join(WEIGHTS))?;
            }
            Class::Pooling | Class::Normalize => {}
        }
    }
    Ok(notes)
}

/// The small files of the transformer itself.
fn transformer(folder: &Path, draft: &Path) -> Result<TransformerConfig> {
    let file = folder.join(CONFIG);
    if !file.is_file() {
        return Err(Error::model(folder, "there is no config.json, so this is no transformer's folder"));
    }
    let keys: Value = read_json(&file)?;
    if !keys["auto_map"].is_null() {
        let reason = "auto_map: this model brings Python code of its own, which is never run, so it cannot be read";
        return Err(Error::model(&file, reason));
    }
    let config = TransformerConfig::parse(&read(&file)?).map_err(|reason| Error::model(&file, reason))?;
    if !folder.join(TRANSFORMER_TOKENIZER).is_file() {
        let reason = "there is no tokenizer.json. Make it in Python: AutoTokenizer.from_pretrained(FOLDER, use_fast=True).save_pretrained(FOLDER)";
        return Err(Error::model(folder, reason));
    }
    copy(folder, CONFIG, draft, CONFIG)?;
    copy(folder, TRANSFORMER_TOKENIZER, draft, TRANSFORMER_TOKENIZER)?;
    copy_some(folder, BESIDE, draft)?;
    if let Some(name) = SENTENCE_CONFIGS.iter().find(|name| folder.join(name).is_file()) {
        copy(folder, name, draft, SENTENCE_CONFIG)?;
    }
    Ok(config)
}

/// What `config_sentence_transformers.json` says of comparing vectors, where it is not what is done here.
fn similarity(draft: &Path) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct File {
        truncate_dim: Option<u64>,
        similarity_fn_name: Option<String>,
    }
    let path = draft.join("config_sentence_transformers.json");
    if !path.is_file() {
        return Ok(None);
    }
    let file: File = read_json(&path)?;
    if file.truncate_dim.is_some() {
        let reason =
            "truncate_dim is not supported; without it the vectors are whole, and `dimensions` of a request cuts them";
        return Err(Error::model(&path, reason));
    }
    let other = file.similarity_fn_name.filter(|name| name != "cosine");
    Ok(other.map(|name| format!("It was made for the similarity {name:?}; Shamisen compares by the cosine.")))
}
