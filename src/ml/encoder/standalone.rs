//! A tuned model without its base: the base's files with the tuned numbers in their places.
//!
//! A tuned model has the same tensors as its base, so the base's file is copied and the numbers that
//! differ are written over it. Nothing of the table is held in memory.

use std::any::Any;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::card::{CONFIG, MODULES, ModelCard, TOKENIZER, WEIGHTS};
use super::embedding_table::EmbeddingTable;
use super::fingerprint;
use super::model_files::{ModelFiles, Place, write_card};
use super::transformer::{Description, ModuleConfig, TransformerEncoder};
use super::use_multilingual::EMBEDDINGS;
use super::weights::{Stored, WeightFile, write_tensors};
use super::{Encoder, Model};
use crate::ml::files::write_new;
use crate::ml::{Error, Result};

const ROWS_AT_ONCE: usize = 4096;

/// Writes `model` as a full model into an empty folder. `base` is the folder of the full model that it
/// is, or is a delta of; what is written needs it no more, gives the same vectors, and has a fingerprint
/// of its own. A transformer's folder is one of sentence-transformers.
pub(crate) fn write_standalone(folder: &Path, model: &Model, base: &Path) -> Result<ModelCard> {
    let description = description(&*model.encoder);
    let files = match description {
        Some(description) => description.files(&ModelFiles::open(base, Place::File)?),
        None => [CONFIG, TOKENIZER, WEIGHTS].map(str::to_owned).into(),
    };
    for name in &files {
        new_folder_of(&folder.join(name))?;
        copy(&base.join(name), &folder.join(name))?;
    }
    // The variables of each file: a module's stand in its own.
    let mut by_file: BTreeMap<PathBuf, Vec<(String, Tensor)>> = BTreeMap::new();
    for (name, tensor) in model.encoder.variables() {
        let (module, name) = name.rsplit_once('/').filter(|_| description.is_some()).unwrap_or(("", &name));
        by_file.entry(folder.join(module).join(WEIGHTS)).or_default().push((name.to_owned(), tensor));
    }
    for (path, variables) in by_file {
        if path.is_file() {
            write_over(&path, &variables)?;
        } else {
            // A module that the base has not.
            new_folder_of(&path)?;
            write_tensors(&path, &variables.into_iter().collect())?;
        }
    }
    if let Some(description) = description {
        write_head(folder, description)?;
    }
    let path = folder.join(WEIGHTS);
    let start = WeightFile::open(&path)?.range(embeddings_name(&*model.encoder))?.start;
    let file = File::options().write(true).open(&path).map_err(|error| Error::file(&path, error))?;
    write_tuned_rows(model.encoder.word_embeddings(), &file, start, &path)?;
    file.sync_all().map_err(|error| Error::file(&path, error))?;
    let fingerprint = match description {
        Some(_) => fingerprint::transformer(&ModelFiles::draft(folder))?,
        None => fingerprint::full(folder)?,
    };
    let card = ModelCard { fingerprint, base_fingerprint: None, ..model.card.clone() };
    write_card(folder, &card)?;
    Ok(card)
}

/// What a transformer is made of; `None` for another encoder.
fn description(encoder: &dyn Encoder) -> Option<&Description> {
    (encoder as &dyn Any).downcast_ref().map(TransformerEncoder::description)
}

/// Writes tensors over those of the same names in a file.
fn write_over(path: &Path, variables: &[(String, Tensor)]) -> Result<()> {
    let written = |error| Error::file(path, error);
    // Where what goes. The file is mapped to read that, and is not changed while it is mapped.
    let weights = WeightFile::open(path)?;
    let ranges: Result<Vec<_>> = variables.iter().map(|(name, _)| weights.range(name)).collect();
    let ranges = ranges?;
    drop(weights);
    let file = File::options().write(true).open(path).map_err(written)?;
    for (range, (_, tensor)) in ranges.into_iter().zip(variables) {
        let tensor = Stored::tensor(tensor)?;
        if range.end - range.start != tensor.bytes().len() as u64 {
            return Err(Error::model(path, "this is not the base of the model: a tensor has another size"));
        }
        file.write_all_at(tensor.bytes(), range.start).map_err(written)?;
    }
    file.sync_all().map_err(written)
}

/// Tells of a head that the base has not.
fn write_head(folder: &Path, description: &Description) -> Result<()> {
    let head = description.modules.iter().find_map(|module| match module {
        ModuleConfig::Dense { path, .. } if !folder.join(path).join(CONFIG).exists() => Some((path, module.json())),
        _ => None,
    });
    let Some((path, config)) = head else { return Ok(()) };
    write_new(&folder.join(path).join(CONFIG), format!("{config:#}\n").as_bytes())?;
    let list = folder.join(MODULES);
    std::fs::remove_file(&list).map_err(|error| Error::file(&list, error))?;
    write_new(&list, format!("{:#}\n", description.module_list()).as_bytes())
}

fn new_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))
}

/// Writes the table's rows `(V, E)`, tuned ones in their places, as bare float32 numbers to the new file
/// `path`.
pub(super) fn write_embeddings(path: &Path, model: &Model, base: &Path) -> Result<()> {
    let mut file = File::create_new(path).map_err(|error| Error::file(path, error))?;
    append_embeddings(&mut file, path, model, base)?;
    file.sync_all().map_err(|error| Error::file(path, error))
}

/// Writes the same behind what the file `path` holds.
pub(super) fn append_embeddings(file: &mut File, path: &Path, model: &Model, base: &Path) -> Result<()> {
    let weights = base.join(WEIGHTS);
    let range = WeightFile::open(&weights)?.range(embeddings_name(&*model.encoder))?;
    let mut rows = open(&weights)?;
    rows.seek(SeekFrom::Start(range.start)).map_err(|error| Error::file(&weights, error))?;
    let append = || {
        let start = file.stream_position()?;
        std::io::copy(&mut rows.take(range.end - range.start), file)?;
        Ok(start)
    };
    let start = append().map_err(|error| Error::file(path, error))?;
    write_tuned_rows(model.encoder.word_embeddings(), file, start, path)
}

/// The table's tensor in a full model's file.
fn embeddings_name(encoder: &dyn Encoder) -> &'static str {
    description(encoder).map_or(EMBEDDINGS, Description::words)
}

/// Writes the rows that training changed into a file whose rows begin at byte `start`.
fn write_tuned_rows(embeddings: &EmbeddingTable, file: &File, start: u64, path: &Path) -> Result<()> {
    for ids in embeddings.tuned_ids().chunks(ROWS_AT_ONCE) {
        let rows = Stored::tensor(&embeddings.lookup(ids))?;
        let length = rows.bytes().len() / ids.len();
        for (id, row) in ids.iter().zip(rows.bytes().chunks(length)) {
            file.write_all_at(row, start + *id as u64 * length as u64).map_err(|error| Error::file(path, error))?;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|error| Error::file(path, error))
}

/// Copies to a new file, whose permissions are a new file's.
fn copy(source: &Path, path: &Path) -> Result<()> {
    let mut source = open(source)?;
    let mut copy = || {
        let mut file = File::create_new(path)?;
        std::io::copy(&mut source, &mut file)?;
        file.sync_all()
    };
    copy().map_err(|error| Error::file(path, error))
}
