//! The webhook routes: one for each path of the table. Each receives a review and sends an answer.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_engine::admit::registration::{ROWS, WebhookRow};
use albedo_engine::admit::wire::{self, Envelope};
use albedo_engine::admit::{Request, ReviewAnswer};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request as HttpRequest, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;

use super::metrics::Metrics;
use super::room::{Room, Share};
use super::slots::{Phase, Slot};

/// The decision on a request. It is called on its own thread; the number of places in the lane limits how many run at a time.
pub type Decide = Arc<dyn Fn(Request, Lane) -> ReviewAnswer + Send + Sync>;

/// The lane of a review: small reviews never wait behind large ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// A body of up to 64 KiB, like nearly all.
    Small,
    /// A larger one.
    Large,
}

/// The largest body in bytes. etcd accepts requests of up to 1.5 MiB (`--max-request-bytes`), so this is the largest object;
/// an update contains two objects, and JSON is longer than the stored form.
const BODY_LIMIT: usize = 4 * 1024 * 1024;
/// How many bytes of a body that is too large are read and discarded, so that the client can read the answer.
const DISCARD_LIMIT: usize = 8 * BODY_LIMIT;
/// A body up to this size, in bytes, needs no share of the room: the number of connections limits these bodies.
const SMALL: usize = 64 * 1024;
/// The most bytes of all larger bodies together that are being read or reviewed.
const ROOM: usize = 4 * BODY_LIMIT;
/// Bytes that must arrive in each [`PACE`], until the body is complete.
const STEP: usize = 16 * 1024;
const PACE: Duration = Duration::from_secs(2);
/// The longest wait for room, and for a place in a lane: the API server waits 5 s in total.
const QUEUE: Duration = Duration::from_secs(2);
/// Concurrent reviews. A large one may need tens of megabytes.
const SMALL_PLACES: usize = 4;
const LARGE_PLACES: usize = 1;

/// The limits that all paths share.
#[derive(Debug)]
struct Bounds {
    room: Arc<Room>,
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Bounds {
    fn lane(&self, lane: Lane) -> &Arc<Semaphore> {
        match lane {
            Lane::Small => &self.small,
            Lane::Large => &self.large,
        }
    }
}

/// One path.
#[derive(Clone)]
struct Endpoint {
    row: &'static WebhookRow,
    decide: Decide,
    limit: Duration,
    bounds: Arc<Bounds>,
    metrics: Metrics,
}

/// The routes of every path in the table; `limit` is the timeout for reading a body.
pub(super) fn routes(decide: &Decide, limit: Duration, metrics: &Metrics) -> Router {
    let bounds = Arc::new(Bounds {
        room: Room::new(ROOM),
        small: Arc::new(Semaphore::new(SMALL_PLACES)),
        large: Arc::new(Semaphore::new(LARGE_PLACES)),
    });
    let mut routes = Router::new();
    let mut seen: Vec<&str> = Vec::new();
    for row in ROWS {
        // Several webhooks may share a path; they differ in what the API server sends, not in the answer.
        if seen.contains(&row.path) {
            continue;
        }
        seen.push(row.path);
        let (decide, bounds) = (Arc::clone(decide), Arc::clone(&bounds));
        let endpoint = Endpoint { row, decide, limit, bounds, metrics: metrics.clone() };
        routes = routes.route(row.path, post(move |request: HttpRequest<Body>| endpoint.serve(request)));
    }
    routes.layer(CatchPanicLayer::new())
}

impl Endpoint {
    async fn serve(self, request: HttpRequest<Body>) -> Response {
        let slot = request.extensions().get::<Arc<Slot>>().cloned();
        let read = timeout(self.limit, read(request.into_body(), &self.bounds.room)).await;
        let (body, share) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(refusal)) => return self.unreadable(refusal.code(), &refusal),
            Err(_) => return self.unreadable(StatusCode::REQUEST_TIMEOUT, &Refusal::Slow),
        };
        if let Some(slot) = &slot {
            slot.enter(Phase::Review);
        }
        let lane = if share.is_some() { Lane::Large } else { Lane::Small };
        let place = timeout(QUEUE, Arc::clone(self.bounds.lane(lane)).acquire_owned()).await;
        let Ok(Ok(place)) = place else { return self.unreadable(StatusCode::SERVICE_UNAVAILABLE, &Refusal::Busy) };
        // Not on the runtime: a long computation must not block connections. The place is kept until the end, even if
        // the client disconnects.
        let computed = tokio::task::spawn_blocking(move || {
            let response = self.respond(&body, lane);
            drop((body, share, place));
            response
        });
        match computed.await {
            Ok((response, readable)) => {
                if let Some(slot) = slot.filter(|_| readable) {
                    slot.prove();
                }
                response
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }

    /// The answer to a body, and whether the body was a review.
    fn respond(&self, body: &[u8], lane: Lane) -> (Response, bool) {
        let start = Instant::now();
        let envelope = match Envelope::read(body) {
            Ok(envelope) => envelope,
            Err(error) => return (self.unreadable(StatusCode::BAD_REQUEST, &error), false),
        };
        let answer = self.review(&envelope, lane);
        self.metrics.findings(&answer.audit);
        let response = match wire::encode(&envelope.uid, &answer, start.elapsed()) {
            Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        };
        self.metrics.review(self.row.path, answer.allowed, start.elapsed());
        (response, true)
    }

    /// The answer in all cases: a panic affects only this review.
    fn review(&self, envelope: &Envelope<'_>, lane: Lane) -> ReviewAnswer {
        let decided = catch_unwind(AssertUnwindSafe(|| match envelope.open(self.row) {
            Ok(request) => (self.decide)(request, lane),
            Err(answer) => *answer,
        }));
        decided.unwrap_or_else(|panic| {
            let panic = panic_text(panic.as_ref());
            tracing::error!(path = self.row.path, uid = envelope.uid, panic, "review panicked");
            wire::broken(self.row, &envelope.uid)
        })
    }

    fn unreadable(&self, code: StatusCode, error: &(dyn Error + 'static)) -> Response {
        self.metrics.unreadable(self.row.path);
        tracing::debug!(path = self.row.path, %code, error, "not a review");
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text.push('\n');
        (code, text).into_response()
    }
}

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body is larger than {BODY_LIMIT} bytes")]
    TooLarge,
    #[error("too many large bodies at once")]
    NoRoom,
    #[error("the body arrived too slowly while others waited for memory")]
    GaveWay,
    #[error("too many reviews at once")]
    Busy,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body cannot be read")]
    Read(#[source] axum::Error),
}

impl Refusal {
    fn code(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom | Self::GaveWay | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Read(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body completely. It allocates memory as bytes arrive, not as they are announced, so that a client cannot
/// reserve memory without sending.
async fn read(mut body: Body, room: &Arc<Room>) -> Result<(Vec<u8>, Option<Share>), Refusal> {
    let mut whole = Vec::new();
    let mut share: Option<Share> = None;
    let (mut step, mut stepped) = (tokio::time::Instant::now() + PACE, 0);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = tokio::time::sleep_until(step) => return Err(Refusal::Slow),
            () = cut(share.as_ref()) => return Err(Refusal::GaveWay),
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(Refusal::Read)?.into_data() else { continue };
        let size = whole.len() + data.len();
        if size > BODY_LIMIT {
            drop((whole, share));
            discard(body).await;
            return Err(Refusal::TooLarge);
        }
        if size > SMALL && !share.get_or_insert_with(|| room.share()).grow(size, QUEUE).await {
            return Err(Refusal::NoRoom);
        }
        whole.extend_from_slice(&data);
        if size - stepped >= STEP {
            (step, stepped) = (tokio::time::Instant::now() + PACE, size);
        }
    }
    if let Some(share) = &share {
        share.whole();
    }
    Ok((whole, share))
}

/// Returns when others need the share.
async fn cut(share: Option<&Share>) {
    match share {
        Some(share) => share.cut.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Reads and discards the rest: if a connection with unread bytes is closed, it is reset, and the answer is lost.
async fn discard(mut body: Body) {
    let mut discarded = 0_usize;
    while let Some(Ok(frame)) = body.frame().await {
        discarded = discarded.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if discarded > DISCARD_LIMIT {
            return;
        }
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
