//! One condition of a rule, made ready to be tested and compared.

use std::borrow::Cow;

use ipnet::IpNet;

use super::regex::Expression;
use super::request::decoded;
use super::{Doubt, Request};
use crate::glob::{Budget, Domain, Escapes, Glob, Syntax};
use crate::stack::{Condition, Patterns};

/// Hosts and headers: case means nothing.
pub(super) const FOLDED: Syntax = Syntax { fold_case: true, escapes: Escapes::Nothing };
/// Paths: case counts.
pub(super) const EXACT: Syntax = Syntax { fold_case: false, escapes: Escapes::Nothing };
/// Queries: case means nothing, and the wildcards can be escaped.
pub(super) const ESCAPED: Syntax = Syntax { fold_case: true, escapes: Escapes::Wildcards };

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown(Doubt),
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }

    /// The result of two readings of which one is right: certain if both agree.
    fn agreed(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown(Doubt::Encoding) }
    }
}

/// Values of which one has to match.
#[derive(Debug)]
pub(super) struct Values<'l> {
    globs: Vec<Glob>,
    expressions: Vec<Expression<'l>>,
}

impl<'l> Values<'l> {
    fn new(patterns: &'l Patterns, syntax: Syntax) -> Self {
        let globs = patterns.values.iter().map(|value| Glob::new(value, syntax)).collect();
        Self { globs, expressions: patterns.regex_values.iter().map(|text| Expression::new(text)).collect() }
    }

    fn test<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Truth {
        let mut truth = Truth::No;
        for text in texts {
            if self.globs.iter().any(|glob| glob.matches(text)) {
                return Truth::Yes;
            }
            for expression in &self.expressions {
                match expression.matches(text) {
                    Some(true) => return Truth::Yes,
                    Some(false) => {}
                    None => truth = Truth::Unknown(Doubt::Expression),
                }
            }
        }
        truth
    }

    fn hold(&self, glob: &Glob, domain: Domain, budget: &Budget) -> bool {
        self.globs.iter().any(|one| one.covers(glob, domain, budget))
    }

    fn hold_all(&self, domain: Domain) -> bool {
        self.globs.iter().any(|glob| glob.holds_all(domain))
    }

    /// Whether a text fits a value of both. An expression may fit any text.
    fn meet(&self, other: &Self, budget: &Budget) -> bool {
        !self.expressions.is_empty()
            || !other.expressions.is_empty()
            || self.globs.iter().any(|one| other.globs.iter().any(|another| one.meets(another, budget)))
    }

    /// Each value has to be held by one alone: what only several hold together is not found, which is a "no" too many.
    fn cover(&self, other: &Self, domain: Domain, budget: &Budget) -> bool {
        let any = !other.globs.is_empty() || !other.expressions.is_empty();
        let same = |one: &Expression<'_>| self.expressions.iter().any(|own| own.text == one.text);
        any && other.globs.iter().all(|glob| self.hold(glob, domain, budget))
            && (other.expressions.iter().all(same) || self.hold_all(domain))
    }
}

/// A condition.
#[derive(Debug)]
pub(super) enum Matcher<'l> {
    Host(Values<'l>),
    Path(Values<'l>),
    Header(&'l str, Values<'l>),
    Method(&'l [String]),
    /// Pairs; without a key, any.
    Query(Vec<(Option<Glob>, Glob)>),
    Source(Vec<IpNet>),
    /// An unknown field: which requests match is not known.
    Unknown,
}

impl<'l> Matcher<'l> {
    pub(super) fn of(condition: &'l Condition) -> Self {
        match condition {
            Condition::HostHeader(patterns) => Self::Host(Values::new(patterns, FOLDED)),
            Condition::PathPattern(patterns) => Self::Path(Values::new(patterns, EXACT)),
            Condition::HttpHeader { name, patterns } => Self::Header(name, Values::new(patterns, FOLDED)),
            Condition::HttpRequestMethod { values } => Self::Method(values),
            Condition::QueryString { values } => {
                let glob = |text: &String| Glob::new(text, ESCAPED);
                Self::Query(values.iter().map(|pair| (pair.key.as_ref().map(glob), glob(&pair.value))).collect())
            }
            // What is no block AWS would not have taken: it matches nothing.
            Condition::SourceIp { values } => {
                Self::Source(values.iter().filter_map(|value| value.parse().ok()).collect())
            }
            Condition::Unknown { .. } => Self::Unknown,
        }
    }

    pub(super) fn test(&self, request: &Request) -> Truth {
        match self {
            Self::Host(values) => values.test(std::iter::once(request.host.as_str())),
            Self::Path(values) => {
                let as_sent = values.test(std::iter::once(request.path.as_str()));
                // Normalisation leaves reserved characters encoded. AWS does not document whether conditions see them encoded.
                match decoded(&request.path, |_| true) {
                    Cow::Owned(path) => as_sent.agreed(values.test(std::iter::once(path.as_str()))),
                    Cow::Borrowed(_) => as_sent,
                }
            }
            Self::Header(name, values) => {
                let named = request.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
                values.test(named.map(|(_, value)| value.as_str()))
            }
            Self::Method(methods) => Truth::of(methods.contains(&request.method)),
            Self::Query(pairs) => query(pairs, request),
            Self::Source(blocks) => match request.source_ip {
                Some(address) => Truth::of(blocks.iter().any(|block| block.contains(&address))),
                None if self.holds_always() => Truth::Yes,
                None => Truth::Unknown(Doubt::Source),
            },
            Self::Unknown => Truth::Unknown(Doubt::Field),
        }
    }

    /// Whether every request meets it.
    pub(super) fn holds_always(&self) -> bool {
        match self {
            Self::Host(values) => values.hold_all(Domain::Any),
            Self::Path(values) => values.hold_all(Domain::Paths),
            Self::Source(blocks) => [true, false]
                .iter()
                .all(|v4| blocks.iter().any(|block| block.prefix_len() == 0 && block.addr().is_ipv4() == *v4)),
            // A request may have no such header, another method, no query.
            Self::Header(..) | Self::Method(_) | Self::Query(_) | Self::Unknown => false,
        }
    }

    /// Whether every request that meets `other` meets this one. A "yes" is always right.
    pub(super) fn covers(&self, other: &Self, budget: &Budget) -> bool {
        match (self, other) {
            (Self::Host(a), Self::Host(b)) => a.cover(b, Domain::Any, budget),
            (Self::Path(a), Self::Path(b)) => a.cover(b, Domain::Paths, budget),
            (Self::Header(a, values), Self::Header(b, others)) => {
                a.eq_ignore_ascii_case(b) && values.cover(others, Domain::Any, budget)
            }
            (Self::Method(a), Self::Method(b)) => !b.is_empty() && b.iter().all(|method| a.contains(method)),
            (Self::Query(a), Self::Query(b)) => {
                !b.is_empty() && b.iter().all(|pair| a.iter().any(|one| pair_covers(one, pair, budget)))
            }
            (Self::Source(a), Self::Source(b)) => {
                !b.is_empty() && b.iter().all(|block| a.iter().any(|one| one.contains(block)))
            }
            _ => false,
        }
    }

    /// Whether a request can match both this one and `other`. Uncertain means yes.
    pub(super) fn meets(&self, other: &Self, budget: &Budget) -> bool {
        match (self, other) {
            (Self::Host(a), Self::Host(b)) | (Self::Path(a), Self::Path(b)) => a.meet(b, budget),
            (Self::Method(a), Self::Method(b)) => a.iter().any(|method| b.contains(method)),
            _ => true,
        }
    }

    /// The hosts, lower case, if the condition names them all without wildcards.
    pub(super) fn plain_hosts(&self) -> Option<Vec<&str>> {
        let Self::Host(values) = self else { return None };
        let plain = values.expressions.is_empty() && values.globs.iter().all(Glob::is_literal);
        plain.then(|| values.globs.iter().map(Glob::literal).collect())
    }
}

/// Any character of a query can be percent-encoded. AWS does not document whether conditions see it decoded, and `+` as a space
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_QueryStringConditionConfig.html>).
fn query(pairs: &[(Option<Glob>, Glob)], request: &Request) -> Truth {
    let fit = |key: &str, value: &str| {
        pairs
            .iter()
            .any(|(wanted, glob)| wanted.as_ref().is_none_or(|wanted| wanted.matches(key)) && glob.matches(value))
    };
    let as_sent = Truth::of(request.pairs().any(|(key, value)| fit(key, value)));
    if !request.query.contains(['%', '+']) {
        return as_sent;
    }
    let reads =
        |read: &dyn Fn(&str) -> String| Truth::of(request.pairs().any(|(key, value)| fit(&read(key), &read(value))));
    as_sent
        .agreed(reads(&|text| decoded(text, |_| true).into_owned()))
        .agreed(reads(&|text| decoded(&text.replace('+', " "), |_| true).into_owned()))
}

fn pair_covers(a: &(Option<Glob>, Glob), b: &(Option<Glob>, Glob), budget: &Budget) -> bool {
    let any = Glob::new("*", ESCAPED);
    let key = a.0.as_ref().is_none_or(|key| key.covers(b.0.as_ref().unwrap_or(&any), Domain::Any, budget));
    key && a.1.covers(&b.1, Domain::Any, budget)
}
