//! A model in one file: zip, tar or tar.gz, unpacked where it can do no harm.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::EntryType;
use zip::ZipArchive;

use crate::ml::{Error, Result};

/// Files in an archive. A published model has a few dozen.
const MOST_FILES: u64 = 10_000;
/// An archive may unpack to this many times its size. Weights hardly shrink when they are packed; the
/// texts beside them shrink to a tenth.
const MOST_TIMES: u64 = 20;
/// What any archive may unpack to.
const ALWAYS_FINE: u64 = 64 << 20;
/// What a system leaves in archives beside the files that were meant.
const LITTER: &[&str] = &["__MACOSX", ".DS_Store"];

struct Budget {
    bytes: u64,
    files: u64,
}

/// Unpacks an archive into the new folder `target`; where the model is in it.
pub(super) fn unpack(archive: &Path, target: &Path) -> Result<PathBuf> {
    let wrong = |reason: String| Error::model(archive, reason);
    let io = |error| Error::file(archive, error);
    let mut file = File::open(archive).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    let mut budget = Budget { bytes: (size.saturating_mul(MOST_TIMES)).max(ALWAYS_FINE), files: MOST_FILES };
    let mut start = Vec::new();
    file.by_ref().take(512).read_to_end(&mut start).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    std::fs::create_dir(target).map_err(|error| Error::file(target, error))?;
    let unpacked = if start.starts_with(b"PK\x03\x04") {
        unpack_zip(file, target, &mut budget)
    } else if start.starts_with(&[0x1f, 0x8b]) {
        unpack_tar(MultiGzDecoder::new(file), target, &mut budget)
    } else if start.get(257..262) == Some(b"ustar") {
        unpack_tar(file, target, &mut budget)
    } else {
        Err("this is neither a folder nor a zip, tar or tar.gz archive of one".to_owned())
    };
    unpacked.map_err(wrong)?;
    top(target).map_err(wrong)
}

/// The folder that holds the model: the archive's root or its one folder.
fn top(unpacked: &Path) -> Result<PathBuf, String> {
    let is_model = |folder: &Path| ["modules.json", "config.json"].iter().any(|name| folder.join(name).is_file());
    let entries = std::fs::read_dir(unpacked).map_err(|error| error.to_string())?;
    let mut folders: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    match (is_model(unpacked), folders.pop()) {
        (true, _) => Ok(unpacked.to_owned()),
        (false, Some(folder)) if folders.is_empty() && is_model(&folder) => Ok(folder),
        _ => Err(
            "there is no model in it: neither modules.json nor config.json lies at the top or in the one folder there"
                .to_owned(),
        ),
    }
}

fn unpack_zip(file: File, target: &Path, budget: &mut Budget) -> Result<(), String> {
    let damaged = |error: zip::result::ZipError| format!("the zip archive cannot be read: {error}");
    let mut archive = ZipArchive::new(file).map_err(damaged)?;
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?.into_owned();
        let Some(place) = place_of(&name, target)? else { continue };
        if entry.is_dir() {
            std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
        } else if entry.is_file() {
            budget.write(&name, &mut entry, &place)?;
        } else {
            return Err(no_link(&name));
        }
    }
    Ok(())
}

fn unpack_tar(stream: impl Read, target: &Path, budget: &mut Budget) -> Result<(), String> {
    let damaged = |error: std::io::Error| format!("the tar archive cannot be read: {error}");
    let mut archive = tar::Archive::new(stream);
    for entry in archive.entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = String::from_utf8(entry.path_bytes().into_owned());
        let name = name.map_err(|_| "a file's name in it is not UTF-8".to_owned())?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let Some(place) = place_of(&name, target)? else { continue };
        match kind {
            EntryType::Directory => std::fs::create_dir_all(place).map_err(|error| error.to_string())?,
            EntryType::Regular | EntryType::Continuous => budget.write(&name, &mut entry, &place)?,
            _ => return Err(no_link(&name)),
        }
    }
    Ok(())
}

fn no_link(name: &str) -> String {
    format!("{name:?} in it is a link or a device; only files and folders are unpacked")
}

/// Where an entry goes below the target, or `None` for what nobody meant to pack.
fn place_of(name: &str, target: &Path) -> Result<Option<PathBuf>, String> {
    let mut place = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) if !name.contains(['\\', '\0']) => place.push(part),
            Component::CurDir => {}
            _ => return Err(format!("{name:?} in it leads out of the archive; nothing of it was unpacked there")),
        }
    }
    let litter = place.iter().any(|part| {
        let part = part.to_string_lossy();
        LITTER.contains(&part.as_ref()) || part.starts_with("._")
    });
    Ok((!litter && place.iter().next().is_some()).then(|| target.join(place)))
}

impl Budget {
    fn write(&mut self, name: &str, from: &mut impl Read, place: &Path) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{name:?} in it cannot be unpacked: {error}");
        self.files = self.files.checked_sub(1).ok_or(format!("it holds more than {MOST_FILES} files"))?;
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let mut out = File::create_new(place).map_err(failed)?;
        let written = std::io::copy(&mut from.take(self.bytes + 1), &mut out).map_err(failed)?;
        self.bytes = self.bytes.checked_sub(written).ok_or(format!(
            "it unpacks to more than {MOST_TIMES} times its size, which no model does; unpack it where you trust it and import the folder"
        ))?;
        Ok(())
    }
}
