//! One server a data folder.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Keeps every other server out of a data folder for as long as it lives.
#[derive(Debug)]
pub(super) struct DataLock {
    _folder: Option<File>,
    _file: File,
}

impl DataLock {
    /// Makes the folder and takes it.
    pub(super) fn take(data: &Path) -> anyhow::Result<Self> {
        for folder in ["datasets", "models", "runs"] {
            let folder = data.join(folder);
            std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        // The folder itself, since whoever removes LOCK must let nobody in. Some network file systems lock no folders.
        let folder = File::open(data).with_context(|| format!("{} cannot be opened", data.display()))?;
        let folder = match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(folder),
            Err(Errno::WOULDBLOCK) => return Err(taken(data)),
            Err(_) => None,
        };
        let path = data.join("LOCK");
        let file = File::create(&path).with_context(|| {
            format!(
                "{} cannot be written. Make the folder writable, or name another with SHAMISEN_DATA",
                path.display()
            )
        })?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(taken(data));
        }
        Ok(Self { _folder: folder, _file: file })
    }
}

fn taken(data: &Path) -> anyhow::Error {
    anyhow::anyhow!(
        "another server works in {}. Stop it, or give this one a folder of its own with SHAMISEN_DATA",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_removes_lock_lets_nobody_in() {
        let folder = tempfile::TempDir::new().unwrap();
        let held = DataLock::take(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join("LOCK")).unwrap();
        let error = DataLock::take(folder.path()).unwrap_err();
        assert!(error.to_string().contains("another server works in"), "{error}");
        drop(held);
        DataLock::take(folder.path()).unwrap();
    }
}
