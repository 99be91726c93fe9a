//! How the rules of one listener change: what is there, what should be, and the calls in between.

use std::collections::BTreeSet;

use super::rules::Routing;
use super::table::Content;
use crate::traffic::Request;

/// The highest priority.
pub(super) const LAST_PRIORITY: u32 = 50_000;

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
    pub(super) fn unmoved(&self) -> Self {
        let stays = |(rule, there): (usize, &Option<usize>)| {
            there.filter(|there| {
                self.routing.there.get(*there).is_some_and(|found| found.is.priority == self.priority(rule))
            })
        };
        let kept = self.kept.iter().enumerate().map(stays).collect();
        Self::keeping(self.routing, kept, self.default, self.room)
    }

    pub(super) fn keeping(routing: &'r Routing, kept: Vec<Option<usize>>, default: bool, room: usize) -> Self {
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

    pub(super) fn moves(&self) -> bool {
        let kept = self.kept.iter().enumerate().filter_map(|(rule, there)| Some((rule, (*there)?)));
        let mut places = kept.map(|(rule, there)| (self.priority(rule), self.routing.there.get(there)));
        places.any(|(priority, found)| found.is_some_and(|found| found.is.priority != priority))
    }

    /// Rules that are there or come, 1 at least.
    pub(super) fn rows(&self) -> usize {
        (self.routing.there.len() + self.fresh.len()).max(1)
    }

    /// No order takes fewer calls.
    pub(super) fn least(&self) -> usize {
        self.stale.len().max(self.fresh.len()) + usize::from(self.moves()) + usize::from(self.default)
    }
}

/// Stale rules that no pair takes.
pub(super) fn unpaired<'c>(of: &'c [usize], taken: &BTreeSet<usize>) -> impl Iterator<Item = usize> + use<'c> {
    let taken = taken.clone();
    of.iter().copied().filter(move |one| !taken.contains(one))
}
