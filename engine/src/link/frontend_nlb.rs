//! The NLB in front of the group's load balancer.

use std::collections::{BTreeMap, BTreeSet};

use super::Linker;
use super::base_config::IP_ADDRESS_TYPE;
use super::faults::Fault;
use super::merge::first_or_default;
use super::subnets::Wanted;
use crate::annotation::catalogue::{self as settings, FRONTEND_NLB_LISTENER_PORT_MAPPING as MAPPING};
use crate::annotation::{Setting, SettingValue, Source, When, parse};
use crate::compile::{Fragment, SettingKey};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::settings::{Gate, Settings};
use crate::stack::{
    FrontendListener, FrontendNlb, FrontendTargetGroup, HealthCheck, IpAddressType, LoadBalancer, Ref, ResourceId,
    Scheme, SubnetMapping, Tags, frontend_nlb_name, frontend_target_group_name, tracking,
};

const ENABLED: SettingKey = SettingKey::Group(&settings::ENABLE_FRONTEND_NLB.row);
const ALLOCATIONS: SettingKey = SettingKey::Group(&settings::FRONTEND_NLB_EIP_ALLOCATIONS.row);
const SCHEME: SettingKey = SettingKey::Group(&settings::FRONTEND_NLB_SCHEME.row);
const SECURITY_GROUPS: SettingKey = SettingKey::Group(&settings::FRONTEND_NLB_SECURITY_GROUPS.row);
const SUBNETS: SettingKey = SettingKey::Group(&settings::FRONTEND_NLB_SUBNETS.row);

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
        if self.merged(&settings::ENABLE_FRONTEND_NLB) != Some(true) {
            return Frontend::Unwanted;
        }
        let mut found = Vec::new();
        if ip_address_type == IpAddressType::DualstackWithoutPublicIpv4 {
            let message = format!("an NLB cannot be {}, which the ALB is to be", ip_address_type.as_str());
            let fault = Fault::new(Code::InvalidFrontendNlb, vec![ENABLED, IP_ADDRESS_TYPE], message);
            found.push(fault.value("true").fix("set ip-address-type to ipv4 or dualstack"));
        }
        let given = self.merged(&settings::FRONTEND_NLB_SECURITY_GROUPS);
        let security_groups = given.map(|given| self.resolve_groups(SECURITY_GROUPS, &given)).transpose();
        let security_groups = security_groups.map_err(|fault| found.push(*fault)).ok().flatten();
        let scheme = self.merged_or_default(&settings::FRONTEND_NLB_SCHEME).unwrap_or(Scheme::Internal);
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
            self.report_unused_keys();
            return None;
        }
        self.report_unmapped();
        let Frontend::Wanted { scheme, subnets, security_groups } = frontend else { return None };
        let own_tags = self.merged(&settings::FRONTEND_NLB_TAGS);
        Some(FrontendNlb {
            name: frontend_nlb_name(&load_balancer.name),
            scheme,
            ip_address_type: load_balancer.ip_address_type,
            subnets,
            security_groups: security_groups.unwrap_or_else(|| load_balancer.security_groups.clone()),
            attributes: self.merged(&settings::FRONTEND_NLB_ATTRIBUTES).unwrap_or_default(),
            tags: self.frontend_tags(&ResourceId::frontend_nlb(), own_tags.as_ref()),
            listeners: self.frontend_listeners(own_tags.as_ref()),
        })
    }

    /// Whether a member that is not linked asks for an NLB and none that is linked says anything: then what exists stays.
    pub(super) fn keeps_frontend_nlb(&self) -> bool {
        let linked: BTreeSet<_> = self.fragments.iter().map(|fragment| &fragment.key).collect();
        let asks = |annotations: &BTreeMap<String, String>| {
            let raw = annotations.get(&settings::ENABLE_FRONTEND_NLB.row.full_key());
            raw.is_some_and(|raw| parse::go_bool(raw).unwrap_or_default())
        };
        self.merged(&settings::ENABLE_FRONTEND_NLB).is_none()
            && self.input.view.members.iter().any(|member| {
                !linked.contains(&member.key()) && member.ingress.metadata.annotations.as_ref().is_some_and(asks)
            })
    }

    /// Whether members take the NLB's deletion protection away.
    pub(super) fn unprotects_frontend_nlb(&self) -> bool {
        let of = &settings::FRONTEND_NLB_ATTRIBUTES;
        let now: Vec<_> = self.fragments().filter_map(|fragment| fragment.values.get(of)).collect();
        self.members_lift(&now, of)
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
            key: SUBNETS,
            scheme_key: SCHEME,
            ask: self.merged(&settings::FRONTEND_NLB_SUBNETS),
            existing: existing.filter(|nlb| nlb.scheme == scheme).map(|nlb| nlb.subnets.as_slice()),
            scheme,
            ip_address_type,
            least: 1,
        };
        let subnets = self.choose_subnets(&wanted).map_err(|fault| found.push(*fault)).ok();
        let Some(allocations) = self.merged(&settings::FRONTEND_NLB_EIP_ALLOCATIONS) else {
            let plain = |subnet| SubnetMapping { subnet, allocation_id: None };
            return Some(subnets?.into_iter().map(plain).collect());
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
        let mut ports: BTreeMap<u16, (u16, Vec<&Fragment>)> = BTreeMap::new();
        for fragment in self.fragments() {
            for (port, target_port) in fragment.frontend_ports() {
                ports.entry(port).or_insert((target_port, Vec::new())).1.push(fragment);
            }
        }
        let tagged = self.input.settings.gate(Gate::ListenerRulesTagging);
        let listener = |(port, (target_port, members)): (u16, (u16, Vec<&Fragment>))| {
            let health_check = health_check(&members, self.input.settings)?;
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
            Some((port, FrontendListener { tags, target_group }))
        };
        ports.into_iter().filter_map(listener).collect()
    }

    /// Tags of the NLB and its parts: its own in place of the ALB's, under the tracking tags.
    fn frontend_tags(&self, id: &ResourceId, own: Option<&Tags>) -> Tags {
        let Some(own) = own else { return self.tags(id, self.fragments()) };
        let mut tags = own.clone();
        tags.extend(tracking(&self.input.settings.cluster_name, self.group(), id));
        tags
    }

    /// Keys that nothing reads, because nobody asks for an NLB.
    fn report_unused_keys(&mut self) {
        let said = self.fragments.iter().filter_map(|fragment| {
            let set = fragment.values.iter().filter(|(_, resolved)| resolved.source != Source::Default);
            let mut rows = set.map(|(row, _)| row).filter(|row| row.when == When::FrontendNlb);
            let (first, rest) = (rows.next()?, rows.count());
            let others = if rest == 0 { String::new() } else { format!(" and {rest} more") };
            let enable = settings::ENABLE_FRONTEND_NLB.row.key;
            let message =
                format!("nothing reads {}{others}: no member of the group sets {enable}: \"true\"", first.key);
            let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
            let path = FieldPath::annotation(&first.full_key());
            Some((fragment.key.clone(), Finding::new(Code::FrontendNlbOff, subject, path, message)))
        });
        for (key, finding) in said.collect::<Vec<_>>() {
            self.report(&key, finding);
        }
    }

    /// Ports that lead nowhere: the member has no such listener, and the NLB gets none either.
    fn report_unmapped(&mut self) {
        let said = self.fragments.iter().flat_map(|fragment| {
            let mapping = fragment.values.get(&MAPPING).unwrap_or_default().into_iter();
            let skipped = mapping.filter(|(_, target)| !fragment.listeners.contains_key(target));
            skipped.map(|(port, target)| (fragment.key.clone(), unmapped(fragment, port, target)))
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
    let path = FieldPath::annotation(&MAPPING.row.full_key());
    let fix = format!("lead it to one of {}, or add {target} to listen-ports", listeners.join(", "));
    Finding::new(Code::InvalidFrontendNlb, subject, path, message)
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
