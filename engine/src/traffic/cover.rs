//! Rules that never get a request, because an earlier one takes all of theirs.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};

use super::glob::Budget;
use super::in_order;
use super::matcher::Matcher;
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
    let (mut covered, mut work) = (Vec::new(), 0);
    let mut earlier = Earlier::default();
    for (place, one) in rules.iter().enumerate() {
        let budget = Budget::new(WORK);
        let first = earlier
            .candidates(one)
            .into_iter()
            .take_while(|_| budget.spend(1))
            .filter_map(|place| rules.get(place))
            .find(|other| covers(other.conditions(), one.conditions(), &budget));
        covered.extend(first.map(|by| (one.index, by.index)));
        work += WORK - budget.left();
        earlier.push(one, place);
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
            patterns.regex_values.is_empty() && !patterns.values.iter().any(|value| value.contains(['*', '?']))
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
    match path.split(['*', '?']).next() {
        None | Some("") => "/",
        Some(literal) => literal,
    }
}

/// The places of the rules so far, found by what a rule must have to cover another: its host or any host, and a path that
/// begins as the other's does. Most groups have many hosts, and most hosts many paths.
#[derive(Debug, Default)]
struct Earlier<'r> {
    by_host: HashMap<Cow<'r, str>, Branch<'r>>,
    of_any_host: Branch<'r>,
}

impl<'r> Earlier<'r> {
    /// Places of rules that may cover a rule, ascending.
    fn candidates(&self, one: &One<'_>) -> Vec<usize> {
        // One value is enough: who covers the rule covers each of its values.
        let of_host = one.hosts().and_then(|mut hosts| self.by_host.get(hosts.next()?.as_ref()));
        let path = one.beginnings().and_then(|mut beginnings| beginnings.next());
        let mut places = Vec::new();
        for branch in of_host.into_iter().chain([&self.of_any_host]) {
            // Without a condition on paths the rule takes all of them, and so must who covers it: `/*` or `*`.
            branch.candidates(path.unwrap_or("/"), &mut places);
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    fn push(&mut self, one: &One<'r>, place: usize) {
        match one.hosts() {
            Some(hosts) => {
                for host in hosts {
                    self.by_host.entry(host).or_default().push(one, place);
                }
            }
            None => self.of_any_host.push(one, place),
        }
    }
}

/// Places of rules by what their paths begin with.
#[derive(Debug, Default)]
struct Branch<'r> {
    by_beginning: HashMap<&'r str, Vec<usize>>,
    /// Of the beginnings, ascending.
    lengths: BTreeSet<usize>,
    /// Rules without a condition on paths that can be told.
    of_any_path: Vec<usize>,
}

impl<'r> Branch<'r> {
    fn push(&mut self, one: &One<'r>, place: usize) {
        let Some(beginnings) = one.beginnings() else {
            self.of_any_path.push(place);
            return;
        };
        for beginning in beginnings {
            self.lengths.insert(beginning.len());
            self.by_beginning.entry(beginning).or_default().push(place);
        }
    }

    fn candidates(&self, path: &str, found: &mut Vec<usize>) {
        found.extend(self.of_any_path.iter().take(ALIKE));
        for length in self.lengths.iter().take(ALIKE).take_while(|length| **length <= path.len()) {
            let alike = path.get(..*length).and_then(|beginning| self.by_beginning.get(beginning));
            found.extend(alike.into_iter().flatten().take(ALIKE));
        }
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
