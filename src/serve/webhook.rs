//! The webhook routes: one per path of the table, each a review in and an answer out.

use std::any::Any;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use albedo_engine::admit::registration::{ROWS, Row};
use albedo_engine::admit::{Answer, Request};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::BodyExt;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use super::metrics::Metrics;
use super::review::{self, Envelope};

/// The decision on a request: pure and fast, it is called on the thread that read the request.
pub type Decide = Arc<dyn Fn(Request) -> Answer + Send + Sync>;

/// Largest body in bytes. The API server takes objects of up to 3 MiB, and an update carries two.
const BODY_LIMIT: usize = 8 * 1024 * 1024;
/// How much of a body that is too large is read and thrown away, in bytes, so that the client gets to read the answer.
const DISCARD_LIMIT: usize = 8 * BODY_LIMIT;
/// Bodies being read or reviewed, all together, in bytes: what a flood of large ones may take of the process's memory.
const BODIES_LIMIT: usize = 8 * BODY_LIMIT;

/// One path.
#[derive(Clone)]
struct Endpoint {
    row: &'static Row,
    decide: Decide,
    limit: Duration,
    room: Arc<Semaphore>,
    metrics: Metrics,
}

/// The routes of every path in the table; `limit` bounds the reading of a body.
pub(super) fn routes(decide: &Decide, limit: Duration, metrics: &Metrics) -> Router {
    let room = Arc::new(Semaphore::new(BODIES_LIMIT));
    let mut routes = Router::new();
    let mut seen: Vec<&str> = Vec::new();
    for row in ROWS {
        // Several webhooks may share a path; they differ in what the API server sends, not in how it is answered.
        if seen.contains(&row.path) {
            continue;
        }
        seen.push(row.path);
        let endpoint =
            Endpoint { row, decide: Arc::clone(decide), limit, room: Arc::clone(&room), metrics: metrics.clone() };
        routes = routes.route(row.path, post(move |body: Body| endpoint.serve(body)));
    }
    routes.layer(CatchPanicLayer::new())
}

impl Endpoint {
    async fn serve(self, body: Body) -> Response {
        let read = tokio::time::timeout(self.limit, read(body, &self.room)).await;
        let (body, room) = match read {
            Ok(Ok(body)) => body,
            Ok(Err(refusal)) => return self.unreadable(refusal.code(), &refusal),
            Err(_) => return self.unreadable(StatusCode::REQUEST_TIMEOUT, &Refusal::Slow),
        };
        let start = Instant::now();
        let envelope = match Envelope::read(&body) {
            Ok(envelope) => envelope,
            Err(error) => return self.unreadable(StatusCode::BAD_REQUEST, &error),
        };
        let answer = self.review(&envelope);
        let response = match review::encode(&envelope.uid, &answer) {
            Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        };
        self.metrics.review(self.row.path, answer.allowed, start.elapsed());
        drop(room);
        response
    }

    /// The answer, whatever happens: a panic is one review's fault and no other's.
    fn review(&self, envelope: &Envelope<'_>) -> Answer {
        let decided = catch_unwind(AssertUnwindSafe(|| match envelope.open(self.row) {
            Ok(request) => (self.decide)(request),
            Err(answer) => *answer,
        }));
        decided.unwrap_or_else(|panic| {
            let panic = panic_text(panic.as_ref());
            tracing::error!(path = self.row.path, uid = envelope.uid, panic, "review panicked");
            review::broken(self.row, &envelope.uid)
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

/// Why a body wasn't read.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body is larger than {BODY_LIMIT} bytes")]
    TooLarge,
    #[error("too many large bodies at once")]
    NoRoom,
    #[error("the body did not arrive in time")]
    Slow,
    #[error("the body cannot be read")]
    Read(#[source] axum::Error),
}

impl Refusal {
    fn code(&self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRoom => StatusCode::SERVICE_UNAVAILABLE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Read(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Its share of the memory for bodies; given back when dropped.
type Room = Option<tokio::sync::OwnedSemaphorePermit>;

/// Reads a body into one piece. It takes memory as bytes arrive, not as they are announced, so that a client that only
/// promises holds nothing.
async fn read(mut body: Body, shared: &Arc<Semaphore>) -> Result<(Bytes, Room), Refusal> {
    let mut whole = Vec::new();
    let mut room: Room = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Refusal::Read)?.into_data() else { continue };
        if whole.len() + data.len() > BODY_LIMIT {
            drop((whole, room));
            discard(body).await;
            return Err(Refusal::TooLarge);
        }
        let more = u32::try_from(data.len()).map_err(|_| Refusal::TooLarge)?;
        let more = Arc::clone(shared).try_acquire_many_owned(more).map_err(|_| Refusal::NoRoom)?;
        match &mut room {
            None => room = Some(more),
            Some(room) => room.merge(more),
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.into(), room))
}

/// Reads the rest without keeping it: a connection that is closed with unread bytes is reset, and the answer with it.
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
