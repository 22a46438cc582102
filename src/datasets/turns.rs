//! Turns for work that takes a processor and memory: so many at a time, a queue that ends, and work that ends where
//! nobody waits for it any more.

use std::sync::Arc;
use std::time::Duration;

use tables::Stop;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinError;

/// Who waits longer for a turn is told to come again: by then the work before it is larger than a table usually is.
const PATIENCE: Duration = Duration::from_secs(30);
/// Work that takes longer is stopped: no request waits so long.
const LONGEST_WORK: Duration = Duration::from_secs(600);

/// So many pieces of work at a time.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    free: Arc<Semaphore>,
    patience: Duration,
}

/// Why work was not done.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error("as many tables as may be at once are being worked on")]
    Busy,
    /// It panicked, or the server is stopping.
    #[error(transparent)]
    Ended(#[from] JoinError),
}

/// Asks work to stop when whoever wanted it goes away.
struct Wanted(Stop);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Turns {
    pub(crate) fn new(at_once: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(at_once)), patience: PATIENCE }
    }

    /// A turn, which is over when it is dropped.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, TurnError> {
        let turn = tokio::time::timeout(self.patience, Arc::clone(&self.free).acquire_owned()).await;
        // The semaphore is never closed.
        turn.ok().and_then(Result::ok).ok_or(TurnError::Busy)
    }

    /// Work on a thread that may block, when its turn comes. It is asked to stop when the future is dropped, and its turn
    /// is over when it has stopped.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, TurnError> {
        let turn = self.turn().await?;
        let wanted = Wanted(Stop::new());
        let stop = wanted.0.clone();
        let mut task = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&stop)
        });
        match tokio::time::timeout(LONGEST_WORK, &mut task).await {
            Ok(done) => Ok(done?),
            Err(_) => {
                wanted.0.stop();
                Ok(task.await?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// Works until it is asked to stop, and says when it begins.
    fn endless(begun: oneshot::Sender<()>) -> impl FnOnce(&Stop) + Send + 'static {
        move |stop| {
            let _ = begun.send(());
            while stop.check().is_ok() {
                std::thread::yield_now();
            }
        }
    }

    #[tokio::test]
    async fn a_turn_ends_when_nobody_waits_for_its_work_any_more() {
        let turns = Turns::new(1);
        let (begin, begun) = oneshot::channel();
        tokio::select! {
            _ = turns.work(endless(begin)) => panic!("work without an end"),
            begun = begun => begun.unwrap(),
        }
        assert_eq!(turns.work(|_| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn who_waits_too_long_for_a_turn_is_told() {
        let turns = Turns { patience: Duration::from_millis(1), ..Turns::new(1) };
        let (begin, begun) = oneshot::channel();
        let other = turns.clone();
        let busy = tokio::spawn(async move { other.work(endless(begin)).await });
        begun.await.unwrap();
        assert!(matches!(turns.work(|_| ()).await, Err(TurnError::Busy)));
        busy.abort();
    }
}
