//! A desired state as if it had been reached: what is remembered after a pass, and what previews and tests of plans start from.

use std::collections::BTreeSet;

use super::ObservedBinding;
use crate::stack::{
    Addons, CLUSTER_TAG, Desired, Found, Listener, LoadBalancer, LoadBalancerState, Nlb, NlbListener, Observed,
    ObservedListener, ObservedLoadBalancer, ObservedNlb, ObservedNlbListener, ObservedNlbTargetGroup, Ref, ResourceId,
    Rule, SHARED_RESOURCE_TAG, SecurityGroup, Target,
};

/// What would be observed if everything desired existed, each resource by its resource id.
#[must_use]
pub fn reached(desired: &Desired) -> Observed<ResourceId> {
    let listeners = || desired.listeners.values().map(listener).collect();
    let load_balancers = desired.load_balancer.iter().map(|is| load_balancer(is, desired.addons.clone(), listeners()));
    let target_groups = desired.target_groups.iter();
    let managed = desired.security_group.iter();
    let frontends = desired.nlb.iter().flat_map(|nlb| &nlb.listeners);
    Observed {
        load_balancers: load_balancers.collect(),
        target_groups: target_groups.map(|(id, is)| Found { arn: id.clone(), is: is.as_ref().clone() }).collect(),
        security_groups: managed
            .map(|is| Found { arn: ResourceId::managed_security_group(), is: is.clone() })
            .collect(),
        backend_security_group: desired.backend_security_group.then(|| backend(desired)),
        nlbs: desired.nlb.iter().map(nlb).collect(),
        nlb_target_groups: frontends.map(nlb_target_group).collect(),
        strangers: BTreeSet::new(),
    }
}

/// What would be observed, with its bindings, if everything desired existed and AWS named each resource by its resource id.
#[must_use]
pub fn as_observed(desired: &Desired) -> (Observed, Vec<ObservedBinding>) {
    let name = ResourceId::to_string;
    let observed = reached(desired).named(|id| Some(name(id))).unwrap_or_default();
    let known = |reference: &Ref| match reference {
        Ref::Of(id) => Ref::Known(name(id)),
        Ref::Known(_) => reference.clone(),
    };
    let bindings = desired.bindings.iter().map(|(id, is)| ObservedBinding {
        target_group: name(id),
        is: crate::stack::Binding {
            target_group: Ref::Known(name(id)),
            networking: is.networking.clone().map(|(source, ports)| (known(&source), ports)),
            ..is.clone()
        },
        registered: true,
        deleting: false,
        released: false,
    });
    (observed, bindings.collect())
}

/// The shared group as it was made: nothing of it but its tags is ever compared.
fn backend(desired: &Desired) -> Found<SecurityGroup, ResourceId> {
    let cluster = desired.load_balancer.as_ref().and_then(|is| is.tags.get(CLUSTER_TAG)).cloned().unwrap_or_default();
    let id = ResourceId::backend_security_group();
    let is = SecurityGroup {
        name: String::new(),
        description: String::new(),
        ingress: BTreeSet::new(),
        tags: [(CLUSTER_TAG.to_owned(), cluster), (SHARED_RESOURCE_TAG.to_owned(), id.to_string())].into(),
    };
    Found { arn: id, is }
}

fn load_balancer<L>(is: &LoadBalancer, addons: Addons, listeners: Vec<L>) -> ObservedLoadBalancer<ResourceId, L> {
    ObservedLoadBalancer {
        arn: is.kind.resource(),
        dns_name: String::new(),
        state: LoadBalancerState::Active,
        is: is.clone(),
        listeners,
        addons,
    }
}

fn nlb(nlb: &Nlb) -> ObservedNlb<ResourceId> {
    let listener = |(port, listener): (&u16, &NlbListener)| ObservedNlbListener {
        arn: ResourceId::nlb_listener(*port),
        port: *port,
        forwards_to: vec![ResourceId::nlb_target_group(*port)],
        attributes: listener.attributes.clone(),
        tags: listener.tags.clone(),
    };
    load_balancer(&nlb.is, Addons::new(), nlb.listeners.iter().map(listener).collect())
}

fn nlb_target_group((port, listener): (&u16, &NlbListener)) -> ObservedNlbTargetGroup<ResourceId> {
    let port_of_target = listener.target_group.target_port;
    let target = Target { id: ResourceId::load_balancer(), port: port_of_target, availability_zone: None };
    ObservedNlbTargetGroup {
        arn: ResourceId::nlb_target_group(*port),
        is: listener.target_group.clone(),
        targets: vec![target],
    }
}

fn listener(is: &Listener) -> ObservedListener<ResourceId> {
    let rule = |rule: &Rule| Found { arn: ResourceId::rule(is.port, rule.priority), is: rule.clone() };
    let rules = is.rules.iter().map(rule).collect();
    let mut seen = Listener { rules: Vec::new(), ..is.clone() };
    // The default certificate is among the others too, as it is after a listener was made.
    if let Some((default, _)) = is.certificates.split_first() {
        let mut others: Vec<String> = is.certificates.clone();
        others.sort();
        others.dedup();
        seen.certificates = std::iter::once(default.clone()).chain(others).collect();
    }
    ObservedListener { arn: ResourceId::listener(is.port), is: seen, rules }
}
