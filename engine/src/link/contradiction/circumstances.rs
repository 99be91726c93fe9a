//! Whether a thing counts of which members say one thing and another: not what the parameters of the first member's class
//! settle, nor what is said of an NLB that nobody asks for.

use super::{Agreement, asks_for_frontend_nlb, comes_before};
use crate::compile::{Fragment, Thing};
use crate::kinds::{Attribute, IngressClassParamsSpec};
use crate::stack::Protocol;

impl Agreement {
    /// Whether it counts in a group that a newcomer has joined.
    pub(super) fn counts(&self, thing: &Thing, newcomer: &Fragment) -> bool {
        if thing.is_of_frontend_nlb() {
            return self.frontend_nlb || asks_for_frontend_nlb(newcomer);
        }
        let first = earlier(self.first.as_deref(), newcomer);
        match thing {
            Thing::Group("wafv2-acl-arn") => !self.web_acl_by_name,
            Thing::DefaultBackend(port) => !(self.leads_to_https && self.is_plain(*port, newcomer)),
            Thing::ListenerAttribute(port, protocol, key) => {
                let listens = newcomer.listeners.contains_key(port);
                let before = self.first_on.get(port).map(|fragment| &**fragment);
                let first = if listens { Some(earlier(before, newcomer)) } else { before };
                !first.and_then(params).is_some_and(|params| settles_on(params, *port, *protocol, key))
            }
            thing => !params(first).is_some_and(|params| settles(params, thing)),
        }
    }

    /// Whether a port speaks HTTP in a group that a newcomer has joined.
    fn is_plain(&self, port: u16, newcomer: &Fragment) -> bool {
        let others = || self.first_on.get(&port).and_then(|first| first.listeners.get(&port));
        newcomer.listeners.get(&port).or_else(others).is_some_and(|ask| ask.protocol == Protocol::Http)
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
        Thing::Group("ipam-ipv4-pool-id") => {
            params.ipam_configuration.as_ref().is_some_and(|pools| pools.ipv4_ipam_pool_id.is_some())
        }
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
