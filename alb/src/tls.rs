//! TLS with clients: which certificate, which versions, and whether clients show a certificate too.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html>

use std::io;
use std::sync::Arc;

use albedo_engine::stack::Listener;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mtls::{self, Mode};
use crate::serve::Front;
use crate::snapshot::{Balancer, Snapshot};

/// What is known of a TLS connection.
#[derive(Debug)]
pub(crate) struct Secured {
    /// `TLSv1.3`, as AWS writes it.
    pub(crate) version: &'static str,
    /// The cipher suite as OpenSSL names it, as far as that is known.
    pub(crate) cipher: String,
    pub(crate) http2: bool,
    /// What the client showed, its own certificate first.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) mode: Mode,
}

/// Takes TLS up on a connection.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    front: &Front,
    snapshot: &Snapshot,
    listener: &Listener,
    stream: S,
) -> io::Result<(TlsStream<S>, Secured)> {
    let Some(balancer) = snapshot.balancers.get(&front.arn) else {
        return Err(io::Error::other("the load balancer is gone"));
    };
    let config = config(front, snapshot, balancer, listener).map_err(io::Error::other)?;
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    let (_, session) = stream.get_ref();
    let secured = Secured {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            _ => "TLSv1.2",
        },
        cipher: session
            .negotiated_cipher_suite()
            .map(|suite| cipher(&format!("{:?}", suite.suite())))
            .unwrap_or_default(),
        http2: session.alpn_protocol() == Some(b"h2"),
        chain: session.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect(),
        mode: Mode::of(listener),
    };
    Ok((stream, secured))
}

/// Names of RFC 8446 stay; those of TLS 1.2 lose what OpenSSL leaves out.
fn cipher(suite: &str) -> String {
    if suite.starts_with("TLS13_") {
        return suite.replacen("TLS13_", "TLS_", 1);
    }
    suite.trim_start_matches("TLS_").replace("_WITH_", "-").replace("AES_", "AES").replace("_CBC", "").replace('_', "-")
}

fn config(
    front: &Front,
    snapshot: &Snapshot,
    balancer: &Balancer,
    listener: &Listener,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let authority = &front.site.authority;
    let keys = listener.certificates.iter().map(|arn| {
        let known = snapshot.certificates.get(arn).filter(|domains| !domains.is_empty());
        let domains = known.cloned().unwrap_or_else(|| vec![balancer.dns_name.clone()]);
        Ok((domains.clone(), authority.server(&domains)?))
    });
    let keys = keys.collect::<Result<Vec<_>, crate::authority::CertificateError>>()?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions(listener.ssl_policy.as_deref().unwrap_or_default()))?;
    let builder = match Mode::of(listener) {
        Mode::Off => builder.with_no_client_auth(),
        Mode::Passthrough => builder.with_client_cert_verifier(mtls::any(provider)),
        Mode::Verify => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.certificate())?;
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?,
            )
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(ByName(keys)));
    let http2 = balancer.is.attributes.get("routing.http2.enabled").is_none_or(|value| value == "true");
    config.alpn_protocols = if http2 { vec![b"h2".to_vec(), b"http/1.1".to_vec()] } else { vec![b"http/1.1".to_vec()] };
    Ok(config)
}

/// What a policy allows of what rustls has; AWS's older versions are not there:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>.
fn versions(policy: &str) -> Vec<&'static SupportedProtocolVersion> {
    if policy.contains("TLS13-1-3") {
        vec![&version::TLS13]
    } else if policy.contains("TLS13") {
        vec![&version::TLS13, &version::TLS12]
    } else {
        vec![&version::TLS12]
    }
}

/// Certificates with their domains, the default one first.
#[derive(Debug)]
struct ByName(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl ByName {
    /// The certificate that names a host in so many words, else one with a wildcard for it, else the default one.
    fn place(&self, host: Option<&str>) -> usize {
        let Some(host) = host.map(str::to_ascii_lowercase) else { return 0 };
        let above = host.split_once('.').map(|(_, above)| format!("*.{above}"));
        let naming = |wanted: &str| {
            self.0.iter().position(|(domains, _)| domains.iter().any(|domain| domain.eq_ignore_ascii_case(wanted)))
        };
        naming(&host).or_else(|| naming(&above?)).unwrap_or_default()
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.get(self.place(hello.server_name())).map(|(_, key)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::Authority;

    #[test]
    fn the_certificate_fits_the_name() {
        let authority = Authority::new().unwrap();
        let listed = [&["default.example.com"][..], &["*.example.com"], &["a.example.com", "b.example.org"]];
        let keys = listed.map(|domains| {
            let domains: Vec<String> = domains.iter().map(|one| (*one).to_owned()).collect();
            let key = authority.server(&domains).unwrap();
            (domains, key)
        });
        let by_name = ByName(keys.into());
        let rows = [
            (None, 0),
            (Some("default.example.com"), 0),
            (Some("A.example.com"), 2),
            (Some("c.example.com"), 1),
            (Some("b.example.org"), 2),
            (Some("x.c.example.com"), 0),
            (Some("other.test"), 0),
        ];
        for (host, place) in rows {
            assert_eq!(by_name.place(host), place, "{host:?}");
        }
    }

    #[test]
    fn ciphers_and_versions() {
        assert_eq!(cipher("TLS13_AES_128_GCM_SHA256"), "TLS_AES_128_GCM_SHA256");
        assert_eq!(cipher("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), "ECDHE-RSA-AES128-GCM-SHA256");
        let rows = [
            ("ELBSecurityPolicy-2016-08", 1),
            ("ELBSecurityPolicy-TLS13-1-2-2021-06", 2),
            ("ELBSecurityPolicy-TLS13-1-3-2021-06", 1),
            ("ELBSecurityPolicy-TLS-1-2-2017-01", 1),
        ];
        for (policy, versions_allowed) in rows {
            assert_eq!(versions(policy).len(), versions_allowed, "{policy}");
        }
    }
}
