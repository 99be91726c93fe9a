//! Requests at a fixed rate, each with the answers that are right for it: how many failed, how many went to somebody else, and which.
//!
//! The rate is kept whatever the answers do (an open loop), as clients who don't know of each other would. Number and time are bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

use crate::pod_server::SERVICE_HEADER;

/// What no answer within fails.
const LIMIT: Duration = Duration::from_secs(10);
/// The most requests at a time: more would mean that nothing is answered any more.
const AT_ONCE: usize = 500;
/// How many failures are kept as text.
const TOLD: usize = 20;

/// What one kind of request may be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A Pod of this Service, with status 200.
    Service(String),
    /// The load balancer itself, with this status.
    Status(u16),
    /// A redirect to a URL that begins like this.
    Redirect(String),
    /// Nobody listens at the port, or nobody any more.
    Refused,
}

impl Answer {
    pub fn service(name: &str) -> Self {
        Self::Service(name.to_owned())
    }

    fn is(&self, got: &Got) -> bool {
        match (self, got) {
            (Self::Service(name), Got::Answer(answer)) => {
                answer.status == 200 && answer.service.as_deref() == Some(name.as_str())
            }
            (Self::Status(status), Got::Answer(answer)) => answer.status == *status && answer.service.is_none(),
            (Self::Redirect(to), Got::Answer(answer)) => {
                (300..400).contains(&answer.status)
                    && answer.location.as_ref().is_some_and(|is| is.starts_with(to.as_str()))
            }
            // Who had just come when a listener was closed is cut.
            (Self::Refused, Got::Failed(failure)) => matches!(failure, Failure::Refused | Failure::Cut | Failure::Tls),
            _ => false,
        }
    }
}

/// One kind of request: where it goes, and what is right. It may have several right answers while an edit is carried out.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: SocketAddr,
    /// The TLS server name; `None`: plain HTTP.
    pub tls: Option<String>,
    pub host: String,
    pub path: String,
    pub right: Vec<Answer>,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.at.port(), self.path)
    }
}

impl Asked {
    /// Sends one, and insists on a right answer.
    pub async fn check(&self, connector: &Connector) -> Result<()> {
        let answer = tokio::time::timeout(LIMIT, ask(self, connector)).await;
        let got = answer.map_or(Got::Failed(Failure::Late), |answer| answer.map_or_else(Got::Failed, Got::Answer));
        ensure!(self.right.iter().any(|answer| answer.is(&got)), "{self}: {got}, and right is {:?}", self.right);
        Ok(())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// Nobody listens.
    Refused,
    /// The connection ended before the answer.
    Cut,
    /// TLS was not agreed on.
    Tls,
    /// No answer within ten seconds.
    Late,
    /// The load balancer says that it has no target that answers: 502, 503, 504.
    Gateway(u16),
    /// A Pod answers with an error.
    Target(u16),
    /// Too many requests wait for an answer.
    Crowded,
}

struct AnswerRead {
    status: u16,
    service: Option<String>,
    location: Option<String>,
}

enum Got {
    Answer(AnswerRead),
    Failed(Failure),
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "{failure:?}"),
            Self::Answer(AnswerRead { status, service: Some(service), .. }) => write!(f, "{status} of {service}"),
            Self::Answer(AnswerRead { status, location: Some(location), .. }) => write!(f, "{status} to {location}"),
            Self::Answer(AnswerRead { status, .. }) => write!(f, "{status} of the load balancer"),
        }
    }
}

impl Got {
    /// The failure that an answer is: `None` if somebody answered, even if it was the wrong one.
    fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(*failure),
            Self::Answer(answer) => match (answer.status, &answer.service) {
                (status @ (500 | 502..=504), None) => Some(Failure::Gateway(status)),
                (status @ 500..=599, Some(_)) => Some(Failure::Target(status)),
                _ => None,
            },
        }
    }
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub sent: usize,
    pub right: usize,
    pub failed: BTreeMap<Failure, usize>,
    pub misrouted: usize,
    /// The first that were not right, with their second.
    pub told: Vec<String>,
    latencies: Vec<Duration>,
}

impl Tally {
    pub fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// The time within which this share (0 to 100) of the right answers came.
    pub fn percentile(&self, share: usize) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, failed, misrouted) = (self.sent, self.failures(), self.misrouted);
        write!(f, "{sent} requests, {failed} failed, {misrouted} misrouted")?;
        write!(f, " (p50 {:.1?}, p99 {:.1?})", self.percentile(50), self.percentile(99))?;
        if failed > 0 {
            write!(f, " {:?}", self.failed)?;
        }
        self.told.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// A load that runs until it is told to end, or its time is over.
pub struct Load {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    tally: Mutex<Tally>,
    over: AtomicBool,
    waiting: AtomicUsize,
    begun: Instant,
    connector: Connector,
}

/// Makes TLS of a connection.
pub type Connector = Arc<tokio_rustls::TlsConnector>;

/// A connector that trusts the certificates of a PEM file's text, and no others.
pub fn trusting(pem: &str) -> Result<Connector> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.context("reading a certificate")?)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(tokio_rustls::TlsConnector::from(Arc::new(config))))
}

impl Load {
    /// Begins with `rate` requests a second, the kinds in turn, for at most so long.
    pub fn begin(asked: Vec<Asked>, rate: u32, at_most: Duration, connector: Connector) -> Self {
        let shared = Arc::new(Shared {
            asked: Mutex::new(asked),
            tally: Mutex::default(),
            over: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            begun: Instant::now(),
            connector,
        });
        let task = tokio::spawn(run(Arc::clone(&shared), rate, at_most));
        Self { shared, task }
    }

    /// What is right from now on. Requests that are on their way already are judged by what was right when they were sent.
    pub fn expect(&self, asked: Vec<Asked>) {
        *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    /// What there is so far.
    pub fn so_far(&self) -> Tally {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends no more, and waits for the answers that are due.
    pub async fn end(mut self) -> Result<Tally> {
        self.shared.over.store(true, Ordering::Relaxed);
        (&mut self.task).await.map_err(|error| anyhow!("the load generator failed: {error}"))?;
        Ok(self.so_far())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(shared: Arc<Shared>, rate: u32, at_most: Duration) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    // What a busy machine delays is sent later, not left out.
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let (end, mut requests, mut number) = (shared.begun + at_most, JoinSet::new(), 0_usize);
    while Instant::now() < end && !shared.over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let asked = {
            let asked = shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
            asked.get(number % asked.len().max(1)).cloned()
        };
        number += 1;
        if let Some(asked) = asked {
            requests.spawn(Arc::clone(&shared).one(asked));
        }
        while requests.try_join_next().is_some() {}
    }
    while requests.join_next().await.is_some() {}
}

impl Shared {
    async fn one(self: Arc<Self>, asked: Asked) {
        let begun = Instant::now();
        let got = if self.waiting.fetch_add(1, Ordering::Relaxed) >= AT_ONCE {
            Got::Failed(Failure::Crowded)
        } else {
            let answer = tokio::time::timeout(LIMIT, ask(&asked, &self.connector)).await;
            answer.map_or(Got::Failed(Failure::Late), |answer| answer.map_or_else(Got::Failed, Got::Answer))
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.sent += 1;
        if asked.right.iter().any(|answer| answer.is(&got)) {
            tally.right += 1;
            tally.latencies.push(begun.elapsed());
            return;
        }
        match got.failure() {
            Some(failure) => *tally.failed.entry(failure).or_default() += 1,
            None => tally.misrouted += 1,
        }
        if tally.told.len() < TOLD {
            let second = (begun - self.begun).as_secs_f64();
            tally.told.push(format!("at {second:.2} s {asked}: {got}, and right is {:?}", asked.right));
        }
    }
}

/// One request on a connection of its own: the next one must find what is there then.
async fn ask(asked: &Asked, connector: &Connector) -> Result<AnswerRead, Failure> {
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Failure::Refused,
        _ => Failure::Cut,
    };
    let stream = TcpStream::connect(asked.at).await.map_err(refused)?;
    let _ = stream.set_nodelay(true);
    let request = Request::get(&asked.path)
        .header("host", &asked.host)
        .header("connection", "close")
        .body(Full::<Bytes>::default())
        .map_err(|_| Failure::Cut)?;
    match &asked.tls {
        None => exchange(stream, request).await,
        Some(name) => {
            let name = ServerName::try_from(name.clone()).map_err(|_| Failure::Tls)?;
            let stream = connector.connect(name, stream).await.map_err(|_| Failure::Tls)?;
            exchange(stream, request).await
        }
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<AnswerRead, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let cut = |_| Failure::Cut;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(cut)?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(cut)?;
    let (parts, body) = answer.into_parts();
    body.collect().await.map_err(cut)?;
    driver.abort();
    Ok(read(parts.status, &parts.headers))
}

fn read(status: StatusCode, headers: &HeaderMap) -> AnswerRead {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    AnswerRead { status: status.as_u16(), service: text(SERVICE_HEADER), location: text("location") }
}
