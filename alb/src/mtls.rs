//! Client certificates: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html>.

use std::sync::Arc;

use albedo_engine::stack::{Attributes, Listener};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::serve::Asked;

/// What a listener does about client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Off,
    /// It asks for one and hands on whatever comes.
    Passthrough,
    /// It takes no connection without one that the trust store verifies.
    Verify,
}

impl Mode {
    pub(crate) fn of(listener: &Listener) -> Self {
        match listener.mutual_authentication.as_ref().map(|of| of.mode.as_str()) {
            Some("passthrough") => Self::Passthrough,
            Some("verify") => Self::Verify,
            _ => Self::Off,
        }
    }
}

/// Asks for a certificate, and takes any or none.
pub(crate) fn any(provider: Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier> {
    Arc::new(Any(provider))
}

#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ClientCertVerifier for Any {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The headers of TLS that the load balancer adds and no client may send.
const ADDED: [&str; 8] = [
    "x-amzn-mtls-clientcert-serial-number",
    "x-amzn-mtls-clientcert-issuer",
    "x-amzn-mtls-clientcert-subject",
    "x-amzn-mtls-clientcert-validity",
    "x-amzn-mtls-clientcert-leaf",
    "x-amzn-mtls-clientcert",
    "x-amzn-tls-version",
    "x-amzn-tls-cipher-suite",
];

/// Tells a target of the connection's TLS and of the client's certificate.
pub(crate) fn tell(asked: &Asked<'_>, headers: &mut HeaderMap) {
    for name in ADDED {
        headers.remove(name);
    }
    let Some(tls) = &asked.front.tls else { return };
    let mut told: Vec<(&str, String)> = Vec::new();
    let key = "routing.http.x_amzn_tls_version_and_cipher_suite.enabled";
    if asked.balancer.is.attributes.get(key).is_some_and(|value| value == "true") {
        told.push(("x-amzn-tls-version", tls.version.to_owned()));
        told.push(("x-amzn-tls-cipher-suite", tls.cipher.clone()));
    }
    match (tls.mode, tls.chain.first()) {
        (Mode::Passthrough, Some(_)) => {
            told.push(("x-amzn-mtls-clientcert", tls.chain.iter().map(|one| encoded(one)).collect()));
        }
        (Mode::Verify, Some(leaf)) => told.extend(of_leaf(leaf)),
        _ => {}
    }
    for (name, value) in told {
        let name = renamed(&asked.listener.attributes, name);
        let pair = name.parse::<HeaderName>().ok().zip(HeaderValue::try_from(value).ok());
        headers.extend(pair);
    }
}

/// The name that a listener gives one of these headers:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html#rename-header>.
fn renamed<'a>(attributes: &'a Attributes, name: &'a str) -> &'a str {
    let key = format!("routing.http.request.{}.header_name", name.replace('-', "_"));
    attributes.get(&key).map(String::as_str).filter(|own| !own.is_empty()).unwrap_or(name)
}

fn of_leaf(leaf: &CertificateDer<'_>) -> Vec<(&'static str, String)> {
    let Ok((_, read)) = X509Certificate::from_der(leaf) else { return Vec::new() };
    let time = |at: x509_parser::time::ASN1Time| {
        jiff::Timestamp::from_second(at.timestamp()).map(|at| at.to_string()).unwrap_or_default()
    };
    let serial: String = read.raw_serial().iter().map(|byte| format!("{byte:02X}")).collect();
    let validity = read.validity();
    vec![
        ("x-amzn-mtls-clientcert-serial-number", serial.trim_start_matches("00").to_owned()),
        ("x-amzn-mtls-clientcert-issuer", reversed(&read.issuer().to_string())),
        ("x-amzn-mtls-clientcert-subject", reversed(&read.subject().to_string())),
        (
            "x-amzn-mtls-clientcert-validity",
            format!("NotBefore={};NotAfter={}", time(validity.not_before), time(validity.not_after)),
        ),
        ("x-amzn-mtls-clientcert-leaf", encoded(leaf)),
    ]
}

/// RFC 2253 writes the last part first, without spaces.
fn reversed(name: &str) -> String {
    name.split(", ").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join(",")
}

/// PEM, URL-encoded; `+`, `=` and `/` stay as they are.
fn encoded(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
    let mut encoded = String::new();
    for char in pem.chars() {
        match char {
            '\n' => encoded.push_str("%0A"),
            ' ' => encoded.push_str("%20"),
            char => encoded.push(char),
        }
    }
    encoded
}
