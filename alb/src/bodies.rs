//! Bodies on their way through: watched for progress, limited in time, counted.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body of either direction.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is there as a whole.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// How far a request's body has come.
#[derive(Debug)]
pub(crate) struct Progress {
    began: Instant,
    /// Milliseconds after the beginning at which something last moved.
    moved: AtomicU64,
    /// Whether the client is who is waited for.
    waits_for_client: AtomicBool,
}

impl Progress {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), moved: AtomicU64::new(0), waits_for_client: AtomicBool::new(false) })
    }

    pub(crate) fn touch(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// When nothing will have moved for that long.
    pub(crate) fn deadline(&self, idle: Duration) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + idle
    }

    pub(crate) fn waits_for_client(&self) -> bool {
        self.waits_for_client.load(Ordering::Relaxed)
    }
}

/// The body of a client's request.
pub(crate) struct FromClient {
    inner: Incoming,
    progress: Arc<Progress>,
}

impl FromClient {
    pub(crate) fn new(inner: Incoming, progress: Arc<Progress>) -> Self {
        Self { inner, progress }
    }
}

impl HttpBody for FromClient {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        self.progress.waits_for_client.store(polled.is_pending(), Ordering::Relaxed);
        let frame = ready!(polled);
        self.progress.touch();
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A future that cuts what runs.
pub(crate) type Cut = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a target's answer: cut when the target is taken away, or when it sends nothing for too long.
pub(crate) struct FromTarget<G> {
    inner: Incoming,
    idle: Duration,
    timer: Pin<Box<Sleep>>,
    cut: Cut,
    /// Kept until the body has ended.
    _guard: G,
}

impl<G> FromTarget<G> {
    pub(crate) fn new(inner: Incoming, idle: Duration, cut: Cut, guard: G) -> Self {
        Self { inner, idle, timer: Box::pin(tokio::time::sleep(idle)), cut, _guard: guard }
    }
}

impl<G: Unpin> HttpBody for FromTarget<G> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            let next = Instant::now() + self.idle;
            self.timer.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err("the target is deregistered".into())));
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Some(Err("the target sent nothing within the idle timeout".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
