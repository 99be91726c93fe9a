//! The accept loop of one listener: TLS or plain, a limited number of connections, and a shutdown that loses no request.
//!
//! The shutdown has three steps. While the listener lingers it still accepts, and every answer closes its connection, so
//! that clients move to another replica. Then it stops accepting, and requests that have begun finish.
//! Connections that are still open after that are closed.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::metrics::Metrics;
use super::slots::{Phase, Slot, Slots};
use super::tls::Certificates;
use super::watched::Watched;

/// The largest request line and headers, and the most bytes of a body that are read ahead.
const BUFFER: usize = 16 * 1024;
/// Pause after a failed accept; most often there are no free file descriptors.
const BREATH: Duration = Duration::from_millis(100);
/// The time for the first request of a connection that was opened just before the end.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Limits of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most open connections. For another one, the longest idle connection of the address with the most connections is closed.
    pub connections: usize,
    /// The most connections of one address. For another one, its own longest idle connection is closed, if there is one.
    pub of_address: usize,
    /// The most concurrent TLS handshakes of one address; others wait for their turn.
    pub handshakes_of_address: usize,
    /// From accept to the end of the TLS handshake, including the wait for its turn. The API server waits 5 s for an answer.
    pub handshake: Duration,
    /// From the handshake to the first byte of a request; and from any answer to the next request, until a review was received.
    pub first_request: Duration,
    /// From the first byte of a request to the end of its headers, and from an answer's first byte to its last.
    pub head: Duration,
    /// From the answer to a review to the first byte of the next request. It is longer than clients keep idle connections (90 s in Go), because
    /// otherwise a request would sometimes be sent on a connection that is being closed.
    pub idle: Duration,
    /// From the headers of a request to the last byte of its body.
    pub body: Duration,
    /// How long to continue to accept after the shutdown began, until no new connections are routed here.
    pub linger: Duration,
    /// How long running requests may take after that.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            of_address: 128,
            handshakes_of_address: 16,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_mins(3),
            body: Duration::from_secs(5),
            linger: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}

/// A bound listener, and what it serves.
pub(super) struct Listener {
    /// `webhook`, `probes`, `metrics`: in metrics and logs.
    pub(super) name: &'static str,
    pub(super) socket: TcpListener,
    /// `None`: plain HTTP.
    pub(super) tls: Option<Arc<Certificates>>,
    pub(super) routes: Router,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}

/// The shared state of the connections of a listener.
struct Shared {
    name: &'static str,
    tls: Option<Arc<Certificates>>,
    routes: Router,
    limits: Limits,
    metrics: Metrics,
    /// The shutdown began.
    ending: CancellationToken,
    /// The listener no longer accepts.
    closed: CancellationToken,
    /// The remaining connections are closed.
    cut: CancellationToken,
}

impl Listener {
    /// Accepts until `ending`, and returns when the last connection is closed.
    pub(super) async fn run(self, ending: CancellationToken) {
        let Self { name, socket, tls, routes, limits, metrics } = self;
        let shared = Arc::new(Shared {
            name,
            tls,
            routes,
            limits,
            metrics,
            ending: ending.clone(),
            closed: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let slots = Slots::new(limits);
        let tasks = TaskTracker::new();
        let mut lingered = pin!(async {
            ending.cancelled().await;
            sleep(limits.linger).await;
        });
        loop {
            tokio::select! {
                biased;
                () = &mut lingered => break,
                (stream, peer) = accept(name, &socket) => {
                    let Some((slot, gave_way)) = slots.admit(peer.ip().to_canonical()) else {
                        shared.metrics.connection_cut(name);
                        continue;
                    };
                    if gave_way {
                        shared.metrics.connection_cut(name);
                    }
                    let shared = Arc::clone(&shared);
                    let slot = Arc::new(slot);
                    tasks.spawn(async move {
                        tokio::select! {
                            () = shared.cut.cancelled() => {}
                            () = slot.cut.cancelled() => tracing::debug!(listener = name, %peer, "connection gave way"),
                            () = shared.connection(stream, peer, &slot) => {}
                        }
                    });
                }
            }
        }
        drop(socket);
        shared.closed.cancel();
        tasks.close();
        if timeout(limits.drain, tasks.wait()).await.is_err() {
            tracing::warn!(listener = name, connections = tasks.len(), "connections cut after the drain limit");
            shared.cut.cancel();
            tasks.wait().await;
        }
        tracing::info!(listener = name, "listener drained");
    }
}

/// The next connection.
async fn accept(name: &'static str, socket: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match socket.accept().await {
            Ok(accepted) => return accepted,
            // The client closed the connection between the kernel's handshake and this accept.
            Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => {
            }
            Err(error) => {
                tracing::warn!(listener = name, %error, "cannot accept");
                sleep(BREATH).await;
            }
        }
    }
}

impl Shared {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, slot: &Arc<Slot>) {
        let open = self.metrics.connection(self.name);
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(listener = self.name, %peer, %error, "no TCP_NODELAY");
        }
        match &self.tls {
            None => self.http(stream, peer, slot).await,
            Some(certificates) => {
                if let Some(stream) = self.handshake(certificates, stream, peer, slot).await {
                    self.http(stream, peer, slot).await;
                }
            }
        }
        drop(open);
    }

    async fn handshake(
        &self,
        certificates: &Certificates,
        stream: TcpStream,
        peer: SocketAddr,
        slot: &Slot,
    ) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
        let Some(config) = certificates.current() else {
            // To close at once is better than silence: the API server applies its failure policy.
            self.metrics.handshake_failed("no certificate");
            return None;
        };
        let handshake = async {
            if slot.turn().await {
                self.metrics.connection_cut(self.name);
            }
            TlsAcceptor::from(config).accept(stream).await
        };
        match timeout(self.limits.handshake, handshake).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                // A client that does not trust the certificate is visible only here. So are port scans.
                tracing::debug!(%peer, %error, "TLS handshake failed");
                self.metrics.handshake_failed(if error.kind() == io::ErrorKind::InvalidData { "tls" } else { "io" });
                None
            }
            Err(_) => {
                tracing::debug!(%peer, "TLS handshake took too long");
                self.metrics.handshake_failed("timeout");
                None
            }
        }
    }

    async fn http<S>(&self, stream: S, peer: SocketAddr, slot: &Arc<Slot>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        slot.enter(Phase::Waiting);
        let spoken = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            spoken.store(true, Ordering::Relaxed);
            self.answer(request, slot)
        });
        let stream = Watched { stream, slot: Arc::clone(slot) };
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // For hyper, the idle time between requests is part of reading headers; the slot distinguishes the two.
            .header_read_timeout(None)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut overdue = pin!(slot.overdue());
        let mut closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(listener = self.name, %peer, %error, "connection ended");
                    }
                    return;
                }
                () = overdue.as_mut() => {
                    tracing::debug!(listener = self.name, %peer, phase = ?slot.phase(), "connection took too long");
                    return;
                }
                () = self.closed.cancelled(), if !closing => {
                    closing = true;
                    if !spoken.load(Ordering::Relaxed) {
                        // Its first request may be on its way. Every answer closes the connection at this stage.
                        tokio::select! {
                            _ = connection.as_mut() => return,
                            () = sleep(LAST_WORD) => {}
                        }
                    }
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, slot: &Arc<Slot>) -> Result<Response<Body>, Infallible> {
        slot.enter(Phase::Body);
        request.extensions_mut().insert(Arc::clone(slot));
        let mut response = self.routes.clone().oneshot(request.map(Body::new)).await?;
        if self.ending.is_cancelled() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        slot.enter(Phase::Answer);
        Ok(response)
    }
}
