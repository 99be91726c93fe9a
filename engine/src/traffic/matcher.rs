//! One condition of a rule, made ready to be tested and compared.

use ipnet::IpNet;

use super::Request;
use super::glob::{Domain, Glob, Syntax};
use crate::stack::{Condition, Patterns};

/// Hosts and headers: case means nothing.
const FOLDED: Syntax = Syntax { fold_case: true, escapes: false };
/// Paths: case counts.
const EXACT: Syntax = Syntax { fold_case: false, escapes: false };
/// Queries: case means nothing, and the wildcards can be escaped.
const ESCAPED: Syntax = Syntax { fold_case: true, escapes: true };

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

/// Values of which one has to match.
#[derive(Debug)]
pub(super) struct Values<'l> {
    globs: Vec<Glob>,
    regexes: &'l [String],
}

impl<'l> Values<'l> {
    fn new(patterns: &'l Patterns, syntax: Syntax) -> Self {
        let globs = patterns.values.iter().map(|value| Glob::new(value, syntax)).collect();
        Self { globs, regexes: &patterns.regex_values }
    }

    fn test<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Truth {
        let mut truth = Truth::No;
        for text in texts {
            if self.globs.iter().any(|glob| glob.matches(text)) {
                return Truth::Yes;
            }
            if !self.regexes.is_empty() {
                truth = Truth::Unknown;
            }
        }
        truth
    }

    fn hold(&self, glob: &Glob, domain: Domain) -> bool {
        self.globs.iter().any(|one| one.covers(glob, domain))
    }

    fn hold_all(&self, domain: Domain) -> bool {
        self.hold(&Glob::new("*", EXACT), domain)
    }

    /// Each value has to be held by one alone: what only several hold together is not found, which is a "no" too many.
    fn cover(&self, other: &Self, domain: Domain) -> bool {
        let some = !other.globs.is_empty() || !other.regexes.is_empty();
        let regexes = || other.regexes.iter().all(|regex| self.regexes.contains(regex)) || self.hold_all(domain);
        some && other.globs.iter().all(|glob| self.hold(glob, domain)) && regexes()
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
        }
    }

    pub(super) fn test(&self, request: &Request) -> Truth {
        match self {
            Self::Host(values) => values.test(std::iter::once(request.host.as_str())),
            Self::Path(values) => values.test(std::iter::once(request.path.as_str())),
            Self::Header(name, values) => {
                let named = request.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
                values.test(named.map(|(_, value)| value.as_str()))
            }
            Self::Method(methods) => Truth::of(methods.contains(&request.method)),
            Self::Query(pairs) => Truth::of(request.query.iter().any(|(key, value)| {
                let fits = |(want, glob): &(Option<Glob>, Glob)| {
                    want.as_ref().is_none_or(|want| want.matches(key)) && glob.matches(value)
                };
                pairs.iter().any(fits)
            })),
            Self::Source(blocks) => match request.source_ip {
                Some(address) => Truth::of(blocks.iter().any(|block| block.contains(&address))),
                None if self.holds_always() => Truth::Yes,
                None => Truth::Unknown,
            },
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
            Self::Header(..) | Self::Method(_) | Self::Query(_) => false,
        }
    }

    /// Whether every request that meets `other` meets this one. A "yes" is always right.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Host(a), Self::Host(b)) => a.cover(b, Domain::Any),
            (Self::Path(a), Self::Path(b)) => a.cover(b, Domain::Paths),
            (Self::Header(a, values), Self::Header(b, others)) => {
                a.eq_ignore_ascii_case(b) && values.cover(others, Domain::Any)
            }
            (Self::Method(a), Self::Method(b)) => !b.is_empty() && b.iter().all(|method| a.contains(method)),
            (Self::Query(a), Self::Query(b)) => {
                !b.is_empty() && b.iter().all(|pair| a.iter().any(|one| pair_covers(one, pair)))
            }
            (Self::Source(a), Self::Source(b)) => {
                !b.is_empty() && b.iter().all(|block| a.iter().any(|one| one.contains(block)))
            }
            _ => false,
        }
    }
}

fn pair_covers(a: &(Option<Glob>, Glob), b: &(Option<Glob>, Glob)) -> bool {
    let any = Glob::new("*", ESCAPED);
    let key = a.0.as_ref().is_none_or(|key| key.covers(b.0.as_ref().unwrap_or(&any), Domain::Any));
    key && a.1.covers(&b.1, Domain::Any)
}
