//! The gate between a program and what it writes to: counts its writes to AWS and to Kubernetes in one row, and holds or loses the one it is told to.
//!
//! Requests to Kubernetes can be refused, too ([`Gate::refuse`]); AWS has faults of its own in the emulator.
//!
//! The program gets the gate's addresses instead of the API server's and the emulator's. Reads and watches pass. A write that the gate is
//! armed for is carried out and its answer kept back: for good, with every write after it, until the program has been killed (`Hold`), or
//! by cutting the connection while everything else goes on (`Lose`).

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::refusal::{How, Refusal, Refusing, SeenRequest, expired, status};

type GateResponse = Response<UnsyncBoxBody<Bytes, anyhow::Error>>;

/// What happens to the answer of the write that the gate is armed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trip {
    /// It is kept back, and so is every later write, until the gate is armed or opened again: time to kill the program.
    Hold,
    /// Its connection is cut.
    Lose,
}

/// Operations of AWS that change nothing.
const READS: [&str; 7] = ["Describe", "Get", "List", "Lookup", "Search", "Validate", "AssumeRole"];
/// Writes to Kubernetes that say something of the program itself, not of what it does.
const ASIDE: [&str; 4] = ["/leases", "/events", "/tokenreviews", "/selfsubjectaccessreviews"];

pub struct Gate {
    shared: Arc<Shared>,
    aws: String,
    kubernetes: String,
    tasks: [JoinHandle<()>; 2],
}

struct Shared {
    emulator: String,
    client: Client,
    count: Mutex<Count>,
    refusing: Mutex<Refusing>,
    /// Whether the armed write has been carried out; writes wait while it says `Closed`.
    state: watch::Sender<State>,
    /// How often the connections to Kubernetes were cut.
    cuts: watch::Sender<u32>,
}

#[derive(Default)]
struct Count {
    writes: Vec<String>,
    armed: Option<(usize, Trip)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
    /// The answer of the armed write has been kept back.
    Tripped(Trip),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Aws,
    Kubernetes,
}

impl Gate {
    /// A gate before an emulator, `http://127.0.0.1:N`, and the API server of a client.
    pub async fn open(emulator: &str, client: Client) -> Result<Self> {
        let emulator = emulator.strip_prefix("http://").context("an emulator without TLS")?.to_owned();
        let (count, state, cuts) = (Mutex::default(), watch::Sender::new(State::Open), watch::Sender::new(0));
        let shared = Arc::new(Shared { emulator, client, count, refusing: Mutex::default(), state, cuts });
        let (aws, first) = serve(&shared, Side::Aws).await?;
        let (kubernetes, second) = serve(&shared, Side::Kubernetes).await?;
        Ok(Self { shared, aws, kubernetes, tasks: [first, second] })
    }

    /// For `AWS_ENDPOINT_URL`.
    pub fn aws(&self) -> &str {
        &self.aws
    }

    /// A kubeconfig that leads here; whoever comes is the client's own user.
    pub fn kubeconfig(&self, dir: &Path) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "gate", "users": [{"name": "gate", "user": {}}],
            "clusters": [{"name": "gate", "cluster": {"server": self.kubernetes}}],
            "contexts": [{"name": "gate", "context": {"cluster": "gate", "user": "gate"}}],
        });
        let path = dir.join(format!("gate-{}.kubeconfig", self.kubernetes.rsplit(':').next().unwrap_or_default()));
        std::fs::write(&path, config.to_string()).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Counts anew and lets everything pass.
    pub fn reset(&self) {
        self.set(None);
    }

    /// Counts anew, and trips at a write, the first of which is number 1.
    pub fn arm(&self, nth: usize, trip: Trip) {
        self.set(Some((nth, trip)));
    }

    /// Lets everything pass from now on and counts on; false if the write it was armed for has come already.
    pub fn disarm(&self) -> bool {
        let mut count = self.shared.lock();
        let came = count.armed.is_some_and(|(nth, _)| count.writes.len() >= nth);
        if !came {
            count.armed = None;
        }
        !came
    }

    /// Cuts the connections to Kubernetes, watches among them; who comes again is let in.
    pub fn cut(&self) {
        self.cutter().cut();
    }

    /// What cuts them while the gate is somebody else's.
    pub fn cutter(&self) -> Cutter {
        Cutter(self.shared.cuts.clone())
    }

    /// What becomes of requests to Kubernetes from now on, in place of what was said before.
    pub fn refuse(&self, rules: &[Refusal]) {
        *self.shared.refusing() = Refusing::new(rules);
    }

    /// How many requests each rule has met since then, at least.
    pub fn refused(&self) -> usize {
        self.shared.refusing().struck()
    }

    fn set(&self, armed: Option<(usize, Trip)>) {
        *self.shared.lock() = Count { writes: Vec::new(), armed };
        self.shared.state.send_replace(State::Open);
    }

    /// The writes since it was last armed or reset, in the order in which they came: `elbv2 CreateRule`, `PATCH ingresses/shop/status`.
    pub fn writes(&self) -> Vec<String> {
        self.shared.lock().writes.clone()
    }

    /// Whether the write that it was armed for has been carried out, and its answer kept back.
    pub fn has_tripped(&self) -> bool {
        matches!(*self.shared.state.borrow(), State::Tripped(_))
    }
}

/// Cuts a gate's connections to Kubernetes.
pub struct Cutter(watch::Sender<u32>);

impl Cutter {
    pub fn cut(&self) {
        self.0.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(shared: &Arc<Shared>, side: Side) -> Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listening on loopback")?;
    let (url, shared) = (format!("http://{}", listener.local_addr()?), Arc::clone(shared));
    let task = tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (shared, mut cuts) = (Arc::clone(&shared), shared.cuts.subscribe());
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let shared = Arc::clone(&shared);
                    async move { shared.pass(side, request).await }
                });
                let server = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // An error is how a connection is cut, here or by the program's end.
                tokio::select! {
                    _ = server => {}
                    Ok(()) = cuts.changed(), if side == Side::Kubernetes => {}
                }
            });
        }
    });
    Ok((url, task))
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusing(&self) -> std::sync::MutexGuard<'_, Refusing> {
        self.refusing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An error cuts the connection.
    async fn pass(&self, side: Side, request: Request<Incoming>) -> Result<GateResponse> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let write = match side {
            Side::Aws => aws_write(&parts.headers, &body),
            Side::Kubernetes => kubernetes_write(&parts.method, parts.uri.path()),
        };
        let how = match side {
            Side::Aws => None,
            Side::Kubernetes => self.refusing().strike(&SeenRequest {
                method: &parts.method,
                path: parts.uri.path(),
                query: parts.uri.query().unwrap_or_default(),
                body: &body,
                writes: write.is_some(),
            }),
        };
        match how {
            None => {}
            Some(How::Status(code)) => return status(code),
            Some(How::Expired) => return expired(),
            Some(How::Cut) => return Err(anyhow!("the connection is cut")),
            Some(How::Slow(span)) => tokio::time::sleep(span).await,
            Some(How::Touched) => self.touch(parts.uri.path()).await?,
            Some(How::After(code)) => {
                let answer = self.to_kubernetes(Request::from_parts(parts, body)).await?;
                let _ = answer.into_body().collect().await;
                return status(code);
            }
        }
        let trip = match write {
            Some(write) => self.admit(write).await?,
            None => None,
        };
        let answer = match side {
            Side::Aws => self.to_aws(Request::from_parts(parts, Full::new(body))).await,
            Side::Kubernetes => self.to_kubernetes(Request::from_parts(parts, body)).await,
        };
        let Some(trip) = trip else { return answer };
        // Carried out to its end: the effect is there.
        let _ = answer?.into_body().collect().await;
        self.state.send_replace(State::Tripped(trip));
        if trip == Trip::Hold {
            self.opened().await;
        }
        Err(anyhow!("the answer is lost"))
    }

    /// Counts a write once it may pass; says what happens to its answer.
    async fn admit(&self, write: String) -> Result<Option<Trip>> {
        let mut state = self.state.subscribe();
        loop {
            let held = |state: &State| matches!(state, State::Closed | State::Tripped(Trip::Hold));
            state.wait_for(|state| !held(state)).await.context("the gate is gone")?;
            let mut count = self.lock();
            if held(&self.state.borrow()) {
                continue;
            }
            count.writes.push(write);
            let (number, armed) = (count.writes.len(), count.armed);
            let trip = armed.and_then(|(nth, trip)| (nth == number).then_some(trip));
            if trip == Some(Trip::Hold) {
                // What comes while it is carried out is too late already.
                self.state.send_replace(State::Closed);
            }
            return Ok(trip);
        }
    }

    async fn opened(&self) {
        let _ = self.state.subscribe().wait_for(|state| *state == State::Open).await;
    }

    async fn to_aws(&self, request: Request<Full<Bytes>>) -> Result<GateResponse> {
        let stream = TcpStream::connect(&self.emulator).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        Ok(answer.map(|body| body.map_err(anyhow::Error::from).boxed_unsync()))
    }

    /// Changes the object that a write is about: who knew it as it was is too late.
    async fn touch(&self, path: &str) -> Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let touched = json!({"metadata": {"annotations": {"gate.albedo.dev/touched": number}}});
        let request = Request::patch(path.trim_end_matches("/status"))
            .header("content-type", "application/merge-patch+json")
            .body(Bytes::from(touched.to_string()))?;
        let answer = self.to_kubernetes(request).await?;
        let _ = answer.into_body().collect().await;
        Ok(())
    }

    async fn to_kubernetes(&self, request: Request<Bytes>) -> Result<GateResponse> {
        let (mut parts, body) = request.into_parts();
        for name in ["host", "connection", "content-length", "transfer-encoding"] {
            parts.headers.remove(name);
        }
        let answer = self.client.send(Request::from_parts(parts, kube::client::Body::from(body.to_vec()))).await?;
        Ok(answer.map(|body| body.map_err(anyhow::Error::from).boxed_unsync()))
    }
}

/// `elbv2 CreateRule` of a call that may change something: the query protocol has its operation in the body, the JSON one in a header.
fn aws_write(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let body = String::from_utf8_lossy(body);
    let action = || body.split('&').find_map(|pair| pair.strip_prefix("Action=").map(str::to_owned));
    let operation = target.and_then(|target| target.rsplit('.').next().map(str::to_owned)).or_else(action)?;
    (!READS.iter().any(|read| operation.starts_with(read))).then(|| format!("AWS {operation}"))
}

/// `PATCH ingresses/shop/status`, without API group and namespace.
fn kubernetes_write(method: &Method, path: &str) -> Option<String> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || ASIDE.iter().any(|aside| path.contains(aside))
    {
        return None;
    }
    let mut parts = path.trim_start_matches('/').split('/');
    let skipped = if parts.next() == Some("api") { 1 } else { 2 };
    let rest: Vec<&str> = parts.skip(skipped).collect();
    let rest = match rest.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        rest => rest,
    };
    Some(format!("{method} {}", rest.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_told_from_reads() {
        let write = |method: Method, path: &str| kubernetes_write(&method, path);
        let ingress = "/apis/networking.k8s.io/v1/namespaces/n/ingresses/shop/status";
        assert_eq!(write(Method::PATCH, ingress).as_deref(), Some("PATCH ingresses/shop/status"));
        assert_eq!(write(Method::GET, ingress), None);
        assert_eq!(write(Method::POST, "/api/v1/namespaces/n/events"), None);
        assert_eq!(write(Method::POST, "/api/v1/namespaces/n/configmaps").as_deref(), Some("POST configmaps"));
        assert_eq!(write(Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"), None);
        let group = "/apis/albedo.dev/v1alpha1/ingressgroups/x";
        assert_eq!(write(Method::DELETE, group).as_deref(), Some("DELETE ingressgroups/x"));
        let mut headers = HeaderMap::new();
        assert_eq!(aws_write(&headers, b"Action=CreateRule&Version=1").as_deref(), Some("AWS CreateRule"));
        assert_eq!(aws_write(&headers, b"Version=1&Action=DescribeRules"), None);
        headers.insert("x-amz-target", "AWSWAF_20190729.AssociateWebACL".parse().expect("a header"));
        assert_eq!(aws_write(&headers, b"{}").as_deref(), Some("AWS AssociateWebACL"));
    }
}
