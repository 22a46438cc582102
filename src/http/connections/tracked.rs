//! A connection's bytes, on their way in and out.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::activity::Activity;
use super::refusal;

/// A stream that tells its activity.
pub(super) struct Tracked {
    stream: TcpStream,
    activity: Arc<Activity>,
    /// What is written in the place of something else, and how much of it has been.
    instead: Option<(Vec<u8>, usize)>,
}

impl Tracked {
    pub(super) fn new(stream: TcpStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, instead: None }
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.activity.wrote(written.is_ready());
        written
    }

    /// Whether the client has sent nothing that is not read. The runtime hears of bytes a moment after they came, so the
    /// system itself is asked: a request that is there is answered, however late it came.
    fn nothing_came(&self) -> bool {
        rustix::io::ioctl_fionread(&self.stream).is_ok_and(|bytes| bytes == 0)
    }

    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = refusal::instead_of(bytes).map(|answer| (answer, 0));
        }
        let Some((answer, sent)) = &mut self.instead else {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        while *sent < answer.len() {
            *sent += ready!(Pin::new(&mut self.stream).poll_write(context, &answer[*sent..]))?;
        }
        self.instead = None;
        Poll::Ready(Ok(bytes.len()))
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
        if read.is_pending() && self.activity.is_last_call() && self.nothing_came() {
            // As if the client had ended it.
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Tracked {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = match parts {
            [all] => self.write(context, all),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, parts),
        };
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
