//! One example of each kind of requests that rules can distinguish.
//!
//! Two requests that meet the same conditions of all rules get the same answer from any table made of these rules, in any
//! order. So a finite number of examples is enough to tell whether a change of the table misroutes anybody: one for each
//! set of rules that one request can match. They are found field by field (a host narrows the rules, what is left of
//! them is told apart by path, and so on): for hosts, paths, headers and queries by walking through all patterns at once,
//! for methods and addresses by trying each that is named and one that is not.
//!
//! What is not evaluated, regular expressions, is taken for free to match or not, each alone of the others: too many
//! kinds, never too few. The same holds for several values of one header and several pairs of a query, where what two can
//! match one request can match.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::matcher::{ESCAPED, EXACT, FOLDED};
use super::product::{Fits, fits};
use super::{Request, Set};
use crate::glob::{Domain, Glob};
use crate::stack::{Condition, Patterns};

/// Kinds that are told apart at most; rules of AWS's size stay far below.
const KINDS: usize = 20_000;

/// Regular expressions of one field, among rules that one request can match, that are told apart.
const REGEXES: usize = 6;

/// A kind of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// The rules whose conditions it meets.
    pub matches: Set,
    /// One of them. With regular expressions and unknown fields it may match other rules than `matches`.
    pub example: Request,
}

/// Kinds of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classes {
    /// Each kind once.
    pub all: Vec<Class>,
    /// Whether these are all kinds; false if there are too many rules, or they are too complex.
    pub complete: bool,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Field {
    Host,
    Path,
    Method,
    Header(String),
    Query,
    Source,
    /// One unknown condition, which is not evaluated.
    Unknown(String),
}

impl Field {
    fn of(condition: &Condition) -> Self {
        match condition {
            Condition::HostHeader(_) => Self::Host,
            Condition::PathPattern(_) => Self::Path,
            Condition::HttpRequestMethod { .. } => Self::Method,
            Condition::HttpHeader { name, .. } => Self::Header(name.to_ascii_lowercase()),
            Condition::QueryString { .. } => Self::Query,
            Condition::SourceIp { .. } => Self::Source,
            Condition::Unknown { .. } => Self::Unknown(condition.to_string()),
        }
    }
}

/// The kinds of requests on a port that rules with these conditions distinguish.
#[must_use]
pub fn classes(port: u16, rules: &[&[Condition]]) -> Classes {
    let start = Class { matches: Set::all(rules.len()), example: Request::get(port, "x", "/") };
    let mut classes = Classes { all: vec![start], complete: true };
    let mut fields: Vec<Field> = rules.iter().flat_map(|rule| rule.iter().map(Field::of)).collect();
    fields.sort_unstable();
    fields.dedup();
    for field in fields {
        let mut next: BTreeMap<Set, Request> = BTreeMap::new();
        let mut known: BTreeMap<Vec<(usize, usize)>, Split> = BTreeMap::new();
        for class in classes.all {
            let mut asked: Vec<(usize, usize)> = Vec::new();
            let mut conditions: Vec<&Condition> = Vec::new();
            for (index, rule) in rules.iter().enumerate().filter(|(index, _)| class.matches.contains(*index)) {
                for (place, condition) in rule.iter().enumerate().filter(|(_, one)| Field::of(one) == field) {
                    asked.push((index, place));
                    conditions.push(condition);
                }
            }
            let split = known.entry(asked.clone()).or_insert_with(|| split(&field, &conditions));
            classes.complete &= split.complete;
            for (holding, value) in &split.cases {
                let mut matches = class.matches.clone();
                let failing = asked.iter().enumerate().filter(|(place, _)| !holding.contains(*place));
                let mut failed = Set::none(rules.len());
                failing.for_each(|(_, (rule, _))| failed.insert(*rule));
                matches.subtract(&failed);
                next.entry(matches).or_insert_with(|| value.put(&class.example));
            }
            if next.len() > KINDS {
                classes.complete = false;
                break;
            }
        }
        classes.all = next.into_iter().map(|(matches, example)| Class { matches, example }).collect();
    }
    classes
}

/// What a field of a request can be, told apart by which of some conditions hold.
struct Split {
    cases: Vec<(Set, Value)>,
    complete: bool,
}

/// What a field of a request is.
#[derive(Debug, Clone)]
enum Value {
    Host(String),
    Path(String),
    Method(String),
    Headers(String, Vec<String>),
    Query(Vec<(String, String)>),
    Source(IpAddr),
    /// Whatever an unknown condition looks at.
    Unknown,
}

impl Value {
    fn put(&self, request: &Request) -> Request {
        let mut request = request.clone();
        match self {
            Self::Host(host) => request.host.clone_from(host),
            Self::Path(path) => request.path.clone_from(path),
            Self::Method(method) => request.method.clone_from(method),
            Self::Headers(name, values) => {
                request.headers.extend(values.iter().map(|value| (name.clone(), value.clone())));
            }
            Self::Query(pairs) => {
                let pairs: Vec<String> =
                    pairs.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
                request.query = pairs.join("&");
            }
            Self::Source(address) => request.source_ip = Some(*address),
            Self::Unknown => {}
        }
        request
    }
}

/// What would end a key or a value, or be read otherwise, percent-encoded.
fn encoded(text: &str) -> String {
    text.chars().fold(String::new(), |mut encoded, char| {
        match char {
            '&' => encoded.push_str("%26"),
            '=' => encoded.push_str("%3D"),
            '%' => encoded.push_str("%25"),
            '+' => encoded.push_str("%2B"),
            '#' => encoded.push_str("%23"),
            char => encoded.push(char),
        }
        encoded
    })
}

fn split(field: &Field, conditions: &[&Condition]) -> Split {
    match field {
        Field::Host | Field::Path => texts(field, conditions),
        Field::Header(name) => headers(name, conditions),
        Field::Method => methods(conditions),
        Field::Query => queries(conditions),
        Field::Source => sources(conditions),
        Field::Unknown(_) => unknown(conditions.len()),
    }
}

/// Patterns of all conditions in one list, and whose each is.
struct Listed<'c> {
    globs: Vec<Glob>,
    owners: Vec<usize>,
    regexes: Vec<(&'c str, Set)>,
    size: usize,
}

impl<'c> Listed<'c> {
    fn new(lists: impl Iterator<Item = Option<&'c Patterns>>, field: &Field) -> Self {
        let syntax = if *field == Field::Path { EXACT } else { FOLDED };
        let mut listed = Self { globs: Vec::new(), owners: Vec::new(), regexes: Vec::new(), size: 0 };
        let lists: Vec<_> = lists.collect();
        listed.size = lists.len();
        for (owner, patterns) in lists.into_iter().enumerate() {
            for value in patterns.iter().flat_map(|patterns| &patterns.values) {
                listed.globs.push(Glob::new(value, syntax));
                listed.owners.push(owner);
            }
            for regex in patterns.iter().flat_map(|patterns| &patterns.regex_values) {
                let place = listed.regexes.iter().position(|(known, _)| known == regex).unwrap_or_else(|| {
                    listed.regexes.push((regex, Set::none(listed.size)));
                    listed.regexes.len() - 1
                });
                listed.regexes.get_mut(place).into_iter().for_each(|(_, owners)| owners.insert(owner));
            }
        }
        listed
    }

    /// Conditions that one text can meet, with the text.
    fn cases(&self, domain: Domain) -> (BTreeMap<Set, String>, bool) {
        let Fits { sets, complete } = fits(&self.globs, domain);
        let mut cases: BTreeMap<Set, String> = BTreeMap::new();
        for (fitting, text) in sets {
            let mut holding = Set::none(self.size);
            fitting.numbers().filter_map(|place| self.owners.get(place)).for_each(|owner| holding.insert(*owner));
            cases.entry(holding).or_insert(text);
        }
        for (_, owners) in self.regexes.iter().take(REGEXES) {
            for (mut holding, text) in cases.clone() {
                holding.unite(owners);
                cases.entry(holding).or_insert(text);
            }
        }
        (cases, complete && self.regexes.len() <= REGEXES)
    }
}

fn texts(field: &Field, conditions: &[&Condition]) -> Split {
    let patterns = conditions.iter().map(|condition| match condition {
        Condition::HostHeader(patterns) | Condition::PathPattern(patterns) => Some(patterns),
        _ => None,
    });
    let domain = if *field == Field::Path { Domain::Paths } else { Domain::Any };
    let (cases, complete) = Listed::new(patterns, field).cases(domain);
    let value = |text: String| if *field == Field::Path { Value::Path(text) } else { Value::Host(text) };
    Split { cases: cases.into_iter().map(|(holding, text)| (holding, value(text))).collect(), complete }
}

/// A header may be absent, and may come several times.
fn headers(name: &str, conditions: &[&Condition]) -> Split {
    let patterns = conditions.iter().map(|condition| match condition {
        Condition::HttpHeader { patterns, .. } => Some(patterns),
        _ => None,
    });
    let (cases, complete) = Listed::new(patterns, &Field::Header(name.to_owned())).cases(Domain::Any);
    let single = cases.into_iter().map(|(holding, text)| (holding, vec![text]));
    let (cases, closed) = together(conditions.len(), single.collect());
    let value = |texts| Value::Headers(name.to_owned(), texts);
    let cases = cases.into_iter().map(|(holding, texts)| (holding, value(texts))).collect();
    Split { cases, complete: complete && closed }
}

/// What none, one, or several values of a field can meet, where each is looked at alone.
fn together<T: Clone>(size: usize, single: BTreeMap<Set, Vec<T>>) -> (BTreeMap<Set, Vec<T>>, bool) {
    const MANY: usize = 256;
    let mut all: BTreeMap<Set, Vec<T>> = BTreeMap::from([(Set::none(size), Vec::new())]);
    for (holding, values) in single {
        if holding.is_empty() {
            continue;
        }
        for (mut before, mut texts) in all.clone() {
            before.unite(&holding);
            texts.extend(values.clone());
            all.entry(before).or_insert(texts);
        }
        if all.len() > MANY {
            return (all, false);
        }
    }
    (all, true)
}

fn methods(conditions: &[&Condition]) -> Split {
    let lists = |condition: &&Condition| match condition {
        Condition::HttpRequestMethod { values } => values.clone(),
        _ => Vec::new(),
    };
    let mut named: Vec<String> = conditions.iter().flat_map(lists).collect();
    let other = ["GET", "POST", "TRACE"].into_iter().find(|other| !named.iter().any(|name| name == other));
    named.push(other.unwrap_or("X").to_owned());
    let mut cases: BTreeMap<Set, String> = BTreeMap::new();
    for method in named {
        let mut holding = Set::none(conditions.len());
        let takes = |condition: &&Condition| lists(condition).contains(&method);
        conditions.iter().enumerate().filter(|(_, one)| takes(one)).for_each(|(place, _)| holding.insert(place));
        cases.entry(holding).or_insert(method);
    }
    Split {
        cases: cases.into_iter().map(|(holding, method)| (holding, Value::Method(method))).collect(),
        complete: true,
    }
}

/// Of each pair of a query, key and value are told apart on their own; a query can have any number of pairs.
fn queries(conditions: &[&Condition]) -> Split {
    let mut pairs: Vec<(usize, Glob, Glob)> = Vec::new();
    for (owner, condition) in conditions.iter().enumerate() {
        let Condition::QueryString { values } = condition else { continue };
        for pair in values {
            let key = Glob::new(pair.key.as_deref().unwrap_or("*"), ESCAPED);
            pairs.push((owner, key, Glob::new(&pair.value, ESCAPED)));
        }
    }
    let keys: Vec<Glob> = pairs.iter().map(|(_, key, _)| key.clone()).collect();
    let Fits { sets, mut complete } = fits(&keys, Domain::Any);
    let mut single: BTreeMap<Set, Vec<(String, String)>> = BTreeMap::new();
    for (named, key) in sets {
        let named: Vec<&(usize, Glob, Glob)> = named.numbers().filter_map(|place| pairs.get(place)).collect();
        let values: Vec<Glob> = named.iter().map(|(_, _, value)| value.clone()).collect();
        let fitting = fits(&values, Domain::Any);
        complete &= fitting.complete;
        for (fitting, value) in fitting.sets {
            let mut holding = Set::none(conditions.len());
            fitting.numbers().filter_map(|place| named.get(place)).for_each(|(owner, _, _)| holding.insert(*owner));
            single.entry(holding).or_insert_with(|| vec![(key.clone(), value)]);
        }
    }
    let (cases, closed) = together(conditions.len(), single);
    let cases = cases.into_iter().map(|(holding, pairs)| (holding, Value::Query(pairs))).collect();
    Split { cases, complete: complete && closed }
}

/// A condition that is not evaluated holds in all rules that have it, or in none.
fn unknown(size: usize) -> Split {
    let cases = [Set::all(size), Set::none(size)].map(|holding| (holding, Value::Unknown));
    Split { cases: cases.into(), complete: true }
}

/// Blocks begin and end somewhere: between two such places all addresses are alike.
fn sources(conditions: &[&Condition]) -> Split {
    let blocks = |condition: &&Condition| -> Vec<IpNet> {
        let Condition::SourceIp { values } = condition else { return Vec::new() };
        values.iter().filter_map(|value| value.parse().ok()).collect()
    };
    let blocks: Vec<Vec<IpNet>> = conditions.iter().map(blocks).collect();
    let behind = |block: &IpNet| match block.broadcast() {
        IpAddr::V4(last) => u32::from(last).checked_add(1).map(|next| IpAddr::V4(Ipv4Addr::from(next))),
        IpAddr::V6(last) => u128::from(last).checked_add(1).map(|next| IpAddr::V6(Ipv6Addr::from(next))),
    };
    let edges = blocks.iter().flatten().flat_map(|block| [Some(block.network()), behind(block)]).flatten();
    let ends = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
    let mut cases: BTreeMap<Set, IpAddr> = BTreeMap::new();
    for address in ends.into_iter().chain(edges) {
        let mut holding = Set::none(conditions.len());
        let inside = |blocks: &[IpNet]| blocks.iter().any(|block| block.contains(&address));
        blocks.iter().enumerate().filter(|(_, one)| inside(one)).for_each(|(place, _)| holding.insert(place));
        cases.entry(holding).or_insert(address);
    }
    Split { cases: cases.into_iter().map(|(holding, at)| (holding, Value::Source(at))).collect(), complete: true }
}
