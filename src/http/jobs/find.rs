//! A job by its id.

use std::time::Duration;

use crate::http::error::{ApiError, Code, Result};
use crate::http::state::AppState;
use crate::store::Job;

pub(crate) async fn find(state: &AppState, id: &str) -> Result<Job> {
    state.store.job(id).await?.ok_or_else(|| ApiError::of(Code::JobNotFound).detail(format!("There is no job {id:?}.")))
}

/// A job by its id when it is over, at the latest after `wait`.
pub(crate) async fn find_when_over(state: &AppState, id: &str, wait: Duration) -> Result<Job> {
    let until = tokio::time::Instant::now() + wait;
    // Register interest *before* reading the table, so that its end in between is not missed.
    let mut happened = state.queue.subscribe();
    loop {
        let job = find(state, id).await?;
        let more = tokio::select! {
            biased;
            () = async {}, if job.status.is_terminal() || wait.is_zero() => false,
            () = state.stop.cancelled() => false,
            woken = tokio::time::timeout_at(until, happened.changed()) => matches!(woken, Ok(Ok(()))),
        };
        if !more {
            return Ok(job);
        }
    }
}
