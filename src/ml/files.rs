//! Files of models and checkpoints: written once, complete or absent.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ml::{Error, Result, pulse};

/// A folder that goes when it is no longer needed.
pub(crate) struct PassingFolder(pub(crate) PathBuf);

impl Drop for PassingFolder {
    fn drop(&mut self) {
        // What stays costs only space, until a server starts.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether an error says that the disk, or what of it one may use, is full.
pub(crate) fn out_of_room(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// Makes the folder `target` with `fill` under another name and renames it into place.
pub(crate) fn complete_or_absent<T>(target: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let mut draft = target.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::file(&path, error)
    };
    if draft.exists() {
        std::fs::remove_dir_all(&draft).map_err(io(&draft))?;
    }
    std::fs::create_dir_all(&draft).map_err(io(&draft))?;
    let made = fill(&draft).and_then(|made| {
        put_in_place(&draft, target).map_err(io(target))?;
        Ok(made)
    });
    if made.is_err() {
        // The reason why it could not be made matters more than what is left of it.
        let _ = std::fs::remove_dir_all(&draft);
    }
    made
}

/// Gives a folder its name for good. All of it is on the disk before it has the name, and then the name is: what was
/// written into it by whomever, and whatever the power does.
pub(crate) fn put_in_place(draft: &Path, target: &Path) -> std::io::Result<()> {
    sync_all(draft)?;
    std::fs::rename(draft, target)?;
    target.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Sees a folder with all that is in it onto the disk: a file's bytes by the file, its name by the folder.
fn sync_all(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    pulse::beat();
    std::fs::read(path).map_err(|error| Error::file(path, error))
}

pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|error| Error::model(path, error.to_string()))
}

/// Writes a new file and sees it onto the disk.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        pulse::beat();
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        pulse::beat();
        file.sync_all()
    };
    write().map_err(|error| Error::file(path, error))
}

/// A value as a file holds it.
pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("plain structs become JSON")
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_new(path, &json(value))
}
