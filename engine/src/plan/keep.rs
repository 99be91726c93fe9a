//! What AWS holds and no member that is linked asks for stays in the desired state, while a member is left out of which nobody remembers
//! what it asked for: it may be that one's.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{ObservedBinding, equal};
use crate::stack::{
    Action, Desired, Listener, Observed, ObservedListener, PeerSource, Permission, Ref, ResourceId, Rule, resource_of,
};

/// The desired state with the listeners, rules, certificates, target groups and bindings that are there and may be of a member that was left
/// out. A rule that has the conditions of one that is asked for is that one; every other keeps its place among its neighbours.
///
/// `None` when what is asked for without that member cannot stand beside what is there: a load balancer of another scheme, a listener of
/// another protocol. Then nothing may change.
#[must_use]
pub fn keep(mut desired: Desired, observed: &Observed, bindings: &[ObservedBinding]) -> Option<Desired> {
    let (Some(balancer), Some(found)) = (&mut desired.load_balancer, observed.load_balancers.first()) else {
        return Some(desired);
    };
    if balancer.scheme != found.is.scheme {
        return None;
    }
    for (key, value) in &found.is.tags {
        balancer.tags.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let asked: BTreeSet<u16> = desired.listeners.keys().copied().collect();
    for listener in &found.listeners {
        let kept = match desired.listeners.remove(&listener.is.port) {
            None => whole(listener),
            Some(asked) if asked.protocol != listener.is.protocol => return None,
            Some(asked) => both(asked, listener),
        };
        desired.listeners.insert(kept.port, kept);
    }
    keep_permissions(&mut desired, observed, &asked);
    keep_target_groups(&mut desired, observed, bindings);
    Some(desired)
}

/// A listener as it is there.
fn whole(found: &ObservedListener) -> Listener {
    Listener { rules: found.rules.iter().map(|rule| rule.is.clone()).collect(), ..found.is.clone() }
}

/// A listener that is asked for, with what else is there of it.
fn both(mut asked: Listener, found: &ObservedListener) -> Listener {
    let answers_itself = matches!(asked.default_actions.as_slice(), [Action::FixedResponse(_)]);
    if answers_itself && matches!(found.is.default_actions.as_slice(), [Action::Redirect(_)]) && found.rules.is_empty()
    {
        // Everything is led to HTTPS, as the group was asked to.
        return whole(found);
    }
    if answers_itself {
        asked.default_actions.clone_from(&found.is.default_actions);
    }
    let others: Vec<String> =
        found.is.certificates.iter().filter(|one| !asked.certificates.contains(*one)).cloned().collect();
    asked.certificates.extend(others);
    for (key, value) in &found.is.tags {
        asked.tags.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let (mut rules, mut place) = (std::mem::take(&mut asked.rules), 0);
    for there in &found.rules {
        match rules.iter().position(|rule| equal::conditions(&rule.conditions, &there.is.conditions)) {
            Some(index) => place = index + 1,
            None => {
                rules.insert(place.min(rules.len()), there.is.clone());
                place += 1;
            }
        }
    }
    for (priority, rule) in (1..).zip(&mut rules) {
        number(rule, asked.port, priority);
    }
    Listener { rules, ..asked }
}

fn number(rule: &mut Rule, port: u16, priority: u32) {
    rule.priority = priority;
    rule.tags.renumber(ResourceId::rule(port, priority));
}

/// Who may come to listeners that are kept.
fn keep_permissions(desired: &mut Desired, observed: &Observed, asked: &BTreeSet<u16>) {
    let id = ResourceId::managed_security_group();
    let there = observed.security_groups.iter().find(|found| resource_of(&found.is.tags) == Some(id.as_str()));
    let (Some(group), Some(there)) = (&mut desired.security_group, there) else { return };
    let kept = |one: &&Permission| {
        let from_group = matches!(one.source, PeerSource::SecurityGroup(_));
        !from_group && one.ports.is_some_and(|(from, to)| from == to && !asked.contains(&from))
    };
    group.ingress.extend(there.is.ingress.iter().filter(kept).cloned());
}

/// Target groups that kept rules lead to, with their bindings.
fn keep_target_groups(desired: &mut Desired, observed: &Observed, bindings: &[ObservedBinding]) {
    let actions = desired.listeners.values().flat_map(|listener| {
        listener.rules.iter().flat_map(|rule| rule.actions.iter()).chain(&listener.default_actions)
    });
    let tuples = actions.filter_map(|action| match action {
        Action::Forward(forward) => Some(&forward.target_groups),
        _ => None,
    });
    let used: BTreeSet<String> = tuples
        .flatten()
        .filter_map(|tuple| match &tuple.target_group {
            Ref::Known(arn) => Some(arn.clone()),
            Ref::Of(_) => None,
        })
        .collect();
    for found in observed.target_groups.iter().filter(|found| used.contains(&found.arn)) {
        let Some(id) = resource_of(&found.is.tags).map(ResourceId::from) else { continue };
        if desired.target_groups.contains_key(&id) {
            continue;
        }
        if let Some(binding) = bindings.iter().find(|binding| binding.target_group == found.arn) {
            desired.backend_security_group |=
                binding.is.networking.is_some() && observed.backend_security_group.is_some();
            desired.bindings.insert(id.clone(), binding.is.clone());
        }
        desired.target_groups.insert(id, Arc::new(found.is.clone()));
    }
}
