//! The NLB in front of the group's load balancer.

use std::collections::{BTreeMap, BTreeSet};

use super::Linker;
use super::faults::Fault;
use super::frame::IP_ADDRESS_TYPE;
use super::subnets::Wanted;
use crate::annotation::{PREFIX, parse};
use crate::compile::{Fragment, FrontendHealthCheckAsk, SubnetsAsk, Thing};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::settings::Gate;
use crate::stack::{
    FrontendListener, FrontendNlb, FrontendTargetGroup, HealthCheck, IpAddressType, LoadBalancer, Protocol, Ref,
    ResourceId, Scheme, SubnetMapping, Tags, frontend_nlb_name, frontend_target_group_name, tracking,
};

const ENABLE: &str = "enable-frontend-nlb";
const ENABLED: Thing = Thing::Group(ENABLE);
const ALLOCATIONS: Thing = Thing::Frontend("frontend-nlb-eip-allocations");
const SCHEME: Thing = Thing::Frontend("frontend-nlb-scheme");
const SECURITY_GROUPS: Thing = Thing::Frontend("frontend-nlb-security-groups");
const SUBNETS: Thing = Thing::Frontend("frontend-nlb-subnets");

/// What becomes of the NLB.
pub(super) enum Frontend {
    /// Nobody asks for one.
    Unwanted,
    /// It cannot be had as it is asked for: what exists stays.
    Kept,
    /// It is to be this.
    Wanted {
        scheme: Scheme,
        /// In the order in which they are given.
        subnets: Vec<SubnetMapping>,
        /// Instead of the load balancer's.
        security_groups: Option<Vec<Ref>>,
    },
}

impl Frontend {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept)
    }
}

impl Linker<'_> {
    /// What becomes of the NLB in front of a load balancer with such addresses.
    pub(super) fn frontend(&self, ip_address_type: IpAddressType, faults: &mut Vec<Fault>) -> Frontend {
        if self.first(|fragment| fragment.frontend_nlb.enabled) != Some(true) {
            return Frontend::Unwanted;
        }
        let mut found = Vec::new();
        if ip_address_type == IpAddressType::DualstackWithoutPublicIpv4 {
            let message = format!("an NLB cannot be {}, which the ALB is to be", ip_address_type.as_str());
            let fault = Fault::new(Code::InvalidFrontendNlb, vec![ENABLED, IP_ADDRESS_TYPE], message);
            found.push(fault.value("true").mend("set ip-address-type to ipv4 or dualstack"));
        }
        let given = self
            .first(|fragment| Some(fragment.frontend_nlb.security_groups.clone()).filter(|groups| !groups.is_empty()));
        let security_groups = given.map(|given| self.resolve_groups(SECURITY_GROUPS, &given)).transpose();
        let security_groups = security_groups.map_err(|fault| found.push(*fault)).ok().flatten();
        let scheme = self.first(|fragment| fragment.frontend_nlb.scheme).unwrap_or(self.input.settings.default_scheme);
        let subnets = self.frontend_subnets(scheme, ip_address_type, &mut found);
        let goes = found.is_empty();
        faults.extend(found.into_iter().map(|mut fault| {
            if !fault.by.contains(&ENABLED) {
                fault.by.push(ENABLED);
            }
            fault.stays(true)
        }));
        match subnets.filter(|_| goes) {
            Some(subnets) => Frontend::Wanted { scheme, subnets, security_groups },
            None => Frontend::Kept,
        }
    }

    /// The NLB, if a member asks for one that can be had.
    pub(super) fn frontend_nlb(&mut self, frontend: Frontend, load_balancer: &LoadBalancer) -> Option<FrontendNlb> {
        if matches!(frontend, Frontend::Unwanted) {
            self.report_idle_keys();
            return None;
        }
        self.report_unmapped();
        let Frontend::Wanted { scheme, subnets, security_groups } = frontend else { return None };
        let own_tags = self.first(|fragment| fragment.frontend_nlb.tags.clone());
        Some(FrontendNlb {
            name: frontend_nlb_name(&load_balancer.name),
            scheme,
            ip_address_type: load_balancer.ip_address_type,
            subnets,
            security_groups: security_groups.unwrap_or_else(|| load_balancer.security_groups.clone()),
            attributes: self.first(|fragment| fragment.frontend_nlb.attributes.clone()).unwrap_or_default(),
            tags: self.frontend_tags(&ResourceId::frontend_nlb(), own_tags.as_ref()),
            listeners: self.frontend_listeners(own_tags.as_ref()),
        })
    }

    /// Whether a member that is not linked asks for an NLB and none that is linked says anything: then what exists stays.
    pub(super) fn keeps_frontend_nlb(&self) -> bool {
        let linked: BTreeSet<_> = self.fragments.iter().map(|fragment| &fragment.key).collect();
        let asks = |annotations: &BTreeMap<String, String>| {
            annotations.get(&format!("{PREFIX}{ENABLE}")).is_some_and(|raw| parse::go_bool(raw).unwrap_or_default())
        };
        self.first(|fragment| fragment.frontend_nlb.enabled).is_none()
            && self.input.view.members.iter().any(|member| {
                !linked.contains(&member.key()) && member.ingress.metadata.annotations.as_ref().is_some_and(asks)
            })
    }

    /// Whether members take the NLB's deletion protection away.
    pub(super) fn unprotects_frontend_nlb(&self) -> bool {
        let now: Vec<_> = self.fragments().filter_map(|fragment| fragment.frontend_nlb.attributes.as_ref()).collect();
        self.members_lift(&now, |fragment| fragment.frontend_nlb.attributes.as_ref())
    }

    /// Subnets and the addresses in them, in the order in which both are given.
    fn frontend_subnets(
        &self,
        scheme: Scheme,
        ip_address_type: IpAddressType,
        found: &mut Vec<Fault>,
    ) -> Option<Vec<SubnetMapping>> {
        let existing = self.input.existing.and_then(|existing| existing.frontend_nlb.as_ref());
        let wanted = Wanted {
            thing: SUBNETS,
            scheme_thing: SCHEME,
            ask: self.first(|fragment| fragment.frontend_nlb.subnets.clone()).map(SubnetsAsk::Annotated),
            existing: existing.filter(|nlb| nlb.scheme == scheme).map(|nlb| nlb.subnets.as_slice()),
            scheme,
            ip_address_type,
            least: 1,
        };
        let subnets = self.choose_subnets(&wanted).map_err(|fault| found.push(*fault)).ok();
        let allocations = self.first(|fragment| {
            Some(fragment.frontend_nlb.eip_allocations.clone()).filter(|allocations| !allocations.is_empty())
        });
        let Some(allocations) = allocations else {
            let plain = |subnet| SubnetMapping { subnet, allocation_id: None };
            return Some(subnets?.into_iter().map(plain).collect());
        };
        let mut refuse = |besides: Thing, message: String, mend: String| {
            let fault = Fault::new(Code::InvalidFrontendNlb, vec![ALLOCATIONS, besides], message);
            found.push(fault.value(allocations.join(", ")).mend(mend));
        };
        if scheme == Scheme::Internal {
            let message = "EIP allocations can only be set for internet facing load balancers";
            let mend = "set frontend-nlb-scheme: internet-facing, or remove it";
            refuse(SCHEME, message.to_owned(), mend.to_owned());
        }
        let subnets = subnets?;
        // Offline, subnets that would be discovered are not known.
        let known = self.input.facts.subnets.is_some() || wanted.ask.is_some();
        if known && allocations.len() != subnets.len() {
            let (given, wanted) = (allocations.len(), subnets.len());
            let message = format!("count of EIP allocations ({given}) and subnets ({wanted}) must match");
            refuse(SUBNETS, message, format!("name {wanted} allocations, one for each of {}", subnets.join(", ")));
        }
        let mapping = |(subnet, allocation)| SubnetMapping { subnet, allocation_id: Some(allocation) };
        Some(subnets.into_iter().zip(allocations).map(mapping).collect())
    }

    fn frontend_listeners(&self, own_tags: Option<&Tags>) -> BTreeMap<u16, FrontendListener> {
        let mut ports: BTreeMap<u16, (u16, Vec<&FrontendHealthCheckAsk>)> = BTreeMap::new();
        for fragment in &self.fragments {
            for (port, target_port) in fragment.frontend_ports() {
                ports.entry(port).or_insert((target_port, Vec::new())).1.push(&fragment.frontend_nlb.health_check);
            }
        }
        let tagged = self.input.settings.gate(Gate::ListenerRulesTagging);
        let listener = |(port, (target_port, checks)): (u16, (u16, Vec<&FrontendHealthCheckAsk>))| {
            let health_check = health_check(&checks);
            let cluster = &self.input.settings.cluster_name;
            let target_group = FrontendTargetGroup {
                name: frontend_target_group_name(cluster, self.group(), port, &health_check),
                port,
                target_port,
                health_check,
                tags: self.frontend_tags(&ResourceId::frontend_target_group(port), own_tags),
            };
            let id = ResourceId::frontend_listener(port);
            let tags = if tagged { self.frontend_tags(&id, own_tags) } else { Tags::new() };
            (port, FrontendListener { tags, target_group })
        };
        ports.into_iter().map(listener).collect()
    }

    /// Tags of the NLB and its parts: its own in place of the ALB's, under the tracking tags.
    fn frontend_tags(&self, id: &ResourceId, own: Option<&Tags>) -> Tags {
        let Some(own) = own else { return self.tags(id, self.fragments()) };
        let mut tags = own.clone();
        tags.extend(tracking(&self.input.settings.cluster_name, self.group(), id));
        tags
    }

    /// Keys that nothing reads, because nobody asks for an NLB.
    fn report_idle_keys(&mut self) {
        let said = self.fragments.iter().filter_map(|fragment| {
            let (first, rest) = fragment.frontend_nlb.keys.split_first()?;
            let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            let message = format!("nothing reads {first}{others}: no member of the group sets {ENABLE}: \"true\"");
            let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
            let path = FieldPath::annotation(&format!("{PREFIX}{first}"));
            Some((fragment.key.clone(), Finding::new(Code::FrontendNlbOff, subject, path, message)))
        });
        for (key, finding) in said.collect::<Vec<_>>() {
            self.report(&key, finding);
        }
    }

    /// Ports that lead nowhere: the member has no such listener, and the NLB gets none either.
    fn report_unmapped(&mut self) {
        let said = self.fragments.iter().flat_map(|fragment| {
            let skipped = fragment.frontend_nlb.port_mapping.iter();
            let skipped = skipped.filter(|(_, target)| !fragment.listeners.contains_key(target));
            skipped.map(|(port, target)| (fragment.key.clone(), unmapped(fragment, *port, *target)))
        });
        for (key, finding) in said.collect::<Vec<_>>() {
            self.report(&key, finding);
        }
    }
}

fn unmapped(fragment: &Fragment, port: u16, target: u16) -> Finding {
    let listeners: Vec<String> = fragment.listeners.keys().map(u16::to_string).collect();
    let message = format!("the NLB does not listen on {port}: this Ingress has no listener on {target}");
    let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
    let path = FieldPath::annotation(&format!("{PREFIX}frontend-nlb-listener-port-mapping"));
    let mend = format!("lead it to one of {}, or add {target} to listen-ports", listeners.join(", "));
    Finding::new(Code::InvalidFrontendNlb, subject, path, message)
        .effect(Effect::Nothing)
        .value(&format!("{port}={target}"))
        .allowed(listeners)
        .mend(mend)
}

/// For each field what the first member says that says something, otherwise the default.
fn health_check(asks: &[&FrontendHealthCheckAsk]) -> HealthCheck {
    fn first<T>(asks: &[&FrontendHealthCheckAsk], get: fn(&FrontendHealthCheckAsk) -> Option<T>) -> Option<T> {
        asks.iter().find_map(|ask| get(ask))
    }
    HealthCheck {
        port: first(asks, |ask| ask.port.clone()).unwrap_or_else(|| "traffic-port".to_owned()),
        protocol: first(asks, |ask| ask.protocol).unwrap_or(Protocol::Http),
        path: first(asks, |ask| ask.path.clone()).unwrap_or_else(|| "/".to_owned()),
        interval_seconds: first(asks, |ask| ask.interval_seconds).unwrap_or(15),
        timeout_seconds: first(asks, |ask| ask.timeout_seconds).unwrap_or(5),
        healthy_threshold: first(asks, |ask| ask.healthy_threshold).unwrap_or(2),
        unhealthy_threshold: first(asks, |ask| ask.unhealthy_threshold).unwrap_or(2),
        success_codes: first(asks, |ask| ask.success_codes.clone()).unwrap_or_else(|| "200".to_owned()),
    }
}
