//! What a load balancer answers: which rule of a listener takes a request, and which rules never get one.
//!
//! Sources: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>.
//!
//! Regular expressions are not evaluated here: ALB's dialect is its own, and a guess would be worse than none. A rule whose
//! answer hangs on one is [`Outcome::Unknown`], and the answer below it is not certain.

mod cover;
mod glob;
mod matcher;
mod request;
mod show;

use std::collections::BTreeMap;

use crate::stack::{Action, Condition, Listener, Rule};

pub use cover::unreachable;
pub use request::Request;

use matcher::{Matcher, Truth};

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<'l> {
    /// Who took it.
    pub listener: &'l Listener,
    /// The priority of the rule that takes it; `None`: none does, and it gets the default.
    pub rule: Option<u32>,
    /// What is done with it.
    pub actions: &'l [Action],
    /// The rules that were tried, in their order, the one that takes it last.
    pub trace: Vec<Tried<'l>>,
}

impl Answer<'_> {
    /// Whether no rule above may take the request.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !self.trace.iter().any(|tried| matches!(tried.outcome, Outcome::Unknown(_)))
    }
}

/// A rule that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried<'l> {
    /// Its priority.
    pub priority: u32,
    /// What came of it.
    pub outcome: Outcome<'l>,
}

/// What came of trying a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'l> {
    /// It takes the request.
    Matched,
    /// It does not: the first of its conditions that fails.
    Failed(&'l Condition),
    /// It may: no condition fails, but this one can't be told, for its regular expressions or because the request does
    /// not say where it comes from.
    Unknown(&'l Condition),
}

/// What the listeners of a load balancer, by port, answer; `None` if none listens on the request's port. Rules are tried
/// from the lowest priority number on; all conditions of a rule have to match, and one value of each is enough.
#[must_use]
pub fn answer<'l>(listeners: &'l BTreeMap<u16, Listener>, request: &Request) -> Option<Answer<'l>> {
    let listener = listeners.get(&request.port)?;
    let mut trace = Vec::new();
    for (_, rule) in in_order(listener) {
        let outcome = attempt(rule, request);
        let matched = outcome == Outcome::Matched;
        trace.push(Tried { priority: rule.priority, outcome });
        if matched {
            return Some(Answer { listener, rule: Some(rule.priority), actions: &rule.actions, trace });
        }
    }
    Some(Answer { listener, rule: None, actions: &listener.default_actions, trace })
}

/// A failing condition decides, whatever the others are.
fn attempt<'l>(rule: &'l Rule, request: &Request) -> Outcome<'l> {
    let mut outcome = Outcome::Matched;
    for condition in &rule.conditions {
        match Matcher::of(condition).test(request) {
            Truth::No => return Outcome::Failed(condition),
            Truth::Unknown if outcome == Outcome::Matched => outcome = Outcome::Unknown(condition),
            Truth::Yes | Truth::Unknown => {}
        }
    }
    outcome
}

/// The rules with their indices, in the order in which they are tried.
fn in_order(listener: &Listener) -> Vec<(usize, &Rule)> {
    let mut rules: Vec<_> = listener.rules.iter().enumerate().collect();
    rules.sort_by_key(|(_, rule)| rule.priority);
    rules
}

#[cfg(test)]
mod tests;
