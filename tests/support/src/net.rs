//! Loopback: free ports, and plain HTTP without a pool (a pooled connection dies with the runtime that opened it).

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const FIRST: u16 = 15_000;
const LAST: u16 = 32_000; // from 32768 up the kernel gives ports to outgoing connections
const LIMIT: Duration = Duration::from_mins(1);

/// A port on 127.0.0.1 that nobody listens on now. It may be taken until it is used: whoever starts a server on it tries again.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = LAST - FIRST;
    // Where to begin differs between processes that run at the same time.
    let seed = u16::try_from(u64::from(std::process::id()) * 997 % u64::from(span))?;
    for _ in 0..span {
        let port = FIRST + seed.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % span;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {LAST} on 127.0.0.1")
}

/// Status and body of a GET of a loopback URL.
pub async fn http_get(url: &str) -> Result<(u16, Bytes)> {
    send(Method::GET, url, Bytes::new()).await
}

/// Status and body of a POST of a loopback URL.
pub async fn http_post(url: &str, body: impl Into<Bytes>) -> Result<(u16, Bytes)> {
    send(Method::POST, url, body.into()).await
}

async fn send(method: Method, url: &str, body: Bytes) -> Result<(u16, Bytes)> {
    let what = format!("{method} {url}");
    tokio::time::timeout(LIMIT, exchange(method, url, body))
        .await
        .with_context(|| format!("{what}: no answer within {LIMIT:?}"))?
        .with_context(|| what)
}

/// One request on a connection of its own to a loopback address, and its whole answer.
pub(crate) async fn exchange_with(at: SocketAddr, request: Request<Full<Bytes>>) -> Result<Response<Bytes>> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    driver.abort();
    Ok(Response::from_parts(parts, body))
}

async fn exchange(method: Method, url: &str, body: Bytes) -> Result<(u16, Bytes)> {
    let uri: hyper::Uri = url.parse()?;
    let authority = uri.authority().context("no host")?.as_str();
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", authority)
        .header("connection", "close")
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((status, body))
}
