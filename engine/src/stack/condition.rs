//! Conditions of rules, with what is known of each field:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::network;

/// Values of a host-header or path-pattern condition: wildcards or regular expressions, one of the two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patterns {
    /// `*` and `?` are wildcards.
    pub values: Vec<String>,
    /// Regular expressions.
    pub regex_values: Vec<String>,
}

/// A key and a value of a query string; without a key any key matches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct QueryPair {
    /// Key.
    pub key: Option<String>,
    /// Value.
    pub value: String,
}

/// One condition of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "kebab-case")]
pub enum Condition {
    /// The host of the request, without regard to case.
    HostHeader(Patterns),
    /// The path of the request, with regard to case.
    PathPattern(Patterns),
    /// A header.
    HttpHeader {
        /// Name of the header, without regard to case.
        name: String,
        /// What its value is matched against.
        patterns: Patterns,
    },
    /// The method.
    HttpRequestMethod {
        /// Methods, upper case.
        values: Vec<String>,
    },
    /// The query.
    QueryString {
        /// Pairs, one of which has to match.
        values: Vec<QueryPair>,
    },
    /// The address of the client as the load balancer sees it.
    SourceIp {
        /// CIDRs.
        values: Vec<String>,
    },
    /// A condition that AWS holds and this version cannot read. Which requests match it is not known.
    Unknown {
        /// The field in AWS's words.
        name: String,
        /// The values that AWS returns for it.
        values: Vec<String>,
    },
}

/// What is known of a field.
#[derive(Debug, Clone, Copy)]
pub struct ConditionField {
    /// AWS's name of the field.
    pub name: &'static str,
    /// The member of AWS's API that holds its values.
    pub member: &'static str,
    /// The word that stands for it in plans and traces.
    pub word: &'static str,
    /// AWS allows one condition on it per rule.
    pub once: bool,
    /// `*` and `?` in its values are wildcards, which count against a quota.
    pub wildcards: bool,
    /// Two values match the same requests if this form of them is the same
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>).
    pub normal: fn(&str) -> String,
}

impl Condition {
    /// The row of its field; `None` for an unknown field.
    #[must_use]
    #[rustfmt::skip]
    pub fn row(&self) -> Option<ConditionField> {
        let row = |name, member, word, once, wildcards, normal| {
            Some(ConditionField { name, member, word, once, wildcards, normal })
        };
        match self {
            //                                    AWS's name             member of the API          word      once   wildcards normal form
            Self::HostHeader(_)            => row("host-header",         "HostHeaderConfig",        "host",   true,  true,     folded),
            Self::PathPattern(_)           => row("path-pattern",        "PathPatternConfig",       "path",   true,  true,     exact),
            Self::HttpHeader { .. }        => row("http-header",         "HttpHeaderConfig",        "header", false, true,     folded),
            Self::HttpRequestMethod { .. } => row("http-request-method", "HttpRequestMethodConfig", "method", true,  false,    exact),
            Self::QueryString { .. }       => row("query-string",        "QueryStringConfig",       "query",  false, true,     folded),
            Self::SourceIp { .. }          => row("source-ip",           "SourceIpConfig",          "source",  true,  false,    network),
            Self::Unknown { .. }           => None,
        }
    }

    /// AWS's name of the field.
    #[must_use]
    pub fn field(&self) -> &str {
        match (self.row(), self) {
            (Some(row), _) => row.name,
            (None, Self::Unknown { name, .. }) => name,
            (None, _) => "",
        }
    }

    /// Its parts: the header's name, values, pairs of a query, regular expressions.
    fn parts(&self) -> (Option<&str>, &[String], &[QueryPair], &[String]) {
        match self {
            Self::HostHeader(of) | Self::PathPattern(of) => (None, &of.values, &[], &of.regex_values),
            Self::HttpHeader { name, patterns: of } => (Some(name), &of.values, &[], &of.regex_values),
            Self::HttpRequestMethod { values } | Self::SourceIp { values } | Self::Unknown { values, .. } => {
                (None, values, &[], &[])
            }
            Self::QueryString { values } => (None, &[], values, &[]),
        }
    }

    /// The name of the header that it is on.
    #[must_use]
    pub fn header(&self) -> Option<&str> {
        self.parts().0
    }

    /// Its values without regular expressions; those of a query may have a key.
    pub fn values(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        let (_, values, pairs, _) = self.parts();
        let pairs = pairs.iter().map(|pair| (pair.key.as_deref(), pair.value.as_str()));
        values.iter().map(|value| (None, value.as_str())).chain(pairs)
    }

    /// Its regular expressions.
    #[must_use]
    pub fn regex_values(&self) -> &[String] {
        self.parts().3
    }

    /// How many values it has, which a rule's quota counts.
    #[must_use]
    pub fn size(&self) -> usize {
        let (_, values, pairs, expressions) = self.parts();
        values.len() + pairs.len() + expressions.len()
    }

    /// How many wildcards it has, which a rule's quota counts.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        let count = |text: &str| text.bytes().filter(|byte| matches!(byte, b'*' | b'?')).count();
        let has = self.row().is_some_and(|row| row.wildcards);
        self.values().filter(|_| has).map(|(key, value)| key.map_or(0, count) + count(value)).sum()
    }

    /// Removes repeated values, which AWS refuses, and returns them as text.
    pub fn remove_doubles(&mut self) -> Vec<String> {
        let normal = self.row().map_or(exact as fn(&str) -> String, |row| row.normal);
        let mut removed = Vec::new();
        match self {
            Self::HostHeader(of) | Self::PathPattern(of) | Self::HttpHeader { patterns: of, .. } => {
                keep_once(&mut of.values, |value| normal(value), &mut removed);
                keep_once(&mut of.regex_values, String::clone, &mut removed);
            }
            Self::HttpRequestMethod { values } | Self::SourceIp { values } | Self::Unknown { values, .. } => {
                keep_once(values, String::clone, &mut removed);
            }
            Self::QueryString { values } => keep_once(values, QueryPair::clone, &mut removed),
        }
        removed
    }
}

fn exact(text: &str) -> String {
    text.to_owned()
}

fn folded(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Keeps the first value of each key.
fn keep_once<T: fmt::Display, K: Ord>(values: &mut Vec<T>, key: impl Fn(&T) -> K, removed: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    values.retain(|value| {
        let first = seen.insert(key(value));
        if !first {
            removed.push(value.to_string());
        }
        first
    });
}

impl fmt::Display for QueryPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}={}", self.value),
            None => f.write_str(&self.value),
        }
    }
}

/// One text for plans and traces: `path /a | /a/*`. `~` marks a regular expression.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (header, values, pairs, expressions) = self.parts();
        f.write_str(self.row().map_or(self.field(), |row| row.word))?;
        if let Some(header) = header {
            write!(f, " {header}:")?;
        }
        let pairs = pairs.iter().map(ToString::to_string);
        let expressions = expressions.iter().map(|expression| format!("~{expression}"));
        for (index, value) in values.iter().cloned().chain(pairs).chain(expressions).enumerate() {
            write!(f, "{}{value}", if index == 0 { " " } else { " | " })?;
        }
        if self.row().is_none() {
            f.write_str(" (unknown field)")?;
        }
        Ok(())
    }
}
