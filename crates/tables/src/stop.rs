//! Work on a table ends where nobody wants it any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::problems::Problems;

/// Whether work is still wanted. Its clones are about the same work: who gave it out asks it to stop, and whoever works
/// looks at it after each row, text or block. It costs what reading a flag costs.
#[derive(Clone, Debug, Default)]
pub struct Stop(Option<Arc<AtomicBool>>);

impl Stop {
    /// Nobody asks this work to stop.
    pub const NEVER: Self = Self(None);

    /// Work that may be asked to stop.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Asks whoever works to stop.
    pub fn stop(&self) {
        if let Some(asked) = &self.0 {
            asked.store(true, Ordering::Relaxed);
        }
    }

    /// Goes on where the work is still wanted.
    ///
    /// # Errors
    /// Where it was asked to stop.
    #[inline]
    pub fn check(&self) -> Result<(), Problems> {
        match &self.0 {
            Some(asked) if asked.load(Ordering::Relaxed) => Err(stopped()),
            _ => Ok(()),
        }
    }
}

#[cold]
fn stopped() -> Problems {
    Problems::table(
        "deadline",
        "The work on the table was stopped: it took longer than it may, or nobody waited for it any more.",
        "Send a part of the table, or try again later.",
    )
}
