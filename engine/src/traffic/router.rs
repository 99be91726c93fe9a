//! The listeners of a load balancer made ready to be asked often.

use std::collections::{BTreeMap, HashMap};

use super::matcher::{Matcher, Truth};
use super::{Outcome, Request, RoutedAnswer, Tried, in_order};
use crate::stack::{Action, Condition, Listener, Rule};

/// Listeners whose rules are parsed, sorted and indexed by host. Building one costs as much as a few requests.
#[derive(Debug)]
pub struct Router<'l> {
    listeners: BTreeMap<u16, Table<'l>>,
}

/// Which rule takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'l> {
    /// Who took it.
    pub listener: &'l Listener,
    /// The rule; `None`: none does, and it gets the default.
    pub rule: Option<&'l Rule>,
    /// What is done with it.
    pub actions: &'l [Action],
    /// Whether no rule above may take it.
    pub certain: bool,
}

impl<'l> Router<'l> {
    /// A router of listeners by port.
    #[must_use]
    pub fn new(listeners: &'l BTreeMap<u16, Listener>) -> Self {
        Self { listeners: listeners.iter().map(|(port, listener)| (*port, Table::of(listener))).collect() }
    }

    /// Who takes a request and why the rules before did not; `None` if nothing listens on the request's port.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Option<RoutedAnswer<'l>> {
        let table = self.listeners.get(&request.port)?;
        let listener = table.listener;
        let mut trace = Vec::new();
        for ready in &table.rules {
            let outcome = ready.attempt(request);
            trace.push(Tried { priority: ready.rule.priority, outcome });
            if outcome == Outcome::Matched {
                return Some(RoutedAnswer {
                    listener,
                    rule: Some(ready.rule.priority),
                    actions: &ready.rule.actions,
                    trace,
                });
            }
        }
        Some(RoutedAnswer { listener, rule: None, actions: &listener.default_actions, trace })
    }

    /// Who takes a request: the same as [`Router::answer`] without looking at rules for other hosts.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Option<Decision<'l>> {
        let table = self.listeners.get(&request.port)?;
        let mut certain = true;
        for ready in table.candidates(&request.host) {
            match ready.attempt(request) {
                Outcome::Matched => {
                    let rule = ready.rule;
                    return Some(Decision {
                        listener: table.listener,
                        rule: Some(rule),
                        actions: &rule.actions,
                        certain,
                    });
                }
                Outcome::Unknown(..) => certain = false,
                Outcome::Failed(_) => {}
            }
        }
        let listener = table.listener;
        Some(Decision { listener, rule: None, actions: &listener.default_actions, certain })
    }
}

/// A listener.
#[derive(Debug)]
struct Table<'l> {
    listener: &'l Listener,
    /// In the order in which they are tried.
    rules: Vec<Ready<'l>>,
    /// Places in `rules` of those for certain hosts (lower case) alone, ascending.
    by_host: HashMap<String, Vec<usize>>,
    /// Places of all others, ascending.
    of_any_host: Vec<usize>,
}

/// A rule.
#[derive(Debug)]
struct Ready<'l> {
    rule: &'l Rule,
    conditions: Vec<(&'l Condition, Matcher<'l>)>,
}

impl<'l> Table<'l> {
    fn of(listener: &'l Listener) -> Self {
        let mut table = Self { listener, rules: Vec::new(), by_host: HashMap::new(), of_any_host: Vec::new() };
        for (place, (_, rule)) in in_order(listener).into_iter().enumerate() {
            let conditions: Vec<_> = rule.conditions.iter().map(|one| (one, Matcher::of(one))).collect();
            match conditions.iter().find_map(|(_, matcher)| matcher.plain_hosts()) {
                Some(hosts) => {
                    for host in hosts {
                        let places = table.by_host.entry(host.to_owned()).or_default();
                        if places.last() != Some(&place) {
                            places.push(place);
                        }
                    }
                }
                None => table.of_any_host.push(place),
            }
            table.rules.push(Ready { rule, conditions });
        }
        table
    }

    /// The rules that may take requests for a host, in the order in which they are tried.
    fn candidates(&self, host: &str) -> impl Iterator<Item = &Ready<'l>> {
        let of_host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.by_host.get(&host.to_ascii_lowercase())
        } else {
            self.by_host.get(host)
        };
        let mut of_host = of_host.map(Vec::as_slice).unwrap_or_default().iter().peekable();
        let mut of_any = self.of_any_host.iter().peekable();
        let places = std::iter::from_fn(move || match (of_host.peek(), of_any.peek()) {
            (Some(one), Some(other)) if one > other => of_any.next(),
            (Some(_), _) => of_host.next(),
            (None, _) => of_any.next(),
        });
        places.filter_map(|place| self.rules.get(*place))
    }
}

impl<'l> Ready<'l> {
    /// A failing condition decides, whatever the others are.
    fn attempt(&self, request: &Request) -> Outcome<'l> {
        let mut outcome = Outcome::Matched;
        for (condition, matcher) in &self.conditions {
            match matcher.test(request) {
                Truth::No => return Outcome::Failed(condition),
                Truth::Unknown(doubt) if outcome == Outcome::Matched => outcome = Outcome::Unknown(condition, doubt),
                Truth::Yes | Truth::Unknown(_) => {}
            }
        }
        outcome
    }
}
