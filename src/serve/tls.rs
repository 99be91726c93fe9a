//! The serving certificate: read from files that are renewed externally, or made by Albedo; checked, and replaced while connections continue.
//!
//! The files are polled and compared by their bytes. A watch on a file stops working when the kubelet replaces the `..data`
//! link of a mounted Secret, and the kubelet needs a minute to update a renewed Secret anyway.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, RootCertStore, ServerConfig, version};
use tokio_util::sync::CancellationToken;

use super::authority::Pair;
use super::metrics::Metrics;

/// Pause between two reads of the files while there is no valid pair or the newest one was refused.
const HURRY: Duration = Duration::from_secs(1);
/// Pause between two reads that must be equal, and how often they may differ in one attempt.
const SETTLE: Duration = Duration::from_millis(20);
const READINGS: usize = 5;

/// Where the certificate is.
#[derive(Debug, Clone)]
pub struct Source {
    /// Certificate and key.
    pub pair: PairSource,
    /// File of authorities in PEM that a client's certificate has to come from. None asks clients for nothing.
    pub client_ca: Option<PathBuf>,
}

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub enum PairSource {
    /// In files that somebody else renews.
    Files {
        /// The chain in PEM, the server's own certificate first.
        certificate: PathBuf,
        /// The private key in PEM.
        key: PathBuf,
    },
    /// Albedo makes them itself.
    Made(Made),
}

/// A pair that Albedo makes itself, once it has one. Clones are the same handle.
#[derive(Debug, Clone, Default)]
pub struct Made(Arc<ArcSwapOption<Pair>>);

impl Made {
    /// Has this pair served from now on.
    pub fn put(&self, pair: Pair) {
        self.0.store(Some(Arc::new(pair)));
    }
}

impl Source {
    /// Certificate and key in one directory, the way a Secret is mounted.
    #[must_use]
    pub fn in_directory(directory: &Path, certificate: &str, key: &str) -> Self {
        let pair = PairSource::Files { certificate: directory.join(certificate), key: directory.join(key) };
        Self { pair, client_ca: None }
    }
}

impl fmt::Display for PairSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { certificate, .. } => certificate.display().fmt(f),
            Self::Made(_) => f.write_str("made by albedo"),
        }
    }
}

/// Why the content of the files is not served.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// A file cannot be read, most often because it does not exist yet.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Albedo has not made a pair yet.
    #[error("no certificate is made yet")]
    Unmade,
    /// Two readings in a row never agreed.
    #[error("the files change while they are read")]
    Unsettled,
    /// A file is not PEM, or contains nothing of the right kind.
    #[error("the {what} is not valid PEM")]
    Pem {
        /// Which file.
        what: &'static str,
        /// The error of the parser.
        source: pem::Error,
    },
    /// A file contains no certificate.
    #[error("the {what} contains no certificate")]
    Empty {
        /// Which file.
        what: &'static str,
    },
    /// The key does not belong to the certificate, or one of them cannot be used.
    #[error("the certificate and the key are not a pair")]
    Pair(#[source] rustls::Error),
    /// The CAs for client certificates cannot be used.
    #[error("the CAs for client certificates cannot be used")]
    ClientCa(#[source] VerifierBuilderError),
    /// TLS cannot be configured.
    #[error("TLS cannot be configured")]
    Tls(#[source] rustls::Error),
}

/// The content of the files.
#[derive(PartialEq, Eq)]
struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// The certificate that is being served.
pub struct Certificates {
    source: Source,
    provider: Arc<CryptoProvider>,
    current: ArcSwapOption<ServerConfig>,
    metrics: Metrics,
}

impl Certificates {
    /// Nothing to serve yet; [`Certificates::watch`] reads the source.
    #[must_use]
    pub fn new(source: Source, metrics: Metrics) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        Self { source, provider, current: ArcSwapOption::empty(), metrics }
    }

    /// The configuration for the next handshake; `None` until a valid pair was read.
    #[must_use]
    pub fn current(&self) -> Option<Arc<ServerConfig>> {
        self.current.load_full()
    }

    /// Reads the files every `every`, and each second while they contain no valid pair, until `cancel`. Calls
    /// `first` once, when the first pair is valid. An invalid pair is logged, and the last good pair stays in use.
    pub async fn watch(&self, every: Duration, cancel: CancellationToken, first: impl FnOnce() + Send) {
        let mut good: Option<Material> = None;
        let mut complaint = String::new();
        let mut first = Some(first);
        loop {
            let pause = match self.look(good.as_ref()).await {
                Ok(None) => every,
                Ok(Some(material)) => {
                    good = Some(material);
                    complaint.clear();
                    if let Some(first) = first.take() {
                        first();
                    }
                    every
                }
                Err(refusal) => {
                    // The same message each second would hide everything else in the log.
                    if complaint != refusal.to_string() {
                        self.complain(&refusal, good.is_some());
                        complaint = refusal.to_string();
                    }
                    every.min(HURRY)
                }
            };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn complain(&self, refusal: &Refusal, serving: bool) {
        let error: &(dyn std::error::Error + 'static) = refusal;
        let source = &self.source.pair;
        if serving {
            self.metrics.certificate_refused();
            tracing::warn!(%source, error, "the new serving certificate is not used, the last good one is");
        } else {
            tracing::warn!(%source, error, "no serving certificate yet, webhooks wait for it");
        }
    }

    /// One read: the new pair, or `None` if the files contain the pair that is being served.
    async fn look(&self, good: Option<&Material>) -> Result<Option<Material>, Refusal> {
        let Some(material) = self.read(good).await? else { return Ok(None) };
        let (config, not_after) = self.configure(&material)?;
        self.current.store(Some(Arc::new(config)));
        self.metrics.certificate_taken(not_after);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if not_after.is_some_and(|end| end < now) {
            tracing::warn!(not_after, "the serving certificate has expired, clients will refuse it");
        }
        tracing::info!(source = %self.source.pair, not_after, "serving certificate taken over");
        Ok(Some(material))
    }

    /// Reads until two reads are equal: a key read after the replacement of a Secret does not belong to the certificate read
    /// before it.
    async fn read(&self, good: Option<&Material>) -> Result<Option<Material>, Refusal> {
        for _ in 0..READINGS {
            let material = self.read_once().await?;
            if good == Some(&material) {
                return Ok(None);
            }
            if material == self.read_once().await? {
                return Ok(Some(material));
            }
            tokio::time::sleep(SETTLE).await;
        }
        Err(Refusal::Unsettled)
    }

    async fn read_once(&self) -> Result<Material, Refusal> {
        let client_ca = match &self.source.client_ca {
            Some(path) => Some(read_file(path).await?),
            None => None,
        };
        match &self.source.pair {
            PairSource::Files { certificate, key } => {
                Ok(Material { certificate: read_file(certificate).await?, key: read_file(key).await?, client_ca })
            }
            PairSource::Made(made) => {
                let pair = made.0.load_full().ok_or(Refusal::Unmade)?;
                let (certificate, key) = (pair.certificate.clone().into_bytes(), pair.key.clone().into_bytes());
                Ok(Material { certificate, key, client_ca })
            }
        }
    }

    /// Checks the content, and returns until when it is valid, in seconds since 1970.
    fn configure(&self, material: &Material) -> Result<(ServerConfig, Option<u64>), Refusal> {
        let chain = certificates("certificate", &material.certificate)?;
        let key =
            PrivateKeyDer::from_pem_slice(&material.key).map_err(|source| Refusal::Pem { what: "key", source })?;
        let not_after = chain.first().and_then(not_after);
        let pair = CertifiedKey::from_der(chain, key, &self.provider).map_err(Refusal::Pair)?;

        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(Refusal::Tls)?;
        let builder = match &material.client_ca {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates("file of client authorities", ca)? {
                    roots.add(certificate).map_err(Refusal::Tls)?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider)).build();
                builder.with_client_cert_verifier(verifier.map_err(Refusal::ClientCa)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        // The API server always calls a Service over HTTP/1.1.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would continue with the certificate of its first handshake. API servers keep connections open
        // and don't resume.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok((config, not_after))
    }
}

async fn read_file(path: &Path) -> Result<Vec<u8>, Refusal> {
    tokio::fs::read(path).await.map_err(|source| Refusal::Read { path: path.to_owned(), source })
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Refusal> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|source| Refusal::Pem { what, source })?;
    if chain.is_empty() { Err(Refusal::Empty { what }) } else { Ok(chain) }
}

/// The end of the validity of a certificate, in seconds since 1970. The available parser does not return
/// the field, but its error contains it if the certificate is checked at a very late time; validity is checked first of
/// all.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Option<u64> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    match verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], end_of_time, &[]) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(not_after.as_secs())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
