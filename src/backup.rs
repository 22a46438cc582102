//! A data folder as one backup, and a backup as a data folder.
//!
//! *Order:* the database is copied first, then the files that its rows point at. Files are written before their rows and
//! never changed, so that all of them are there by then; a row goes before its files, so that what vanishes meanwhile is
//! of a row that a newer copy of the database no longer has.
//!
//! *Whole or not at all:* everything is made below a draft's name, synced and renamed, and the manifest, with the SHA-256
//! of each file, is written last.

mod draft;
mod make;
mod manifest;
mod restore;

pub(crate) use make::{Made, make};
pub(crate) use restore::{Restored, restore};

/// Called with bytes that are done, and all of them.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// The database in a data folder.
const DATABASE: &str = "shamisen.db";
/// Says in a data folder that there are keys.
const KEYS: &str = "KEYS";
/// Room that is to be left on the disk.
const SPARE: u64 = 64 << 20;

/// Whether a disk has room for so many bytes, and a little more; `folder` is there.
fn room_for(folder: &std::path::Path, bytes: u64) -> anyhow::Result<()> {
    let disk = rustix::fs::statvfs(folder)?;
    let free = disk.f_bavail * disk.f_frsize;
    if free < bytes + SPARE {
        anyhow::bail!(
            "there is not enough room in {}: {} MB are needed and {} MB are free. Make room, or choose another place",
            folder.display(),
            (bytes + SPARE) >> 20,
            free >> 20
        );
    }
    Ok(())
}
