//! Whether a thing counts of which members say one thing and another: not what the parameters of the first member's class
//! settle, nor what is said of an NLB that nobody asks for.

use std::sync::Arc;

use super::{Agreement, asks_for_frontend_nlb, comes_before};
use crate::annotation::params::{overrides, switches_redirect_off};
use crate::compile::{Fragment, Thing};
use crate::kinds::{Attribute, IngressClassParamsSpec};
use crate::stack::Protocol;

/// What is said by any of those who come, whoever comes first, and decides whether what others say counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Circumstances {
    /// A web ACL is named, so that ARNs of web ACLs do not count.
    web_acl_by_name: bool,
    /// Security groups are named; beside a managed one nothing asks whether those of targets are managed.
    own_security_groups: bool,
    /// A redirect to HTTPS is asked for, so that HTTP listeners have no default backends.
    redirect: bool,
    /// A class switches the redirect off, wherever it would lead.
    redirect_off: bool,
}

impl Circumstances {
    pub(super) fn of<'f>(all: impl IntoIterator<Item = &'f Arc<Fragment>>) -> Self {
        let mut circumstances = Self::default();
        for fragment in all {
            let balancer = &fragment.load_balancer;
            circumstances.web_acl_by_name |= fragment.addons.wafv2_name.is_some();
            circumstances.own_security_groups |= !balancer.security_groups.is_empty();
            circumstances.redirect |= balancer.ssl_redirect.is_some();
            circumstances.redirect_off |= params(fragment).is_some_and(switches_redirect_off);
        }
        circumstances
    }

    fn leads_to_https(self) -> bool {
        self.redirect && !self.redirect_off
    }
}

impl Agreement {
    /// Whether it counts in a group that a newcomer has joined.
    pub(super) fn counts(&self, thing: &Thing, newcomer: &Fragment) -> bool {
        if thing.is_of_frontend_nlb() {
            return self.frontend_nlb || asks_for_frontend_nlb(newcomer);
        }
        let first = earlier(self.first.as_deref(), newcomer);
        match thing {
            Thing::Group("wafv2-acl-arn") => !self.circumstances.web_acl_by_name,
            Thing::Group("manage-backend-security-group-rules") => self.circumstances.own_security_groups,
            Thing::Group("ssl-redirect") => !self.circumstances.redirect_off,
            Thing::DefaultBackend(_, Protocol::Http) => !self.circumstances.leads_to_https(),
            Thing::ListenerAttribute(port, protocol, key) => {
                let listens = newcomer.listeners.contains_key(port);
                let before = self.first_on.get(port).map(|fragment| &**fragment);
                let first = if listens { Some(earlier(before, newcomer)) } else { before };
                !first.and_then(params).is_some_and(|params| settles_on(params, *port, *protocol, key))
            }
            thing => !params(first).is_some_and(|params| settles(params, thing)),
        }
    }

    /// Whether a newcomer comes before all others, or before all others on a port.
    pub(super) fn leads(&self, newcomer: &Fragment) -> bool {
        let before = |other: &Fragment| comes_before(newcomer, other);
        self.first.as_deref().is_some_and(before)
            || newcomer.listeners.keys().filter_map(|port| self.first_on.get(port)).any(|first| before(first))
    }
}

fn earlier<'f>(before: Option<&'f Fragment>, newcomer: &'f Fragment) -> &'f Fragment {
    before.filter(|before| comes_before(before, newcomer)).unwrap_or(newcomer)
}

fn params(fragment: &Fragment) -> Option<&IngressClassParamsSpec> {
    fragment.params.as_ref().map(|params| &params.spec)
}

/// Whether the parameters of the first member's class settle it, whatever members say.
fn settles(params: &IngressClassParamsSpec, thing: &Thing) -> bool {
    match thing {
        Thing::Group("ipam-ipv4-pool-id") => overrides(params, "ipamConfiguration.ipv4IPAMPoolId"),
        Thing::Group("minimum-load-balancer-capacity") => params.minimum_load_balancer_capacity.is_some(),
        Thing::Attribute(key) => is_among(&params.load_balancer_attributes, key),
        _ => false,
    }
}

fn settles_on(params: &IngressClassParamsSpec, port: u16, protocol: Protocol, key: &str) -> bool {
    let mut listeners = params.listeners.iter();
    let of_port = listeners.find(|one| one.port == i32::from(port) && one.protocol == protocol.as_str());
    of_port.is_some_and(|listener| is_among(&listener.listener_attributes, key))
}

fn is_among(attributes: &[Attribute], key: &str) -> bool {
    attributes.iter().any(|attribute| attribute.key == key)
}
