//! Whether a job has room: where it never can have, it is refused, and where it has none now, it waits.

use std::path::{Path, PathBuf};

use super::memory::{self, Limit, size};
use super::outcome::LESS_MEMORY;
use crate::ml::error::sentence;
use crate::ml::train::{LeastBytes, TrainConfig};
use crate::store::JobError;

/// What stands beside weights on the disk: events, curves, the database.
const SLACK: u64 = 16 << 20;

/// A job that cannot fit, whenever it runs on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// It takes more memory than there is.
    Memory { takes: u64, has: u64, of: &'static str },
    /// It takes more disk than there is.
    Disk { takes: u64, has: u64 },
}

impl std::fmt::Display for TooLarge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "training this model with these settings takes at least ")?;
        match *self {
            Self::Memory { takes, has, of } => write!(out, "{} of memory, and {of} is {}", size(takes), size(has)),
            Self::Disk { takes, has } => write!(
                out,
                "{} of disk for two checkpoints and the tuned model, and the disk that holds the data folder has {} in all",
                size(takes),
                size(has)
            ),
        }
    }
}

impl std::error::Error for TooLarge {}

impl From<TooLarge> for JobError {
    fn from(error: TooLarge) -> Self {
        let (code, hint) = match error {
            TooLarge::Memory { .. } => ("too_large_for_memory", LESS_MEMORY),
            TooLarge::Disk { .. } => (
                "too_large_for_disk",
                "Put the data folder onto a larger disk, or post the job again with a smaller model or lora.",
            ),
        };
        Self { code: code.to_owned(), message: sentence(&error.to_string()), hint: hint.to_owned() }
    }
}

/// Bytes of the disk below a folder.
#[derive(Clone, Copy, Debug)]
struct Disk {
    all: u64,
    free: u64,
}

impl Disk {
    fn below(folder: &Path) -> Option<Self> {
        let told = rustix::fs::statvfs(folder).ok()?;
        Some(Self { all: told.f_blocks * told.f_frsize, free: told.f_bavail * told.f_frsize })
    }
}

/// What a job takes, and what there is. What cannot be found out stands in nobody's way.
pub(super) struct Room {
    least: LeastBytes,
    disk: Option<Disk>,
    memory: Option<Limit>,
}

impl Room {
    /// For a run that tunes the full model in the folder `root`, or one that was tuned from it, beside that folder.
    pub(super) async fn measure(root: PathBuf, config: &TrainConfig) -> Self {
        let config = config.clone();
        let measured = tokio::task::spawn_blocking(move || Self {
            least: LeastBytes::of(&root, &config).unwrap_or_default(),
            disk: Disk::below(root.parent().unwrap_or(&root)),
            memory: memory::limit(),
        });
        measured.await.unwrap_or(Self { least: LeastBytes::default(), disk: None, memory: None })
    }

    /// Refuses what can never fit.
    pub(super) fn check(&self) -> Result<(), TooLarge> {
        if let Some(Limit { bytes: has, of }) = self.memory.filter(|limit| limit.bytes < self.least.memory) {
            return Err(TooLarge::Memory { takes: self.least.memory, has, of });
        }
        let takes = self.least.disk + SLACK;
        match self.disk {
            Some(Disk { all, .. }) if all < takes => Err(TooLarge::Disk { takes, has: all }),
            _ => Ok(()),
        }
    }

    /// Why it has no room on the disk now, where it has none. `held`: bytes that it has written already.
    pub(super) fn lacks(&self, held: u64) -> Option<String> {
        let takes = (self.least.disk + SLACK).saturating_sub(held).max(SLACK);
        let free = self.disk?.free;
        (free < takes)
            .then(|| format!("the server's disk has {} left, and the job takes {} at least", size(free), size(takes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(memory: u64, disk: u64, free: u64) -> Room {
        Room {
            least: LeastBytes { memory: 400 * MIB, disk: 700 * MIB },
            disk: Some(Disk { all: disk * MIB, free: free * MIB }),
            memory: Some(Limit { bytes: memory * MIB, of: "the machine's memory and swap" }),
        }
    }

    #[test]
    fn only_what_can_never_fit_is_refused_with_numbers() {
        assert_eq!(room(400, 716, 0).check(), Ok(()));
        let memory = room(399, 716, 0).check().unwrap_err().to_string();
        assert!(memory.contains("400 MiB of memory") && memory.contains("memory and swap is 399 MiB"), "{memory}");
        let disk = room(400, 715, 0).check().unwrap_err().to_string();
        assert!(disk.contains("716 MiB of disk") && disk.contains("715 MiB in all"), "{disk}");
    }

    #[test]
    fn a_job_has_room_for_what_it_has_not_written_yet() {
        assert_eq!(room(400, 1000, 716).lacks(0), None);
        let lacks = room(400, 1000, 715).lacks(0).unwrap();
        assert_eq!(lacks, "the server's disk has 715 MiB left, and the job takes 716 MiB at least");
        assert_eq!(room(400, 1000, 116).lacks(600 * MIB), None);
        // Something is always written.
        assert!(room(400, 1000, 15).lacks(9000 * MIB).is_some());
    }
}
