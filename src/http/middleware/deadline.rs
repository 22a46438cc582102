//! How long a request may take: to send its body, and to be answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

use crate::http::connections::BodyPace;
use crate::http::connections::activity::Asked;
use crate::http::error::{ApiError, Code};
use crate::http::routes::{self, BodyLimit, Deadline, Route};
use crate::http::state::AppState;

/// For routes that read large bodies, load models, measure or write much.
const LONG: Duration = Duration::from_secs(600);

/// Cuts a request off when its body comes too slowly or its answer does not begin in time.
pub(crate) async fn deadline(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let route = routes::find(request.method(), template);
    let limit = limit(route, request.uri(), state.limits.request_deadline);
    let most = match route.map(|route| route.body) {
        Some(BodyLimit::Upload) => state.limits.max_upload,
        _ => state.limits.max_body,
    };
    DefaultBodyLimit::max(most).apply(&mut request);
    request.extensions_mut().insert(MostBytes(most));
    let version = request.version();
    let arrival = Arc::new(AtomicU8::new(ARRIVING));
    // HTTP/2 tells a client to stop; one that waits for 100 Continue has not begun.
    let unread = if version < Version::HTTP_2 && !request.headers().contains_key(header::EXPECT) {
        Unread::Comes
    } else if version < Version::HTTP_2 {
        Unread::Waits
    } else {
        Unread::Stops
    };
    let asked: Option<Asked> = request.extensions().get().cloned();
    if let (Some(asked), None) = (&asked, limit) {
        asked.watches();
    }
    let request = request.map(|body| {
        if body.is_end_stream() {
            arrival.store(WHOLE, Ordering::Relaxed);
            return body;
        }
        let (pace, left) = (state.limits.body_pace, state.limits.body_pace.begin());
        Body::new(Arriving { body, pace, left, wait: None, asked, arrival: Arc::clone(&arrival), unread })
    });
    let answer = next.run(request);
    let answer = match limit {
        Some(limit) => {
            let works = route.is_some_and(|route| route.deadline == Deadline::Works);
            let passes = || (works && arrival.load(Ordering::Relaxed) == WHOLE).then(|| state.engine.passes());
            while_working(limit, answer, passes).await
        }
        None => Some(answer.await),
    };
    match (answer, arrival.load(Ordering::Relaxed)) {
        (_, TOO_SLOW) | (None, ARRIVING) => body_too_slow(version),
        (Some(answer), _) => answer,
        (None, _) => too_late(limit.unwrap_or_default()).into_response(),
    }
}

/// How many bytes a request's body may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MostBytes(pub(crate) usize);

/// Waits for an answer while batches are computed: `passes` counts them, where they count at all. Texts that wait are
/// taken in turn, so that whoever waits while others are served is served, too.
async fn while_working<T>(
    limit: Duration,
    answer: impl Future<Output = T>,
    passes: impl Fn() -> Option<u64>,
) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut before = Some(0);
    loop {
        if let Ok(answer) = tokio::time::timeout(limit, answer.as_mut()).await {
            return Some(answer);
        }
        let now = passes();
        if now.is_none() || now == before {
            return None;
        }
        before = now;
    }
}

/// The time to the answer's head; `None` for streams and for those who ask to wait.
fn limit(route: Option<&Route>, uri: &Uri, usual: Duration) -> Option<Duration> {
    let waits = || uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("wait=")));
    match route.map_or(Deadline::Usual, |route| route.deadline) {
        Deadline::Never => None,
        Deadline::Waits if waits() => None,
        Deadline::Waits | Deadline::Works | Deadline::Usual => Some(usual),
        Deadline::Long => Some(LONG),
    }
}

fn too_late(limit: Duration) -> ApiError {
    let detail = format!("The answer was not ready after {} s; the work was dropped.", limit.as_secs_f64());
    ApiError::of(Code::Deadline).detail(detail).retry_after(5)
}

fn body_too_slow(version: Version) -> Response {
    let mut response = ApiError::of(Code::BodyTooSlow)
        .detail("The request's body stood still, came more slowly than the server waits for, or did not arrive in the time that the route has.")
        .into_response();
    if version < Version::HTTP_2 {
        // Whatever of the body still comes is no request.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What of a body comes still when nobody reads it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    /// The rest of it, whatever the answer is.
    Comes,
    /// Nothing, until it is asked for.
    Waits,
    /// Nothing: the client is told to stop.
    Stops,
}

/// How long, and how many bytes of, what nobody wants are taken from a client.
const LONGEST_DRAIN: Duration = Duration::from_secs(2);
const MOST_DRAINED: usize = 128 << 20;

/// Takes the rest of a body that was refused. Were it left lying, the system would reset the connection and take
/// the answer back, and a client that writes first and reads then would not learn why.
async fn drain(body: Body) {
    let rest = async {
        let (mut bytes, mut taken) = (body.into_data_stream(), 0);
        while let Some(Ok(some)) = bytes.next().await {
            taken += some.len();
            if taken > MOST_DRAINED {
                return;
            }
        }
    };
    // A client that takes longer finds the connection closed, as it would have at once.
    let _ = tokio::time::timeout(LONGEST_DRAIN, rest).await;
}

// What became of a body.
const ARRIVING: u8 = 0;
const WHOLE: u8 = 1;
const TOO_SLOW: u8 = 2;

/// A body that comes at a pace.
struct Arriving {
    body: Body,
    pace: BodyPace,
    /// Seconds that the server will wait for more of it.
    left: f64,
    /// Set while it does.
    wait: Option<Wait>,
    /// Its request on its connection, where there is one.
    asked: Option<Asked>,
    arrival: Arc<AtomicU8>,
    unread: Unread,
}

/// The server waits for more of a body.
struct Wait {
    began: Instant,
    /// When the client will have been too slow.
    end: Pin<Box<Sleep>>,
}

impl Arriving {
    fn begin_to_wait(&self) -> Wait {
        if let Some(asked) = &self.asked {
            asked.waits_for_body(self.pace.begin() - self.left);
        }
        let end = Box::pin(tokio::time::sleep(Duration::try_from_secs_f64(self.left).unwrap_or_default()));
        Wait { began: Instant::now(), end }
    }

    fn end_the_wait(&mut self, bytes: usize) {
        let Some(wait) = self.wait.take() else { return };
        self.left = self.pace.after(self.left, wait.began.elapsed(), bytes);
        if let Some(asked) = &self.asked {
            asked.body_came();
        }
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.end_the_wait(0);
        if self.arrival.load(Ordering::Relaxed) == ARRIVING
            && self.unread == Unread::Comes
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(drain(std::mem::take(&mut self.body)));
        }
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.unread == Unread::Waits {
            // From now on the client is asked to send it.
            self.unread = Unread::Comes;
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            self.end_the_wait(data.map_or(0, Bytes::len));
            if frame.is_none() || self.body.is_end_stream() {
                self.arrival.store(WHOLE, Ordering::Relaxed);
            }
            return Poll::Ready(frame);
        }
        if self.wait.is_none() {
            self.wait = Some(self.begin_to_wait());
        }
        let wait = self.wait.as_mut().expect("it has begun");
        ready!(wait.end.as_mut().poll(context));
        self.arrival.store(TOO_SLOW, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(std::io::Error::from(std::io::ErrorKind::TimedOut)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use axum::http::Method;

    use super::*;

    #[tokio::test]
    async fn what_is_worked_on_is_not_cut_off_and_what_stands_still_is() {
        let blink = Duration::from_millis(20);
        let answer = || tokio::time::sleep(10 * blink);
        let count = Cell::new(0);
        let goes_on = || {
            count.set(count.get() + 1);
            Some(count.get())
        };
        assert!(while_working(blink, answer(), goes_on).await.is_some());
        assert!(while_working(blink, answer(), || Some(7)).await.is_none());
        assert!(while_working(blink, answer(), || None).await.is_none());
    }

    #[test]
    fn streams_and_waits_have_no_limit_uploads_a_long_one_and_the_rest_the_usual() {
        let usual = Duration::from_secs(30);
        let of = |method: Method, template: &str, uri: &'static str| {
            limit(routes::find(&method, template), &Uri::from_static(uri), usual)
        };
        assert_eq!(of(Method::GET, "/jobs/{id}", "/jobs/job_1?wait=30"), None);
        assert_eq!(of(Method::GET, "/jobs/{id}", "/jobs/job_1"), Some(usual));
        assert_eq!(of(Method::GET, "/jobs/{id}/events", "/jobs/job_1/events"), None);
        assert_eq!(of(Method::POST, "/embed", "/embed?wait=30"), Some(usual));
        assert_eq!(of(Method::GET, "/models", "/models?wait=30"), Some(usual));
        assert_eq!(of(Method::POST, "/datasets", "/datasets"), Some(LONG));
        assert_eq!(of(Method::GET, "/neighbours", "/neighbours"), Some(LONG));
        assert_eq!(of(Method::GET, "", "/nowhere"), Some(usual));
    }
}
