//! Connections to targets, always on loopback.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use albedo_engine::stack::{Protocol, ProtocolVersion};
use hyper::Uri;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower::util::BoxCloneSyncService;

use crate::bodies::Body;
use crate::trusting;

/// Within which a target has to take a connection: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html>
/// (HTTP 504).
const CONNECT: Duration = Duration::from_secs(10);

/// Why there is no connection to a target.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// It did not answer in time.
    #[error("no connection within {CONNECT:?}")]
    Timeout,
    /// It refused, or TLS failed.
    #[error(transparent)]
    Refused(#[from] io::Error),
}

/// What requests to a target go through. It belongs to one target: its connections end with it.
pub(crate) type TargetClient = Client<BoxCloneSyncService<Uri, TokioIo<Dialled>, DialError>, Body>;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection to a target, plain or over TLS.
pub(crate) struct Dialled(Box<dyn Stream>);

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

/// A client of one target.
pub(crate) fn client(at: SocketAddr, protocol: Protocol, version: ProtocolVersion) -> TargetClient {
    let http2 = version != ProtocolVersion::Http1;
    let connector = tower::service_fn(move |_: Uri| dial(at, protocol, http2));
    let mut builder = Client::builder(TokioExecutor::new());
    // The client's host is sent on; which header has it is decided before.
    builder.set_host(false).http2_only(http2).pool_timer(TokioTimer::new()).timer(TokioTimer::new());
    builder.build(BoxCloneSyncService::new(connector))
}

/// One connection.
pub(crate) async fn dial(at: SocketAddr, protocol: Protocol, http2: bool) -> Result<TokioIo<Dialled>, DialError> {
    let connected = async {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok::<Dialled, io::Error>(match protocol {
            Protocol::Http => Dialled(Box::new(stream)),
            Protocol::Https => {
                let connector = TlsConnector::from(Arc::new(trusting::config(http2)));
                let name = ServerName::IpAddress(at.ip().into());
                Dialled(Box::new(connector.connect(name, stream).await?))
            }
        })
    };
    let dialled = tokio::time::timeout(CONNECT, connected).await.map_err(|_| DialError::Timeout)??;
    Ok(TokioIo::new(dialled))
}
