//! What differs in how one listener answers: its rules, told apart by what they match and do, and its default actions.

use super::equal::{self, Known};
use super::operation::AwsOperation;
use crate::stack::{Action, Found, Listener, ObservedListener, Ref, Rule};

/// A listener whose answers, or anything else that one call of `ModifyListener` sets, differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routing {
    /// The listener, which may not be there yet.
    pub listener: Ref,
    /// As it is; `None` when it is made in this pass.
    pub before: Option<Listener>,
    /// As it should be.
    pub after: Listener,
    /// The listener itself, its rules aside, has to be modified.
    pub modify: bool,
    /// The rules that are there.
    pub there: Vec<Found<Rule>>,
    /// For each rule that should be there, in their order: the one of [`Routing::there`] that matches and does the same, at
    /// whatever priority.
    pub kept: Vec<Option<usize>>,
}

impl Routing {
    /// Compares a listener that should be with what is there of it.
    pub(super) fn new(listener: &Listener, reference: Ref, found: Option<&ObservedListener>, known: &Known) -> Self {
        let there = found.map(|found| found.rules.clone()).unwrap_or_default();
        let kept = kept(&listener.rules, &there, known);
        let modify = found.is_some_and(|found| differs(listener, &found.is, known));
        let before = found.map(|found| found.is.clone());
        Self { listener: reference, before, after: listener.clone(), modify, there, kept }
    }

    /// Whether nothing has to be done but, at most, tags.
    pub(super) fn is_settled(&self) -> bool {
        !self.modify
            && self.there.len() == self.after.rules.len()
            && self.after.rules.iter().zip(&self.kept).all(|(rule, kept)| {
                kept.and_then(|kept| self.there.get(kept)).is_some_and(|found| found.is.priority == rule.priority)
            })
    }

    /// The default actions that are there.
    pub(super) fn default_before(&self) -> Option<&[Action]> {
        self.before.as_ref().map(|before| before.default_actions.as_slice())
    }
}

/// The change of a rule that is there.
pub(super) fn modify(found: &Found<Rule>, is: Rule) -> AwsOperation {
    let reset = is.resets(&found.is);
    AwsOperation::ModifyRule { rule: found.arn.clone(), is, reset }
}

/// Whether what `ModifyListener` sets differs.
fn differs(desired: &Listener, observed: &Listener, known: &Known) -> bool {
    desired.protocol != observed.protocol
        || !equal::actions(&desired.default_actions, &observed.default_actions, known)
        || !desired.is_met_in_tls(observed)
}

/// Which existing rule is which desired one: those at the same priority first.
fn kept(desired: &[Rule], there: &[Found<Rule>], known: &Known) -> Vec<Option<usize>> {
    let mut free: Vec<bool> = vec![true; there.len()];
    let mut take = |wanted: &dyn Fn(&Rule) -> bool| {
        let index = there.iter().zip(&free).position(|(found, free)| *free && wanted(&found.is))?;
        if let Some(free) = free.get_mut(index) {
            *free = false;
        }
        Some(index)
    };
    let mut kept: Vec<Option<usize>> = Vec::new();
    for rule in desired {
        kept.push(take(&|found| found.priority == rule.priority && equal::rule(rule, found, known)));
    }
    for (rule, slot) in desired.iter().zip(&mut kept) {
        if slot.is_none() {
            *slot = take(&|found| equal::rule(rule, found, known));
        }
    }
    kept
}
