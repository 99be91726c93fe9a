//! Targets for tests: small servers that say what reached them, and do wrong what a test asks for.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::stage::address;

type Body = BoxBody<Bytes, Infallible>;

/// A target; it ends when this is dropped.
pub struct Target {
    pub at: SocketAddr,
    /// What it answers to health checks.
    pub health: Arc<AtomicU16>,
    /// Requests so far, health checks aside.
    pub requests: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Drop for Target {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Target {
    /// Speaks HTTP/1.1.
    pub async fn start(name: &str) -> Self {
        Self::speaking(name, false).await
    }

    /// The same at an address.
    pub async fn at(address: IpAddr, name: &str) -> Self {
        Self::listening(address, name, false).await
    }

    /// Speaks HTTP/2 if asked to.
    pub async fn speaking(name: &str, http2: bool) -> Self {
        Self::listening(address(), name, http2).await
    }

    async fn listening(address: IpAddr, name: &str, http2: bool) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let health = Arc::new(AtomicU16::new(200));
        let requests = Arc::new(AtomicU64::new(0));
        let told = Told { name: name.to_owned(), health: health.clone(), requests: requests.clone() };
        let task = tokio::spawn(serve(listener, told, http2));
        Self { at, health, requests, task }
    }
}

#[derive(Clone)]
struct Told {
    name: String,
    health: Arc<AtomicU16>,
    requests: Arc<AtomicU64>,
}

async fn serve(listener: TcpListener, told: Told, http2: bool) {
    // Connections end with the target.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let told = told.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(told.clone(), request));
            let io = TokioIo::new(stream);
            // How it ends is the business of the tests that break it.
            if http2 {
                drop(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await,
                );
            } else {
                let serving = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
                drop(serving.with_upgrades().await);
            }
        });
    }
}

/// What breaks a connection.
#[derive(Debug, thiserror::Error)]
#[error("broken on purpose")]
struct Broken;

async fn answer(told: Told, mut request: Request<Incoming>) -> Result<Response<Body>, Broken> {
    let path = request.uri().path().to_owned();
    if path == "/health" || path == "/AWS.ALB/healthcheck" {
        return Ok(health(&told, &path));
    }
    told.requests.fetch_add(1, Ordering::Relaxed);
    let number = |key: &str| {
        let query = request.uri().query().unwrap_or_default();
        query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse::<u64>().ok())
    };
    if let Some(milliseconds) = number("wait") {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    match path.as_str() {
        "/broken" => return Err(Broken),
        "/socket" => return Ok(upgraded(&mut request)),
        "/bytes" => return Ok(bytes(number("count").unwrap_or_default())),
        "/stuck" => return Ok(stuck()),
        _ => {}
    }
    let said = |request: &Request<Incoming>, received: u64| said(&told, request, received);
    let grpc =
        request.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let mut received = 0;
    let (parts, mut body) = request.into_parts();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Broken)?;
        received += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    let text = said(&Request::from_parts(parts, body), received).to_string();
    let mut response = if grpc { with_trailers(text) } else { Response::new(full(text)) };
    if path == "/session" {
        response.headers_mut().insert("set-cookie", "SESSION=1".parse().unwrap());
    }
    Ok(response)
}

fn said(told: &Told, request: &Request<Incoming>, received: u64) -> Value {
    let headers = request.headers().iter();
    let headers: Vec<_> =
        headers.map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())])).collect();
    json!({
        "target": told.name, "method": request.method().as_str(), "version": format!("{:?}", request.version()),
        "path": request.uri().path_and_query().map(hyper::http::uri::PathAndQuery::as_str), "received": received, "headers": headers,
        "authority": request.uri().authority().map(hyper::http::uri::Authority::as_str),
    })
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

fn health(told: &Told, path: &str) -> Response<Body> {
    let code = told.health.load(Ordering::Relaxed);
    let mut response = Response::new(full("healthy?"));
    if path == "/health" {
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
    } else {
        response.headers_mut().insert("grpc-status", code.to_string().parse().unwrap());
    }
    response
}

fn with_trailers(text: String) -> Response<Body> {
    let mut trailers = hyper::HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)).boxed());
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

fn bytes(count: u64) -> Response<Body> {
    const CHUNK: u64 = 64 << 10;
    let chunk = Bytes::from(vec![b'x'; CHUNK as usize]);
    let frames = (0..count.div_ceil(CHUNK)).map(move |at| {
        let left = (count - at * CHUNK).min(CHUNK);
        Ok(Frame::data(chunk.slice(..left as usize)))
    });
    Response::new(StreamBody::new(futures::stream::iter(frames)).boxed())
}

/// Sends a beginning, then nothing.
fn stuck() -> Response<Body> {
    let first = futures::stream::iter([Ok(Frame::data(Bytes::from_static(b"beginning")))]);
    let all = futures::StreamExt::chain(first, futures::stream::pending());
    Response::new(StreamBody::new(all).boxed())
}

/// Sends back whatever comes, in upper case.
fn upgraded(request: &mut Request<Incoming>) -> Response<Body> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let mut buffer = [0; 1024];
        while let Ok(count @ 1..) = io.read(&mut buffer).await {
            io.write_all(&buffer[..count].to_ascii_uppercase()).await.unwrap();
        }
    });
    let mut response = Response::new(full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    response
}
