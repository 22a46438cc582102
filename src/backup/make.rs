//! `shamisen backup`: a data folder, also one that a server works in, as one backup.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::draft::{self, Draft, Hashing, sync_parent};
use super::manifest::{MANIFEST, Manifest, StoredFile};
use super::{DATABASE, KEYS, Progress, room_for};
use crate::ml::encoder::CARD;
use crate::store::{self, Contents};

/// The archive in a draft.
const ARCHIVE: &str = "backup.tar";
/// Things that may be deleted while they are copied, one after another.
const MOST_VANISHED: usize = 1000;

/// What became of a backup.
pub(crate) struct Made {
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    pub(crate) contents: Contents,
    /// What is in the data folder and not in the backup, in words.
    pub(crate) left_out: Vec<String>,
}

/// What the rows of a database point at.
struct Wanted {
    /// Paths below the data folder, with their sizes.
    files: BTreeMap<String, u64>,
    left_out: Vec<String>,
}

/// A file that was to be copied is not there (any more).
struct Vanished(String);

/// Makes a backup of the data folder at `to`, which nothing has: an archive where its name ends in `.tar`, or a folder.
pub(crate) async fn make(data: &Path, to: &Path, hard_links: bool, tell: Progress<'_>) -> anyhow::Result<Made> {
    if to.symlink_metadata().is_ok() {
        bail!("{} is there already; name a new file or folder", to.display());
    }
    let database = data.join(DATABASE);
    if !database.exists() {
        bail!("there is no database in {}. Name the server's data folder with --data or SHAMISEN_DATA", data.display());
    }
    let draft = Draft::begin(to)?;
    let copy = draft.folder.join(DATABASE);
    let as_archive = to.extension().is_some_and(|ending| ending == "tar");
    let mut sink = if as_archive {
        let file = File::create_new(draft.folder.join(ARCHIVE))?;
        Sink::Archive(Box::new(tar::Builder::new(file)))
    } else {
        Sink::Folder { folder: draft.folder.clone(), hard_links }
    };
    let mut copied: BTreeMap<String, StoredFile> = BTreeMap::new();
    let mut vanished = BTreeSet::new();
    let (contents, wanted) = loop {
        let contents = store::snapshot(&database, &copy).await.context("the database cannot be copied")?;
        let copying = match wanted(data, &contents)? {
            Ok(wanted) => {
                if copied.is_empty() && !hard_links {
                    room_for(&draft.folder, wanted.files.values().sum::<u64>() + 2 * copy.metadata()?.len())?;
                }
                sink.take(data, &wanted, &mut copied, &mut *tell)?.map(|()| wanted)
            }
            Err(gone) => Err(gone),
        };
        // Whoever deletes a thing deletes its row first: the next copy of the database does not name it any more.
        match copying {
            Ok(wanted) => break (contents, wanted),
            Err(Vanished(path)) if vanished.len() < MOST_VANISHED && vanished.insert(path.clone()) => {}
            Err(Vanished(path)) => bail!(
                "{} is not there, though the database names it: no backup can be whole. `shamisen doctor` tells what to do",
                data.join(path).display()
            ),
        }
    };
    // What was deleted after it was copied is not part of the backup.
    let gone: Vec<String> = copied.keys().filter(|path| !wanted.files.contains_key(*path)).cloned().collect();
    for path in gone {
        copied.remove(&path);
        sink.forget(&path)?;
    }
    let of_database = sink.put_database(&copy)?;
    copied.insert(DATABASE.to_owned(), of_database);
    let manifest = Manifest::new(contents.schema, copied);
    sink.finish(&manifest)?;
    if as_archive {
        let archive = draft.folder.join(ARCHIVE);
        std::fs::rename(&archive, to).with_context(|| format!("{} cannot be made", to.display()))?;
        sync_parent(to)?;
    } else {
        draft.finish(to)?;
    }
    Ok(Made { files: manifest.files.len(), bytes: manifest.bytes(), contents, left_out: wanted.left_out })
}

/// The files that the rows point at, and models that no server has seen yet.
fn wanted(data: &Path, contents: &Contents) -> anyhow::Result<Result<Wanted, Vanished>> {
    let mut wanted = Wanted { files: BTreeMap::new(), left_out: Vec::new() };
    for (id, sha256) in &contents.datasets {
        let path = format!("datasets/{sha256}");
        let Some(bytes) = size(&data.join(&path))? else { return Ok(Err(Vanished(path))) };
        wanted.files.insert(path, bytes);
        // A server makes these anew where they are missing.
        let pairs = format!("datasets/{id}.pairs");
        if let Some(bytes) = size(&data.join(&pairs))? {
            wanted.files.insert(pairs, bytes);
        }
    }
    if let Some(bytes) = size(&data.join(KEYS))? {
        wanted.files.insert(KEYS.to_owned(), bytes);
    }
    for (id, _) in &contents.models {
        if !add_folder(data, &format!("models/{id}"), &mut wanted.files)? {
            return Ok(Err(Vanished(format!("models/{id}"))));
        }
    }
    for entry in std::fs::read_dir(data.join("models")).into_iter().flatten() {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".draft") || contents.models.iter().any(|(id, _)| *id == name) {
            continue;
        }
        if name.starts_with("ft_") || !data.join("models").join(&name).join(CARD).exists() {
            wanted.left_out.push(format!("models/{name}, which the database does not know"));
        } else {
            // Imported or trained on the command line since a server last looked; one that goes just now is none.
            add_folder(data, &format!("models/{name}"), &mut wanted.files)?;
        }
    }
    for (folder, what) in [("runs", "checkpoints of jobs"), ("training", "runs of `shamisen train`")] {
        if std::fs::read_dir(data.join(folder)).is_ok_and(|mut entries| entries.next().is_some()) {
            wanted.left_out.push(format!("{folder}/, {what} that are not over"));
        }
    }
    Ok(Ok(wanted))
}

/// Adds the files of a model's folder. `false` where it is not there, or not any more.
fn add_folder(data: &Path, path: &str, files: &mut BTreeMap<String, u64>) -> anyhow::Result<bool> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let entries = match std::fs::read_dir(data.join(&path)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            entries => entries.with_context(|| format!("{path} cannot be read"))?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let name = name.to_str().with_context(|| format!("{path} has a file whose name is not UTF-8"))?;
            let path = format!("{path}/{name}");
            match std::fs::metadata(data.join(&path)) {
                Ok(metadata) if metadata.is_dir() => waiting.push(path),
                Ok(metadata) => {
                    found.insert(path, metadata.len());
                }
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(error).with_context(|| format!("{path} cannot be read")),
            }
        }
    }
    // A folder that is going has lost some of its files already; its card is there for as long as it is.
    if !data.join(path).join(CARD).exists() {
        return Ok(false);
    }
    files.append(&mut found);
    Ok(true)
}

fn size(path: &Path) -> anyhow::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// Where files go.
enum Sink {
    Folder { folder: PathBuf, hard_links: bool },
    Archive(Box<tar::Builder<File>>),
}

impl Sink {
    /// Copies what is wanted and not copied yet.
    fn take(
        &mut self,
        data: &Path,
        wanted: &Wanted,
        copied: &mut BTreeMap<String, StoredFile>,
        tell: Progress<'_>,
    ) -> anyhow::Result<Result<(), Vanished>> {
        let all = wanted.files.values().sum();
        let mut done: u64 = copied.values().map(|file| file.bytes).sum();
        for path in wanted.files.keys() {
            if copied.contains_key(path) {
                continue;
            }
            let from = data.join(path);
            let source = match File::open(&from) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Err(Vanished(path.clone()))),
                source => source.with_context(|| format!("{} cannot be read", from.display()))?,
            };
            let seen = |bytes| {
                done += bytes;
                tell(done, all);
            };
            let stored = self.put(path, Some(&from), source, seen);
            let stored = stored.with_context(|| format!("{} cannot be copied", from.display()))?;
            if let Some(name) = path.strip_prefix("datasets/").filter(|name| name.len() == 64)
                && name != stored.sha256
            {
                bail!(
                    "{} is damaged: its bytes are not those that were sent. Delete its dataset, or restore an older backup",
                    from.display()
                );
            }
            copied.insert(path.clone(), stored);
        }
        Ok(Ok(()))
    }

    fn put(
        &mut self,
        path: &str,
        from: Option<&Path>,
        source: File,
        seen: impl FnMut(u64),
    ) -> std::io::Result<StoredFile> {
        match self {
            Self::Folder { folder, hard_links } => {
                let to = folder.join(path);
                std::fs::create_dir_all(to.parent().unwrap_or(folder))?;
                // Another disk has its own files.
                if let Some(from) = from
                    && *hard_links
                    && std::fs::hard_link(from, &to).is_ok()
                {
                    let mut hashing = Hashing::new(source, seen);
                    std::io::copy(&mut hashing, &mut std::io::sink())?;
                    return Ok(hashing.finish());
                }
                draft::write(&to, source, seen)
            }
            Self::Archive(archive) => {
                let bytes = source.metadata()?.len();
                let mut header = tar::Header::new_gnu();
                header.set_size(bytes);
                header.set_mode(0o600);
                let mut source = Hashing::new(source.take(bytes), seen);
                archive.append_data(&mut header, path, &mut source)?;
                let stored = source.finish();
                if stored.bytes != bytes {
                    return Err(std::io::Error::other("the file became shorter meanwhile"));
                }
                Ok(stored)
            }
        }
    }

    /// Removes a file again, where that can be done: the manifest does not name it.
    fn forget(&self, path: &str) -> std::io::Result<()> {
        match self {
            Self::Folder { folder, .. } => std::fs::remove_file(folder.join(path)),
            Self::Archive(_) => Ok(()),
        }
    }

    /// The copy of the database lies in the draft already, where a folder wants it.
    fn put_database(&mut self, copy: &Path) -> std::io::Result<StoredFile> {
        let source = File::open(copy)?;
        if let Self::Archive(_) = self {
            return self.put(DATABASE, None, source, |_| {});
        }
        let mut hashing = Hashing::new(source, |_| {});
        std::io::copy(&mut hashing, &mut std::io::sink())?;
        Ok(hashing.finish())
    }

    /// The manifest goes last: what has none is no backup.
    fn finish(self, manifest: &Manifest) -> std::io::Result<()> {
        let json = manifest.json();
        match self {
            Self::Folder { folder, .. } => draft::write(&folder.join(MANIFEST), &json[..], |_| {}).map(|_| ()),
            Self::Archive(mut archive) => {
                let mut header = tar::Header::new_gnu();
                header.set_size(json.len() as u64);
                header.set_mode(0o600);
                archive.append_data(&mut header, MANIFEST, &json[..])?;
                archive.into_inner()?.sync_all()
            }
        }
    }
}
