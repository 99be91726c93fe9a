//! The accept loop of one listener: TLS or plain, a bounded number of connections, and an end that loses no request.
//!
//! The end has three steps. While the listener lingers it still accepts, and every answer closes its connection, so
//! that clients find another replica by themselves. Then it stops accepting and lets requests that have begun finish.
//! What is left after that is cut.

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

/// Largest request line and headers, and the most that is read ahead of a body, in bytes.
const BUFFER: usize = 16 * 1024;
/// Pause after the system refused to accept, most often for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);
/// What a connection that was opened just before the end gets to send its first request.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Bounds of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once; for a further one the longest idle of the address with the most gives way.
    pub connections: usize,
    /// Connections of one address; for a further one its own longest idle gives way, if it has one.
    pub of_address: usize,
    /// TLS handshakes of one address that are under way at a time; further ones wait for their turn.
    pub handshakes_of_address: usize,
    /// From accepting to the end of the TLS handshake, the wait for its turn included. The API server waits 5 s for an answer.
    pub handshake: Duration,
    /// From the handshake to the first byte of a request, and from any answer to the next one while no review has come.
    pub first_request: Duration,
    /// From the first byte of a request to the end of its headers, and from an answer's first byte to its last.
    pub head: Duration,
    /// From the answer to a review to the first byte of the next request. Longer than clients keep idle connections (90 s in Go's), or
    /// a request would now and then meet a connection that is just being closed.
    pub idle: Duration,
    /// From the headers of a request to the last byte of its body.
    pub body: Duration,
    /// How long to go on accepting after the end was asked for, until nobody is sent here any more.
    pub linger: Duration,
    /// How long requests that have begun may take after that.
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

/// A listener that is bound, and what it serves.
pub(super) struct Listener {
    /// `webhook`, `probes`, `metrics`: in metrics and logs.
    pub(super) name: &'static str,
    pub(super) socket: TcpListener,
    /// None serves plain HTTP.
    pub(super) tls: Option<Arc<Certificates>>,
    pub(super) routes: Router,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
}

/// What the connections of a listener share.
struct Shared {
    name: &'static str,
    tls: Option<Arc<Certificates>>,
    routes: Router,
    limits: Limits,
    metrics: Metrics,
    /// The end was asked for.
    ending: CancellationToken,
    /// Nothing is accepted any more.
    closed: CancellationToken,
    /// What is left is cut.
    cut: CancellationToken,
}

impl Listener {
    /// Accepts until `ending`, and returns when the last connection is gone.
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
            // The client went away between the kernel's handshake and here.
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
            // Closing at once is better than silence: the API server goes on to its failure policy.
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
                // A client that doesn't trust the certificate shows here and nowhere else. Port scans do too.
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
            // hyper counts the idle time between requests as reading headers; the slot tells the two apart.
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
                        // Its first request may be on the way. Any answer closes the connection by now.
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
