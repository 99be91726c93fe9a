//! Rules that never get a request, because an earlier one takes all of theirs.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use foldhash::quality::RandomState;

use super::in_order;
use super::matcher::Matcher;
use crate::glob::Budget;
use crate::stack::{Condition, Listener, Patterns, Rule};

/// Work on one rule, in places of patterns looked at. Beyond it nothing more is found, so that a listener costs as much time
/// as it has rules.
const WORK: usize = 10_000;
/// Rules alike in host and in what their paths begin with that a rule is compared with, and lengths of such beginnings that
/// are looked up: more than an account may have rules.
const ALIKE: usize = 120;

/// Rules that an earlier one covers wholly: (index of the rule, index of the first that covers it), indices into
/// [`Listener::rules`], in the order in which rules are tried.
///
/// A rule covers another if each of its conditions holds always, or is met by whatever meets some condition of the other.
/// What it says is always right; what only several rules cover together, or values together, it does not find, and of
/// regular expressions it knows only that equal ones are equal.
#[must_use]
pub fn unreachable(listener: &Listener) -> Vec<(usize, usize)> {
    measured(listener).0
}

/// The same, and the work that it took.
fn measured(listener: &Listener) -> (Vec<(usize, usize)>, usize) {
    let rules: Vec<One<'_>> =
        in_order(listener).into_iter().map(|(index, rule)| One { index, rule, conditions: OnceCell::new() }).collect();
    let (mut covered, mut work, mut places) = (Vec::new(), 0, Vec::new());
    let mut earlier = Earlier::of(rules.len());
    for (place, one) in rules.iter().enumerate() {
        let budget = Budget::new(WORK);
        earlier.take_in(one, place, &mut places);
        let first = places
            .iter()
            .take_while(|_| budget.spend(1))
            .filter_map(|place| rules.get(*place))
            .find(|other| covers(other.conditions(), one.conditions(), &budget));
        covered.extend(first.map(|by| (one.index, by.index)));
        work += WORK - budget.left();
    }
    (covered, work)
}

/// A rule.
#[derive(Debug)]
struct One<'l> {
    /// Index into the listener's rules.
    index: usize,
    rule: &'l Rule,
    /// Made ready when they are needed: of most rules host and path tell that no other covers them.
    conditions: OnceCell<Vec<Matcher<'l>>>,
}

impl<'l> One<'l> {
    fn conditions(&self) -> &[Matcher<'l>] {
        self.conditions.get_or_init(|| self.rule.conditions.iter().map(Matcher::of).collect())
    }

    /// The hosts, lower case, if they are all named without wildcards.
    fn hosts(&self) -> Option<impl Iterator<Item = Cow<'l, str>>> {
        let plain = |patterns: &&Patterns| {
            patterns.regex_values.is_empty() && !patterns.values.iter().any(|value| value.bytes().any(is_wild))
        };
        let mut hosts = self.rule.conditions.iter().filter_map(|condition| match condition {
            Condition::HostHeader(patterns) => Some(patterns),
            _ => None,
        });
        hosts.find(plain).map(|hosts| hosts.values.iter().map(|host| folded(host)))
    }

    /// What the paths begin with, if there are no expressions among them.
    fn beginnings(&self) -> Option<impl Iterator<Item = &'l str>> {
        let mut paths = self.rule.conditions.iter().filter_map(|condition| match condition {
            Condition::PathPattern(patterns) if patterns.regex_values.is_empty() => Some(patterns),
            _ => None,
        });
        paths.next().map(|paths| paths.values.iter().map(|path| beginning(path)))
    }
}

fn folded(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(host.to_ascii_lowercase())
    } else {
        Cow::Borrowed(host)
    }
}

/// What every path that fits a pattern begins with; all begin with `/`.
fn beginning(path: &str) -> &str {
    match path.bytes().position(is_wild) {
        Some(0) => "/",
        Some(end) => path.get(..end).unwrap_or(path),
        None if path.is_empty() => "/",
        None => path,
    }
}

fn is_wild(byte: u8) -> bool {
    matches!(byte, b'*' | b'?')
}

/// Any host, among the numbers of hosts.
const ANY: u32 = 0;
/// What a path begins with that can be any; every other beginning has at least its `/`.
const ANYTHING: &str = "";

/// The places of the rules so far, found by what a rule must have to cover another: its host or any host, and a path that
/// begins as the other's does, or any path. Most groups have many hosts, and most hosts many paths.
#[derive(Debug)]
struct Earlier<'r> {
    /// Hosts by number, from 1.
    hosts: HashMap<Cow<'r, str>, u32, RandomState>,
    /// The host that was looked up last: rules of one host stand together.
    latest: (Cow<'r, str>, u32),
    /// The first and the last of a chain of rules that are alike in host and in what a path of theirs begins with.
    chains: HashMap<(u32, &'r str), (usize, usize), RandomState>,
    /// A place and what comes after it in its chain.
    links: Vec<(usize, Option<usize>)>,
    /// By host, lengths of beginnings.
    lengths: BTreeSet<(u32, usize)>,
}

impl<'r> Earlier<'r> {
    /// Of that many rules.
    fn of(rules: usize) -> Self {
        Self {
            hosts: HashMap::default(),
            latest: (Cow::Borrowed(""), ANY),
            chains: HashMap::with_capacity_and_hasher(rules * 2, RandomState::default()),
            links: Vec::with_capacity(rules * 2),
            lengths: BTreeSet::new(),
        }
    }

    /// Gives the places of rules that may cover a rule, ascending, and takes in the rule itself.
    fn take_in(&mut self, one: &One<'r>, place: usize, places: &mut Vec<usize>) {
        places.clear();
        let first = one.hosts().and_then(|mut hosts| hosts.next()).map(|host| self.number(host));
        // One value is enough: who covers the rule covers each of its values. Without a condition on paths the rule takes
        // all of them, and so must who covers it: `/*` or `*`.
        let path = one.beginnings().and_then(|mut beginnings| beginnings.next()).unwrap_or("/");
        for host in first.into_iter().chain([ANY]) {
            self.alike(host, path, places);
        }
        places.sort_unstable();
        places.dedup();
        match one.hosts() {
            Some(hosts) => hosts.for_each(|host| {
                let host = self.number(host);
                self.push(host, one, place);
            }),
            None => self.push(ANY, one, place),
        }
    }

    fn number(&mut self, host: Cow<'r, str>) -> u32 {
        if self.latest.0 != host {
            let next = u32::try_from(self.hosts.len() + 1).unwrap_or(u32::MAX);
            self.latest = (host.clone(), *self.hosts.entry(host).or_insert(next));
        }
        self.latest.1
    }

    fn push(&mut self, host: u32, one: &One<'r>, place: usize) {
        match one.beginnings() {
            Some(beginnings) => beginnings.for_each(|beginning| self.link(host, beginning, place)),
            None => self.link(host, ANYTHING, place),
        }
    }

    fn link(&mut self, host: u32, beginning: &'r str, place: usize) {
        let at = self.links.len();
        self.links.push((place, None));
        self.lengths.insert((host, beginning.len()));
        let (_, last) = self.chains.entry((host, beginning)).or_insert((at, at));
        if let Some((_, next)) = self.links.get_mut(*last).filter(|_| *last != at) {
            *next = Some(at);
        }
        *last = at;
    }

    fn alike(&self, host: u32, path: &str, places: &mut Vec<usize>) {
        for (_, length) in self.lengths.range((host, 0)..=(host, path.len())).take(ALIKE) {
            if let Some(beginning) = path.get(..*length) {
                places.extend(self.chain(host, beginning).take(ALIKE));
            }
        }
    }

    fn chain(&self, host: u32, beginning: &str) -> impl Iterator<Item = usize> {
        let first = self.chains.get(&(host, beginning)).map(|(first, _)| *first);
        let link = |at: Option<usize>| self.links.get(at?);
        std::iter::successors(link(first), move |(_, next)| link(*next)).map(|(place, _)| *place)
    }
}

fn covers(outer: &[Matcher<'_>], inner: &[Matcher<'_>], budget: &Budget) -> bool {
    outer.iter().all(|condition| condition.holds_always() || inner.iter().any(|one| condition.covers(one, budget)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{header, host, listener, path};
    use super::*;
    use crate::stack::Condition;

    fn work(rules: impl Iterator<Item = Vec<Condition>>) -> usize {
        measured(&listener(rules.collect())).1
    }

    /// Twice the rules are twice the work: those of one host are told apart by their paths, those that nothing tells apart
    /// cost a bounded part each.
    #[test]
    fn work_grows_as_the_rules_do() {
        let apart =
            |n: usize| work((0..n).map(|n| vec![host(&["a.b"]), path(&[&format!("/p{n}"), &format!("/p{n}/*")])]));
        let hosts = |n: usize| work((0..n).map(|n| vec![host(&[&format!("*.h{n}.b")]), path(&["/*/q?"])]));
        let alike = |n: usize| work((0..n).map(|n| vec![path(&["*a*a*a*"]), header("x", &[&format!("*a{n}*a*b*a")])]));
        assert!(apart(2000) <= 2000 * 10, "{}", apart(2000));
        assert!(hosts(1000) <= 1000 * 3 * ALIKE, "{}", hosts(1000));
        assert!(alike(400) <= 400 * WORK, "{}", alike(400));
    }
}
