//! What a member says that the others of its group may say otherwise, as text to compare and to show.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fragment, FrontendHealthCheckAsk, ListenerAsk, SubnetsAsk};
use crate::stack::Protocol;

/// Something that members say and that has to be the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thing {
    /// What there is one of in a group, by its annotation.
    Group(&'static str),
    /// An attribute of the load balancer.
    Attribute(String),
    /// A tag.
    Tag(String),
    /// What there is one of on a port, by its annotation.
    Listener(u16, &'static str),
    /// An attribute of a listener.
    ListenerAttribute(u16, Protocol, String),
    /// What answers on a port if no rule does.
    DefaultBackend(u16, Protocol),
    /// What there is one of in an NLB, by its annotation.
    Frontend(&'static str),
    /// The same of which a member's silence is a statement too, behind one that spoke.
    FrontendWhole(&'static str),
    /// What there is one of on a port of an NLB, by its annotation.
    FrontendPort(u16, &'static str),
}

impl Thing {
    /// Whether it means nothing unless a member asks for an NLB.
    #[must_use]
    pub fn is_of_frontend_nlb(&self) -> bool {
        matches!(self, Self::Frontend(_) | Self::FrontendWhole(_) | Self::FrontendPort(..))
    }
}

/// What a member says of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The thing.
    pub thing: Thing,
    /// Equal texts mean the same.
    pub text: String,
}

/// What a member says of one thing.
type Said<T> = fn(&T) -> Option<String>;

/// Of the load balancer as a whole.
const GROUP: [(&str, Said<Fragment>); 15] = [
    ("load-balancer-name", |f| f.load_balancer.name.clone()),
    ("scheme", |f| f.load_balancer.scheme.map(|scheme| scheme.to_string())),
    ("ip-address-type", |f| f.load_balancer.ip_address_type.map(|kind| kind.as_str().to_owned())),
    ("subnets", |f| f.load_balancer.subnets.as_ref().map(subnets)),
    ("security-groups", |f| in_order(&f.load_balancer.security_groups)),
    ("manage-backend-security-group-rules", |f| f.load_balancer.manage_backend_rules.map(|on| on.to_string())),
    ("customer-owned-ipv4-pool", |f| f.load_balancer.customer_owned_ipv4_pool.clone()),
    ("ipam-ipv4-pool-id", |f| f.load_balancer.ipv4_ipam_pool_id.clone()),
    ("ssl-redirect", |f| f.load_balancer.ssl_redirect.map(|port| port.to_string())),
    ("enable-frontend-nlb", |f| f.frontend_nlb.enabled.map(|on| on.to_string())),
    ("wafv2-acl-name", |f| f.addons.wafv2_name.as_ref().map(|(name, _)| name.clone())),
    ("wafv2-acl-arn", |f| f.addons.wafv2_arn.as_ref().map(ToString::to_string)),
    ("waf-acl-id", |f| f.addons.waf_classic.as_ref().map(ToString::to_string)),
    ("shield-advanced-protection", |f| f.addons.shield.map(|on| on.to_string())),
    ("minimum-load-balancer-capacity", |f| f.addons.capacity_units.map(|units| format!("CapacityUnits={units}"))),
];

/// Of one listener.
const LISTENER: [(&str, Said<ListenerAsk>); 5] = [
    ("listen-ports", |ask| Some(ask.protocol.to_string())),
    ("inbound-cidrs", |ask| any_order(&ask.inbound_cidrs)),
    ("security-group-prefix-lists", |ask| any_order(&ask.prefix_lists)),
    ("ssl-policy", |ask| ask.ssl_policy.clone()),
    ("mutual-authentication", |ask| ask.mutual_authentication.as_ref().map(|mutual| format!("{mutual:?}"))),
];

/// Of the NLB as a whole.
const FRONTEND: [(&str, Said<Fragment>); 5] = [
    ("frontend-nlb-scheme", |f| f.frontend_nlb.scheme.map(|scheme| scheme.to_string())),
    ("frontend-nlb-subnets", |f| f.frontend_nlb.subnets.as_deref().map(set)),
    ("frontend-nlb-security-groups", |f| in_order(&f.frontend_nlb.security_groups)),
    ("frontend-nlb-eip-allocations", |f| any_order(&f.frontend_nlb.eip_allocations)),
    ("frontend-nlb-tags", |f| f.frontend_nlb.tags.as_ref().map(pairs)),
];

/// What is said of an NLB by all members from the first on that says it.
pub const FRONTEND_WHOLE: [&str; 1] = ["frontend-nlb-attributes"];

/// Of the checks on one of the NLB's ports.
const CHECKS: [(&str, Said<FrontendHealthCheckAsk>); 8] = [
    ("frontend-nlb-healthcheck-port", |check| check.port.clone()),
    ("frontend-nlb-healthcheck-protocol", |check| check.protocol.map(|protocol| protocol.to_string())),
    ("frontend-nlb-healthcheck-path", |check| check.path.clone()),
    ("frontend-nlb-healthcheck-interval-seconds", |check| check.interval_seconds.map(|seconds| seconds.to_string())),
    ("frontend-nlb-healthcheck-timeout-seconds", |check| check.timeout_seconds.map(|seconds| seconds.to_string())),
    ("frontend-nlb-healthcheck-healthy-threshold-count", |check| check.healthy_threshold.map(|n| n.to_string())),
    ("frontend-nlb-healthcheck-unhealthy-threshold-count", |check| check.unhealthy_threshold.map(|n| n.to_string())),
    ("frontend-nlb-healthcheck-success-codes", |check| check.success_codes.clone()),
];

/// All that a member says, each thing once.
pub(super) fn of(member: &Fragment) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut say = |thing: Thing, text: String| statements.push(Statement { thing, text });
    for (suffix, said) in GROUP {
        if let Some(text) = said(member) {
            say(Thing::Group(suffix), text);
        }
    }
    for (key, value) in &member.load_balancer.attributes {
        say(Thing::Attribute(key.clone()), value.clone());
    }
    for (key, value) in &member.tags {
        say(Thing::Tag(key.clone()), value.clone());
    }
    for (port, ask) in &member.listeners {
        for (suffix, said) in LISTENER {
            if let Some(text) = said(ask) {
                say(Thing::Listener(*port, suffix), text);
            }
        }
        for (key, value) in &ask.attributes {
            say(Thing::ListenerAttribute(*port, ask.protocol, key.clone()), value.clone());
        }
        if member.default_backend.is_some() {
            // No two members have the same one.
            say(Thing::DefaultBackend(*port, ask.protocol), member.key.to_string());
        }
    }
    of_frontend_nlb(member, &mut say);
    statements
}

fn of_frontend_nlb(member: &Fragment, say: &mut dyn FnMut(Thing, String)) {
    for (suffix, said) in FRONTEND {
        if let Some(text) = said(member) {
            say(Thing::Frontend(suffix), text);
        }
    }
    for (suffix, map) in FRONTEND_WHOLE.into_iter().zip([&member.frontend_nlb.attributes]) {
        if let Some(map) = map {
            say(Thing::FrontendWhole(suffix), pairs(map));
        }
    }
    for (port, target) in member.frontend_ports() {
        say(Thing::FrontendPort(port, "frontend-nlb-listener-port-mapping"), target.to_string());
        for (suffix, said) in CHECKS {
            if let Some(text) = said(&member.frontend_nlb.health_check) {
                say(Thing::FrontendPort(port, suffix), text);
            }
        }
    }
}

fn subnets(ask: &SubnetsAsk) -> String {
    match ask {
        SubnetsAsk::Annotated(list) => set(list),
        SubnetsAsk::Ids(list) => format!("IngressClassParams ids {}", set(list)),
        SubnetsAsk::Tags(tags) => format!("IngressClassParams tags {tags:?}"),
    }
}

fn in_order(list: &[String]) -> Option<String> {
    Some(list.join(",")).filter(|text| !text.is_empty())
}

fn any_order(list: &[String]) -> Option<String> {
    Some(set(list)).filter(|text| !text.is_empty())
}

fn set(list: &[String]) -> String {
    let set: BTreeSet<&str> = list.iter().map(String::as_str).collect();
    set.into_iter().collect::<Vec<_>>().join(",")
}

fn pairs(map: &BTreeMap<String, String>) -> String {
    map.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
