//! One listener's port: takes connections, and serves each until it ends or is idle for too long.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use albedo_engine::stack::Protocol;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::watched::{Activity, Watched};
use super::{Site, answer, is_secure};
use crate::bodies::Body;
use crate::snapshot::Snapshot;
use crate::tls::{self, Secured};

/// What is added to a port that only an administrator may listen on, where that is not allowed.
const MOVED_BY: u16 = 8_000;
/// The load balancer's own limits: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>.
const HEADERS: usize = 64 << 10;
/// Seconds without data, if the load balancer says nothing.
const IDLE: u64 = 60;
/// For how long a client may take over TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A port that is listened on until this is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) at: SocketAddr,
    pub(crate) protocol: Protocol,
    task: JoinHandle<()>,
    /// Dropped, it tells the connections to end after what runs on them.
    _closing: watch::Sender<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Open {
    /// Listens on a load balancer's address.
    pub(crate) async fn bind(
        site: Arc<Site>,
        arn: &str,
        address: IpAddr,
        port: u16,
        protocol: Protocol,
    ) -> io::Result<Self> {
        let listener = match TcpListener::bind((address, port)).await {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                TcpListener::bind((address, port.saturating_add(MOVED_BY))).await?
            }
            bound => bound?,
        };
        let at = listener.local_addr()?;
        let closing = watch::Sender::new(());
        let accepting = accept(listener, site, arn.to_owned(), port, closing.subscribe());
        Ok(Self { at, protocol, task: tokio::spawn(accepting), _closing: closing })
    }
}

/// A client's connection, as far as requests on it need to know.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) site: Arc<Site>,
    /// ARN of the load balancer.
    pub(crate) arn: String,
    /// The listener's port.
    pub(crate) port: u16,
    pub(crate) peer: SocketAddr,
    pub(crate) tls: Option<Secured>,
    pub(crate) activity: Arc<Activity>,
}

impl Front {
    /// Without data for so long a connection is closed:
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#connection-idle-timeout>.
    pub(crate) fn idle_timeout(&self) -> Duration {
        let snapshot = self.site.snapshot.borrow().clone();
        let balancer = snapshot.balancers.get(&self.arn);
        let set = balancer.and_then(|one| one.is.attributes.get("idle_timeout.timeout_seconds")?.parse().ok());
        self.site.second.saturating_mul(u32::try_from(set.unwrap_or(IDLE)).unwrap_or(u32::MAX))
    }
}

async fn accept(listener: TcpListener, site: Arc<Site>, arn: String, port: u16, closing: watch::Receiver<()>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection is taken");
                // Out of files, most likely: others have to end first.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // The listener as it is now: it may be gone when the connection is served.
        let snapshot = site.snapshot.borrow().clone();
        let front = Front { site: site.clone(), arn: arn.clone(), port, peer, tls: None, activity: Activity::new() };
        let serving = connection(stream, front, snapshot, closing.clone());
        // It ends by itself.
        drop(tokio::spawn(serving));
    }
}

async fn connection(stream: TcpStream, mut front: Front, snapshot: Arc<Snapshot>, closing: watch::Receiver<()>) {
    let peer = front.peer;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "no connection any more");
    }
    let stream = Watched::new(stream, front.activity.clone());
    let listener = snapshot.balancers.get(&front.arn).and_then(|balancer| balancer.listeners.get(&front.port));
    let Some(listener) = listener else { return };
    if !is_secure(listener.protocol) {
        return serve(Arc::new(front), stream, false, closing).await;
    }
    let accepted = tls::accept(&front, &snapshot, listener, stream);
    match tokio::time::timeout(HANDSHAKE, accepted).await {
        Ok(Ok((stream, secured))) => {
            let http2 = secured.http2;
            front.tls = Some(secured);
            serve(Arc::new(front), stream, http2, closing).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS"),
        Err(_) => tracing::debug!(%peer, "TLS took too long"),
    }
}

async fn serve<S>(front: Arc<Front>, stream: S, http2: bool, mut closing: watch::Receiver<()>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let of_requests = front.clone();
    let service = service_fn(move |request: Request<Incoming>| answered(of_requests.clone(), request));
    let idle = front.activity.idle(|| front.idle_timeout());
    let closed = async { while closing.changed().await.is_ok() {} };
    let io = TokioIo::new(stream);
    let ended = if http2 {
        use hyper::server::conn::http2::{Builder, Connection};
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).max_header_list_size(64 << 10);
        let serving = builder.serve_connection(io, service);
        to_its_end(serving, Connection::graceful_shutdown, idle, closed).await
    } else {
        use hyper::server::conn::http1::{Builder, UpgradeableConnection};
        let mut builder = Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADERS);
        let serving = builder.serve_connection(io, service).with_upgrades();
        to_its_end(serving, UpgradeableConnection::graceful_shutdown, idle, closed).await
    };
    if let Err(error) = ended {
        tracing::debug!(peer = %front.peer, %error, "a client's connection ended");
    }
}

/// Serves a connection until it ends or has been idle for too long; what runs when its listener is closed is finished.
async fn to_its_end<C: Future<Output = hyper::Result<()>>>(
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
    idle: impl Future<Output = ()>,
    closed: impl Future<Output = ()>,
) -> hyper::Result<()> {
    let mut serving = std::pin::pin!(connection);
    tokio::select! {
        ended = serving.as_mut() => ended,
        () = idle => Ok(()),
        () = closed => {
            finish(serving.as_mut());
            serving.await
        }
    }
}

async fn answered(front: Arc<Front>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    Ok(answer::answer(front, request).await)
}
