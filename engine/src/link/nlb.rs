//! The NLB in front of the group's load balancer.

use std::collections::{BTreeMap, BTreeSet};

use super::faults::Fault;
use super::findings::Findings;
use super::group::Group;
use super::merge::first_or_default;
use super::security_groups;
use super::subnets::{self, Wanted};
use crate::annotation::catalogue::{self as settings, FRONTEND_NLB_LISTENER_PORT_MAPPING as MAPPING};
use crate::annotation::{Setting, SettingValue, Source, When, parse};
use crate::compile::{Fragment, SettingKey};
use crate::finding::{Code, Effect, Finding};
use crate::settings::Settings;
use crate::stack::{
    AddressPools, HealthCheck, IpAddressType, LoadBalancer, LoadBalancerKind, Nlb, NlbListener, NlbTargetGroup, Ref,
    ResourceId, Scheme, Tags, nlb_name, nlb_target_group_name,
};

const ENABLED: SettingKey = SettingKey::of(&settings::ENABLE_FRONTEND_NLB);
const ALLOCATIONS: SettingKey = SettingKey::of(&settings::FRONTEND_NLB_EIP_ALLOCATIONS);
const SCHEME: SettingKey = SettingKey::of(&settings::FRONTEND_NLB_SCHEME);
const SECURITY_GROUPS: SettingKey = SettingKey::of(&settings::FRONTEND_NLB_SECURITY_GROUPS);
const SUBNETS: SettingKey = SettingKey::of(&settings::FRONTEND_NLB_SUBNETS);

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
        subnets: Vec<String>,
        /// Elastic addresses by subnet.
        allocation_ids: BTreeMap<String, String>,
        /// Instead of the load balancer's.
        security_groups: Option<Vec<Ref>>,
    },
}

impl Frontend {
    pub(super) fn is_kept(&self) -> bool {
        matches!(self, Self::Kept)
    }
}

/// What becomes of the NLB in front of a load balancer with such addresses.
pub(super) fn frontend(group: Group<'_>, ip_address_type: IpAddressType) -> (Frontend, Vec<Fault>) {
    if group.merged(&settings::ENABLE_FRONTEND_NLB) != Some(true) {
        return (Frontend::Unwanted, Vec::new());
    }
    let mut found = Vec::new();
    if ip_address_type == IpAddressType::DualstackWithoutPublicIpv4 {
        let message = format!("an NLB cannot be {}, which the ALB is to be", ip_address_type.as_str());
        let fault =
            Fault::new(Code::InvalidFrontendNlb, vec![ENABLED, SettingKey::of(&settings::IP_ADDRESS_TYPE)], message);
        found.push(fault.value("true").fix("set ip-address-type to ipv4 or dualstack"));
    }
    let given = group.merged(&settings::FRONTEND_NLB_SECURITY_GROUPS);
    let security_groups = given.map(|given| security_groups::resolve(group.input, SECURITY_GROUPS, &given)).transpose();
    let security_groups = security_groups.map_err(|fault| found.push(*fault)).ok().flatten();
    let scheme = group.merged_or_default(&settings::FRONTEND_NLB_SCHEME).unwrap_or(Scheme::Internal);
    let subnets = frontend_subnets(group, scheme, ip_address_type, &mut found);
    let goes = found.is_empty();
    let faults = found.into_iter().map(|mut fault| {
        if !fault.by.contains(&ENABLED) {
            fault.by.push(ENABLED);
        }
        fault.stays(true)
    });
    let frontend = match subnets.filter(|_| goes) {
        Some((subnets, allocation_ids)) => Frontend::Wanted { scheme, subnets, allocation_ids, security_groups },
        None => Frontend::Kept,
    };
    (frontend, faults.collect())
}

/// The NLB, if a member asks for one that can be had.
pub(super) fn nlb(
    group: Group<'_>,
    frontend: Frontend,
    load_balancer: &LoadBalancer,
    findings: &mut Findings,
) -> Option<Nlb> {
    if matches!(frontend, Frontend::Unwanted) {
        report_unused_keys(group, findings);
        return None;
    }
    report_unmapped(group, findings);
    let Frontend::Wanted { scheme, subnets, allocation_ids, security_groups } = frontend else { return None };
    let own_tags = group.merged(&settings::FRONTEND_NLB_TAGS);
    let is = LoadBalancer {
        kind: LoadBalancerKind::Network,
        name: nlb_name(&load_balancer.name),
        scheme,
        ip_address_type: load_balancer.ip_address_type,
        subnets,
        allocation_ids,
        security_groups: security_groups.unwrap_or_else(|| load_balancer.security_groups.clone()),
        pools: AddressPools::default(),
        attributes: group.merged(&settings::FRONTEND_NLB_ATTRIBUTES).unwrap_or_default(),
        tags: frontend_tags(group, &ResourceId::nlb(), own_tags.as_ref()),
    };
    Some(Nlb { is, listeners: frontend_listeners(group, own_tags.as_ref()) })
}

/// Whether a member that is not linked asks for an NLB and none that is linked says anything: then what exists stays.
pub(super) fn is_kept_for_others(group: Group<'_>) -> bool {
    let linked: BTreeSet<_> = group.fragments().map(|fragment| &fragment.key).collect();
    let asks = |annotations: &BTreeMap<String, String>| {
        let raw = annotations.get(&settings::ENABLE_FRONTEND_NLB.row.full_key());
        raw.is_some_and(|raw| parse::go_bool(raw).unwrap_or_default())
    };
    group.merged(&settings::ENABLE_FRONTEND_NLB).is_none()
        && group.input.view.members.iter().any(|member| {
            !linked.contains(&member.key()) && member.ingress.metadata.annotations.as_ref().is_some_and(asks)
        })
}

/// Subnets and the addresses in them, in the order in which both are given.
fn frontend_subnets(
    group: Group<'_>,
    scheme: Scheme,
    ip_address_type: IpAddressType,
    found: &mut Vec<Fault>,
) -> Option<(Vec<String>, BTreeMap<String, String>)> {
    let existing = group.input.existing.and_then(|existing| existing.nlb.as_ref());
    let wanted = Wanted {
        key: SUBNETS,
        scheme_key: SCHEME,
        ask: group.merged(&settings::FRONTEND_NLB_SUBNETS),
        existing: existing.filter(|nlb| nlb.scheme == scheme).map(|nlb| nlb.subnets.as_slice()),
        scheme,
        ip_address_type,
        least: 1,
    };
    let subnets = subnets::choose(group.input, &wanted).map_err(|fault| found.push(*fault)).ok();
    let Some(allocations) = group.merged(&settings::FRONTEND_NLB_EIP_ALLOCATIONS) else {
        return Some((subnets?, BTreeMap::new()));
    };
    let mut refuse = |besides: SettingKey, message: String, fix: String| {
        let fault = Fault::new(Code::InvalidFrontendNlb, vec![ALLOCATIONS, besides], message);
        found.push(fault.value(allocations.join(", ")).fix(fix));
    };
    if scheme == Scheme::Internal {
        let message = "EIP allocations can only be set for internet facing load balancers";
        let fix = "set frontend-nlb-scheme: internet-facing, or remove it";
        refuse(SCHEME, message.to_owned(), fix.to_owned());
    }
    let subnets = subnets?;
    // Offline, subnets that would be discovered are not known.
    let known = group.input.facts.subnets.is_some() || wanted.ask.is_some();
    if known && allocations.len() != subnets.len() {
        let (given, wanted) = (allocations.len(), subnets.len());
        let message = format!("count of EIP allocations ({given}) and subnets ({wanted}) must match");
        refuse(SUBNETS, message, format!("name {wanted} allocations, one for each of {}", subnets.join(", ")));
    }
    let allocation_ids = subnets.iter().cloned().zip(allocations).collect();
    Some((subnets, allocation_ids))
}

fn frontend_listeners(group: Group<'_>, own_tags: Option<&Tags>) -> BTreeMap<u16, NlbListener> {
    let mut ports: BTreeMap<u16, (u16, Vec<&Fragment>)> = BTreeMap::new();
    for fragment in group.fragments() {
        for (port, target_port) in fragment.nlb_ports() {
            ports.entry(port).or_insert((target_port, Vec::new())).1.push(fragment);
        }
    }
    let tagged = group.tags_listeners();
    let attributes = group.merged(&settings::FRONTEND_NLB_LISTENER_ATTRIBUTES).unwrap_or_default();
    let listener = |(port, (target_port, members)): (u16, (u16, Vec<&Fragment>))| {
        let health_check = health_check(&members, group.input.settings)?;
        let cluster = &group.input.settings.cluster_name;
        let target_group = NlbTargetGroup {
            name: nlb_target_group_name(cluster, group.id(), port, &health_check),
            port,
            target_port,
            health_check,
            tags: frontend_tags(group, &ResourceId::nlb_target_group(port), own_tags),
        };
        let id = ResourceId::nlb_listener(port);
        let tags = if tagged { frontend_tags(group, &id, own_tags) } else { Tags::new() };
        Some((port, NlbListener { attributes: attributes.clone(), tags, target_group }))
    };
    ports.into_iter().filter_map(listener).collect()
}

/// Tags of the NLB and its parts: its own in place of the ALB's, under the tracking tags.
fn frontend_tags(group: Group<'_>, id: &ResourceId, own: Option<&Tags>) -> Tags {
    match own {
        Some(own) => group.tracked(id, own.clone()),
        None => group.tags(id, group.fragments()),
    }
}

/// Keys that nothing reads, because nobody asks for an NLB.
fn report_unused_keys(group: Group<'_>, findings: &mut Findings) {
    for fragment in group.fragments() {
        let set = fragment.values.iter().filter(|(_, resolved)| resolved.source != Source::Default);
        let mut rows = set.map(|(row, _)| row).filter(|row| row.when == When::NetworkLoadBalancer);
        let Some(first) = rows.next() else { continue };
        let others = match rows.count() {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let enable = settings::ENABLE_FRONTEND_NLB.row.key;
        let has = if others.is_empty() { "has" } else { "have" };
        let message = format!("{}{others} {has} no effect: no member of the group sets {enable}: \"true\"", first.key);
        let finding = Finding::new(Code::FrontendNlbOff, fragment.key.ingress(), first.path(), message);
        findings.report(&fragment.key, finding);
    }
}

/// Ports that lead nowhere: the member has no such listener, and the NLB gets none either.
fn report_unmapped(group: Group<'_>, findings: &mut Findings) {
    for fragment in group.fragments() {
        let mapping = fragment.values.get(&MAPPING).unwrap_or_default().into_iter();
        for (port, target) in mapping.filter(|(_, target)| !fragment.listeners.contains_key(target)) {
            findings.report(&fragment.key, unmapped(fragment, port, target));
        }
    }
}

fn unmapped(fragment: &Fragment, port: u16, target: u16) -> Finding {
    let listeners: Vec<String> = fragment.listeners.keys().map(u16::to_string).collect();
    let message = format!("the NLB does not listen on {port}: this Ingress has no listener on {target}");
    let fix = format!("lead it to one of {}, or add {target} to listen-ports", listeners.join(", "));
    Finding::new(Code::InvalidFrontendNlb, fragment.key.ingress(), MAPPING.row.path(), message)
        .effect(Effect::Nothing)
        .value(&format!("{port}={target}"))
        .allowed(listeners)
        .fix(fix)
}

/// For each field what the first of the members on a port says that says something, otherwise the default.
fn health_check(members: &[&Fragment], operator: &Settings) -> Option<HealthCheck> {
    fn field<T: SettingValue>(of: &[&Fragment], setting: &'static Setting<T>, operator: &Settings) -> Option<T> {
        first_or_default(of.iter().copied(), setting, operator)
    }
    Some(HealthCheck {
        port: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_PORT, operator)?,
        protocol: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_PROTOCOL, operator)?,
        path: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_PATH, operator)?,
        interval_seconds: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_INTERVAL_SECONDS, operator)?,
        timeout_seconds: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_TIMEOUT_SECONDS, operator)?,
        healthy_threshold: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_HEALTHY_THRESHOLD_COUNT, operator)?,
        unhealthy_threshold: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_UNHEALTHY_THRESHOLD_COUNT, operator)?,
        success_codes: field(members, &settings::FRONTEND_NLB_HEALTHCHECK_SUCCESS_CODES, operator)?,
    })
}
