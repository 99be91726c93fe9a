//! What every request gets from a table of rules while it is changed: its old answer, its new one, or neither.

use std::collections::BTreeSet;

use super::equal::{self, Known};
use super::rules::Routing;
use crate::stack::{Action, Condition, Found, Ref, Rule, Treatment};
use crate::traffic::{Class, Classes, Set, classes};

/// A rule as far as it decides who gets what: an index into the rules that are there or, behind those, that should be.
pub(super) type Content = usize;

/// The requests that the rules of a listener tell apart, before and after.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// One of each kind.
    pub classes: Vec<Class>,
    contents: Vec<Kinds>,
    /// The distinct pairs of an old and a new answer: 0 and 1 are the old and new default, a rule's is its content + 2.
    pairs: BTreeSet<[usize; 2]>,
    /// Kinds for which the default actions are right, as they are and as they should be.
    defaults: Vec<Set>,
    /// Target groups that have to stay named until they get requests.
    warmed: Vec<Warmed>,
}

/// A target group that a rule names without requests for it, so that AWS checks its targets, and that gets some. While nothing names it, AWS
/// forgets that they are healthy: whoever is forwarded there then gets a 503.
#[derive(Debug)]
struct Warmed {
    /// Who names it, with a weight or without.
    by: Vec<Content>,
    by_new_default: bool,
}

/// The kinds of requests that a rule matches, and those for which its answer is the old or the new one.
#[derive(Debug)]
struct Kinds {
    matched: Set,
    right: Set,
}

impl Table {
    /// Tells the requests of a listener apart. `None`: they are too many.
    pub(super) fn of(routing: &Routing, known: &Known) -> Option<Self> {
        let rules: Vec<&Rule> = all(routing);
        let conditions: Vec<&[Condition]> = rules.iter().map(|rule| &*rule.conditions).collect();
        let Classes { all: classes, complete } = classes(routing.after.port, &conditions);
        if !complete {
            return None;
        }
        let before = routing.default_before().unwrap_or_default();
        let mut answers: Vec<Treatment<'_>> =
            [before, routing.after.default_actions.as_slice()].map(Treatment::by_default).into();
        answers.extend(rules.iter().map(|rule| rule.treatment()));
        // Which answers are the same: each has the number of the first like it.
        let mut numbers: Vec<usize> = Vec::with_capacity(answers.len());
        for (index, answer) in answers.iter().enumerate() {
            let first = answers.iter().take(index).position(|earlier| equal::answers(*answer, *earlier, known));
            numbers.push(first.unwrap_or(index));
        }
        let number = |answer: usize| numbers.get(answer).copied().unwrap_or(answer);
        let size = classes.len();
        let kinds = |content: Content| {
            let mut matched = Set::none(size);
            classes
                .iter()
                .enumerate()
                .filter(|(_, class)| class.matches.contains(content))
                .for_each(|(kind, _)| matched.insert(kind));
            matched
        };
        let mut contents: Vec<Kinds> =
            (0..rules.len()).map(|content| Kinds { matched: kinds(content), right: Set::none(size) }).collect();
        let mut table = Self {
            classes: Vec::new(),
            contents: Vec::new(),
            pairs: BTreeSet::new(),
            defaults: vec![Set::none(size); 2],
            warmed: warmed(routing, known),
        };
        for (kind, [old, new]) in ends(routing, &contents, size).into_iter().enumerate() {
            let right = [number(old), number(new)];
            table.pairs.insert([old, new]);
            for (content, one) in contents.iter_mut().enumerate() {
                if right.contains(&number(content + 2)) {
                    one.right.insert(kind);
                }
            }
            for (which, default) in table.defaults.iter_mut().enumerate() {
                // Where nobody listened yet, what is not there yet may be missing.
                if right.contains(&number(which)) || routing.before.is_none() {
                    default.insert(kind);
                }
            }
        }
        table.classes = classes;
        table.contents = contents;
        Some(table)
    }

    /// Which actions take over from which others.
    pub(super) fn taken_over<'r>(&self, routing: &'r Routing) -> Vec<[&'r [Action]; 2]> {
        let rules = all(routing);
        let before = routing.default_before().unwrap_or_default();
        let actions = |answer: usize| match answer {
            0 => before,
            1 => routing.after.default_actions.as_slice(),
            rule => rules.get(rule - 2).map_or(&[][..], |rule| &rule.actions),
        };
        self.pairs.iter().filter(|[old, new]| old != new).map(|[old, new]| [actions(*old), actions(*new)]).collect()
    }

    /// The same where target groups need not stay named.
    pub(super) fn without_warmed(self) -> Self {
        Self { warmed: Vec::new(), ..self }
    }

    pub(super) fn has_warmed(&self) -> bool {
        !self.warmed.is_empty()
    }

    /// The kinds of requests that get neither their old nor their new answer from these rules, in their order, and the
    /// default actions, old or new; all of them if nothing names a target group that has to stay named.
    pub(super) fn misrouted(&self, rules: impl Iterator<Item = Content>, new_default: bool) -> Set {
        let mut left = Set::all(self.classes.len());
        let mut wrong = Set::none(self.classes.len());
        let of_default = self.defaults.get(usize::from(new_default));
        let mut unnamed: Vec<&Warmed> = self.warmed.iter().filter(|one| !(new_default && one.by_new_default)).collect();
        for content in rules {
            unnamed.retain(|one| !one.by.contains(&content));
            let Some(kinds) = self.contents.get(content) else { continue };
            if !left.both_are_within(&kinds.matched, &kinds.right) {
                wrong.unite(&left.both_without(&kinds.matched, &kinds.right));
            }
            left.subtract(&kinds.matched);
        }
        if let Some(right) = of_default {
            left.subtract(right);
            wrong.unite(&left);
        }
        if unnamed.is_empty() { wrong } else { Set::all(self.classes.len()) }
    }

    /// Orders of rules, by their places, in which each request gets its old or its new answer; so many at most.
    pub(super) fn orders(&self, contents: &[Content], new_default: bool, most: usize) -> Vec<Vec<usize>> {
        let mut orders = Orders { table: self, contents, new_default, most, found: Vec::new() };
        orders.extend(&mut Vec::new(), &Set::all(self.classes.len()));
        orders.found
    }
}

/// Puts rules into all safe orders, one rule after the other.
struct Orders<'t> {
    table: &'t Table,
    contents: &'t [Content],
    new_default: bool,
    most: usize,
    found: Vec<Vec<usize>>,
}

impl Orders<'_> {
    fn extend(&mut self, chosen: &mut Vec<usize>, left: &Set) {
        if chosen.len() == self.contents.len() {
            let right = self.table.defaults.get(usize::from(self.new_default));
            if right.is_none_or(|right| left.both_without(left, right).is_empty()) {
                self.found.push(chosen.clone());
            }
            return;
        }
        for (place, content) in self.contents.iter().enumerate() {
            let kinds = self.table.contents.get(*content).filter(|_| !chosen.contains(&place));
            let Some(kinds) = kinds.filter(|kinds| left.both_are_within(&kinds.matched, &kinds.right)) else {
                continue;
            };
            if self.found.len() >= self.most {
                return;
            }
            let mut rest = left.clone();
            rest.subtract(&kinds.matched);
            chosen.push(place);
            self.extend(chosen, &rest);
            chosen.pop();
        }
    }
}

/// The rules that are there, and behind them those that should be.
fn all(routing: &Routing) -> Vec<&Rule> {
    let there = routing.there.iter().map(|Found { is, .. }| is);
    there.chain(&routing.after.rules).collect()
}

/// Target groups that are only named before, and get requests after.
fn warmed(routing: &Routing, known: &Known) -> Vec<Warmed> {
    let rules = all(routing);
    let there = rules.iter().take(routing.there.len());
    let before =
        || there.clone().flat_map(|rule| rule.actions.iter()).chain(routing.default_before().into_iter().flatten());
    let after =
        || routing.after.rules.iter().flat_map(|rule| rule.actions.iter()).chain(&routing.after.default_actions);
    let asked = |one: &Ref, actions: &mut dyn Iterator<Item = &Action>| {
        named(actions, known).any(|(is, asked)| is == *one && asked)
    };
    let mut groups: Vec<Ref> = named(&mut before(), known).map(|(group, _)| group).collect();
    groups.sort();
    groups.dedup();
    groups.retain(|one| !asked(one, &mut before()) && asked(one, &mut after()));
    let names = |actions: &[Action], one: &Ref| named(&mut actions.iter(), known).any(|(is, _)| is == *one);
    let warmed = groups.iter().map(|one| Warmed {
        by: rules
            .iter()
            .enumerate()
            .filter(|(_, rule)| names(&rule.actions, one))
            .map(|(content, _)| content)
            .collect(),
        by_new_default: names(&routing.after.default_actions, one),
    });
    warmed.collect()
}

/// The target groups that actions name, each with whether it gets requests.
fn named(actions: &mut dyn Iterator<Item = &Action>, known: &Known) -> impl Iterator<Item = (Ref, bool)> + use<> {
    let forwards = actions.filter_map(|action| match action {
        Action::Forward(forward) => Some(forward),
        _ => None,
    });
    let tuples = forwards.flat_map(|forward| &forward.target_groups);
    let named: Vec<(Ref, bool)> =
        tuples.map(|tuple| (equal::resolve(&tuple.target_group, known), tuple.weight != Some(0))).collect();
    named.into_iter()
}

/// For each kind its old and its new answer: 0 and 1 are the old and new default, a rule's is its content + 2.
fn ends(routing: &Routing, contents: &[Kinds], size: usize) -> Vec<[usize; 2]> {
    let mut ends = vec![[0, 1]; size];
    let there = routing.there.len();
    let mut before: Vec<(u32, Content)> =
        routing.there.iter().enumerate().map(|(index, found)| (found.is.priority, index)).collect();
    let mut after: Vec<(u32, Content)> =
        routing.after.rules.iter().enumerate().map(|(index, rule)| (rule.priority, there + index)).collect();
    before.sort_unstable();
    after.sort_unstable();
    for (which, order) in [before, after].into_iter().enumerate() {
        let mut left = Set::all(size);
        for (_, content) in order {
            let Some(kinds) = contents.get(content) else { continue };
            for kind in left.both_without(&kinds.matched, &Set::none(size)).numbers() {
                ends.get_mut(kind).and_then(|ends| ends.get_mut(which)).into_iter().for_each(|end| *end = content + 2);
            }
            left.subtract(&kinds.matched);
        }
    }
    ends
}
