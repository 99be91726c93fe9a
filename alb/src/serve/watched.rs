//! A client's connection that knows when something was last sent on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How much longer than the idle timeout a connection stays while a request runs on it: that request's own timeouts answer first.
const GRACE: Duration = Duration::from_secs(2);

/// When something last moved on a connection, and how many requests run on it.
#[derive(Debug)]
pub(crate) struct Activity {
    began: Instant,
    moved: AtomicU64,
    requests: AtomicUsize,
}

/// A request that runs on a connection.
#[derive(Debug)]
pub(crate) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), moved: AtomicU64::new(0), requests: AtomicUsize::new(0) })
    }

    pub(crate) fn run(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for the idle timeout, which may change meanwhile.
    pub(crate) async fn idle(&self, timeout: impl Fn() -> Duration) {
        loop {
            let grace = if self.requests.load(Ordering::Relaxed) > 0 { GRACE } else { Duration::ZERO };
            let end = self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + timeout() + grace;
            if end <= Instant::now() {
                return;
            }
            // Looks again from time to time: the timeout is an attribute that may be made shorter.
            tokio::time::sleep_until(end.min(Instant::now() + Duration::from_secs(5))).await;
        }
    }
}

/// A stream that notes what moves on it.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = ready!(Pin::new(&mut self.inner).poll_read(context, into));
        if into.filled().len() > before {
            self.activity.touch();
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, from));
        if written.as_ref().is_ok_and(|bytes| *bytes > 0) {
            self.activity.touch();
        }
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
