//! What AWS holds after a pass that was applied whole: the desired state under the names that AWS gave, without asking.

use super::assume::reached;
use crate::stack::{Attributes, Desired, LoadBalancer, Observed, ObservedLoadBalancer, ResourceId, TargetGroup};

/// The desired state as it would be observed, once every operation of a pass has been done. `arn` gives the ARN (or id) of
/// a resource, `before` what was observed before the pass: attributes that nobody asks for are still as they were then.
///
/// `None` when a name is not known; then only AWS can tell.
#[must_use]
pub fn remember(desired: &Desired, arn: impl Fn(&ResourceId) -> Option<String>, before: &Observed) -> Option<Observed> {
    let mut seen = reached(desired).named(arn)?;
    for found in &mut seen.load_balancers {
        if let Some(before) = before.load_balancers.iter().find(|known| known.arn == found.arn) {
            keep_load_balancer(found, before);
        }
    }
    for found in &mut seen.target_groups {
        let known = before.target_groups.iter().find(|known| known.arn == found.arn);
        keep(&mut found.is.attributes, known.map(|known| &known.is.attributes));
    }
    for found in &mut seen.nlbs {
        if let Some(before) = before.nlbs.iter().find(|known| known.arn == found.arn) {
            found.dns_name.clone_from(&before.dns_name);
            keep(&mut found.is.attributes, Some(&before.is.attributes));
        }
    }
    Some(seen)
}

fn keep_load_balancer(found: &mut ObservedLoadBalancer, before: &ObservedLoadBalancer) {
    found.dns_name.clone_from(&before.dns_name);
    found.is.name.clone_from(&before.is.name);
    keep(&mut found.is.attributes, Some(&before.is.attributes));
    for listener in &mut found.listeners {
        let known = before.listeners.iter().find(|known| known.arn == listener.arn);
        keep(&mut listener.is.attributes, known.map(|known| &known.is.attributes));
        if let Some(known) = known {
            listener.is.keep_unasked(&known.is);
        }
    }
}

fn keep(attributes: &mut Attributes, before: Option<&Attributes>) {
    for (key, value) in before.into_iter().flatten() {
        attributes.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// What was remembered, with those parts in it that batched reads tell as they are now; `None` when AWS holds other load
/// balancers, target groups or security groups than that.
#[must_use]
pub fn confirm(mut remembered: Observed, outline: &Observed) -> Option<Observed> {
    let one_each = remembered.load_balancers.len() == outline.load_balancers.len()
        && remembered.target_groups.len() == outline.target_groups.len()
        && remembered.security_groups.len() == outline.security_groups.len();
    if !one_each {
        return None;
    }
    for found in &mut remembered.load_balancers {
        let now = outline.load_balancers.iter().find(|now| now.arn == found.arn)?;
        let attributes = std::mem::take(&mut found.is.attributes);
        found.is = LoadBalancer { attributes, ..now.is.clone() };
        found.dns_name.clone_from(&now.dns_name);
        found.state = now.state;
    }
    for found in &mut remembered.target_groups {
        let now = outline.target_groups.iter().find(|now| now.arn == found.arn)?;
        let attributes = std::mem::take(&mut found.is.attributes);
        found.is = TargetGroup { attributes, ..now.is.clone() };
    }
    for found in &mut remembered.security_groups {
        *found = outline.security_groups.iter().find(|now| now.arn == found.arn)?.clone();
    }
    remembered.backend_security_group.clone_from(&outline.backend_security_group);
    Some(remembered)
}
