//! Connections: accepted by hand, since nobody else sets a limit on how long a request's head may take, on how
//! many connections there are, and on how long the last of them may last.

pub(crate) mod activity;
mod limiter;
mod limits;
mod refusal;
mod tracked;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Version, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::http::error::{ApiError, Code};
use crate::http::middleware::lifecycle::Lifecycle;
use activity::InFlight;
use limiter::{Limiter, Permit};
pub use limits::{BodyPace, ConnectionLimits};
use tracked::Tracked;

/// Those that are told that there are too many connections; more are closed without a word.
const REFUSED_AT_ONCE: usize = 512;

/// Bytes of a request's head, in HTTP/1 and in HTTP/2. Keys, traces and cookies of others come to some thousand.
const LONGEST_HEAD: usize = 64 << 10;

/// After a stop, a connection on which nothing was asked for so long is closed. Whoever sends one request after another
/// has been told by then; a pause that is this long is rarely over just when the connection is closed.
const QUIET: Duration = Duration::from_millis(250);

/// Answers requests until `stop`, then those that are in flight or come on connections that are there, for `limits.drain`
/// at most. A listener that cannot accept is tried again.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    lifecycle: Arc<Lifecycle>,
    stop: CancellationToken,
    limits: ConnectionLimits,
) -> io::Result<()> {
    let limiter = Arc::new(Limiter::new(limits));
    let server = Server { router, lifecycle, stop, limits };
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    let attended = TaskTracker::new();
    let welcome = |stream: TcpStream, ip| match limiter.enter(ip) {
        Some(permit) => {
            let took_room = permit.took_room;
            // A token of its own: all connections look at theirs whenever they do anything.
            let server = Server { stop: server.stop.child_token(), ..server.clone() };
            attended.spawn(attend(stream, permit, server));
            took_room
        }
        None => {
            refusal::count(Code::TooManyConnections);
            if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    let _permit = permit;
                    // A client that does not listen has not asked to be told.
                    let _ = tokio::time::timeout(Duration::from_secs(1), refuse(stream)).await;
                });
            }
            true
        }
    };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = server.stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                if welcome(stream, peer.ip()) {
                    // In a crowd, those that were let in read what they were sent before others take their places.
                    tokio::task::yield_now().await;
                }
            }
            Err(error) => pause_after(&error).await,
        }
    }
    server.lifecycle.end();
    for (stream, ip) in last_ones(listener)? {
        welcome(stream, ip);
    }
    attended.close();
    if tokio::time::timeout(limits.drain, attended.wait()).await.is_err() {
        tracing::warn!("requests that were still in flight were cut off");
    }
    Ok(())
}

/// Closes the listener, and gives the connections that the system has made already: their clients may have sent requests.
fn last_ones(listener: TcpListener) -> io::Result<Vec<(TcpStream, IpAddr)>> {
    let listener = listener.into_std()?;
    let mut last = Vec::new();
    while let Ok(accepted) = listener.accept() {
        last.push(accepted);
    }
    drop(listener);
    let stream = |(stream, peer): (std::net::TcpStream, SocketAddr)| {
        stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(stream)?, peer.ip()))
    };
    last.into_iter().map(stream).collect()
}

/// What all connections are served by.
#[derive(Clone)]
struct Server {
    router: Router,
    lifecycle: Arc<Lifecycle>,
    stop: CancellationToken,
    limits: ConnectionLimits,
}

/// A client that has gone before it was accepted is no reason to wait; a lack of files is.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "connections cannot be accepted; trying again in a second");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Serves one connection, until it ends, it is too slow, or others need its permit.
///
/// A server that stops says so in its answers, and a client that was told opens another connection. Those that have asked
/// for nothing since are closed at the end, when they are quiet.
async fn attend(stream: TcpStream, permit: Permit, server: Server) {
    // Answers are written whole; waiting for more of them to fill a packet costs milliseconds.
    let _ = stream.set_nodelay(true);
    let Server { router, lifecycle, stop, limits } = server;
    let activity = &permit.activity;
    let io = TokioIo::new(Tracked::new(stream, Arc::clone(activity)));
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        let in_flight = InFlight::begin(Arc::clone(activity));
        request.extensions_mut().insert(in_flight.asked().clone());
        let http_2 = request.version() == Version::HTTP_2;
        if http_2 {
            activity.speaks_http_2();
        }
        let (reply, lifecycle) = (router.clone().oneshot(request), Arc::clone(&lifecycle));
        async move {
            let mut reply = reply.await?;
            if !http_2 && lifecycle.is_stopping() {
                reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            in_flight.asked().has_unread(true);
            Ok::<_, Infallible>(reply.map(|body| Answer { body, in_flight }))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // `activity` minds the heads: also before it is known which version of HTTP a client speaks.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(LONGEST_HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100).max_header_list_size(LONGEST_HEAD as u32);
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut overdue = pin!(activity.overdue(&limits));
    let mut wanted = pin!(permit.wanted.cancelled());
    // HTTP/2 has a frame for it, after which no stream is lost.
    let mut goes_away = pin!(async {
        activity.http_2().await;
        lifecycle.stopping().await;
    });
    let mut last_call = pin!(async {
        stop.cancelled().await;
        activity.quiet(QUIET).await;
    });
    let (mut told, mut called) = (false, false);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
                return;
            }
            () = overdue.as_mut() => return tracing::debug!("a connection was too slow"),
            () = wanted.as_mut() => {
                refusal::count(Code::TooManyConnections);
                return tracing::debug!("a connection that was waited for made room for another");
            }
            () = goes_away.as_mut(), if !told => {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            // The connection is looked at once more, and ends where nothing has come.
            () = last_call.as_mut(), if !called => called = true,
        }
    }
}

/// Says that there are too many connections, without reading what is asked.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let error = ApiError::of(Code::TooManyConnections)
        .detail("There are too many connections, in all or from this address, and all of them wait for an answer.")
        .retry_after(1);
    stream.write_all(&refusal::answer(&error)).await?;
    stream.shutdown().await?;
    // Bytes that were sent and not read would make the system take the answer back.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// An answer's body; the request is in flight until it has been sent. It is asked for more as soon as there is room for
/// it: in HTTP/2, when the client allows it.
struct Answer {
    body: Body,
    in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.in_flight.asked().has_unread(false);
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if frame.is_ready() {
            self.in_flight.asked().has_unread(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
