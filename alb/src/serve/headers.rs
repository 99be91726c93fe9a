//! Headers on their way: what is added for targets and clients, and what never passes.

use std::time::{SystemTime, UNIX_EPOCH};

use albedo_engine::stack::{Attributes, Listener};
use hyper::HeaderMap;
use hyper::Response;
use hyper::header::{
    CONNECTION, COOKIE, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, SERVER, SET_COOKIE, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;

use super::answer::Asked;
use crate::bodies::Body;
use crate::sticky::Given;

/// What belongs to one connection alone: RFC 9110 §7.6.1.
const OF_A_CONNECTION: [HeaderName; 7] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    // hyper answers it itself.
    EXPECT,
];
/// The most addresses in `X-Forwarded-For`; more are answered with 463.
const ADDRESSES: usize = 30;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// An attribute that is on.
fn is_on(attributes: &Attributes, key: &str) -> bool {
    attributes.get(key).is_some_and(|value| value == "true")
}

fn mode(attributes: &Attributes) -> &str {
    attributes.get("routing.http.xff_header_processing.mode").map_or("append", String::as_str)
}

/// Whether `X-Forwarded-For` has more addresses than the load balancer takes, where it reads them at all.
pub(crate) fn too_many_addresses(headers: &HeaderMap, attributes: &Attributes) -> bool {
    let addresses =
        headers.get_all(&FORWARDED_FOR).iter().map(|one| one.as_bytes().split(|byte| *byte == b',').count());
    mode(attributes) == "append" && addresses.sum::<usize>() > ADDRESSES
}

fn drop_those_of_a_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&OF_A_CONNECTION) {
        headers.remove(name);
    }
}

/// Makes a client's request one for a target.
pub(crate) fn toward_target(asked: &Asked<'_>, parts: &mut Parts, upgrade: Option<&HeaderValue>) {
    let attributes = &asked.balancer.is.attributes;
    let headers = &mut parts.headers;
    let trailers = headers.get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    drop_those_of_a_connection(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade.clone());
    }
    if is_on(attributes, "routing.http.drop_invalid_header_fields.enabled") {
        let valid = |name: &HeaderName| name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let invalid: Vec<HeaderName> = headers.keys().filter(|name| !valid(name)).cloned().collect();
        for name in &invalid {
            drop(headers.remove(name));
        }
    }
    joined_cookies(headers);
    forwarded(asked, headers);
    host(asked, parts);
    crate::mtls::tell(asked, &mut parts.headers);
}

/// HTTP/2 may split cookies over several headers; HTTP/1.1 has one: RFC 9113 §8.2.3.
fn joined_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = HeaderValue::from_bytes(&cookies.join(&b"; "[..])).ok();
        headers.remove(COOKIE);
        headers.extend(joined.map(|joined| (COOKIE, joined)));
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html>
fn forwarded(asked: &Asked<'_>, headers: &mut HeaderMap) {
    let attributes = &asked.balancer.is.attributes;
    let peer = asked.front.peer;
    match mode(attributes) {
        "preserve" => {}
        "remove" => drop(headers.remove(&FORWARDED_FOR)),
        _ => {
            let with_port = is_on(attributes, "routing.http.xff_client_port.enabled");
            let client = if with_port { peer.to_string() } else { peer.ip().to_string() };
            let mut all: Vec<&[u8]> = headers.get_all(&FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
            all.push(client.as_bytes());
            let all = HeaderValue::from_bytes(&all.join(&b", "[..])).ok();
            headers.remove(&FORWARDED_FOR);
            headers.extend(all.map(|all| (FORWARDED_FOR, all)));
        }
    }
    let protocol = if asked.front.tls.is_some() { "https" } else { "http" };
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(protocol));
    headers.insert(FORWARDED_PORT, HeaderValue::from(asked.front.port));
    let traced = traced(headers.get(&TRACE_ID).and_then(|value| value.to_str().ok()));
    headers.extend(HeaderValue::try_from(traced).ok().map(|traced| (TRACE_ID, traced)));
}

/// `X-Amzn-Trace-Id`: a new root, or the root that came and this load balancer's own part before it:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-request-tracing.html>.
fn traced(came: Option<&str>) -> String {
    let mut random = [0_u8; 12];
    if aws_lc_rs::rand::fill(&mut random).is_err() {
        tracing::debug!("without randomness trace ids are equal");
    }
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let id = format!("1-{now:08x}-{hex}");
    let fields: Vec<&str> = came.into_iter().flat_map(|came| came.split(';')).map(str::trim).collect();
    let rest: Vec<&str> = fields.into_iter().filter(|one| !one.is_empty() && !one.starts_with("Self=")).collect();
    let has_root = rest.iter().any(|one| one.starts_with("Root="));
    let own = if has_root { format!("Self={id}") } else { format!("Root={id}") };
    std::iter::once(own.as_str()).chain(rest).collect::<Vec<_>>().join(";")
}

/// The host as the target sees it:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html#host-header-preservation>.
fn host(asked: &Asked<'_>, parts: &mut Parts) {
    let came = parts.headers.get(HOST).cloned();
    let named = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let Some(came) = came.or(named) else { return };
    if is_on(&asked.balancer.is.attributes, "routing.http.preserve_host_header.enabled") {
        if !parts.headers.contains_key(HOST) {
            parts.headers.insert(HOST, came);
        }
        return;
    }
    let text = came.to_str().unwrap_or_default();
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, Some(port)),
        _ => (text, None),
    };
    let host = match (asked.front.port, port) {
        (80 | 443, _) => name.to_owned(),
        (listener, None) => format!("{name}:{listener}"),
        (_, Some(_)) => text.to_owned(),
    };
    parts.headers.insert(HOST, HeaderValue::try_from(host).unwrap_or(came));
}

/// Makes a target's answer one for a client.
pub(crate) fn toward_client(headers: &mut HeaderMap, given: Given) {
    drop_those_of_a_connection(headers);
    headers.remove(TRAILER);
    headers.remove(PROXY_AUTHENTICATE);
    let set: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    for cookie in given.for_answer(&set) {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Headers that a listener puts into answers:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html>.
const INSERTED: [&str; 10] = [
    "strict-transport-security",
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "access-control-max-age",
    "content-security-policy",
    "x-content-type-options",
    "x-frame-options",
];

/// What the listener's attributes do to every answer.
pub(crate) fn finish(response: &mut Response<Body>, listener: &Listener) {
    let headers = response.headers_mut();
    for name in INSERTED {
        let key = format!("routing.http.response.{}.header_value", name.replace('-', "_"));
        let value = listener.attributes.get(&key).filter(|value| !value.is_empty());
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if listener.attributes.get("routing.http.response.server.enabled").is_some_and(|value| value == "false") {
        headers.remove(SERVER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the page on request tracing.
    #[test]
    fn trace_ids() {
        let new = traced(None);
        assert!(new.starts_with("Root=1-") && !new.contains(';'), "{new}");
        let kept = traced(Some("Root=1-67891233-abcdef012345678912345678"));
        assert!(kept.starts_with("Self=1-") && kept.ends_with(";Root=1-67891233-abcdef012345678912345678"), "{kept}");
        let again = traced(Some("Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678"));
        assert_eq!(again.matches("Self=").count(), 1, "{again}");
        assert!(!again.contains("12456789abcdef012345678;"), "{again}");
        let fields = traced(Some("Root=1-67891233-abcdef012345678912345678;CalledFrom=app"));
        assert!(fields.ends_with(";Root=1-67891233-abcdef012345678912345678;CalledFrom=app"), "{fields}");
        let without = traced(Some("CalledFrom=app"));
        assert!(without.starts_with("Root=1-") && without.ends_with(";CalledFrom=app"), "{without}");
    }
}
