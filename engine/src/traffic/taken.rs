//! Requests that one owner's rule takes before another owner's rule could.

use std::collections::{BTreeMap, BTreeSet};

use super::in_order;
use super::matcher::Matcher;
use crate::glob::Budget;
use crate::stack::{Condition, Listener, Patterns, Rule};

/// Work on one pair of rules, in places of patterns looked at.
const WORK: usize = 2_000;
/// Pairs of rules that are compared. A load balancer with as many rules as AWS gives by default has 4,950.
const PAIRS: usize = 20_000;

/// Whose a rule is: numbers of a party (a namespace) and of one of its members (an Ingress).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Rules of one party take nothing from each other.
    pub party: usize,
    /// Of two members one pair of rules is enough.
    pub member: usize,
}

/// Rules that get requests first which a later rule of another party would have got: (index of the rule, index of the later one), indices
/// into [`Listener::rules`], once for two members. `owners` are those of the rules, in the same order.
#[must_use]
pub fn taken(listener: &Listener, owners: &[Owner]) -> Vec<(usize, usize)> {
    let mut told: BTreeSet<(usize, usize)> = BTreeSet::new();
    let mut earlier = Earlier::default();
    let (mut found, pairs) = (Vec::new(), Budget::new(PAIRS));
    for (index, rule) in in_order(listener) {
        let Some(owner) = owners.get(index) else { continue };
        let own: Vec<Matcher<'_>> = rule.conditions.iter().map(Matcher::of).collect();
        for (place, other) in earlier.alike(rule) {
            let Some(taker) = owners.get(*place).filter(|taker| taker.party != owner.party) else { continue };
            if told.contains(&(taker.member, owner.member)) || !pairs.spend(1) {
                continue;
            }
            let budget = Budget::new(WORK);
            if meets(&other.conditions, &own, &budget) {
                told.insert((taker.member, owner.member));
                found.push((*place, index));
            }
        }
        earlier.push(index, rule);
    }
    found
}

fn meets(conditions: &[Condition], own: &[Matcher<'_>], budget: &Budget) -> bool {
    conditions.iter().map(Matcher::of).all(|one| own.iter().all(|other| one.meets(other, budget)))
}

/// Rules by the hosts that they name: most rules of a group differ in them.
#[derive(Default)]
struct Earlier<'r> {
    by_host: BTreeMap<String, Vec<(usize, &'r Rule)>>,
    /// Those with wildcards, expressions, or no host at all.
    of_many: Vec<(usize, &'r Rule)>,
    all: Vec<(usize, &'r Rule)>,
}

impl<'r> Earlier<'r> {
    fn push(&mut self, index: usize, rule: &'r Rule) {
        self.all.push((index, rule));
        match plain_hosts(rule) {
            Some(hosts) => hosts.for_each(|host| self.by_host.entry(host).or_default().push((index, rule))),
            None => self.of_many.push((index, rule)),
        }
    }

    /// Those that may have a host in common with a rule.
    fn alike<'s>(&'s self, rule: &'s Rule) -> Box<dyn Iterator<Item = &'s (usize, &'r Rule)> + 's> {
        match plain_hosts(rule) {
            Some(hosts) => Box::new(hosts.filter_map(|host| self.by_host.get(&host)).flatten().chain(&self.of_many)),
            None => Box::new(self.all.iter()),
        }
    }
}

/// The hosts of a rule, lower case, if they are all named without wildcards.
fn plain_hosts(rule: &Rule) -> Option<impl Iterator<Item = String>> {
    let hosts = rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(patterns) => Some(patterns),
        _ => None,
    });
    let plain = |patterns: &&Patterns| {
        patterns.regex_values.is_empty() && !patterns.values.iter().any(|value| value.contains(['*', '?']))
    };
    hosts.filter(plain).map(|hosts| hosts.values.iter().map(|host| host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{host, listener, path};
    use super::*;

    #[test]
    fn who_takes_what() {
        let of = |party, member| Owner { party, member };
        let rows: [(Vec<Condition>, Vec<Condition>, bool); 9] = [
            (vec![host(&["a.b"]), path(&["/login"])], vec![host(&["A.b"]), path(&["/*"])], true),
            (vec![path(&["/login"])], vec![host(&["a.b"]), path(&["/*"])], true),
            (vec![host(&["*.b"])], vec![host(&["a.b"])], true),
            (vec![host(&["a.b"])], vec![host(&["*.b"]), path(&["/x"])], true),
            (vec![host(&["a.b"]), path(&["/x*"])], vec![path(&["*y"])], true),
            (vec![host(&["a.b"])], vec![host(&["b.b"])], false),
            (vec![host(&["a.b"]), path(&["/x"])], vec![host(&["a.b"]), path(&["/y", "/y/*"])], false),
            (vec![host(&["*.c"])], vec![host(&["a.b"])], false),
            (
                vec![Condition::HttpRequestMethod { values: vec!["GET".to_owned()] }],
                vec![Condition::HttpRequestMethod { values: vec!["POST".to_owned()] }],
                false,
            ),
        ];
        for (first, second, expected) in rows {
            let listener = listener(vec![first, second]);
            let found = taken(&listener, &[of(0, 0), of(1, 1)]);
            assert_eq!(found, if expected { vec![(0, 1)] } else { Vec::new() }, "{listener:?}");
            assert_eq!(taken(&listener, &[of(0, 0), of(0, 1)]), [], "one party");
        }
        let same = listener(vec![vec![path(&["/*"])], vec![path(&["/a"])], vec![path(&["/b"])]]);
        assert_eq!(taken(&same, &[of(0, 0), of(1, 1), of(1, 1)]), [(0, 1)], "once for two members");
    }

    /// Many rules that nothing tells apart cost a bounded part.
    #[test]
    fn work_is_bounded() {
        let rules = (0..1_000).map(|n| vec![path(&[&format!("*a*{n}*a*")])]).collect();
        let owners: Vec<Owner> = (0..1_000).map(|member| Owner { party: member, member }).collect();
        let found = taken(&listener(rules), &owners);
        assert!(found.len() <= PAIRS, "{}", found.len());
    }
}
