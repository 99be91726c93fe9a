//! A desired state as if it had been reached: what previews and tests of plans start from.

use std::collections::BTreeSet;

use super::ObservedBinding;
use crate::stack::{
    Action, Addons, CLUSTER_TAG, Desired, Found, FrontendListener, FrontendNlb, Listener, LoadBalancerState, Observed,
    ObservedAddons, ObservedFrontendListener, ObservedFrontendNlb, ObservedFrontendTargetGroup, ObservedListener,
    ObservedLoadBalancer, Ref, ResourceId, Rule, SHARED_RESOURCE_TAG, SHIELD_PROTECTION, SecurityGroup, Shield, Target,
};

/// What would be observed if everything desired existed; a resource's id stands for its ARN.
#[must_use]
pub fn as_observed(desired: &Desired) -> (Observed, Vec<ObservedBinding>) {
    let listeners: Vec<ObservedListener> = desired.listeners.values().map(listener).collect();
    let load_balancers = desired.load_balancer.iter().map(|is| ObservedLoadBalancer {
        arn: ResourceId::load_balancer().to_string(),
        dns_name: String::new(),
        state: LoadBalancerState::Active,
        is: crate::stack::LoadBalancer {
            security_groups: is.security_groups.iter().map(known).collect(),
            ..is.clone()
        },
        listeners: listeners.clone(),
        addons: addons(&desired.addons),
    });
    let managed = desired.security_group.iter();
    let observed = Observed {
        load_balancers: load_balancers.collect(),
        target_groups: desired
            .target_groups
            .iter()
            .map(|(id, is)| Found { arn: id.to_string(), is: is.as_ref().clone() })
            .collect(),
        security_groups: managed
            .map(|is| Found { arn: ResourceId::managed_security_group().to_string(), is: is.clone() })
            .collect(),
        backend_security_group: desired.backend_security_group.then(|| backend(desired)),
        frontend_nlbs: desired.frontend_nlb.iter().map(frontend_nlb).collect(),
        frontend_target_groups: desired
            .frontend_nlb
            .iter()
            .flat_map(|nlb| &nlb.listeners)
            .map(frontend_group)
            .collect(),
        strangers: BTreeSet::new(),
    };
    let bindings = desired.bindings.iter().map(|(id, is)| ObservedBinding {
        target_group: id.to_string(),
        is: crate::stack::Binding {
            target_group: Ref::Known(id.to_string()),
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
fn backend(desired: &Desired) -> Found<SecurityGroup> {
    let cluster = desired.load_balancer.as_ref().and_then(|is| is.tags.get(CLUSTER_TAG)).cloned().unwrap_or_default();
    let id = ResourceId::backend_security_group();
    let is = SecurityGroup {
        name: String::new(),
        description: String::new(),
        ingress: BTreeSet::new(),
        tags: [(CLUSTER_TAG.to_owned(), cluster), (SHARED_RESOURCE_TAG.to_owned(), id.to_string())].into(),
    };
    Found { arn: id.to_string(), is }
}

fn frontend_nlb(is: &FrontendNlb) -> ObservedFrontendNlb {
    let listener = |(port, listener): (&u16, &FrontendListener)| ObservedFrontendListener {
        arn: ResourceId::frontend_listener(*port).to_string(),
        port: *port,
        forwards_to: vec![ResourceId::frontend_target_group(*port).to_string()],
        tags: listener.tags.clone(),
    };
    let mut seen = is.clone();
    seen.listeners.clear();
    seen.security_groups = is.security_groups.iter().map(known).collect();
    ObservedFrontendNlb {
        arn: ResourceId::frontend_nlb().to_string(),
        dns_name: String::new(),
        state: LoadBalancerState::Active,
        is: seen,
        listeners: is.listeners.iter().map(listener).collect(),
    }
}

fn frontend_group((port, listener): (&u16, &FrontendListener)) -> ObservedFrontendTargetGroup {
    let target = Target {
        id: ResourceId::load_balancer().to_string(),
        port: listener.target_group.target_port,
        availability_zone: None,
    };
    ObservedFrontendTargetGroup {
        arn: ResourceId::frontend_target_group(*port).to_string(),
        is: listener.target_group.clone(),
        targets: vec![target],
    }
}

fn addons(asked: &Addons) -> ObservedAddons {
    ObservedAddons {
        wafv2: asked.wafv2.clone(),
        waf_classic: asked.waf_classic.clone(),
        shield: asked.shield.map(|on| match on {
            true => Shield::Protected { id: String::new(), name: SHIELD_PROTECTION.to_owned() },
            false => Shield::Unprotected,
        }),
        capacity_units: asked.capacity_units,
    }
}

fn known(reference: &Ref) -> Ref {
    match reference {
        Ref::Of(id) => Ref::Known(id.to_string()),
        Ref::Known(_) => reference.clone(),
    }
}

fn action(action: &Action) -> Action {
    let mut action = action.clone();
    if let Action::Forward(forward) = &mut action {
        forward.target_groups.iter_mut().for_each(|tuple| tuple.target_group = known(&tuple.target_group));
    }
    action
}

fn listener(is: &Listener) -> ObservedListener {
    let rule = |rule: &Rule| {
        let actions = rule.actions.iter().map(action).collect();
        Found { arn: ResourceId::rule(is.port, rule.priority).to_string(), is: Rule { actions, ..rule.clone() } }
    };
    let mut seen = is.clone();
    seen.default_actions = is.default_actions.iter().map(action).collect();
    seen.rules = Vec::new();
    // The default certificate is among the others too, as it is after a listener was made.
    if let Some((default, _)) = is.certificates.split_first() {
        let mut others: Vec<String> = is.certificates.clone();
        others.sort();
        others.dedup();
        seen.certificates = std::iter::once(default.clone()).chain(others).collect();
    }
    ObservedListener {
        arn: ResourceId::listener(is.port).to_string(),
        is: seen,
        rules: is.rules.iter().map(rule).collect(),
    }
}
