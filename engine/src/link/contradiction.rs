//! Whether two members of a group contradict each other: what both say of one thing must be the same.

pub(super) mod frontend_nlb;
mod speakers;

use std::collections::{BTreeMap, BTreeSet};

use crate::annotation::PREFIX;
use crate::compile::{Fragment, ListenerAsk, SubnetsAsk};
use crate::finding::{Code, FieldPath, Finding, ObjectRef};

pub(super) use speakers::Speakers;

/// What a member says of one thing, as text to compare and to show.
type Said = fn(&Fragment) -> Option<String>;

/// Everything that members of a group say of the load balancer as a whole.
const EXCLUSIVE: &[(&str, Said)] = &[
    ("load-balancer-name", |f| f.load_balancer.name.clone()),
    ("scheme", |f| f.load_balancer.scheme.map(|scheme| scheme.to_string())),
    ("ip-address-type", |f| f.load_balancer.ip_address_type.map(|kind| kind.as_str().to_owned())),
    ("subnets", |f| f.load_balancer.subnets.as_ref().map(subnets)),
    ("security-groups", |f| Some(f.load_balancer.security_groups.join(",")).filter(|groups| !groups.is_empty())),
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

/// What members say of one listener.
type SaidOfListener = fn(&ListenerAsk) -> Option<String>;

const PER_PORT: [(&str, SaidOfListener); 5] = [
    ("listen-ports", |ask| Some(ask.protocol.to_string())),
    ("inbound-cidrs", |ask| Some(set(&ask.inbound_cidrs)).filter(|text| !text.is_empty())),
    ("security-group-prefix-lists", |ask| Some(set(&ask.prefix_lists)).filter(|text| !text.is_empty())),
    ("ssl-policy", |ask| ask.ssl_policy.clone()),
    ("mutual-authentication", |ask| ask.mutual_authentication.as_ref().map(|mutual| format!("{mutual:?}"))),
];

/// The contradictions of a newcomer with a member that is senior to it, each a finding on the newcomer.
pub(super) fn between(newcomer: &Fragment, senior: &Fragment) -> Vec<Finding> {
    let pair = Pair { newcomer, senior };
    let mut findings = Vec::new();
    for &(suffix, said) in EXCLUSIVE {
        findings.extend(pair.differ(Code::GroupConflict, suffix, "", said(newcomer), said(senior)));
    }
    findings.extend(pair.maps(
        "load-balancer-attributes",
        &newcomer.load_balancer.attributes,
        &senior.load_balancer.attributes,
        &pair.enforced(),
    ));
    findings.extend(pair.maps("tags", &newcomer.tags, &senior.tags, &BTreeSet::new()));
    for (port, ask) in &newcomer.listeners {
        let Some(other) = senior.listeners.get(port) else { continue };
        let of_port = format!(" on port {port}");
        for (suffix, said) in PER_PORT {
            findings.extend(pair.differ(Code::ListenerConflict, suffix, &of_port, said(ask), said(other)));
        }
        let suffix = format!("listener-attributes.{}-{port}", ask.protocol);
        findings.extend(pair.maps(&suffix, &ask.attributes, &other.attributes, &BTreeSet::new()));
        if newcomer.default_backend.is_some() && senior.default_backend.is_some() {
            let message = format!("multiple ingress defined default backend: {} has one{of_port} already", senior.key);
            let subject = pair.subject();
            findings.push(
                Finding::new(Code::ListenerConflict, subject, FieldPath::at("spec.defaultBackend"), message)
                    .related([pair.related()])
                    .mend("keep one spec.defaultBackend in the group, or listen on another port"),
            );
        }
    }
    findings
}

/// Whether a member stands before another in the group.
fn comes_before(one: &Fragment, other: &Fragment) -> bool {
    one.order < other.order || one.order == other.order && one.key.to_string() < other.key.to_string()
}

struct Pair<'a> {
    newcomer: &'a Fragment,
    senior: &'a Fragment,
}

impl Pair<'_> {
    fn subject(&self) -> ObjectRef {
        ObjectRef::ingress(&self.newcomer.key.namespace, &self.newcomer.key.name)
    }

    fn related(&self) -> ObjectRef {
        ObjectRef::ingress(&self.senior.key.namespace, &self.senior.key.name)
    }

    fn differ(
        &self,
        code: Code,
        suffix: &str,
        place: &str,
        own: Option<String>,
        other: Option<String>,
    ) -> Option<Finding> {
        let (own, other) = own.zip(other).filter(|(own, other)| own != other)?;
        let message =
            format!("conflicting {suffix}{place}, {}: {own} | {}: {other}", self.newcomer.key, self.senior.key);
        let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
        Some(
            Finding::new(code, self.subject(), path, message)
                .value(&own)
                .allowed([other.clone()])
                .related([self.related()])
                .mend(format!("write {other} as {} does, or leave it out, or leave the group", self.senior.key)),
        )
    }

    fn maps(
        &self,
        suffix: &str,
        own: &BTreeMap<String, String>,
        other: &BTreeMap<String, String>,
        settled: &BTreeSet<String>,
    ) -> Vec<Finding> {
        let shared = own.iter().filter(|(key, _)| !settled.contains(*key));
        shared
            .filter_map(|(key, value)| {
                let theirs = other.get(key).filter(|theirs| *theirs != value)?;
                let place = format!(" {key}");
                self.differ(Code::GroupConflict, suffix, &place, Some(value.clone()), Some(theirs.clone()))
            })
            .collect()
    }

    /// Whether the newcomer stands before the senior in the group.
    fn newcomer_is_first(&self) -> bool {
        comes_before(self.newcomer, self.senior)
    }

    /// Attributes that the parameters of the group's first member settle anyway.
    fn enforced(&self) -> BTreeSet<String> {
        let first = if self.newcomer_is_first() { self.newcomer } else { self.senior };
        let params = first.params.as_ref().map(|params| params.spec.load_balancer_attributes.clone());
        params.unwrap_or_default().into_iter().map(|attribute| attribute.key).collect()
    }
}

fn subnets(ask: &SubnetsAsk) -> String {
    match ask {
        SubnetsAsk::Annotated(list) => set(list),
        SubnetsAsk::Ids(list) => format!("IngressClassParams ids {}", set(list)),
        SubnetsAsk::Tags(tags) => format!("IngressClassParams tags {tags:?}"),
    }
}

fn set(list: &[String]) -> String {
    let set: BTreeSet<&str> = list.iter().map(String::as_str).collect();
    set.into_iter().collect::<Vec<_>>().join(",")
}
