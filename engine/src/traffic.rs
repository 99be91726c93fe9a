//! What a load balancer answers: which rule of a listener takes a request, what comes of its actions while target groups are
//! healthy or not, and which rules never get a request.
//!
//! | question | ask |
//! |---|---|
//! | which rule takes it, and why not the others | [`answer`], [`Router::answer`] |
//! | the same many times, without the reasons | [`Router::decide`] |
//! | what the client gets | [`reply`] |
//! | which rules are never reached | [`unreachable`] |
//! | which rules take requests of others | [`taken`] |
//! | which kinds of requests rules tell apart | [`classes`], [`meets`] |
//!
//! Sources: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>,
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html> and
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RuleCondition.html>.
//!
//! Where AWS does not document how it reads something (the dialect of regular expressions, percent-encoding), all readings are
//! tried. If they differ, the outcome is [`Outcome::Unknown`] and the answer after it is not certain.

mod classes;
mod cover;
mod health;
mod matcher;
mod product;
mod regex;
mod reply;
mod request;
mod router;
mod set;
mod show;
mod taken;

use std::collections::BTreeMap;

use crate::stack::{Action, Condition, Listener, Rule};

pub use classes::{Class, Classes, classes};
pub use cover::unreachable;
pub use health::Health;
pub use reply::{Reply, Share, reply};
pub use request::Request;
pub use router::{Decision, Router};
pub use set::Set;
pub use taken::{Owner, taken};

use matcher::{Matcher, Truth};

/// What a request gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutedAnswer<'l> {
    /// The listener that received the request.
    pub listener: &'l Listener,
    /// The priority of the rule that matches; `None`: the default actions apply.
    pub rule: Option<u32>,
    /// What is done with it.
    pub actions: &'l [Action],
    /// The rules that were tried, in order; the one that matches is the last.
    pub trace: Vec<Tried<'l>>,
}

impl RoutedAnswer<'_> {
    /// Whether no rule above may take the request.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        !self.trace.iter().any(|tried| matches!(tried.outcome, Outcome::Unknown(..)))
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'l> {
    /// The rule matches.
    Matched,
    /// It does not: the first of its conditions that fails.
    Failed(&'l Condition),
    /// The rule may match: no condition fails, but this one is uncertain.
    Unknown(&'l Condition, Doubt),
}

/// Why it is uncertain whether a condition matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The address of the client is not given.
    Source,
    /// A regular expression that AWS's dialect may read in several ways.
    Expression,
    /// Something percent-encoded that the condition may see encoded or decoded.
    Encoding,
    /// A field that is newer than this version.
    Field,
}

/// What the listeners of a load balancer, by port, answer; `None` if none listens on the request's port. Rules are tried
/// from the lowest priority number on; all conditions of a rule have to match, and one value of each is enough.
#[must_use]
pub fn answer<'l>(listeners: &'l BTreeMap<u16, Listener>, request: &Request) -> Option<RoutedAnswer<'l>> {
    Router::new(listeners).answer(request)
}

/// Whether a request matches all conditions; `None`: uncertain.
#[must_use]
pub fn meets(conditions: &[Condition], request: &Request) -> Option<bool> {
    let tested: Vec<Truth> = conditions.iter().map(|condition| Matcher::of(condition).test(request)).collect();
    if tested.contains(&Truth::No) {
        return Some(false);
    }
    (!tested.iter().any(|truth| matches!(truth, Truth::Unknown(_)))).then_some(true)
}

/// The rules with their indices, in the order in which they are tried.
fn in_order(listener: &Listener) -> Vec<(usize, &Rule)> {
    let mut rules: Vec<_> = listener.rules.iter().enumerate().collect();
    rules.sort_by_key(|(_, rule)| rule.priority);
    rules
}

#[cfg(test)]
mod tests;
