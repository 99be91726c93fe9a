//! Rules that never get a request, because an earlier one takes all of theirs.

use super::in_order;
use super::matcher::Matcher;
use crate::stack::Listener;

/// Rules that an earlier one covers wholly: (index of the rule, index of the first that covers it), indices into
/// [`Listener::rules`], in the order in which rules are tried.
///
/// A rule covers another if each of its conditions holds always, or is met by whatever meets some condition of the other.
/// What it says is always right; what only several rules cover together, or values together, it does not find, and of
/// regular expressions it knows only that equal ones are equal.
#[must_use]
pub fn unreachable(listener: &Listener) -> Vec<(usize, usize)> {
    let rules: Vec<(usize, Vec<Matcher<'_>>)> = in_order(listener)
        .into_iter()
        .map(|(index, rule)| (index, rule.conditions.iter().map(Matcher::of).collect()))
        .collect();
    let mut covered = Vec::new();
    for (place, (index, conditions)) in rules.iter().enumerate() {
        let earlier = rules.iter().take(place).find(|(_, earlier)| covers(earlier, conditions));
        covered.extend(earlier.map(|(by, _)| (*index, *by)));
    }
    covered
}

fn covers(outer: &[Matcher<'_>], inner: &[Matcher<'_>]) -> bool {
    outer.iter().all(|condition| condition.holds_always() || inner.iter().any(|one| condition.covers(one)))
}
