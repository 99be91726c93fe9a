//! Rules that never get a request, because an earlier one takes all of theirs.

use std::collections::BTreeMap;

use super::in_order;
use super::matcher::Matcher;
use crate::stack::{Condition, Listener, Rule};

/// Rules that an earlier one covers wholly: (index of the rule, index of the first that covers it), indices into
/// [`Listener::rules`], in the order in which rules are tried.
///
/// A rule covers another if each of its conditions holds always, or is met by whatever meets some condition of the other.
/// What it says is always right; what only several rules cover together, or values together, it does not find, and of
/// regular expressions it knows only that equal ones are equal.
#[must_use]
pub fn unreachable(listener: &Listener) -> Vec<(usize, usize)> {
    let mut covered = Vec::new();
    let mut earlier: Vec<(usize, Vec<Matcher<'_>>)> = Vec::new();
    // Only rules that take the rule's first host, or any host, can take all of its requests. Most groups have many hosts.
    let mut by_host: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut of_any_host: Vec<usize> = Vec::new();
    for (index, rule) in in_order(listener) {
        let conditions: Vec<Matcher<'_>> = rule.conditions.iter().map(Matcher::of).collect();
        let hosts = plain_hosts(rule);
        let same_host = hosts.as_ref().and_then(|hosts| by_host.get(hosts.first()?));
        let mut candidates: Vec<usize> = same_host.into_iter().flatten().chain(&of_any_host).copied().collect();
        candidates.sort_unstable();
        let first =
            candidates.into_iter().filter_map(|place| earlier.get(place)).find(|(_, one)| covers(one, &conditions));
        covered.extend(first.map(|(by, _)| (index, *by)));
        let place = earlier.len();
        match hosts {
            Some(hosts) => hosts.into_iter().for_each(|host| by_host.entry(host).or_default().push(place)),
            None => of_any_host.push(place),
        }
        earlier.push((index, conditions));
    }
    covered
}

/// The hosts of a rule, lower case, if it names them all without wildcards.
fn plain_hosts(rule: &Rule) -> Option<Vec<String>> {
    let hosts = rule.conditions.iter().find_map(|condition| match condition {
        Condition::HostHeader(hosts) => Some(hosts),
        _ => None,
    })?;
    let plain = hosts.regex_values.is_empty() && !hosts.values.iter().any(|host| host.contains(['*', '?']));
    plain.then(|| hosts.values.iter().map(|host| host.to_ascii_lowercase()).collect())
}

fn covers(outer: &[Matcher<'_>], inner: &[Matcher<'_>]) -> bool {
    outer.iter().all(|condition| condition.holds_always() || inner.iter().any(|one| condition.covers(one)))
}
