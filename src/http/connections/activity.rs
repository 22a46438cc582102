//! How fast a client is: what its connection does, and since when.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::limits::ConnectionLimits;

/// A connection's state, seen by whoever reads and writes it, serves its requests, and minds the time.
#[derive(Debug)]
pub(super) struct Activity(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that are answered now; HTTP/2 has several.
    in_flight: usize,
    /// Without a request: whether some of a head has come. A new connection owes one.
    head: bool,
    /// When that began.
    since: Instant,
    /// Since when the client has not taken what is written.
    stalled: Option<Instant>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { in_flight: 0, head: true, since: Instant::now(), stalled: None }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when there has been no request, if there is none.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.lock();
        (state.in_flight == 0).then_some(state.since)
    }

    /// Bytes have come.
    fn read(&self) {
        let mut state = self.lock();
        if state.in_flight == 0 && !state.head {
            (state.head, state.since) = (true, Instant::now());
        }
    }

    /// Bytes could be written, or not.
    fn wrote(&self, some: bool) {
        let mut state = self.lock();
        state.stalled = if some { None } else { state.stalled.or_else(|| Some(Instant::now())) };
    }

    /// When the client will have been too slow, as things are now.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        let state = self.lock();
        let patience = if state.head { limits.head } else { limits.idle };
        let waiting = (state.in_flight == 0).then(|| state.since + patience);
        let stalled = state.stalled.map(|since| since + limits.idle);
        [waiting, stalled].into_iter().flatten().min()
    }

    /// Returns when the client has been too slow. Nobody wakes it: it looks at least once in the time that a
    /// head has, and so in time for a head that begins in between.
    pub(super) async fn overdue(&self, limits: &ConnectionLimits) {
        loop {
            let look_again = Instant::now() + limits.head.min(limits.idle);
            match self.deadline(limits) {
                Some(deadline) if deadline <= Instant::now() => return,
                deadline => tokio::time::sleep_until(deadline.map_or(look_again, |at| at.min(look_again))).await,
            }
        }
    }
}

/// A request, from its head to the end of its answer.
pub(super) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(super) fn begin(activity: Arc<Activity>) -> Self {
        activity.lock().in_flight += 1;
        Self(activity)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight -= 1;
        (state.head, state.since) = (false, Instant::now());
    }
}

/// A stream that tells its activity.
pub(super) struct Tracked {
    pub(super) stream: TcpStream,
    pub(super) activity: Arc<Activity>,
}

impl Tracked {
    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.wrote(written.is_ready());
        written
    }
}

impl AsyncRead for Tracked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.read();
        }
        read
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        most: 1,
        most_of_an_address: 1,
        head: Duration::from_millis(40),
        idle: Duration::from_millis(150),
        drain: Duration::ZERO,
    };

    /// Milliseconds until the client has been too slow; `None` where it is not within a second.
    async fn cut_off_after(activity: &Activity) -> Option<u128> {
        let started = Instant::now();
        let overdue = tokio::time::timeout(Duration::from_secs(1), activity.overdue(&LIMITS)).await;
        overdue.is_ok().then(|| started.elapsed().as_millis())
    }

    #[tokio::test]
    async fn a_head_has_less_time_than_an_idle_connection_and_a_request_has_all() {
        let activity = Arc::new(Activity::new());
        assert!((40..140).contains(&cut_off_after(&activity).await.unwrap()), "a new connection owes a head");
        let request = InFlight::begin(Arc::clone(&activity));
        assert_eq!(cut_off_after(&activity).await, None, "a request is in flight");
        drop(request);
        assert!(cut_off_after(&activity).await.unwrap() >= 140, "an idle connection may wait");
        drop(InFlight::begin(Arc::clone(&activity)));
        activity.read();
        activity.read();
        assert!((40..140).contains(&cut_off_after(&activity).await.unwrap()), "a head has begun");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_its_answer_is_cut_off() {
        let activity = Arc::new(Activity::new());
        let _request = InFlight::begin(Arc::clone(&activity));
        activity.wrote(false);
        activity.wrote(true);
        assert_eq!(cut_off_after(&activity).await, None, "it went on");
        activity.wrote(false);
        assert!(cut_off_after(&activity).await.unwrap() >= 140);
    }
}
