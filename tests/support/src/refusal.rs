//! Trouble with the API server, as a gate makes it: requests that are refused, cut, slow, or come too late for what somebody else wrote.

use std::time::{Duration, Instant};

use anyhow::Result;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Response};
use serde_json::json;

/// Which requests to Kubernetes are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    All,
    Watches,
    /// Lists, which a watch begins with.
    Lists,
    /// Writes whose path ends so and whose body holds the other text; both may be empty.
    Writes(&'static str, &'static str),
}

/// What becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Answered with this status; nothing is carried out.
    Status(u16),
    /// Carried out, and then answered with this status.
    After(u16),
    /// The watch is begun and says at once that its version is too old.
    Expired,
    /// The connection is cut, and nothing carried out.
    Cut,
    /// It takes so long before it is carried out.
    Slow(Duration),
    /// Somebody else changes the object before it is carried out.
    Touched,
}

/// For how many requests, or how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Often {
    Times(usize),
    For(Duration),
}

/// Requests to Kubernetes, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    pub which: Which,
    pub how: How,
    pub often: Often,
}

/// What a gate is told to refuse, since when, and how often it has.
#[derive(Debug, Default)]
pub(crate) struct Refusing {
    rules: Vec<(Refusal, Instant, usize)>,
}

/// A request to Kubernetes.
pub(crate) struct SeenRequest<'a> {
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether it writes what the program does, and not what it says of itself.
    pub(crate) writes: bool,
}

impl Refusing {
    pub(crate) fn new(rules: &[Refusal]) -> Self {
        Self { rules: rules.iter().map(|rule| (*rule, Instant::now(), 0)).collect() }
    }

    /// How often the rule has struck that has struck least.
    pub(crate) fn struck(&self) -> usize {
        self.rules.iter().map(|(_, _, struck)| *struck).min().unwrap_or_default()
    }

    /// What becomes of a request; nothing if it passes.
    pub(crate) fn strike(&mut self, seen: &SeenRequest<'_>) -> Option<How> {
        let (rule, _, struck) = self.rules.iter_mut().find(|(rule, since, struck)| {
            let goes_on = match rule.often {
                Often::Times(times) => *struck < times,
                Often::For(span) => since.elapsed() < span,
            };
            goes_on && fits(rule.which, seen)
        })?;
        *struck += 1;
        Some(rule.how)
    }
}

fn fits(which: Which, seen: &SeenRequest<'_>) -> bool {
    let watches = seen.query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1");
    match which {
        Which::All => true,
        Which::Watches => watches,
        Which::Lists => seen.method == Method::GET && !watches && seen.query.contains("limit="),
        Which::Writes(end, text) => {
            seen.writes && seen.path.ends_with(end) && String::from_utf8_lossy(seen.body).contains(text)
        }
    }
}

/// The API server's answer with a status that is no success.
pub(crate) fn status(code: u16) -> Result<Response<UnsyncBoxBody<Bytes, anyhow::Error>>> {
    let reason = match code {
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
        "reason": reason, "message": format!("the gate answers {code}")});
    let mut answer = Response::builder().status(code).header("content-type", "application/json");
    if code == 429 {
        answer = answer.header("retry-after", "1");
    }
    Ok(answer.body(full(body.to_string()))?)
}

/// A watch that ends with its first word: the version that it was to begin with is too old.
pub(crate) fn expired() -> Result<Response<UnsyncBoxBody<Bytes, anyhow::Error>>> {
    let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410, "reason": "Expired",
        "message": "too old resource version"});
    let line = format!("{}\n", json!({"type": "ERROR", "object": gone}));
    Ok(Response::builder().status(200).header("content-type", "application/json").body(full(line))?)
}

fn full(text: String) -> UnsyncBoxBody<Bytes, anyhow::Error> {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_request_is_told_apart() {
        let seen = |method: &'static Method, path: &'static str, query, body: &'static [u8]| SeenRequest {
            method,
            path,
            query,
            body,
            writes: *method != Method::GET,
        };
        let watch = seen(&Method::GET, "/api/v1/services", "watch=true&resourceVersion=7", b"");
        let list = seen(&Method::GET, "/api/v1/services", "limit=500", b"");
        let write = seen(&Method::PATCH, "/apis/a/v1/namespaces/n/ingresses/shop", "", br#"{"finalizers":[]}"#);
        let status = seen(&Method::PATCH, "/apis/a/v1/namespaces/n/ingresses/shop/status", "", b"{}");
        for (which, fitting) in [
            (Which::All, [true, true, true, true]),
            (Which::Watches, [true, false, false, false]),
            (Which::Lists, [false, true, false, false]),
            (Which::Writes("", ""), [false, false, true, true]),
            (Which::Writes("/status", ""), [false, false, false, true]),
            (Which::Writes("", "finalizers"), [false, false, true, false]),
        ] {
            assert_eq!([&watch, &list, &write, &status].map(|seen| fits(which, seen)), fitting, "{which:?}");
        }
        let rule = Refusal { which: Which::All, how: How::Cut, often: Often::Times(2) };
        let mut refusing = Refusing::new(&[rule]);
        assert_eq!([0; 3].map(|_| refusing.strike(&watch).is_some()), [true, true, false]);
        assert_eq!(refusing.struck(), 2);
    }
}
