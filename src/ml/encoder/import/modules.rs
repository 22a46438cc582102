//! What a sentence-transformers model is made of: `modules.json`.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use super::files::read_json;
use super::tensors::is_plain;
use crate::ml::encoder::card::MODULES;
use crate::ml::encoder::transformer::{PoolingMode, module_list};
use crate::ml::{Error, Result};

/// The pooling's folder where the model that is made gets one.
pub(super) const POOLING: &str = "1_Pooling";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Transformer,
    Pooling,
    Dense,
    LayerNorm,
    Normalize,
}

const CLASSES: &[(&str, Class)] = &[
    ("Transformer", Class::Transformer),
    ("Pooling", Class::Pooling),
    ("Dense", Class::Dense),
    ("LayerNorm", Class::LayerNorm),
    ("Normalize", Class::Normalize),
];

impl Class {
    fn name(self) -> &'static str {
        CLASSES.iter().find(|(_, class)| *class == self).map_or("", |(name, _)| name)
    }

    /// Of a type's path. Versions of sentence-transformers put the classes at different places in the
    /// package; the class' own name has stayed.
    fn of(path: &str) -> Option<Self> {
        let mut parts = path.split('.');
        if parts.next() != Some("sentence_transformers") || path.contains("sparse") || path.contains("cross_encoder") {
            return None;
        }
        let name = parts.next_back()?;
        CLASSES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class)
    }
}

pub(super) struct Module {
    pub(super) class: Class,
    pub(super) folder: PathBuf,
    /// The name of its folder in the model that is made; empty for the transformer.
    pub(super) path: String,
}

#[derive(Deserialize)]
struct Entry {
    path: String,
    #[serde(rename = "type")]
    class: String,
    /// Arguments that custom modules want with each text.
    #[serde(default)]
    kwargs: Vec<String>,
}

/// The modules of a published folder, the transformer first; `None` where it is a plain transformer.
pub(super) fn published(folder: &Path) -> Result<Option<Vec<Module>>> {
    let file = folder.join(MODULES);
    if !file.is_file() {
        return Ok(None);
    }
    let entries: Vec<Entry> = read_json(&file)?;
    let wrong = |reason: String| Error::model(&file, reason);
    let mut modules = Vec::new();
    for (place, Entry { path, class: name, kwargs }) in entries.into_iter().enumerate() {
        let class = Class::of(&name).ok_or_else(|| {
            let known: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
            wrong(format!(
                "the module {name:?} is not supported; {} of sentence_transformers are. A class of another package is code that comes with the model, which is never run",
                known.join(", ")
            ))
        })?;
        if !path.is_empty() && !is_plain(&path) {
            return Err(wrong(format!("the module's path {path:?} is not the name of a folder beside this file")));
        }
        if !kwargs.is_empty() {
            return Err(wrong(format!("the module {name:?} wants arguments with each text, which is not supported")));
        }
        let folder = if path.is_empty() { folder.to_owned() } else { folder.join(&path) };
        let path = if class == Class::Transformer { String::new() } else { format!("{place}_{}", class.name()) };
        modules.push(Module { class, folder, path });
    }
    let transformers = modules.iter().filter(|module| module.class == Class::Transformer).count();
    if transformers != 1 || modules.first().is_none_or(|module| module.class != Class::Transformer) {
        return Err(wrong("the first module, and no other, must be a Transformer".to_owned()));
    }
    Ok(Some(modules))
}

/// What sentence-transformers makes of a plain transformer: the transformer and a pooling.
pub(super) fn plain(folder: &Path) -> Vec<Module> {
    let module = |class: Class, path: &str| Module { class, folder: folder.to_owned(), path: path.to_owned() };
    vec![module(Class::Transformer, ""), module(Class::Pooling, POOLING)]
}

/// `modules.json` of the model that is made.
pub(super) fn written(modules: &[Module]) -> Value {
    module_list(modules.iter().map(|module| (module.class.name(), module.path.as_str())))
}

/// The configuration of a pooling over vectors of `dimensions`.
pub(super) fn pooling(mode: PoolingMode, dimensions: i64) -> Value {
    let on = |one: PoolingMode| mode == one;
    json!({
        "word_embedding_dimension": dimensions,
        "pooling_mode_cls_token": on(PoolingMode::Cls),
        "pooling_mode_mean_tokens": on(PoolingMode::Mean),
        "pooling_mode_max_tokens": on(PoolingMode::Max),
        "pooling_mode_mean_sqrt_len_tokens": on(PoolingMode::MeanSqrtLenTokens),
        "pooling_mode_weightedmean_tokens": on(PoolingMode::Weightedmean),
        "pooling_mode_lasttoken": on(PoolingMode::Lasttoken),
        "include_prompt": true,
    })
}
