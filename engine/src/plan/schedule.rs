//! In which order the rules of one listener change so that each request gets its old or its new answer all the time, in
//! few calls.
//!
//! What always works, if there is room for all rules at once: make the new ones behind all others, in their order, where they
//! take only what got the default until now; give all rules their places in one atomic call, the old ones behind all new;
//! delete the old ones from behind. Changing an old rule into a new one in its place saves a call, and leaving the
//! places as they are saves the atomic one, but not every pair and not every order is safe: those that are tried are walked
//! through with all kinds of requests first. At the quota, where no walk that takes each safe step for good arrives, orders
//! are tried step by step; a gap is taken only when none of those is without one.

use super::change::{RuleChange, Schedule, Step};
use super::table::Table;
use super::walk::{Attempt, FEW};

/// Orders that are walked through at most, for pairs that are tried all together.
const ATTEMPTS: usize = 200;

/// Rules that are looked at, at most, for an order without a gap where room is short: over all tables, and over those of one
/// set of pairs.
const LOOKS: usize = 4_000_000;
const LOOKS_OF_ONE: usize = 1_000_000;

/// Rules that change at most, for pairs to be looked for one by one.
const MANY: usize = 400;

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
