//! Signs of life: long computations count them where they get on, and a watcher sees whether the number grows.

use std::sync::atomic::{AtomicU64, Ordering};

static BEATS: AtomicU64 = AtomicU64::new(0);

/// Something got on: a pass, a part of a step, a row, a file.
pub(crate) fn beat() {
    BEATS.fetch_add(1, Ordering::Relaxed);
}

/// How often this process got on so far.
pub(crate) fn beats() -> u64 {
    BEATS.load(Ordering::Relaxed)
}
