//! The files of a model's folder, as its card vouches for them.
//!
//! The card has the SHA-256 of each file that the model is made of, and one of itself. What a model is loaded from is
//! read here, and only bytes that were compared are handed out: a bit that a disk, a copy or a person changed makes
//! the model be refused, and never other answers under the old fingerprint.

use std::collections::btree_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::card::{CARD, FileSum, ModelCard, Sums, WEIGHTS, read_sealed, write_sealed};
use super::weights::WeightFile;
use crate::ml::files::read;
use crate::ml::memory;
use crate::ml::sha256::{Sha256Hex, sha256};
use crate::ml::{Error, Result};

/// What stands in a model's folder for people, and changes no answer.
const FOR_PEOPLE: &[&str] = &["README.md", "LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "tensorboard"];

/// Where a model's table is while it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In its file, which is mapped and shared with other processes. Whoever truncates the file ends this process.
    File,
    /// In memory of this process, which nobody else can change.
    Memory,
}

/// A model's folder, opened.
#[derive(Debug)]
pub struct ModelFiles {
    folder: PathBuf,
    card: Option<ModelCard>,
    /// `None` of a folder that is being made, and of one that was made before cards had sums.
    sums: Option<Sums>,
    place: Place,
    compared: Compared,
}

/// Where files are compared with the card. Their lengths always are where they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// Each where it is read.
    Here,
    /// The weights by a thread beside; the others where they are read.
    Beside,
    /// This process has compared them before, and still maps them: of the same bytes, one hash is enough.
    Before,
}

impl ModelFiles {
    /// Reads the folder's card, and holds the card to what it says of itself.
    pub fn open(folder: &Path, place: Place) -> Result<Self> {
        let (card, sums) = read_sealed(folder)?;
        Ok(Self { folder: folder.to_owned(), card: Some(card), sums, place, compared: Compared::Here })
    }

    /// Opens a folder once more whose model this process has loaded and maps. Lengths are compared, hashes no second time.
    pub(super) fn again(folder: &Path) -> Result<Self> {
        Ok(Self { compared: Compared::Before, ..Self::open(folder, Place::File)? })
    }

    /// Reads a folder's files while a thread beside compares its weights, which are most of it: what was read is handed
    /// out when both are done.
    pub(super) fn read_beside<T>(folder: &Path, read: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        let files = Self { compared: Compared::Beside, ..Self::open(folder, Place::File)? };
        std::thread::scope(|scope| {
            let compared = scope.spawn(|| if files.has(WEIGHTS) { files.compare_on_disk(WEIGHTS) } else { Ok(()) });
            let read = read(&files);
            // First: what was made of damaged weights is no answer, and no reason.
            compared.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            read
        })
    }

    /// A folder that has no card yet.
    pub(super) fn draft(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), card: None, sums: None, place: Place::File, compared: Compared::Here }
    }

    /// What the folder says of itself.
    pub(super) fn card(&self) -> Result<ModelCard> {
        self.card.clone().ok_or_else(|| Error::model(&self.folder, "there is no card yet"))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether the card vouches for the files.
    pub(super) fn sealed(&self) -> bool {
        self.sums.is_some()
    }

    /// Whether the model has a file of this name. One that somebody put beside them since is none of its own.
    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.sums {
            Some(sums) => sums.contains_key(name),
            None => self.path(name).is_file(),
        }
    }

    /// The files that the card vouches for.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.sums.iter().flat_map(|sums| sums.keys().map(String::as_str))
    }

    /// A file's bytes.
    pub(crate) fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        let bytes = read(&path)?;
        self.compare(name, bytes.len() as u64, || Ok(sha256(&bytes)))?;
        Ok(bytes)
    }

    pub(super) fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        serde_json::from_slice(&self.read(name)?).map_err(|error| Error::model(&self.path(name), error.to_string()))
    }

    /// `None` where the model has no such file.
    pub fn json_if_there<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        if self.has(name) { self.json(name).map(Some) } else { Ok(None) }
    }

    /// A file of tensors.
    pub(super) fn weights(&self, name: &str) -> Result<WeightFile> {
        let path = self.path(name);
        let io = |error| Error::file(&path, error);
        let mut file = File::open(&path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        self.compare_length(name, length)?;
        let bytes = match self.place {
            Place::File => memory::map(&file),
            Place::Memory => memory::copy(&mut file, length),
        };
        let bytes = bytes.map_err(io)?;
        if !(self.compared == Compared::Beside && name == WEIGHTS) {
            // Of the very bytes that are used from here on.
            self.compare(name, bytes.len() as u64, || Ok(sha256(&bytes)))?;
        }
        WeightFile::of(&path, bytes, self.place == Place::Memory)
    }

    /// Compares a file on the disk with the card.
    pub(crate) fn compare_on_disk(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        let io = |error| Error::file(&path, error);
        let file = File::open(&path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        self.compare(name, length, || {
            let mut hash = Sha256Hex::default();
            hash.update_from(file).map_err(io)?;
            Ok(hash.finish())
        })
    }

    fn compare(&self, name: &str, length: u64, hash: impl FnOnce() -> Result<String>) -> Result<()> {
        let Some(sum) = self.compare_length(name, length)?.filter(|_| self.compared != Compared::Before) else {
            return Ok(());
        };
        let found = hash()?;
        if found == sum.sha256 {
            return Ok(());
        }
        let (then, now) = (&sum.sha256[..sum.sha256.len().min(12)], &found[..12]);
        Err(Error::damaged(&self.path(name), format!("its SHA-256 is {now}.. and was {then}.. when it was written")))
    }

    /// What the card says of a file whose length is right.
    fn compare_length(&self, name: &str, length: u64) -> Result<Option<&FileSum>> {
        let Some(sums) = &self.sums else { return Ok(None) };
        match sums.get(name) {
            Some(sum) if sum.bytes == length => Ok(Some(sum)),
            Some(sum) => {
                let reason = format!("it has {length} bytes and had {} when it was written", sum.bytes);
                Err(Error::damaged(&self.path(name), reason))
            }
            None => Err(Error::damaged(&self.path(name), format!("{CARD} does not know it"))),
        }
    }
}

/// Writes the card of a folder that has all its files: a new one, or the one that is there with other words.
pub(super) fn write_card(folder: &Path, card: &ModelCard) -> Result<()> {
    write_sealed(folder, card, added(folder, Sums::new())?)
}

/// Has the card vouch for the files that were put into its folder since it was written. Those that it vouches for
/// already are not read again.
pub fn seal(folder: &Path) -> Result<()> {
    let (card, sums) = read_sealed(folder)?;
    write_sealed(folder, &card, added(folder, sums.unwrap_or_default())?)
}

fn added(folder: &Path, mut sums: Sums) -> Result<Sums> {
    for name in names(folder, "")? {
        if let Entry::Vacant(missing) = sums.entry(name) {
            let path = folder.join(missing.key());
            let sum = || {
                let file = File::open(&path)?;
                let (bytes, mut hash) = (file.metadata()?.len(), Sha256Hex::default());
                hash.update_from(file)?;
                Ok(FileSum { bytes, sha256: hash.finish() })
            };
            missing.insert(sum().map_err(|error| Error::file(&path, error))?);
        }
    }
    Ok(sums)
}

/// The files that a card vouches for, those in folders below with their paths.
fn names(folder: &Path, below: &str) -> Result<Vec<String>> {
    let io = |error| Error::file(folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let counts = !name.starts_with('.') && !name.ends_with(".draft") && name != CARD;
        if !counts || (below.is_empty() && FOR_PEOPLE.contains(&name.as_str())) {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            found.extend(names(&path, &format!("{below}{name}/"))?);
        } else {
            found.push(format!("{below}{name}"));
        }
    }
    Ok(found)
}
