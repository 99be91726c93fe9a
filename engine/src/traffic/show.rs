//! A trace in words: `20: path-pattern /a, /a/* does not match`.

use std::fmt;

use super::{Outcome, Tried};
use crate::stack::{Condition, Patterns};

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.priority)?;
        match &self.outcome {
            Outcome::Matched => f.write_str("matches"),
            Outcome::Failed(condition) => write!(f, "{} does not match", Shown(condition)),
            Outcome::Unknown(condition @ Condition::SourceIp { .. }) => {
                write!(f, "{} may match: the request does not say where it comes from", Shown(condition))
            }
            Outcome::Unknown(condition) => {
                write!(f, "{} may match: regular expressions are not evaluated", Shown(condition))
            }
        }
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
