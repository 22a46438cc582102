//! The data folder: whose it is.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::process::{geteuid, umask};

/// What this process and its children make is their user's alone, from here on; where a group may write to the data
/// folder, the folder is to be shared with it, and so is what is made.
pub(super) fn private(data: &Path) {
    let found = std::fs::metadata(data).ok();
    let shared = found.as_ref().is_some_and(|found| found.mode() & 0o020 != 0);
    umask(if shared { Mode::RWXO } else { Mode::RWXG | Mode::RWXO });
    if let Some(owner) = found.map(|found| found.uid())
        && owner != geteuid().as_raw()
        && !shared
    {
        eprintln!(
            "{} belongs to the user {owner}: a server of that user cannot read what this user makes there. Run this as that user.",
            data.display()
        );
    }
}

/// Tells whoever runs the server that others can look into the folder. It is not changed: somebody may have given them
/// the right, or it may be a folder that others need.
pub(super) fn tell_who_can_read(data: &Path) {
    let Ok(mode) = std::fs::metadata(data).map(|found| found.mode()) else { return };
    if mode & 0o007 != 0 {
        tracing::warn!(
            folder = %data.display(),
            mode = format!("{:o}", mode & 0o7777),
            "other users of this machine can look into the data folder, which holds texts and hashes of keys; `chmod o-rwx` keeps them out"
        );
    }
}

/// Keeps servers out of a data folder for as long as it lives; `None` where one works there.
pub(super) fn hold(data: &Path) -> anyhow::Result<Option<File>> {
    let lock = File::create(data.join("LOCK"))?;
    Ok(flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok().then_some(lock))
}
