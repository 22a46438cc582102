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
    /// What is answered now; HTTP/2 has several at a time.
    requests: Vec<Request>,
    /// Names the next of those.
    next: u64,
    /// Whether they come in HTTP/2.
    http_2: bool,
    /// Without a request: whether a head is owed, since some of it has come or since the connection is new.
    head: bool,
    /// Whether anything has come since the last request, or ever.
    heard: bool,
    /// When that began.
    since: Instant,
    /// Since when the client has not taken what is written.
    stalled: Option<Instant>,
}

/// Whom a request waits for.
#[derive(Debug)]
struct Request {
    number: u64,
    /// The client, for more of its body.
    body: Option<Owed>,
    /// The client, to take what is there of its answer.
    unread: Option<Instant>,
    /// Something that may happen some time.
    watches: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Owed {
    since: Instant,
    /// The seconds of its grace that the body had used up by then.
    used: f64,
}

/// How long a connection could have been without its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wait {
    pub(super) seconds: f64,
    pub(super) holds: Holds,
}

/// What would end with such a connection, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// No request.
    Nothing,
    /// One that waits for something to happen: a stream of events, `?wait=`. Its client comes back and has missed nothing.
    Watch,
    /// One whose body does not come, or whose answer is not taken.
    Request,
}

impl Default for State {
    fn default() -> Self {
        let since = Instant::now();
        Self { requests: Vec::new(), next: 0, http_2: false, head: true, heard: false, since, stalled: None }
    }
}

impl Request {
    /// How long its client has been waited for, or it has watched; `None` where the client waits for the server. Of a
    /// body that comes as it should, and of an answer that is taken, the seconds are less than none.
    fn wait(&self, now: Instant) -> Option<Wait> {
        let since = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        let body = self.body.map(|owed| (owed.used + since(owed.since)).max(since(owed.since) - HARDLY));
        let owes = body.or(self.unread.map(|then| since(then) - HARDLY));
        match (owes, self.watches) {
            (Some(seconds), _) => Some(Wait { seconds, holds: Holds::Request }),
            (None, Some(then)) => Some(Wait { seconds: since(then), holds: Holds::Watch }),
            (None, None) => None,
        }
    }
}

impl Activity {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the server has been waiting for the client, or the client for something that may not happen; `None` where
    /// a request is being answered.
    pub(super) fn wait(&self, now: Instant) -> Option<Wait> {
        let state = self.lock();
        let since = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        if let Some(then) = state.stalled {
            return Some(Wait { seconds: since(then) - HARDLY, holds: Holds::Request });
        }
        if state.requests.is_empty() {
            return Some(Wait { seconds: since(state.since), holds: Holds::Nothing });
        }
        let all: Option<Vec<Wait>> = state.requests.iter().map(|request| request.wait(now)).collect();
        all?.into_iter().max_by(|one, other| one.holds.cmp(&other.holds).then(one.seconds.total_cmp(&other.seconds)))
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        let mut state = self.lock();
        if state.requests.is_empty() && !state.heard {
            state.heard = true;
            // A new connection owes its head from its first moment on. What HTTP/2 sends between requests is rarely one.
            if !state.head && !state.http_2 {
                (state.head, state.since) = (true, Instant::now());
            }
        }
    }

    /// Bytes could be written, or not.
    pub(super) fn wrote(&self, some: bool) {
        let mut state = self.lock();
        if !some {
            state.stalled = state.stalled.or_else(|| Some(Instant::now()));
        } else if state.stalled.take().is_some() && state.requests.is_empty() {
            // The rest of an answer, which no longer counts as a request.
            state.since = Instant::now();
        }
    }

    /// A request came in HTTP/2.
    pub(super) fn speaks_http_2(&self) {
        self.lock().http_2 = true;
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
                let busy = !state.requests.is_empty() || state.heard || state.stalled.is_some();
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
        let idle = |state: &State| state.requests.is_empty() && !state.heard;
        self.last_call.load(Ordering::Relaxed) && idle(&self.lock())
    }

    /// When the client will have been too slow, as things are now.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        let state = self.lock();
        let patience = if state.head { limits.head } else { limits.idle };
        let waiting = (state.requests.is_empty() && state.stalled.is_none()).then(|| state.since + patience);
        let unread = state.requests.iter().filter_map(|request| request.unread);
        let untaken = state.stalled.into_iter().chain(unread).map(|since| since + limits.idle);
        waiting.into_iter().chain(untaken).min()
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

/// A request, as whoever answers it tells whom it waits for. It may be told when the request is over; then nothing changes.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    activity: Arc<Activity>,
    number: u64,
}

impl Asked {
    fn change(&self, change: impl FnOnce(&mut Request)) {
        let mut state = self.activity.lock();
        if let Some(request) = state.requests.iter_mut().find(|request| request.number == self.number) {
            change(request);
        }
    }

    /// The server waits for more of its body, which has used up some seconds of its grace before.
    pub(crate) fn waits_for_body(&self, used: f64) {
        self.change(|request| request.body = Some(Owed { since: Instant::now(), used }));
    }

    /// Some of the body has come, or nobody wants it any more.
    pub(crate) fn body_came(&self) {
        self.change(|request| request.body = None);
    }

    /// From now on it waits for something to happen.
    pub(crate) fn watches(&self) {
        self.change(|request| request.watches = Some(Instant::now()));
    }

    /// Some of its answer is there, and goes out as soon as the client takes it; or more of it was asked for.
    pub(super) fn has_unread(&self, some: bool) {
        self.change(|request| request.unread = some.then(Instant::now));
    }
}

/// A request, from its head to the end of its answer.
pub(super) struct InFlight(Asked);

impl InFlight {
    pub(super) fn begin(activity: Arc<Activity>) -> Self {
        let number = {
            let mut state = activity.lock();
            let number = state.next;
            state.next += 1;
            state.requests.push(Request { number, body: None, unread: None, watches: None });
            number
        };
        Self(Asked { activity, number })
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.activity.lock();
        state.requests.retain(|request| request.number != self.0.number);
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

    #[tokio::test]
    async fn a_client_that_takes_nothing_of_its_answer_is_cut_off_and_one_that_waits_for_it_is_not() {
        let activity = Arc::new(Activity::default());
        let request = InFlight::begin(Arc::clone(&activity));
        request.asked().has_unread(true);
        request.asked().has_unread(false);
        assert_eq!(cut_off_after(&activity).await, None, "more of it was asked for");
        request.asked().has_unread(true);
        assert!(cut_off_after(&activity).await.unwrap() >= 140);
    }

    #[tokio::test]
    async fn what_comes_between_two_requests_of_http_2_is_no_head() {
        let activity = Arc::new(Activity::default());
        activity.speaks_http_2();
        drop(InFlight::begin(Arc::clone(&activity)));
        activity.read();
        assert!(cut_off_after(&activity).await.unwrap() >= 140);
    }

    #[test]
    fn a_client_is_waited_for_where_all_its_requests_owe_a_body_or_their_answer_is_not_taken() {
        use Holds::{Nothing, Request};
        let activity = Arc::new(Activity::default());
        let in_five_seconds = || Instant::now() + Duration::from_secs(5);
        let seconds = || activity.wait(in_five_seconds()).map(|wait| (wait.seconds.round(), wait.holds));
        assert_eq!(seconds(), Some((5.0, Nothing)), "without a request");
        let request = InFlight::begin(Arc::clone(&activity));
        let asked = request.asked();
        assert_eq!(seconds(), None, "the client waits for the server");
        asked.waits_for_body(2.0);
        assert_eq!(seconds(), Some((7.0, Request)), "its grace was used before, too");
        let another = InFlight::begin(Arc::clone(&activity));
        assert_eq!(seconds(), None, "another of its requests is answered");
        another.asked().has_unread(true);
        assert_eq!(seconds(), Some((7.0, Request)), "of the two, the one that was waited for longest");
        drop(another);
        asked.body_came();
        assert_eq!(seconds(), None);
        asked.waits_for_body(-9.0);
        assert_eq!(seconds(), Some((4.0, Request)), "whatever it sent before, it stands still");
        asked.body_came();
        asked.has_unread(true);
        assert_eq!(seconds(), Some((4.0, Request)));
        asked.has_unread(false);
        activity.wrote(false);
        assert_eq!(seconds(), Some((4.0, Request)));
        drop(request);
    }

    #[test]
    fn a_client_that_watches_could_come_back_unless_another_of_its_requests_is_answered() {
        let activity = Arc::new(Activity::default());
        let holds = || activity.wait(Instant::now() + Duration::from_secs(5)).map(|wait| wait.holds);
        let stream = InFlight::begin(Arc::clone(&activity));
        stream.asked().watches();
        assert_eq!(holds(), Some(Holds::Watch));
        let question = InFlight::begin(Arc::clone(&activity));
        assert_eq!(holds(), None);
        question.asked().waits_for_body(0.0);
        assert_eq!(holds(), Some(Holds::Request));
        drop(question);
        assert_eq!(holds(), Some(Holds::Watch));
        let asked = stream.asked().clone();
        drop(stream);
        asked.watches();
        assert_eq!(holds(), Some(Holds::Nothing), "it is over");
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
