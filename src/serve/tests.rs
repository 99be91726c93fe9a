//! Tests over real sockets: what they share.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use albedo_engine::admit::{Request, ReviewAnswer};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use super::*;

mod connections;
mod fuzz;
mod reviews;
mod rotation;

const VALIDATE: &str = "/validate-networking-v1-ingress";
/// How often the files are looked at in tests.
const POLL: Duration = Duration::from_millis(20);
/// What anything in these tests may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// An authority and the certificates that it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Pair {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pair(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    fn client(&self) -> Arc<ClientConfig> {
        let mut config = builder().with_root_certificates(self.roots()).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    fn client_with(&self, pair: &Pair) -> Arc<ClientConfig> {
        use rustls::pki_types::pem::PemObject;
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let builder = builder().with_root_certificates(self.roots());
        Arc::new(builder.with_client_auth_cert(vec![pair.der.clone()], key).unwrap())
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
}

fn put(directory: &Path, pair: &Pair) {
    fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
    fs::write(directory.join("tls.key"), &pair.key).unwrap();
}

/// A server with a certificate, and what is needed to talk to it.
struct TestServer {
    directory: TempDir,
    authority: Authority,
    client: Arc<ClientConfig>,
    handle: Handle,
    cancel: CancellationToken,
    readiness: Readiness,
}

fn limits() -> Limits {
    Limits { linger: Duration::ZERO, ..Limits::default() }
}

fn config(directory: &Path, limits: Limits) -> Config {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let files = Source::in_directory(directory, "tls.crt", "tls.key");
    Config {
        webhook: Some(Webhook { address: any, source: files, poll: POLL }),
        probes: Some(any),
        metrics: Some(any),
        limits,
    }
}

async fn start(config: Config, decide: Decide) -> (Handle, CancellationToken, Readiness) {
    let cancel = CancellationToken::new();
    let readiness = Readiness::new();
    let (liveness, registry) = (Liveness::new(Duration::MAX), Arc::new(Mutex::default()));
    let handle = Serve::start(config, decide, readiness.clone(), liveness, registry, cancel.clone()).await.unwrap();
    (handle, cancel, readiness)
}

impl TestServer {
    async fn new(limits: Limits, decide: Decide) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        put(directory.path(), &authority.pair());
        let client = authority.client();
        let (handle, cancel, readiness) = start(config(directory.path(), limits), decide).await;
        let test_server = Self { directory, authority, client, handle, cancel, readiness };
        until("ready", || test_server.readiness.missing().is_empty()).await;
        test_server
    }

    fn webhook(&self) -> SocketAddr {
        self.handle.bound().webhook.unwrap()
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        connect(self.webhook(), &self.client).await.unwrap()
    }

    async fn post(&self, path: &str, body: &[u8]) -> (u16, String) {
        talk(&mut self.connect().await, &request(path, body, "close")).await.unwrap()
    }

    async fn metric(&self, line: &str) -> bool {
        get(self.handle.bound().metrics.unwrap(), "/metrics").await.1.lines().any(|l| l == line)
    }

    async fn end(self) {
        self.cancel.cancel();
        tokio::time::timeout(PATIENCE, self.handle.join()).await.unwrap().unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn connect(address: SocketAddr, client: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(client)).connect(name, stream).await
}

fn request(path: &str, body: &[u8], connection: &str) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: {connection}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Sends and reads one answer.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &[u8]) -> io::Result<(u16, String)> {
    stream.write_all(request).await?;
    answer(stream).await
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(u16, String)> {
    let (head, body) = whole_answer(stream).await?;
    Ok((head.split(' ').nth(1).unwrap().parse().unwrap(), body))
}

async fn whole_answer<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
            if bytes.len() >= end + 4 + length {
                return Ok((head, String::from_utf8(bytes[end + 4..end + 4 + length].to_vec()).unwrap()));
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    talk(&mut stream, request.as_bytes()).await.unwrap()
}

/// Allows everything, and does what the name of the object says first.
fn by_name() -> Decide {
    Arc::new(|request: Request, _| {
        match request.name.as_str() {
            "panic" => panic!("as the name says"),
            "slow" => std::thread::sleep(Duration::from_millis(500)),
            "long" => std::thread::sleep(Duration::from_secs(4)),
            _ => {}
        }
        ReviewAnswer::allow()
    })
}

fn review(uid: &str, name: &str) -> Vec<u8> {
    let review = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": uid, "operation": "CREATE", "namespace": "shop", "name": name,
            "resource": {"group": "networking.k8s.io", "version": "v1", "resource": "ingresses"},
            "object": {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}},
        },
    });
    serde_json::to_vec(&review).unwrap()
}

/// Without what is for the audit log, which every answer has.
fn response(body: &str) -> serde_json::Value {
    let mut response = serde_json::from_str::<serde_json::Value>(body).unwrap()["response"].clone();
    let audited = response.as_object_mut().unwrap().remove("auditAnnotations").unwrap();
    assert!(audited["milliseconds"].is_string(), "{audited}");
    response
}
