//! The test authority: signs certificates for the domains of ACM certificates, whose keys AWS never gives out, and for clients.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

/// A certificate authority for tests; it lives as long as the load balancer.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    signed: Mutex<BTreeMap<Vec<String>, Arc<CertifiedKey>>>,
}

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The names or the key are not usable.
    #[error("no certificate could be made: {0}")]
    Made(#[from] rcgen::Error),
    /// TLS does not take it.
    #[error("no certificate could be used: {0}")]
    Used(#[from] rustls::Error),
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn new() -> Result<Self, CertificateError> {
        let mut params = named("albedo-alb test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { issuer, signed: Mutex::default() })
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// Certificate and key of a client, as PEM: what listeners with mutual TLS take.
    ///
    /// # Errors
    ///
    /// When no key can be made.
    pub fn client(&self, name: &str) -> Result<(String, String), CertificateError> {
        let mut params = named(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem()))
    }

    /// A server's certificate for these domains; the same one each time.
    pub(crate) fn server(&self, domains: &[String]) -> Result<Arc<CertifiedKey>, CertificateError> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = signed.get(domains) {
            return Ok(known.clone());
        }
        let mut params = named(domains.first().map_or("albedo-alb", String::as_str));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names =
            domains.iter().filter_map(|name| Some(SanType::DnsName(name.as_str().try_into().ok()?))).collect();
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key)?;
        let made = Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key));
        signed.insert(domains.to_vec(), made.clone());
        Ok(made)
    }
}
