//! Whether what is written is kept: the database's file is where it was, and takes a write.
//!
//! A file that was removed or replaced under a running server takes writes like any other, and none of them is there
//! after the next start. So no transaction is committed unless the name still leads to the file that is open: SQLite
//! asks before each commit. Between writes somebody looks every second, and writes where there is reason to.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Result, Store, StoreError, Unavailable, Why};

/// Between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How old what is told of writing may be where nothing speaks against it.
const HOLDS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Health {
    pub(super) file: PathBuf,
    /// Beside it: what was written and is not in it yet.
    log: PathBuf,
    /// What is open.
    opened: OnceLock<Opened>,
    trouble: Mutex<Option<Why>>,
    /// A transaction ended without a commit; it may have failed.
    suspect: AtomicBool,
    /// Somebody wanted to know since the last look.
    asked: AtomicBool,
}

#[derive(Debug, PartialEq, Eq)]
struct Opened {
    /// The file's device and inode.
    file: (u64, u64),
    /// Whether a log is beside it, as it is for as long as the file is open, unless somebody removes it. The next
    /// connection would begin another.
    log: bool,
}

impl Health {
    pub(super) fn of(file: PathBuf) -> Arc<Self> {
        let mut log = OsString::from(&file);
        log.push("-wal");
        Arc::new(Self {
            file,
            log: log.into(),
            opened: OnceLock::new(),
            trouble: Mutex::default(),
            suspect: AtomicBool::default(),
            asked: AtomicBool::default(),
        })
    }

    fn found(&self) -> Option<Opened> {
        // Never opened by hand: closing it would take SQLite's locks away.
        let file = std::fs::metadata(&self.file).ok()?;
        Some(Opened { file: (file.dev(), file.ino()), log: self.log.exists() })
    }

    /// Remembers the file that was opened first.
    pub(super) fn remember(&self) {
        if let Some(found) = self.found() {
            let _ = self.opened.set(found);
        }
    }

    /// Whether the name leads to the file that is open.
    fn is_there(&self) -> bool {
        self.opened.get().is_none_or(|opened| self.found().as_ref() == Some(opened))
    }

    /// The same, or why nothing is written.
    pub(super) fn there(&self) -> Result<()> {
        if self.is_there() { Ok(()) } else { Err(self.gone()) }
    }

    fn gone(&self) -> StoreError {
        Why::Gone.because(format!("{} was removed or replaced under the running server", self.file.display()))
    }

    /// Lets SQLite ask before each commit, and hears of what was not committed.
    pub(super) async fn attend(self: &Arc<Self>, writer: &mut SqliteConnection) -> sqlx::Result<()> {
        let (before_commit, after_rollback) = (Arc::clone(self), Arc::clone(self));
        let mut handle = writer.lock_handle().await?;
        handle.set_commit_hook(move || before_commit.is_there());
        handle.set_rollback_hook(move || after_rollback.suspect.store(true, Ordering::Release));
        Ok(())
    }

    fn trouble(&self) -> Option<Why> {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes down why nothing is written, or that all is well, and logs what is new of it.
    pub(super) fn tell(&self, found: Option<Why>) {
        let before = std::mem::replace(&mut *self.trouble.lock().unwrap_or_else(PoisonError::into_inner), found);
        let file = self.file.display();
        match found {
            None if before.is_some() => tracing::info!("the database takes writes again"),
            found if found == before => {}
            None => {}
            Some(Why::Gone) => tracing::error!(
                "{file} was removed or replaced under the running server: nothing is written any more. Stop the server, put the file back or restore a backup with `shamisen restore`, and start it again"
            ),
            Some(Why::Full) => tracing::error!("the disk of {file} is full: nothing is written until there is room"),
            Some(Why::Busy) => tracing::error!(
                "{file} is locked by another process (a backup, a shell of SQLite): nothing is written until that lets it go"
            ),
            Some(Why::ReadOnly) => tracing::error!("{file} may only be read: nothing is written"),
            Some(Why::Unreachable) => tracing::error!("{file} cannot be written: the disk or its system fails"),
        }
    }
}

impl Store {
    /// Whether what is written now is kept, as far as that was seen in the last seconds.
    pub fn writing(&self) -> Result<()> {
        self.health.asked.store(true, Ordering::Release);
        match self.health.trouble() {
            None => Ok(()),
            Some(Why::Gone) => Err(self.health.gone()),
            Some(why) => Err(why.because("a write failed some seconds ago")),
        }
    }

    /// Looks at the file every second, for as long as it is polled, and writes where a write failed or somebody asks.
    pub async fn watch(&self) {
        let health = &self.health;
        let mut clock = interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut written = Instant::now();
        loop {
            clock.tick().await;
            let asked = written.elapsed() >= HOLDS && health.asked.swap(false, Ordering::AcqRel);
            if !health.is_there() {
                health.tell(Some(Why::Gone));
            } else if health.suspect.swap(false, Ordering::AcqRel) || health.trouble().is_some() || asked {
                let probed = self.probe().await;
                written = Instant::now();
                health.tell(match probed {
                    Ok(()) => None,
                    Err(StoreError::Unavailable(Unavailable { why, .. })) => Some(why),
                    Err(_) => Some(Why::Unreachable),
                });
            }
        }
    }

    /// Writes a page and sees it onto the disk.
    pub async fn probe(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        // An update that changes nothing would write nothing. Nobody else uses this number of the header.
        sqlx::query("pragma user_version = 0").execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// Looks through the whole file for damage.
    pub async fn check(&self) -> Result<()> {
        let told: Vec<String> = sqlx::query_scalar("pragma quick_check(3)").fetch_all(&self.reader).await?;
        if told == ["ok"] { Ok(()) } else { Err(StoreError::Damaged(told.join("; ").into())) }
    }
}
