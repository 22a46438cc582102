//! How fast a client is: what its connection does, and since when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::limits::ConnectionLimits;

/// A client that stands still for less is none that the server waits for: packets take their time.
const HARDLY: f64 = 1.0;

/// A connection's state, seen by whoever reads and writes it, serves its requests, and minds the time.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    state: Mutex<State>,
    /// Told once a request came in HTTP/2.
    http_2: Notify,
    /// Whether the connection ends as soon as nothing more has come.
    last_call: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Requests that are answered now; HTTP/2 has several.
    in_flight: usize,
    /// Those of them whose bodies the server waits for.
    owed: Vec<Owed>,
    /// Names the next of those.
    next: u64,
    /// Without a request: whether a head is owed, since some of it has come or since the connection is new.
    head: bool,
    /// Whether anything has come since the last request, or ever.
    heard: bool,
    /// When that began.
    since: Instant,
    /// Since when the client has not taken what is written.
    stalled: Option<Instant>,
}

#[derive(Debug)]
struct Owed {
    number: u64,
    since: Instant,
    /// The seconds of its grace that the body had used up by then.
    used: f64,
}

/// How long the server has been waiting for a connection's client.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wait {
    pub(super) seconds: f64,
    /// Whether there is a request whose body or answer it waits for.
    pub(super) has_request: bool,
}

impl Default for State {
    fn default() -> Self {
        let since = Instant::now();
        Self { in_flight: 0, owed: Vec::new(), next: 0, head: true, heard: false, since, stalled: None }
    }
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the server has been waiting for the client; `None` where the client waits for the server. Of a body that
    /// comes as it should, and of an answer that is read, the seconds are less than none.
    pub(super) fn wait(&self, now: Instant) -> Option<Wait> {
        let state = self.lock();
        let since = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        let stalled = state.stalled.map(|then| since(then) - HARDLY);
        if state.in_flight == 0 && stalled.is_none() {
            return Some(Wait { seconds: since(state.since), has_request: false });
        }
        let behind = |owed: &Owed| (owed.used + since(owed.since)).max(since(owed.since) - HARDLY);
        let all_owe = state.in_flight > 0 && state.owed.len() >= state.in_flight;
        let owed = all_owe.then(|| state.owed.iter().map(behind));
        let seconds = owed.into_iter().flatten().chain(stalled).max_by(f64::total_cmp)?;
        Some(Wait { seconds, has_request: true })
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        let mut state = self.lock();
        if state.in_flight == 0 && !state.heard {
            state.heard = true;
            // A new connection owes its head from its first moment on.
            if !state.head {
                (state.head, state.since) = (true, Instant::now());
            }
        }
    }

    /// Bytes could be written, or not.
    pub(super) fn wrote(&self, some: bool) {
        let mut state = self.lock();
        if !some {
            state.stalled = state.stalled.or_else(|| Some(Instant::now()));
        } else if state.stalled.take().is_some() && state.in_flight == 0 {
            // The rest of an answer, which no longer counts as a request.
            state.since = Instant::now();
        }
    }

    /// The server waits for more of a body, which has used up some seconds of its grace before; gives a number to end that
    /// with.
    pub(crate) fn wait_for_body(&self, used: f64) -> u64 {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.owed.push(Owed { number, since: Instant::now(), used });
        number
    }

    /// Some of the body has come, or nobody wants it any more.
    pub(crate) fn body_came(&self, number: u64) {
        self.lock().owed.retain(|owed| owed.number != number);
    }

    /// A request came in HTTP/2.
    pub(super) fn speaks_http_2(&self) {
        self.http_2.notify_one();
    }

    /// Returns once there was such a request.
    pub(super) async fn http_2(&self) {
        self.http_2.notified().await;
    }

    /// Returns once nothing has been asked and nothing has come for a while; from then on the connection is on its
    /// [last call](Self::is_last_call).
    pub(super) async fn quiet(&self, while_: Duration) {
        loop {
            let since = {
                let state = self.lock();
                let busy = state.in_flight > 0 || state.heard || state.stalled.is_some();
                if busy { Instant::now() } else { state.since }
            };
            if since.elapsed() >= while_ {
                self.last_call.store(true, Ordering::Relaxed);
                return;
            }
            tokio::time::sleep_until(since + while_).await;
        }
    }

    /// Whether the connection is to end where its client has sent nothing.
    pub(super) fn is_last_call(&self) -> bool {
        let idle = |state: &State| state.in_flight == 0 && !state.heard;
        self.last_call.load(Ordering::Relaxed) && idle(&self.lock())
    }

    /// When the client will have been too slow, as things are now.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        let state = self.lock();
        let patience = if state.head { limits.head } else { limits.idle };
        let waiting = (state.in_flight == 0 && state.stalled.is_none()).then(|| state.since + patience);
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
        (state.head, state.heard, state.since) = (false, false, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::super::limits::BodyPace;
    use super::*;

    const LIMITS: ConnectionLimits = ConnectionLimits {
        most: 1,
        most_of_an_address: 1,
        head: Duration::from_millis(40),
        idle: Duration::from_millis(150),
        pace: BodyPace { stands_still: Duration::ZERO, grace: Duration::ZERO, rate: 1.0 },
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
        let activity = Arc::new(Activity::default());
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
        let activity = Arc::new(Activity::default());
        let _request = InFlight::begin(Arc::clone(&activity));
        activity.wrote(false);
        activity.wrote(true);
        assert_eq!(cut_off_after(&activity).await, None, "it went on");
        activity.wrote(false);
        assert!(cut_off_after(&activity).await.unwrap() >= 140);
    }

    #[test]
    fn a_client_is_waited_for_where_all_its_requests_owe_a_body_or_their_answer_is_not_read() {
        let activity = Arc::new(Activity::default());
        let in_five_seconds = || Instant::now() + Duration::from_secs(5);
        let seconds = || activity.wait(in_five_seconds()).map(|wait| (wait.seconds.round(), wait.has_request));
        assert_eq!(seconds(), Some((5.0, false)), "without a request");
        let request = InFlight::begin(Arc::clone(&activity));
        assert_eq!(seconds(), None, "the client waits for the server");
        let body = activity.wait_for_body(2.0);
        assert_eq!(seconds(), Some((7.0, true)), "its grace was used before, too");
        let another = InFlight::begin(Arc::clone(&activity));
        assert_eq!(seconds(), None, "another of its requests is answered");
        drop(another);
        activity.body_came(body);
        assert_eq!(seconds(), None);
        let paid = activity.wait_for_body(-9.0);
        assert_eq!(seconds(), Some((4.0, true)), "whatever it sent before, it stands still");
        activity.body_came(paid);
        activity.wrote(false);
        assert_eq!(seconds(), Some((4.0, true)));
        drop(request);
    }

    #[tokio::test]
    async fn a_connection_is_quiet_when_it_has_neither_a_request_nor_the_beginning_of_one() {
        let activity = Arc::new(Activity::default());
        let request = InFlight::begin(Arc::clone(&activity));
        let quiet = || tokio::time::timeout(Duration::from_millis(100), activity.quiet(Duration::from_millis(10)));
        assert!(quiet().await.is_err(), "a request is in flight");
        drop(request);
        activity.read();
        assert!(quiet().await.is_err() && !activity.is_last_call(), "a head has begun");
        drop(InFlight::begin(Arc::clone(&activity)));
        assert!(quiet().await.is_ok() && activity.is_last_call());
        let _request = InFlight::begin(Arc::clone(&activity));
        assert!(!activity.is_last_call(), "what came meanwhile is answered");
    }
}
