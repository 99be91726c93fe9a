//! A request as a load balancer sees it.

use std::net::IpAddr;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Port of the listener, 1–65535.
    pub port: u16,
    /// Host header without a port.
    pub host: String,
    /// Path, beginning with `/`, normalised (ALB looks at paths after URI normalisation) and without the query.
    pub path: String,
    /// Keys and values of the query as they are sent, percent-encoding included; a key alone has an empty value.
    pub query: Vec<(String, String)>,
    /// Method, upper case.
    pub method: String,
    /// Names and values of headers; a name may come more than once.
    pub headers: Vec<(String, String)>,
    /// Address of the client as the load balancer sees it, never `X-Forwarded-For`; `None`: not known.
    pub source_ip: Option<IpAddr>,
}

impl Request {
    /// A `GET` without headers from an unknown address. `target` is path and query as in a URL; a fragment is cut off,
    /// for clients never send it, and so is the port of the host.
    #[must_use]
    pub fn get(port: u16, host: &str, target: &str) -> Self {
        let target = target.split_once('#').map_or(target, |(target, _)| target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key.to_owned(), value.to_owned())
        };
        Self {
            port,
            host: without_port(host).to_owned(),
            path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
            query: pairs.map(pair).collect(),
            method: "GET".to_owned(),
            headers: Vec::new(),
            source_ip: None,
        }
    }
}

/// The colons inside `[2001:db8::1]` are not the one before a port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
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
            let pairs: Vec<_> = request.query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            assert_eq!(pairs, query, "{target}");
        }
    }
}
