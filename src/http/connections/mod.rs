//! Connections: accepted by hand, since nobody else sets a limit on how long a request's head may take, on how
//! many connections there are, and on how long the last of them may last.

mod activity;
mod limiter;
mod limits;

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::http::error::{ApiError, Code};
use activity::{InFlight, Tracked};
use limiter::{Limiter, Permit};
pub use limits::ConnectionLimits;

/// Those that are told that there are too many connections; more are closed without a word.
const REFUSED_AT_ONCE: usize = 64;

/// Answers requests until `stop`, then lets those in flight finish, for `limits.drain` at most. A listener that cannot
/// accept is tried again.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    limits: ConnectionLimits,
) -> io::Result<()> {
    let limiter = Arc::new(Limiter::new(limits));
    let refusals = Arc::new(Semaphore::new(REFUSED_AT_ONCE));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        match limiter.enter(peer.ip()) {
            Some(permit) => drop(tokio::spawn(attend(stream, permit, router.clone(), graceful.watcher(), limits))),
            None => {
                metrics::counter!("shamisen_errors_total", "code" => TOO_MANY.entry().code).increment(1);
                if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        let _permit = permit;
                        // A client that does not listen has not asked to be told.
                        let _ = tokio::time::timeout(Duration::from_secs(1), refuse(stream)).await;
                    });
                }
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that were still in flight were cut off");
    }
    Ok(())
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
async fn attend(stream: TcpStream, permit: Permit, router: Router, watcher: Watcher, limits: ConnectionLimits) {
    // Answers are written whole; waiting for more of them to fill a packet costs milliseconds.
    let _ = stream.set_nodelay(true);
    let activity = Arc::clone(&permit.activity);
    let io = TokioIo::new(Tracked { stream, activity: Arc::clone(&activity) });
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let in_flight = InFlight::begin(Arc::clone(&activity));
        let reply = router.clone().oneshot(request);
        async move {
            let reply = reply.await?;
            Ok::<_, Infallible>(reply.map(|body| Answer { body, _in_flight: in_flight }))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    // `activity` minds the heads: also before it is known which version of HTTP a client speaks.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(100);
    let connection = watcher.watch(builder.serve_connection(io, service));
    tokio::select! {
        ended = connection => if let Err(error) = ended { tracing::debug!(%error, "a connection broke") },
        () = activity.overdue(&limits) => tracing::debug!("a connection was too slow"),
        () = permit.wanted.cancelled() => tracing::debug!("an idle connection made room for another"),
    }
}

const TOO_MANY: Code = Code::TooManyConnections;

/// Says that there are too many connections, without reading what is asked.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    let error = ApiError::of(TOO_MANY)
        .detail("There are too many connections, in all or from this address, and none of them is idle.")
        .retry_after(1);
    let body = error.to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await?;
    // Bytes that were sent and not read would make the system take the answer back.
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// An answer's body; the request is in flight until it has been sent.
struct Answer {
    body: Body,
    _in_flight: InFlight,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
