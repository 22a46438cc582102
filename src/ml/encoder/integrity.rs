//! Whether a model's folder is what was written: looked at as a whole.

use std::path::Path;

use super::card::{CARD, WEIGHTS};
use super::fingerprint;
use super::model_files::{ModelFiles, Place, seal};
use crate::ml::{Error, Result};

/// A file of a model that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Its path in the model's folder.
    pub file: String,
    /// What is wrong with it, in words that follow the file's name.
    pub reason: String,
}

/// Compares every file of a model's folder with the card: what is wrong, nothing where all is well. A tuned model's
/// base is a folder of its own.
///
/// # Errors
/// Where the folder has no card, or the system cannot read a file that is there.
pub fn check(folder: &Path) -> Result<Vec<Damage>> {
    let files = match ModelFiles::open(folder, Place::File) {
        Err(Error::Damaged { reason, .. }) => return Ok(vec![Damage { file: CARD.to_owned(), reason }]),
        opened => opened?,
    };
    if !files.sealed() {
        // Written before cards vouched for files: the fingerprint does for those that vectors depend on.
        let compared = fingerprint::check(&files, &files.card()?);
        return Ok(damage(WEIGHTS, compared)?.into_iter().collect());
    }
    let names: Vec<&str> = files.names().collect();
    let damages: Result<Vec<_>> = names.into_iter().map(|name| damage(name, files.compare_on_disk(name))).collect();
    Ok(damages?.into_iter().flatten().collect())
}

fn damage(file: &str, compared: Result<()>) -> Result<Option<Damage>> {
    let reason = match compared {
        Ok(()) => return Ok(None),
        Err(Error::Damaged { reason, .. } | Error::Model { reason, .. }) => reason,
        Err(Error::File { cause, .. }) if cause.kind() == std::io::ErrorKind::NotFound => "it is missing".to_owned(),
        Err(other) => return Err(other),
    };
    Ok(Some(Damage { file: file.to_owned(), reason }))
}

/// What became of a folder whose card may be older than its sums.
#[derive(Debug)]
pub enum Adoption {
    /// The card vouches for the files already.
    Known,
    /// The files are those of the fingerprint, and the card vouches for them from now on.
    Sealed,
    /// They are those of the fingerprint, and the card cannot be written: they are held to the fingerprint at each load.
    Unsealed(Error),
}

/// Has the card of a folder vouch for its files, where it was written before cards did so.
///
/// # Errors
/// Where the files are not those that the fingerprint was made of.
pub fn adopt(folder: &Path) -> Result<Adoption> {
    let files = ModelFiles::open(folder, Place::File)?;
    if files.sealed() {
        return Ok(Adoption::Known);
    }
    fingerprint::check(&files, &files.card()?)?;
    Ok(seal(folder).map_or_else(Adoption::Unsealed, |()| Adoption::Sealed))
}
