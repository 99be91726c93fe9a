//! Key sets of issuers of tokens, kept for a while: RFC 7517.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use albedo_engine::stack::Protocol;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use serde::Deserialize;
use url::{Host, Url};

use crate::address::dialled;
use crate::dial::dial;

/// Most bytes and keys of a key set.
const BYTES: usize = 150 << 10;
const KEYS: usize = 10;
/// For how long a key set is used.
const FRESH: Duration = Duration::from_mins(5);
const LIMIT: Duration = Duration::from_secs(5);

/// An RSA key.
#[derive(Debug)]
pub(crate) struct PublicKey {
    pub(crate) id: Option<String>,
    modulus: Vec<u8>,
    exponent: Vec<u8>,
}

impl PublicKey {
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents { n: &self.modulus, e: &self.exponent };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

type KeySet = Arc<Vec<PublicKey>>;

/// Key sets by endpoint. Where names of identity providers are on loopback is said beforehand: nothing else is dialled.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    known: Mutex<BTreeMap<String, (Instant, KeySet)>>,
    hosts: BTreeMap<String, SocketAddr>,
}

impl Keys {
    pub(crate) fn new(hosts: BTreeMap<String, SocketAddr>) -> Self {
        Self { known: Mutex::default(), hosts }
    }

    /// The key set of an endpoint.
    pub(crate) async fn of(&self, endpoint: &str) -> Result<KeySet, String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(endpoint).cloned();
        if let Some((_, keys)) = known.filter(|(read, _)| read.elapsed() < FRESH) {
            return Ok(keys);
        }
        let read = tokio::time::timeout(LIMIT, self.read(endpoint));
        let keys = Arc::new(read.await.map_err(|_| "no answer in time".to_owned())??);
        let entry = (Instant::now(), keys.clone());
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.to_owned(), entry);
        Ok(keys)
    }

    async fn read(&self, endpoint: &str) -> Result<Vec<PublicKey>, String> {
        let url: Url = endpoint.parse().map_err(|error: url::ParseError| error.to_string())?;
        let protocol = if url.scheme() == "https" { Protocol::Https } else { Protocol::Http };
        let at = self.at(&url).ok_or("its host stands for no loopback address")?;
        let stream = dial(at, protocol, false).await.map_err(|error| error.to_string())?;
        let text = |error: hyper::Error| error.to_string();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(text)?;
        // It ends with the sender.
        drop(tokio::spawn(connection));
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let request = Request::get(target).header("host", url.host_str().unwrap_or_default());
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(text)?;
        if !response.status().is_success() {
            return Err(format!("it answers {}", response.status()));
        }
        let body = Limited::new(response.into_body(), BYTES).collect().await.map_err(|error| error.to_string())?;
        read(&body.to_bytes())
    }

    fn at(&self, url: &Url) -> Option<SocketAddr> {
        let port = url.port_or_known_default()?;
        let address = match url.host()? {
            Host::Ipv4(address) => dialled(address.into())?,
            Host::Ipv6(address) => dialled(address.into())?,
            Host::Domain(name) => return self.hosts.get(name).copied(),
        };
        Some(SocketAddr::new(address, port))
    }
}

/// The keys that RS256 can use.
fn read(body: &[u8]) -> Result<Vec<PublicKey>, String> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Key>,
    }
    #[derive(Deserialize)]
    struct Key {
        kty: String,
        kid: Option<String>,
        n: Option<String>,
        e: Option<String>,
    }
    let set: Set = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if set.keys.len() > KEYS {
        return Err(format!("it has {} keys; {KEYS} are the most", set.keys.len()));
    }
    let number = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?).ok();
    let rsa = set.keys.into_iter().filter(|key| key.kty == "RSA");
    Ok(rsa
        .filter_map(|key| Some(PublicKey { id: key.kid, modulus: number(key.n)?, exponent: number(key.e)? }))
        .collect())
}
