//! What AWS holds after a turn that was applied whole: the desired state under the names that AWS gave, without asking.

use std::sync::Arc;

use super::as_observed;
use crate::stack::{
    Action, Attributes, Desired, Listener, LoadBalancer, Observed, ObservedFrontendNlb, ObservedListener,
    ObservedLoadBalancer, Ref, ResourceId, TargetGroup,
};

/// The desired state as it would be observed, once every operation of a turn has been done. `arn` gives the ARN (or id) of
/// a resource, `before` what was observed before the turn: attributes that nobody asks for are still as they were then.
///
/// `None` when a name is not known; then only AWS can tell.
#[must_use]
pub fn remember(desired: &Desired, arn: impl Fn(&ResourceId) -> Option<String>, before: &Observed) -> Option<Observed> {
    let mut names = Names { arn: &arn, missing: false };
    let mut seen = as_observed(desired).0;
    for found in &mut seen.load_balancers {
        names.load_balancer(found);
        if let Some(before) = before.load_balancers.iter().find(|known| known.arn == found.arn) {
            keep_load_balancer(found, before);
        }
    }
    for found in &mut seen.target_groups {
        names.name(&mut found.arn);
        let known = before.target_groups.iter().find(|known| known.arn == found.arn);
        keep(&mut found.is.attributes, known.map(|known| &known.is.attributes));
    }
    let security_groups = seen.security_groups.iter_mut().chain(&mut seen.backend_security_group);
    security_groups.for_each(|found| names.name(&mut found.arn));
    seen.frontend_nlbs.iter_mut().for_each(|found| names.frontend_nlb(found, before));
    for found in &mut seen.frontend_target_groups {
        names.name(&mut found.arn);
        found.targets.iter_mut().for_each(|target| names.name(&mut target.id));
    }
    (!names.missing).then_some(seen)
}

/// Puts what AWS calls a resource in the place of its resource id.
struct Names<'a> {
    arn: &'a dyn Fn(&ResourceId) -> Option<String>,
    missing: bool,
}

impl Names<'_> {
    fn name(&mut self, id: &mut String) {
        match (self.arn)(&ResourceId::from(std::mem::take(id))) {
            Some(arn) => *id = arn,
            None => self.missing = true,
        }
    }

    /// What the desired state names by ARN itself keeps its name.
    fn reference(&mut self, reference: &mut Ref, desired: impl Fn(&str) -> bool) {
        if let Ref::Known(id) = reference
            && desired(id)
        {
            self.name(id);
        }
    }

    fn load_balancer(&mut self, found: &mut ObservedLoadBalancer) {
        self.name(&mut found.arn);
        found.is.security_groups.iter_mut().for_each(|group| self.reference(group, is_of_stack));
        found.listeners.iter_mut().for_each(|listener| self.listener(listener));
    }

    fn listener(&mut self, found: &mut ObservedListener) {
        self.name(&mut found.arn);
        self.actions(&mut found.is.default_actions);
        for rule in &mut found.rules {
            self.name(&mut rule.arn);
            self.actions(Arc::make_mut(&mut rule.is.actions));
        }
    }

    fn actions(&mut self, actions: &mut [Action]) {
        for action in actions {
            let Action::Forward(forward) = action else { continue };
            for tuple in &mut forward.target_groups {
                if let Ref::Of(id) = &tuple.target_group {
                    tuple.target_group = Ref::Known(id.to_string());
                }
                self.reference(&mut tuple.target_group, |id| !id.starts_with("arn:"));
            }
        }
    }

    fn frontend_nlb(&mut self, found: &mut ObservedFrontendNlb, before: &Observed) {
        self.name(&mut found.arn);
        found.is.security_groups.iter_mut().for_each(|group| self.reference(group, is_of_stack));
        for listener in &mut found.listeners {
            self.name(&mut listener.arn);
            listener.forwards_to.iter_mut().for_each(|group| self.name(group));
        }
        if let Some(before) = before.frontend_nlbs.iter().find(|known| known.arn == found.arn) {
            found.dns_name.clone_from(&before.dns_name);
            keep(&mut found.is.attributes, Some(&before.is.attributes));
        }
    }
}

/// Security groups of the stack stand under their resource ids, all others under `sg-…`.
fn is_of_stack(id: &str) -> bool {
    !id.starts_with("sg-")
}

fn keep_load_balancer(found: &mut ObservedLoadBalancer, before: &ObservedLoadBalancer) {
    found.dns_name.clone_from(&before.dns_name);
    found.is.name.clone_from(&before.is.name);
    keep(&mut found.is.attributes, Some(&before.is.attributes));
    for listener in &mut found.listeners {
        let known = before.listeners.iter().find(|known| known.arn == listener.arn);
        keep(&mut listener.is.attributes, known.map(|known| &known.is.attributes));
        keep_unasked(&mut listener.is, known.map(|known| &known.is));
    }
}

/// What a desired listener leaves to AWS.
fn keep_unasked(listener: &mut Listener, before: Option<&Listener>) {
    let Some(before) = before else { return };
    if listener.ssl_policy.is_none() {
        listener.ssl_policy.clone_from(&before.ssl_policy);
    }
    if listener.mutual_authentication.is_none() {
        listener.mutual_authentication.clone_from(&before.mutual_authentication);
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
