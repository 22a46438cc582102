//! The small files of a published folder: of bounded size, copied as they are.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ml::files::write_new;
use crate::ml::{Error, Result};

/// What a published folder's files may weigh, weights apart. The largest vocabularies take 40 MB.
const MOST_BYTES: u64 = 128 << 20;

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |error| Error::file(path, error);
    let file = File::open(path).map_err(io)?;
    if !file.metadata().map_err(io)?.is_file() {
        return Err(Error::model(path, "this is no file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::model(path, format!("the file is larger than {} MiB", MOST_BYTES >> 20)));
    }
    Ok(bytes)
}

pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).map_err(|error| Error::model(path, error.to_string()))
}

pub(super) fn write_json(path: &Path, value: &Value) -> Result<()> {
    write_new(path, format!("{value:#}\n").as_bytes())
}

pub(super) fn new_folder(draft: &Path, name: &str) -> Result<PathBuf> {
    let folder = draft.join(name);
    std::fs::create_dir(&folder).map_err(|error| Error::file(&folder, error))?;
    Ok(folder)
}

pub(super) fn copy(folder: &Path, name: &str, target: &Path, new_name: &str) -> Result<()> {
    write_new(&target.join(new_name), &read(&folder.join(name))?)
}

pub(super) fn copy_some(folder: &Path, names: &[&str], target: &Path) -> Result<()> {
    let mut present = names.iter().filter(|name| folder.join(name).is_file());
    present.try_for_each(|name| copy(folder, name, target, name))
}
