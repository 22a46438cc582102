//! A model on its way out: a folder that needs nothing of the data folder.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::card::card;
use super::load_from;
use super::usage::{onnx, sentence_transformers, torchscript};
use crate::ml::encoder::{self, GOLDEN, ModelFiles, Place, TOKENIZER, write_onnx, write_standalone, write_torchscript};
use crate::ml::files::complete_or_absent;
use crate::ml::{Error, Result};

/// What a model is exported as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// A full model that is a base model where it is put into `models/`; a transformer's is a folder of
    /// sentence-transformers too.
    #[default]
    Folder,
    /// `model.pt`, which PyTorch runs, and its tokenizer.
    Torchscript,
    /// `model.onnx`, which onnxruntime runs, and its tokenizer.
    Onnx,
}

/// What a tokenizer is read from, here and in Python; a model has some of them.
const TOKENIZER_FILES: [&str; 4] = [TOKENIZER, "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
/// What the card is called in an export.
const README: &str = "README.md";

/// Writes the model of a folder to the new folder `target`, complete or not at all. `root` is the folder
/// of the full model that it is, or is a delta of. Memory stays small: the table goes from file to file.
///
/// # Errors
/// Where something is at `target` already, a file cannot be read or written, or libtorch refuses.
pub fn export(folder: &Path, root: &Path, format: ExportFormat, target: &Path) -> Result<()> {
    vacant(target)?;
    let model = load_from(folder, root)?;
    complete_or_absent(target, |draft| {
        let copy = |from: &Path, name: &str| {
            std::fs::copy(from.join(name), draft.join(name)).map_err(|error| Error::file(&from.join(name), error))
        };
        let copy_tokenizer = || {
            let mut there = TOKENIZER_FILES.into_iter().filter(|name| root.join(name).is_file());
            there.try_for_each(|name| copy(root, name).map(|_| ()))
        };
        let readme = match format {
            ExportFormat::Folder => {
                write_standalone(draft, &model, root)?;
                // What else the folder tells of the model goes with it.
                let whole = ModelFiles::open(folder, Place::File)?;
                for name in files(folder)? {
                    if name == GOLDEN || draft.join(&name).exists() {
                        continue;
                    }
                    copy(folder, &name)?;
                    if whole.has(&name) {
                        // What the new card will vouch for is what the old one does.
                        whole.compare_on_disk(&name)?;
                    }
                }
                if let Some(golden) = whole.golden()? {
                    // No row of the user's table goes along.
                    golden.without_table().write(draft)?;
                }
                encoder::seal(draft)?;
                sentence_transformers(&model) + &card(draft)?
            }
            ExportFormat::Torchscript => {
                write_torchscript(&draft.join("model.pt"), &model, root)?;
                copy_tokenizer()?;
                torchscript(&model) + &card(folder)?
            }
            ExportFormat::Onnx => {
                write_onnx(&draft.join("model.onnx"), &model, root)?;
                copy_tokenizer()?;
                onnx(&model) + &card(folder)?
            }
        };
        std::fs::write(draft.join(README), readme).map_err(|error| Error::file(&draft.join(README), error))
    })
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>);
    let entries = entries.map_err(|error| Error::file(folder, error))?.into_iter();
    Ok(entries
        .filter(|entry| entry.path().is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect())
}

/// Refuses a place where something is, or where the export would be drafted.
fn vacant(target: &Path) -> Result<()> {
    let mut draft = target.as_os_str().to_owned();
    draft.push(".draft");
    for path in [target, Path::new(&draft)] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::model(path, "something is there already; remove it, or choose another place"));
        }
    }
    Ok(())
}

/// The folder of a model by its id or name, from a folder of models. A name that several have is an error.
pub fn find_folder(models: &Path, wanted: &str) -> Result<PathBuf> {
    let mut known = Vec::new();
    let entries = match std::fs::read_dir(models) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        entries => Some(entries.map_err(|error| Error::file(models, error))?),
    };
    for entry in entries.into_iter().flatten() {
        let entry = entry.map_err(|error| Error::file(models, error))?;
        if let Ok(card) = encoder::read_card(&entry.path()) {
            known.push((entry.file_name().to_string_lossy().into_owned(), card.name, entry.path()));
        }
    }
    known.sort();
    if let Some((.., folder)) = known.iter().find(|(id, ..)| id == wanted) {
        return Ok(folder.clone());
    }
    let named: Vec<_> = known.iter().filter(|(_, name, _)| name == wanted).collect();
    match named.as_slice() {
        [(.., folder)] => Ok(folder.clone()),
        [] if known.is_empty() => Err(Error::model(
            models,
            "there is no model here yet. `shamisen model import SOURCE` puts one here (`make deps` fetches the first); --data names another data folder",
        )),
        [] => {
            let known: Vec<&str> = known.iter().map(|(_, name, _)| name.as_str()).collect();
            Err(Error::model(models, format!("there is no model {wanted:?}, but {}", known.join(", "))))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|(id, ..)| id.as_str()).collect();
            Err(Error::model(
                models,
                format!("several models have the name {wanted:?}; take an id: {}", ids.join(", ")),
            ))
        }
    }
}

/// The folder of the full model that a model is, or is a delta of, among its neighbours.
pub fn root_folder(folder: &Path) -> Result<PathBuf> {
    let Some(base) = encoder::read_card(folder)?.base_fingerprint else { return Ok(folder.to_owned()) };
    let models = folder.parent().unwrap_or(Path::new("."));
    let entries = std::fs::read_dir(models).map_err(|error| Error::file(models, error))?;
    let is_base = |folder: &PathBuf| encoder::read_card(folder).is_ok_and(|card| card.fingerprint == base);
    let root = entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_base);
    root.ok_or_else(|| Error::model(folder, "the base that it was tuned from is not there"))
}
