//! A tuned model without its base: the base's files with the tuned numbers in their places.
//!
//! A tuned model has the same tensors as its base, so the base's file is copied and the numbers that
//! differ are written over it. Nothing of the table is held in memory.

use std::any::Any;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::folder::{CONFIG, Fingerprint, TOKENIZER, WEIGHTS, write_card};
use super::token_table::TokenTable;
use super::transformer::TransformerEncoder;
use super::use_multilingual::TABLE;
use super::weights::{Stored, WeightFile};
use super::{Encoder, Model, ModelCard};
use crate::ml::{Error, Result};

/// Rows that are in memory at once.
const ROWS_AT_ONCE: usize = 4096;

/// Writes `model` as a full model into an empty folder. `base` is the folder of the full model that it
/// is, or is a delta of; what is written needs it no more, gives the same vectors, and has a fingerprint
/// of its own.
///
/// # Errors
/// Where a file cannot be read or written.
pub(crate) fn write_standalone(folder: &Path, model: &Model, base: &Path) -> Result<ModelCard> {
    for name in [CONFIG, TOKENIZER, WEIGHTS] {
        copy(&base.join(name), &folder.join(name))?;
    }
    let path = folder.join(WEIGHTS);
    let written = |error| Error::file(&path, error);
    // Where what goes. The file is mapped to read that, and is not changed while it is mapped.
    let weights = WeightFile::open(&path)?;
    let table = weights.range(TABLE)?.start;
    let mut variables = Vec::new();
    for (name, tensor) in model.encoder.variables() {
        variables.push((weights.range(&name)?, Stored::tensor(&tensor)?));
    }
    drop(weights);

    let file = File::options().write(true).open(&path).map_err(written)?;
    for (range, tensor) in variables {
        if range.end - range.start != tensor.bytes().len() as u64 {
            return Err(Error::model(base, "this is not the base of the model: a tensor has another size"));
        }
        file.write_all_at(tensor.bytes(), range.start).map_err(written)?;
    }
    write_tuned_rows(model.encoder.table(), &file, table, &path)?;
    file.sync_all().map_err(written)?;
    let card = ModelCard { fingerprint: Fingerprint::full(folder)?, base_fingerprint: None, ..model.card.clone() };
    write_card(folder, &card)?;
    Ok(card)
}

/// Writes the table's rows `(V, E)`, tuned ones in their places, as bare float32 numbers to the new file
/// `path`.
///
/// # Errors
/// Where a file cannot be read or written.
pub(super) fn write_table(path: &Path, model: &Model, base: &Path) -> Result<()> {
    let mut file = File::create_new(path).map_err(|error| Error::file(path, error))?;
    append_table(&mut file, path, model, base)?;
    file.sync_all().map_err(|error| Error::file(path, error))
}

/// Writes the same behind what the file `path` holds.
///
/// # Errors
/// Where a file cannot be read or written.
pub(super) fn append_table(file: &mut File, path: &Path, model: &Model, base: &Path) -> Result<()> {
    let weights = base.join(WEIGHTS);
    let range = WeightFile::open(&weights)?.range(table_name(&*model.encoder))?;
    let mut rows = open(&weights)?;
    rows.seek(SeekFrom::Start(range.start)).map_err(|error| Error::file(&weights, error))?;
    let append = || {
        let start = file.stream_position()?;
        std::io::copy(&mut rows.take(range.end - range.start), file)?;
        Ok(start)
    };
    let start = append().map_err(|error| Error::file(path, error))?;
    write_tuned_rows(model.encoder.table(), file, start, path)
}

/// The table's tensor in a full model's file.
fn table_name(encoder: &dyn Encoder) -> &'static str {
    let transformer = (encoder as &dyn Any).downcast_ref::<TransformerEncoder>();
    transformer.map_or(TABLE, |transformer| transformer.description().words())
}

/// Writes the rows that training changed into a file whose rows begin at byte `start`.
fn write_tuned_rows(table: &TokenTable, file: &File, start: u64, path: &Path) -> Result<()> {
    for ids in table.tuned_ids().chunks(ROWS_AT_ONCE) {
        let rows = Stored::tensor(&table.lookup(ids))?;
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
