//! The process in a container: answers HTTP on the mapped address of its Pod until it is told to end, or killed.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt as _;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::images::{Content, Image, OnSigterm, image};
use crate::mapped::allowed;

/// The longest answer that a request may ask for with `?delay=MILLISECONDS`.
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// The largest body that is read; its length is part of the answer.
const LARGEST_BODY: usize = 1 << 20;

/// Headers of every answer: who gave it.
pub const POD_HEADER: &str = "testenv-pod";
pub const NAMESPACE_HEADER: &str = "testenv-namespace";
/// The value of the Pod's label `app` or `app.kubernetes.io/name`, by which Services select it.
pub const SERVICE_HEADER: &str = "testenv-service";
pub const IMAGE_HEADER: &str = "testenv-image";

/// What an answer says of who gives it.
#[derive(Debug)]
struct Identity {
    content: Content,
    pod: String,
    namespace: String,
    service: String,
    image: String,
    port: u16,
}

/// The process of one container; it ends with its drop.
pub(crate) struct ContainerProcess {
    pub(crate) name: String,
    on_sigterm: OnSigterm,
    terminated: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

impl ContainerProcess {
    /// Starts the process of a container whose image answers: it listens at the container's ports. Without ports it listens nowhere.
    ///
    /// # Errors
    ///
    /// If one of its ports is in use at that address; then it listens nowhere.
    pub(crate) async fn start(pod: &Pod, container: &Container, address: Ipv4Addr) -> Result<Option<Self>> {
        let name = container.image.clone().unwrap_or_default();
        let Some(row) = image(&name) else { return Ok(None) };
        let mut process = Self {
            name: container.name.clone(),
            on_sigterm: row.on_sigterm,
            terminated: watch::Sender::new(false),
            servers: Vec::new(),
        };
        for port in tcp_ports(container) {
            let listener = TcpListener::bind((address, allowed(port)))
                .await
                .with_context(|| format!("container {}: listening on {address}:{port}", container.name))?;
            let identity = Arc::new(identity(pod, row, name.clone(), port));
            process.servers.push(tokio::spawn(serve(listener, identity, process.terminated.subscribe())));
        }
        Ok(Some(process))
    }

    /// SIGTERM, then SIGKILL when the time is over.
    pub(crate) async fn end(mut self, within: Duration) {
        let deadline = tokio::time::Instant::now() + within;
        match self.on_sigterm {
            OnSigterm::Exit => {}
            OnSigterm::Ignore => tokio::time::sleep_until(deadline).await,
            OnSigterm::Finish => {
                self.terminated.send_replace(true);
                for server in &mut self.servers {
                    let _ = tokio::time::timeout_at(deadline, server).await;
                }
            }
        }
    }
}

impl Drop for ContainerProcess {
    fn drop(&mut self) {
        self.servers.iter().for_each(JoinHandle::abort);
    }
}

/// The TCP ports that a container declares.
fn tcp_ports(container: &Container) -> Vec<u16> {
    let ports = container.ports.iter().flatten();
    let tcp = ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    tcp.filter_map(|port| u16::try_from(port.container_port).ok()).collect()
}

fn identity(pod: &Pod, row: &Image, image: String, port: u16) -> Identity {
    let label = |key: &str| pod.labels().get(key).cloned();
    Identity {
        content: row.content,
        pod: pod.name_any(),
        namespace: pod.namespace().unwrap_or_default(),
        service: label("app").or_else(|| label("app.kubernetes.io/name")).unwrap_or_default(),
        image,
        port,
    }
}

/// Accepts until it is told to end, then finishes what runs. Its abort cuts all connections.
async fn serve(listener: TcpListener, identity: Arc<Identity>, mut terminated: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let _ = stream.set_nodelay(true);
                let identity = Arc::clone(&identity);
                let service = service_fn(move |request| {
                    let identity = Arc::clone(&identity);
                    async move { Ok::<_, std::convert::Infallible>(answer(&identity, request).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(graceful.watch(connection));
            }
            Some(_) = connections.join_next() => {}
            _ = terminated.wait_for(|terminated| *terminated) => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {}
}

async fn answer(identity: &Identity, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    // Read to its end, so that the connection can carry the next request.
    let length = Limited::new(body, LARGEST_BODY).collect().await.map(|body| body.to_bytes().len());
    let query = parts.uri.query().unwrap_or_default();
    if let Some(delay) = parameter(query, "delay").and_then(|text| text.parse().ok()).map(Duration::from_millis) {
        tokio::time::sleep(delay.min(LONGEST_DELAY)).await;
    }
    let path = parts.uri.path();
    let asked = path.strip_prefix("/status/").and_then(|code| StatusCode::from_bytes(code.as_bytes()).ok());
    let (status, content_type, body) = match identity.content {
        _ if length.is_err() => (StatusCode::PAYLOAD_TOO_LARGE, "text/plain", "the body is too large\n".to_owned()),
        Content::Game if asked.is_none() => game(path),
        _ => {
            let said = json!({
                "pod": identity.pod, "namespace": identity.namespace, "service": identity.service, "image": identity.image,
                "port": identity.port, "method": parts.method.as_str(), "path": path, "query": query,
                "headers": headers(&parts.headers), "bodyBytes": length.unwrap_or_default(),
            });
            (asked.unwrap_or(StatusCode::OK), "application/json", format!("{said}\n"))
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let own = [
        ("content-type", content_type),
        (POD_HEADER, &identity.pod),
        (NAMESPACE_HEADER, &identity.namespace),
        (SERVICE_HEADER, &identity.service),
        (IMAGE_HEADER, &identity.image),
    ];
    for (name, value) in own {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn headers(headers: &HeaderMap) -> Value {
    let mut texts: Map<String, Value> = Map::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if let Some(values) = texts.entry(name.as_str()).or_insert_with(|| json!([])).as_array_mut() {
            values.push(json!(value));
        }
    }
    Value::Object(texts)
}

fn game(path: &str) -> (StatusCode, &'static str, String) {
    match path {
        "/" | "/index.html" => (StatusCode::OK, "text/html", GAME_PAGE.to_owned()),
        _ => {
            (StatusCode::NOT_FOUND, "text/html", "<html><head><title>404 Not Found</title></head></html>\n".to_owned())
        }
    }
}

const GAME_PAGE: &str = "<!DOCTYPE html>
<html>
<head><meta charset=\"utf-8\"><title>2048</title></head>
<body><h1>2048</h1><p>Join the numbers and get to the 2048 tile!</p></body>
</html>
";

fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
