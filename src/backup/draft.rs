//! A folder on its way: nobody takes it for what it will be, and two never write to one.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};

use super::manifest::StoredFile;
use crate::ml::sha256::Sha256Hex;

/// In a draft, so that nothing else is ever cleared away as one.
const MARK: &str = "DRAFT";

/// The folder `<target>.draft`, held by this process. It goes when this goes, unless it was put in its place.
pub(super) struct Draft {
    pub(super) folder: PathBuf,
    _held: File,
}

impl Draft {
    /// Begins one; what an interrupted one left goes.
    pub(super) fn begin(target: &Path) -> anyhow::Result<Self> {
        let mut name = target.as_os_str().to_owned();
        name.push(".draft");
        let folder = PathBuf::from(name);
        let failed = || format!("{} cannot be made", folder.display());
        std::fs::create_dir_all(&folder).with_context(failed)?;
        let mark = folder.join(MARK);
        let empty = std::fs::read_dir(&folder)?.next().is_none();
        if !empty && !mark.exists() {
            bail!("{} is there and is no draft of Shamisen's; move it away", folder.display());
        }
        let held = File::create(&mark).with_context(failed)?;
        if flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!("another process writes to {} just now; wait for its end", folder.display());
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                std::fs::remove_dir_all(path)?;
            } else if path != mark {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self { folder, _held: held })
    }

    /// Sees all folders onto the disk and gives this one its name, which nothing has.
    pub(super) fn finish(self, target: &Path) -> anyhow::Result<()> {
        std::fs::remove_file(self.folder.join(MARK))?;
        sync_folders(&self.folder)?;
        std::fs::rename(&self.folder, target).with_context(|| format!("{} cannot be made", target.display()))?;
        sync_parent(target)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // One that was finished is not there any more.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(super) fn sync_parent(path: &Path) -> anyhow::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(parent)?.sync_all()?)
}

fn sync_folders(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    File::open(folder)?.sync_all()
}

/// Bytes on their way, counted and hashed.
pub(super) struct Hashing<R, F> {
    source: R,
    hash: Sha256Hex,
    bytes: u64,
    seen: F,
}

impl<R: Read, F: FnMut(u64)> Hashing<R, F> {
    /// `seen` is called with the bytes of each piece.
    pub(super) fn new(source: R, seen: F) -> Self {
        Self { source, hash: Sha256Hex::default(), bytes: 0, seen }
    }

    pub(super) fn finish(self) -> StoredFile {
        StoredFile { bytes: self.bytes, sha256: self.hash.finish() }
    }
}

impl<R: Read, F: FnMut(u64)> Read for Hashing<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        (self.seen)(read as u64);
        Ok(read)
    }
}

/// Writes a new file, with the folders that it is in, and sees it onto the disk. What it holds now.
pub(super) fn write(to: &Path, source: impl Read, seen: impl FnMut(u64)) -> std::io::Result<StoredFile> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut source = Hashing::new(source, seen);
    let mut file = File::create_new(to)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match source.read(&mut piece)? {
            0 => break,
            read => file.write_all(&piece[..read])?,
        }
    }
    file.sync_all()?;
    Ok(source.finish())
}
