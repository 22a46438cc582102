//! `shamisen restore`: a backup becomes a data folder, whole or not at all.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use super::draft::{self, Draft, sync_parent};
use super::manifest::{MANIFEST, Manifest};
use super::{DATABASE, Progress, room_for};
use crate::store::{self, Contents, Examination};

/// What became of a backup.
pub(crate) struct Restored {
    pub(crate) contents: Contents,
    /// Milliseconds, of the backup.
    pub(crate) made_at: i64,
    /// Where the data folder is that was there before.
    pub(crate) replaced: Option<PathBuf>,
}

/// Makes the data folder `data` of a backup. What is there already is refused, or with `replace` moved aside.
pub(crate) async fn restore(from: &Path, data: &Path, replace: bool, tell: Progress<'_>) -> anyhow::Result<Restored> {
    let manifest = Manifest::read(&manifest_of(from)?)?;
    let taken = std::fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) || data.is_file();
    if taken && !replace {
        bail!("{} is not empty. Name a new folder, or move what is there aside with --replace", data.display());
    }
    let _unused = if taken { Some(unused(data)?) } else { None };
    let draft = Draft::begin(data)?;
    room_for(&draft.folder, manifest.bytes())?;
    unpack(from, &manifest, &draft.folder, tell)?;
    for folder in ["datasets", "models", "runs"] {
        std::fs::create_dir_all(draft.folder.join(folder))?;
    }
    let Examination { damage, contents, .. } = store::examine(&draft.folder.join(DATABASE)).await?;
    let Some(contents) = contents.filter(|_| damage.is_empty()) else {
        bail!("the backup's database is damaged ({}); take another backup", damage.join("; "));
    };
    let replaced = if taken { Some(move_aside(data)?) } else { None };
    if let Err(error) = draft.finish(data) {
        if let Some(before) = &replaced {
            std::fs::rename(before, data)?;
        }
        return Err(error);
    }
    Ok(Restored { contents, made_at: manifest.created_at, replaced })
}

/// Keeps servers out of a folder that is about to be moved.
fn unused(data: &Path) -> anyhow::Result<File> {
    let lock = File::create(data.join("LOCK"))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("a server works in {}; stop it first", data.display());
    }
    Ok(lock)
}

fn move_aside(data: &Path) -> anyhow::Result<PathBuf> {
    let mut name = data.as_os_str().to_owned();
    name.push(format!(".replaced-{}", store::now()));
    let aside = PathBuf::from(name);
    std::fs::rename(data, &aside).with_context(|| format!("{} cannot be moved aside", data.display()))?;
    sync_parent(data)?;
    Ok(aside)
}

fn not_whole(from: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} is no backup, or not a whole one: it has no {MANIFEST}", from.display())
}

fn manifest_of(from: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("{} cannot be read", from.display());
    if from.is_dir() {
        return std::fs::read(from.join(MANIFEST)).map_err(|_| not_whole(from));
    }
    let mut archive = tar::Archive::new(File::open(from).with_context(unreadable)?);
    for entry in archive.entries_with_seek().with_context(unreadable)? {
        let mut entry = entry.map_err(|_| not_whole(from))?;
        if entry.path_bytes() == MANIFEST.as_bytes() {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).with_context(unreadable)?;
            return Ok(bytes);
        }
    }
    Err(not_whole(from))
}

/// Copies all files of a backup into a folder. Each must be what the manifest says.
fn unpack(from: &Path, manifest: &Manifest, folder: &Path, tell: Progress<'_>) -> anyhow::Result<()> {
    let all = manifest.bytes();
    let mut done = 0;
    let mut missing: BTreeSet<&String> = manifest.files.keys().collect();
    let mut take = |path: &str, source: &mut dyn Read| -> anyhow::Result<()> {
        // An archive may hold what was deleted while it was made.
        let Some((path, expected)) = manifest.files.get_key_value(path) else { return Ok(()) };
        let seen = |bytes| {
            done += bytes;
            tell(done, all);
        };
        let stored = draft::write(&folder.join(path), source, seen);
        let stored = stored.with_context(|| format!("{path} cannot be restored"))?;
        if stored != *expected {
            bail!("the backup is damaged: {path} is not what was put into it; take another backup");
        }
        missing.remove(path);
        Ok(())
    };
    if from.is_dir() {
        for path in manifest.files.keys() {
            let file = File::open(from.join(path));
            take(path, &mut file.with_context(|| format!("the backup's {path} cannot be read"))?)?;
        }
    } else {
        let mut archive = tar::Archive::new(File::open(from)?);
        let damaged = || format!("{} is damaged; take another backup", from.display());
        for entry in archive.entries().with_context(damaged)? {
            let mut entry = entry.with_context(damaged)?;
            let path = String::from_utf8(entry.path_bytes().into_owned()).with_context(damaged)?;
            take(&path, &mut entry)?;
        }
    }
    match missing.first() {
        Some(path) => bail!("the backup is damaged: {path} is missing; take another backup"),
        None => Ok(()),
    }
}
