//! A hash over what a model's vectors depend on. Equal fingerprints give equal vectors.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::card::{CONFIG, MODULES, ModelCard, TOKENIZER, WEIGHTS};
use super::model_files::ModelFiles;
use super::transformer::Description;
use crate::ml::sha256::Sha256Hex;
use crate::ml::{Error, Result};

/// A hash over a model's parts, each with its name and length.
#[derive(Default)]
struct Parts(Sha256Hex);

impl Parts {
    fn part(mut self, name: &str, length: u64, bytes: impl Read) -> std::io::Result<Self> {
        self.0.update(name.as_bytes());
        self.0.update(&length.to_le_bytes());
        self.0.update_from(bytes)?;
        Ok(self)
    }

    fn file(self, folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let hash = || {
            let file = File::open(&path)?;
            self.part(name, file.metadata()?.len(), file)
        };
        hash().map_err(|error| Error::file(&path, error))
    }
}

/// Of a full Universal Sentence Encoder.
pub(super) fn full(folder: &Path) -> Result<String> {
    Ok(Parts::default().file(folder, CONFIG)?.file(folder, WEIGHTS)?.file(folder, TOKENIZER)?.0.finish())
}

/// Of a full transformer: of each of its files, but for what is there for people.
pub(super) fn transformer(files: &ModelFiles) -> Result<String> {
    let names = Description::read(files)?.files(files);
    Ok(names.iter().try_fold(Parts::default(), |hash, name| hash.file(files.folder(), name))?.0.finish())
}

/// Of a delta.
pub(super) fn delta(folder: &Path, base: &str) -> Result<String> {
    let of_base = Parts::default().part("base", base.len() as u64, base.as_bytes());
    Ok(of_base.map_err(|error| Error::file(folder, error))?.file(folder, WEIGHTS)?.0.finish())
}

/// Holds the files of a folder to the fingerprint in its card.
pub(super) fn check(files: &ModelFiles, card: &ModelCard) -> Result<()> {
    let found = match &card.base_fingerprint {
        Some(base) => delta(files.folder(), base),
        None if files.has(MODULES) => transformer(files),
        None => full(files.folder()),
    };
    if found? == card.fingerprint {
        return Ok(());
    }
    Err(Error::damaged(&files.path(WEIGHTS), "the model's files are not those that its fingerprint was made of"))
}
