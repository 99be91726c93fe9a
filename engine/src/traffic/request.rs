//! A request as a load balancer sees it.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Port of the listener, 1–65535.
    pub port: u16,
    /// Host header without a port.
    pub host: String,
    /// Path, beginning with `/`, normalised (conditions are tested after that) and without the query.
    pub path: String,
    /// The query as it is sent, without the leading `?`.
    pub query: String,
    /// Method, upper case.
    pub method: String,
    /// Names and values of headers; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// Address of the client as the load balancer sees it, never `X-Forwarded-For`; `None`: not known.
    pub source_ip: Option<IpAddr>,
}

impl Request {
    /// A `GET` without headers from an unknown address. `target` is path and query as in a URL: a fragment is cut off,
    /// for clients never send it, and so is the port of the host; the path is normalised.
    #[must_use]
    pub fn get(port: u16, host: &str, target: &str) -> Self {
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self {
            port,
            host: without_port(host).to_owned(),
            path: normalised(path),
            query: query.to_owned(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            source_ip: None,
        }
    }

    /// The same from a client with this address.
    #[must_use]
    pub fn from_client(self, address: Option<IpAddr>) -> Self {
        Self { source_ip: address, ..self }
    }

    /// Keys and values of the query as they are sent; a key alone has an empty value.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }
}

/// As one would write it: `GET host:port/path?query`, then headers and the client's address.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}{}", self.method, self.host, self.port, self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        for (name, value) in &self.headers {
            write!(f, " {name}: {value}")?;
        }
        self.source_ip.iter().try_for_each(|address| write!(f, " from {address}"))
    }
}

/// The colons inside `[2001:db8::1]` are not the one before a port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A path after the normalisation of RFC 3986 §6.2.2: dot segments are gone, unreserved characters are not encoded, and what
/// is encoded has upper-case digits.
fn normalised(path: &str) -> String {
    let decoded = decoded(path, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_dots = false;
    for segment in decoded.strip_prefix('/').unwrap_or(&decoded).split('/') {
        ends_in_dots = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    if ends_in_dots {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

/// With those percent-encoded bytes decoded that are wanted, and the others' digits in upper case. What would be no UTF-8
/// then stays as it is.
pub(super) fn decoded(text: &str, wanted: impl Fn(u8) -> bool) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = match (first, after) {
            (b'%', [high, low, ..]) => hexadecimal(*high).zip(hexadecimal(*low)).map(|digits| (digits, *high, *low)),
            _ => None,
        };
        match digits {
            Some(((high, low), ..)) if wanted(high << 4 | low) => bytes.push(high << 4 | low),
            Some((_, high, low)) => bytes.extend([b'%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
            None => bytes.push(*first),
        }
        rest = after.get(if digits.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let rows = [
            ("example.com", "example.com"),
            ("example.com:8080", "example.com"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:443", "[2001:db8::1]"),
            ("", ""),
        ];
        for (given, host) in rows {
            assert_eq!(Request::get(80, given, "/").host, host);
        }
    }

    #[test]
    fn targets() {
        type Row<'r> = (&'r str, &'r str, &'r [(&'r str, &'r str)]);
        let rows: [Row<'_>; 7] = [
            ("", "/", &[]),
            ("/a", "/a", &[]),
            ("/a?", "/a", &[]),
            ("/a?b=c&d", "/a", &[("b", "c"), ("d", "")]),
            ("/a?b=c=d&&e=", "/a", &[("b", "c=d"), ("e", "")]),
            ("/a?b=c?d", "/a", &[("b", "c?d")]),
            ("/a?b=c#d?e", "/a", &[("b", "c")]),
        ];
        for (target, path, query) in rows {
            let request = Request::get(80, "example.com", target);
            assert_eq!(request.path, path);
            assert_eq!(request.pairs().collect::<Vec<_>>(), query, "{target}");
        }
    }

    #[test]
    fn paths_are_normalised() {
        let rows = [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a//b", "/a//b"),
            ("/a/", "/a/"),
            ("/%7euser/%41", "/~user/A"),
            ("/a%2fb%2F", "/a%2Fb%2F"),
            ("/%2e%2e/a", "/a"),
            ("/a%", "/a%"),
            ("/a%4", "/a%4"),
            ("/a%zz", "/a%zz"),
            ("a", "/a"),
        ];
        for (given, path) in rows {
            assert_eq!(Request::get(80, "example.com", given).path, path, "{given}");
        }
    }
}
