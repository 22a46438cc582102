//! What a start does about a database that is away for a moment.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep};

use crate::datasets::DatasetError;
use crate::serving::PoolError;
use crate::store::{StoreError, Unavailable, Why};

/// Between two tries: at first, and in the end.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];
/// How long a start waits.
const LONGEST: Duration = Duration::from_secs(60);

/// Does what the start needs the database for, again and again while that is locked, full or out of reach, for a
/// minute. What does not pass is told at once.
pub(super) async fn patiently<T>(ask: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    within(LONGEST, ask).await
}

async fn within<T>(most: Duration, mut ask: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let ([mut pause, longest], begun) = (PAUSES, Instant::now());
    loop {
        let error = match ask().await {
            Err(error) => error,
            done => return done,
        };
        let Some(why) = may_pass(&error) else { return Err(error) };
        if begun.elapsed() + pause > most {
            let seconds = begun.elapsed().as_secs();
            bail!("{error:#}. That lasts for {seconds} s now. {}, and start the server again", remedy(why));
        }
        tracing::warn!("{error:#}; it is tried again");
        sleep(pause).await;
        pause = (2 * pause).min(longest);
    }
}

fn may_pass(error: &anyhow::Error) -> Option<Why> {
    error.chain().find_map(|cause| {
        // Whoever passes an error on as its own is no link of the chain.
        let store = match (cause.downcast_ref(), cause.downcast_ref()) {
            (Some(DatasetError::Store(error)), _) | (_, Some(PoolError::Store(error))) => Some(error),
            _ => cause.downcast_ref(),
        };
        match store {
            Some(StoreError::Unavailable(Unavailable { why, .. })) => Some(*why),
            _ => None,
        }
    })
}

fn remedy(why: Why) -> &'static str {
    match why {
        Why::Busy => {
            "End the process that holds shamisen.db (`fuser -v shamisen.db` names it): a backup, or a shell of SQLite"
        }
        Why::Full => "Make room on the disk of the data folder",
        Why::ReadOnly => "Make the data folder writable",
        Why::Gone => "Put shamisen.db back, or restore a backup with `shamisen restore`",
        Why::Unreachable => "Look at the disk of the data folder, and who may read it",
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use anyhow::Context;

    use super::*;
    use crate::store::Store;

    /// A folder that is not there has a database that may come.
    async fn open(folder: &tempfile::TempDir) -> anyhow::Result<Store> {
        let file = folder.path().join("later/store.db");
        Store::open(&file).await.context("the database cannot be opened")
    }

    #[tokio::test]
    async fn a_start_waits_for_a_database_that_is_away_and_goes_on_when_it_is_there() {
        let (folder, tries) = (tempfile::TempDir::new().unwrap(), Cell::new(0));
        let opened = patiently(async || {
            tries.set(tries.get() + 1);
            if tries.get() == 3 {
                std::fs::create_dir(folder.path().join("later")).unwrap();
            }
            open(&folder).await
        });
        opened.await.unwrap();
        assert_eq!(tries.get(), 3);
    }

    #[tokio::test]
    async fn a_start_that_waited_long_enough_says_what_to_do() {
        let (folder, tries) = (tempfile::TempDir::new().unwrap(), Cell::new(0));
        // Long enough for a second try, and too short for a third.
        let error = within(2 * PAUSES[0], async || {
            tries.set(tries.get() + 1);
            open(&folder).await.map(|_| ())
        });
        let error = error.await.unwrap_err();
        assert_eq!(tries.get(), 2);
        assert!(error.to_string().contains("Look at the disk of the data folder"), "{error}");
    }

    #[tokio::test]
    async fn what_does_not_pass_ends_the_start_at_once() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("later")).unwrap();
        std::fs::write(folder.path().join("later/store.db"), "no database at all".repeat(100)).unwrap();
        let error = patiently(async || open(&folder).await.map(|_| ())).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(StoreError::Damaged(_))), "{error:#}");
    }
}
