//! Where the server is in its life: loading, answering, stopping; and whether its threads still compute.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::error::{ApiError, Code, Result};

const LOADING: u8 = 0;
const READY: u8 = 1;
const STOPPING: u8 = 2;

/// How long a text of one token may take before the threads count as stuck.
const LONGEST_PASS: Duration = Duration::from_secs(10);
/// How long an answer about the threads holds.
const HOLDS: Duration = Duration::from_secs(5);

/// The server's state, as its readiness tells it.
#[derive(Debug)]
pub struct Lifecycle {
    stage: AtomicU8,
    stopping: CancellationToken,
    pulse: Mutex<Option<(Instant, Result<()>)>>,
    longest_pass: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        let (stopping, pulse) = (CancellationToken::new(), Mutex::default());
        Self { stage: AtomicU8::new(LOADING), stopping, pulse, longest_pass: LONGEST_PASS }
    }
}

impl Lifecycle {
    /// The models that must be there are loaded.
    pub fn begin(&self) {
        self.stage.fetch_max(READY, Ordering::Relaxed);
    }

    /// The server will stop: it still answers, and asks not to be sent more.
    pub fn end(&self) {
        self.stage.fetch_max(STOPPING, Ordering::Relaxed);
        self.stopping.cancel();
    }

    /// Whether the server will stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == STOPPING
    }

    /// Returns when the server is told to stop.
    pub(crate) async fn stopping(&self) {
        self.stopping.child_token().cancelled_owned().await;
    }

    /// Whether requests are answered: not while models are loading.
    pub(crate) fn answers_requests(&self) -> Result<()> {
        match self.stage.load(Ordering::Relaxed) {
            LOADING => Err(ApiError::of(Code::Loading)
                .detail("The server has just started and loads its models.")
                .retry_after(2)),
            _ => Ok(()),
        }
    }

    /// Whether new requests are welcome, as far as the server's stage goes.
    pub(crate) fn welcomes_requests(&self) -> Result<()> {
        match self.stage.load(Ordering::Relaxed) {
            STOPPING => Err(ApiError::of(Code::Stopping).retry_after(5)),
            _ => self.answers_requests(),
        }
    }

    /// Whether the inference threads compute: `pass` is a short text's way through them. However many ask, one
    /// text goes, and its answer holds for some seconds.
    pub(crate) async fn pulse(&self, pass: impl Future<Output = Result<()>>) -> Result<()> {
        let mut last = self.pulse.lock().await;
        if let Some((at, result)) = &*last
            && at.elapsed() < HOLDS
        {
            return result.clone();
        }
        let result =
            tokio::time::timeout(self.longest_pass, pass).await.unwrap_or_else(|_| {
                let seconds = self.longest_pass.as_secs();
                Err(ApiError::of(Code::InferenceStuck).detail(format!(
                    "A text of one token has no vector after {seconds} s: the inference threads are dead or far behind."
                )).retry_after(5))
            });
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn threads_that_do_not_answer_in_time_make_the_server_unready_until_they_do() {
        let life = Lifecycle { longest_pass: Duration::from_millis(20), ..Lifecycle::default() };
        assert!(life.pulse(pending()).await.is_err());
        assert!(life.pulse(ready(Ok(()))).await.is_err(), "the answer holds for some seconds");
        *life.pulse.lock().await = None;
        assert!(life.pulse(ready(Ok(()))).await.is_ok());
        assert!(life.pulse(pending()).await.is_ok(), "nothing is asked again meanwhile");
    }

    #[test]
    fn a_server_that_stops_while_it_loads_does_not_become_ready() {
        let life = Lifecycle::default();
        assert!(life.answers_requests().is_err() && life.welcomes_requests().is_err());
        life.begin();
        assert!(life.answers_requests().is_ok() && life.welcomes_requests().is_ok());
        life.end();
        life.begin();
        assert!(life.answers_requests().is_ok() && life.welcomes_requests().is_err());
    }
}
