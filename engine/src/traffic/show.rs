//! A trace in words: `20: path-pattern /a, /a/* does not match`.

use std::fmt;

use super::{Doubt, Outcome, Request, Tried};
use crate::stack::{Condition, Patterns};

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.priority, self.outcome)
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched => f.write_str("matches"),
            Self::Failed(condition) => write!(f, "{} does not match", Shown(condition)),
            Self::Unknown(condition, doubt) => write!(f, "{} may match: {doubt}", Shown(condition)),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "the request does not say where it comes from",
            Self::Expression => "AWS may read the regular expression in another way",
            Self::Encoding => "AWS does not say whether it looks at it percent-encoded or decoded",
        })
    }
}

struct Shown<'c>(&'c Condition);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Condition::HostHeader(values) => write!(f, "host-header {}", patterns(values)),
            Condition::PathPattern(values) => write!(f, "path-pattern {}", patterns(values)),
            Condition::HttpHeader { name, patterns: values } => write!(f, "http-header {name}: {}", patterns(values)),
            Condition::HttpRequestMethod { values } => write!(f, "http-request-method {}", values.join(", ")),
            Condition::QueryString { values } => {
                let pair = |pair: &crate::stack::QueryPair| match &pair.key {
                    Some(key) => format!("{key}={}", pair.value),
                    None => format!("any={}", pair.value),
                };
                write!(f, "query-string {}", values.iter().map(pair).collect::<Vec<_>>().join(", "))
            }
            Condition::SourceIp { values } => write!(f, "source-ip {}", values.join(", ")),
        }
    }
}

/// A tilde stands before a regular expression.
fn patterns(patterns: &Patterns) -> String {
    let regexes = patterns.regex_values.iter().map(|regex| format!("~{regex}"));
    patterns.values.iter().cloned().chain(regexes).collect::<Vec<_>>().join(", ")
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
