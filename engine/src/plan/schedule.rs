//! In which order the rules of one listener change so that each request gets its old or its new answer all the time, in
//! few calls.
//!
//! What always works, if there is room for all rules at once: make the new ones behind all others, in their order, where they
//! take only what got the default until now; give all rules their places in one atomic call, the old ones behind all new;
//! delete the old ones from behind. Changing an old rule into a new one in its place saves a call, and leaving the
//! places as they are saves the atomic one, but not every pair and not every order is safe: those that are tried are walked
//! through with all kinds of requests first. At the quota, where no walk that takes each safe step for good arrives, orders
//! are tried step by step; a gap is taken only when none of those is without one.

use std::collections::BTreeSet;

use super::rules::Routing;
use super::table::{Content, Table};
use super::walk::{Attempt, FEW};
use crate::traffic::Request;

/// The highest priority.
pub(super) const LAST_PRIORITY: u32 = 50_000;

/// Orders that are walked through at most, for pairs that are tried all together.
const ATTEMPTS: usize = 200;

/// Rules that are looked at, at most, for an order without a gap where room is short: over all tables, and over those of one
/// set of pairs.
const LOOKS: usize = 4_000_000;
const LOOKS_OF_ONE: usize = 1_000_000;

/// Rules that change at most, for pairs to be looked for one by one.
const MANY: usize = 400;

/// A rule in a table that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RuleAt {
    /// One that was there, by its index.
    There(usize),
    /// One that was made, by the index of what it is among those that should be.
    Made(usize),
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// `ModifyRule`: a rule that is there becomes one that should be.
    Modify(usize, usize),
    /// `CreateRule` at a priority.
    Create(usize, u32),
    /// `SetRulePriorities`.
    Priorities(Vec<(RuleAt, u32)>),
    /// `ModifyListener`: the default actions.
    Default,
    /// `DeleteRule`.
    Delete(usize),
}

/// Calls in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Schedule {
    /// The calls.
    pub steps: Vec<Step>,
    /// Requests that get neither their old nor their new answer for a while, each with the step after which: there is no
    /// room for any other order.
    pub gaps: Vec<(usize, Request)>,
}

/// What changes, and what may become what.
pub(super) struct RuleChange<'r> {
    pub routing: &'r Routing,
    /// For each rule that should be there, the one that already is it.
    pub kept: Vec<Option<usize>>,
    pub stale: Vec<usize>,
    pub fresh: Vec<usize>,
    /// The default actions change.
    pub default: bool,
    /// Rules that the listener may have at a time.
    pub room: usize,
}

impl<'r> RuleChange<'r> {
    pub(super) fn new(routing: &'r Routing, default: bool, room: usize) -> Self {
        Self::keeping(routing, routing.kept.clone(), default, room)
    }

    /// The same, where rules that would have to move are not kept.
    fn unmoved(&self) -> Self {
        let stays = |(rule, there): (usize, &Option<usize>)| {
            there.filter(|there| {
                self.routing.there.get(*there).is_some_and(|found| found.is.priority == self.priority(rule))
            })
        };
        let kept = self.kept.iter().enumerate().map(stays).collect();
        Self::keeping(self.routing, kept, self.default, self.room)
    }

    fn keeping(routing: &'r Routing, kept: Vec<Option<usize>>, default: bool, room: usize) -> Self {
        let stale = (0..routing.there.len()).filter(|index| !kept.contains(&Some(*index))).collect();
        let fresh = kept.iter().enumerate().filter(|(_, kept)| kept.is_none()).map(|(index, _)| index).collect();
        Self { routing, kept, stale, fresh, default, room }
    }

    /// The content of a rule that should be there.
    pub(super) fn content(&self, rule: usize) -> Content {
        self.kept.get(rule).copied().flatten().unwrap_or(self.routing.there.len() + rule)
    }

    pub(super) fn priority(&self, rule: usize) -> u32 {
        self.routing.after.rules.get(rule).map_or(LAST_PRIORITY, |rule| rule.priority)
    }

    fn moves(&self) -> bool {
        let kept = self.kept.iter().enumerate().filter_map(|(rule, there)| Some((rule, (*there)?)));
        let mut places = kept.map(|(rule, there)| (self.priority(rule), self.routing.there.get(there)));
        places.any(|(priority, found)| found.is_some_and(|found| found.is.priority != priority))
    }

    /// Rules that are there or come, 1 at least.
    fn rows(&self) -> usize {
        (self.routing.there.len() + self.fresh.len()).max(1)
    }

    /// No order takes fewer calls.
    fn least(&self) -> usize {
        self.stale.len().max(self.fresh.len()) + usize::from(self.moves()) + usize::from(self.default)
    }
}

/// The order in which a listener's rules change. `table`: what requests get; without it the order is the one that is always
/// right.
pub(super) fn schedule(change: &RuleChange<'_>, table: Option<&Table>) -> Schedule {
    if change.routing.there.is_empty() && !change.default {
        let steps = change.fresh.iter().map(|rule| Step::Create(*rule, change.priority(*rule))).collect();
        return Schedule { steps, gaps: Vec::new() };
    }
    let Some(table) = table else { return slow(change) };
    let attempt = Attempt { change, table };
    let found = cheapest(&attempt, usize::MAX).or_else(|| paired(&attempt));
    let cost = found.as_ref().map_or(usize::MAX, Vec::len);
    let unmoved = change.unmoved();
    let attempt_unmoved = Attempt { change: &unmoved, table };
    // To make a rule anew in another's place may be less than to move it.
    let other = (change.moves() && cost > change.least()).then(|| cheapest(&attempt_unmoved, cost)).flatten();
    let quick = other.or(found);
    let below = quick.as_ref().map_or(usize::MAX, Vec::len);
    // Where few rules are there a search costs little.
    let search = quick.is_none() || (2 * below > 3 * change.least() && change.routing.there.len() <= FEW);
    let thorough = |attempt| search.then(|| thorough(attempt, below)).flatten();
    let best = [thorough(&attempt), thorough(&attempt_unmoved)].into_iter().flatten().min_by_key(Vec::len);
    if let Some(steps) = best.or(quick) {
        return Schedule { steps, gaps: Vec::new() };
    }
    let schedules = forced(&attempt).into_iter().chain(forced(&attempt_unmoved));
    schedules.min_by_key(|schedule| (schedule.gaps.len(), schedule.steps.len())).unwrap_or_else(|| slow(change))
}

/// What is right without looking at any request, if there is room.
pub(super) fn slow(change: &RuleChange<'_>) -> Schedule {
    Schedule { steps: super::walk::unchecked(change), gaps: Vec::new() }
}

/// A set of pairs: which stale rule becomes which fresh one.
type Pairs = Vec<(usize, usize)>;

/// Tries all pairs, those first that need the fewest calls, fewer than `below`.
fn cheapest(attempt: &Attempt<'_>, below: usize) -> Option<Vec<Step>> {
    let change = attempt.change;
    let (stale, fresh) = (change.stale.len(), change.fresh.len());
    let most = stale.min(fresh);
    let mut left = ATTEMPTS;
    for missing in 0..=most + 1 {
        if stale.max(fresh) + missing + usize::from(change.default) >= below {
            return None;
        }
        for (pairs, moving) in [(most.checked_sub(missing), false), ((most + 1).checked_sub(missing), true)] {
            let Some(pairs) = pairs.filter(|pairs| *pairs <= most) else { continue };
            if !moving && change.moves() {
                continue;
            }
            for pairs in choices(change, pairs, left) {
                left = left.checked_sub(1)?;
                if let Some(steps) = attempt.walk(&pairs, moving) {
                    return Some(steps);
                }
            }
        }
    }
    None
}

/// Takes one pair after the other as long as there is an order.
fn paired(attempt: &Attempt<'_>) -> Option<Vec<Step>> {
    let change = attempt.change;
    let mut best = attempt.walk(&[], true);
    if change.stale.len() + change.fresh.len() > MANY {
        return best;
    }
    let mut pairs: Pairs = Vec::new();
    for (stale, fresh) in ranked(change) {
        if pairs.iter().any(|(there, rule)| *there == stale || *rule == fresh) {
            continue;
        }
        pairs.push((stale, fresh));
        match attempt.walk(&pairs, true) {
            Some(steps) => best = Some(steps),
            // Without room for more rules there may be no order until there are enough pairs.
            None if best.is_none() => {}
            None => drop(pairs.pop()),
        }
    }
    best
}

/// Where room is short, a step that is safe may lead nowhere: tries all orders of as many pairs as can be, then of fewer, in
/// fewer steps than `below`.
fn thorough(attempt: &Attempt<'_>, below: usize) -> Option<Vec<Step>> {
    let change = attempt.change;
    let (stale, fresh, mut left) = (change.stale.len(), change.fresh.len(), LOOKS / change.rows());
    let mut best: Option<Vec<Step>> = None;
    for number in (0..=stale.min(fresh)).rev() {
        let least = stale + fresh - number + usize::from(change.default);
        for pairs in choices(change, number, ATTEMPTS) {
            let below = best.as_ref().map_or(below, Vec::len);
            if least >= below || left == 0 {
                return best;
            }
            let mut tables = left.min(LOOKS_OF_ONE / change.rows());
            left -= tables;
            best = attempt.search(&pairs, below, &mut tables).or(best);
            left += tables;
        }
    }
    best
}

/// No order is without a gap: the one with the fewest.
fn forced(attempt: &Attempt<'_>) -> Option<Schedule> {
    let mut tries: Vec<Pairs> = vec![Vec::new()];
    let mut pairs = Pairs::new();
    for (stale, fresh) in ranked(attempt.change) {
        if !pairs.iter().any(|(there, rule)| *there == stale || *rule == fresh) {
            pairs.push((stale, fresh));
        }
    }
    tries.push(pairs);
    let schedules = tries.iter().filter_map(|pairs| attempt.force(pairs));
    schedules.min_by_key(|schedule| (schedule.gaps.len(), schedule.steps.len()))
}

/// Pairs, the likeliest first: at the same priority, with the same conditions, with the same actions; near each other.
fn ranked(change: &RuleChange<'_>) -> Pairs {
    type Rank = (bool, bool, bool, u32);
    let routing = change.routing;
    let mut pairs: Vec<(Rank, (usize, usize))> = Vec::new();
    for stale in &change.stale {
        for fresh in &change.fresh {
            let (Some(found), Some(rule)) = (routing.there.get(*stale), routing.after.rules.get(*fresh)) else {
                continue;
            };
            let rank = (
                found.is.conditions != rule.conditions,
                found.is.priority != rule.priority,
                found.is.actions != rule.actions,
                found.is.priority.abs_diff(rule.priority),
            );
            pairs.push((rank, (*stale, *fresh)));
        }
    }
    pairs.sort_unstable();
    let most = 3 * change.stale.len().max(change.fresh.len());
    let small = pairs.len() <= MANY;
    pairs.into_iter().map(|(_, pair)| pair).take(if small { MANY } else { most }).collect()
}

/// Sets of a number of pairs, at most so many.
fn choices(change: &RuleChange<'_>, pairs: usize, most: usize) -> Vec<Pairs> {
    fn extend(ranked: &[(usize, usize)], chosen: &mut Pairs, missing: usize, most: usize, all: &mut Vec<Pairs>) {
        if missing == 0 {
            all.push(chosen.clone());
            return;
        }
        for (index, pair) in ranked.iter().enumerate() {
            if all.len() >= most || ranked.len() - index < missing {
                return;
            }
            if chosen.iter().any(|(stale, fresh)| *stale == pair.0 || *fresh == pair.1) {
                continue;
            }
            chosen.push(*pair);
            extend(ranked.get(index + 1..).unwrap_or_default(), chosen, missing - 1, most, all);
            chosen.pop();
        }
    }
    let mut all = Vec::new();
    extend(&ranked(change), &mut Vec::new(), pairs, most.min(ATTEMPTS), &mut all);
    all
}

/// Stale rules that no pair takes.
pub(super) fn unpaired<'c>(of: &'c [usize], taken: &BTreeSet<usize>) -> impl Iterator<Item = usize> + use<'c> {
    let taken = taken.clone();
    of.iter().copied().filter(move |one| !taken.contains(one))
}
