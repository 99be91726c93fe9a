//! Security groups of the load balancer: the user's, or a managed one, and the shared backend one.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Input;
use super::faults::Fault;
use super::group::Group;
use super::merge::first;
use crate::annotation::catalogue::{
    self, INBOUND_CIDRS, MANAGE_BACKEND_SECURITY_GROUP_RULES, SECURITY_GROUP_PREFIX_LISTS,
};
use crate::compile::SettingKey;
use crate::facts::{self, SecurityGroupFact};
use crate::finding::Code;
use crate::stack::{
    IpAddressType, PeerSource, Permission, Ref, ResourceId, SecurityGroup, managed_security_group_name,
};

/// Security groups that are named and not there.
pub(super) struct Missing {
    pub message: String,
    pub value: String,
    pub age: Duration,
}

const DESCRIPTION: &str = "[k8s] Managed SecurityGroup for LoadBalancer";

/// The security groups of a group's load balancer.
pub(super) struct SecurityGroups {
    pub managed: Option<SecurityGroup>,
    pub of_load_balancer: Vec<Ref>,
    /// The source from which targets are reached; `None` leaves the targets' groups alone.
    pub source: Option<Ref>,
    /// Whether the shared backend group has to exist.
    pub backend: bool,
}

const SECURITY_GROUPS: SettingKey = SettingKey::of(&catalogue::SECURITY_GROUPS);
const MANAGE_RULES: SettingKey = SettingKey::of(&MANAGE_BACKEND_SECURITY_GROUP_RULES);

/// The security groups of a load balancer with such addresses, and why some of them cannot be used.
pub(super) fn security_groups(group: Group<'_>, ip_address_type: IpAddressType) -> (SecurityGroups, Vec<Fault>) {
    let given = group.merged(&catalogue::SECURITY_GROUPS);
    let settings = group.input.settings;
    let shared = settings.enable_backend_security_group;
    let backend = match &settings.backend_security_group {
        Some(id) => Ref::Known(id.clone()),
        None => Ref::Of(ResourceId::backend_security_group()),
    };
    let managed = Ref::Of(ResourceId::managed_security_group());
    let existing = group.input.existing;
    let Some(given) = given else {
        let mut of_load_balancer = vec![managed.clone()];
        if shared {
            of_load_balancer.push(backend.clone());
        }
        let groups = SecurityGroups {
            managed: Some(managed_group(group, ip_address_type)),
            of_load_balancer,
            backend: shared && settings.backend_security_group.is_none(),
            source: Some(if shared { backend } else { managed }),
        };
        return (groups, Vec::new());
    };
    let mut faults = Vec::new();
    let manage = group.merged_or_default(&MANAGE_BACKEND_SECURITY_GROUP_RULES).unwrap_or_default();
    let mut of_load_balancer = resolve(group.input, SECURITY_GROUPS, &given).unwrap_or_else(|fault| {
        faults.push(fault.stays(existing.is_some()));
        existing.map(|existing| existing.security_groups.clone()).unwrap_or_default()
    });
    if manage && !shared {
        let message = "backendSG feature is required to manage worker node SG rules when frontendSG manually specified";
        let fix = "remove the annotation, or start the controller with --enable-backend-security-group";
        let fault = Fault::new(Code::InvalidValue, vec![MANAGE_RULES, SECURITY_GROUPS], message).fix(fix);
        faults.push(fault.stays(existing.is_some()));
    }
    if manage && !of_load_balancer.contains(&backend) {
        of_load_balancer.push(backend.clone());
    }
    let groups = SecurityGroups {
        // One that it has still.
        managed: of_load_balancer.contains(&managed).then(|| managed_group(group, ip_address_type)),
        backend: settings.backend_security_group.is_none() && of_load_balancer.contains(&backend),
        of_load_balancer,
        source: manage.then_some(backend),
    };
    (groups, faults)
}

/// Ids first, in the order given, then those of the names; or a fault if one of them is not there.
pub(super) fn resolve(input: Input<'_>, key: SettingKey, given: &[String]) -> Result<Vec<Ref>, Box<Fault>> {
    let (resolved, missing) = find(input, given);
    match missing {
        Some(Missing { message, value, age }) => {
            let fault = Fault::new(Code::SecurityGroupNotFound, vec![key], message);
            Err(Box::new(fault.value(value).age(age)))
        }
        None => Ok(resolved),
    }
}

/// Those that are found, and what is wrong if some are not.
pub(super) fn find(input: Input<'_>, given: &[String]) -> (Vec<Ref>, Option<Missing>) {
    let (ids, names): (Vec<&String>, Vec<&String>) = given.iter().partition(|item| item.starts_with("sg-"));
    let Some(known) = &input.facts.security_groups else {
        return (given.iter().map(|id| Ref::Known(id.clone())).collect(), None);
    };
    let (mut resolved, mut missing) = (Vec::new(), Vec::new());
    for id in ids {
        if known.value.iter().any(|group| group.id == *id) {
            resolved.push(Ref::Known(id.clone()));
        } else {
            missing.push(id.clone());
        }
    }
    // Of EC2 a filter's values are asked for: with wildcards, and of several groups of one name it gives all. As many
    // names as were asked for have to be among them.
    let names: BTreeSet<&String> = names.into_iter().collect();
    let name_of = |group: &'_ SecurityGroupFact| group.tags.get("Name").cloned();
    let is_meant = |name: &String| names.iter().any(|filter| facts::passes(filter, name));
    let meant = || known.value.iter().filter(|group| name_of(group).is_some_and(|name| is_meant(&name)));
    let found: BTreeSet<String> = meant().filter_map(name_of).collect();
    if found.len() == names.len() {
        resolved.extend(meant().map(|group| Ref::Known(group.id.clone())));
    } else {
        let without = names.iter().filter(|filter| !found.iter().any(|name| facts::passes(filter, name)));
        let without: Vec<String> = without.map(|name| (*name).clone()).collect();
        missing.extend(if without.is_empty() { names.into_iter().cloned().collect() } else { without });
    }
    let value = missing.join(", ");
    let missing = (!missing.is_empty()).then(|| Missing {
        message: format!("couldn't find all security groups: {value} not in the VPC"),
        value,
        age: known.age(input.now),
    });
    (resolved, missing)
}

fn managed_group(group: Group<'_>, ip_address_type: IpAddressType) -> SecurityGroup {
    let mut ingress = BTreeSet::new();
    for port in group.ports().into_keys() {
        let lists = first(group.fragments_on(port), &SECURITY_GROUP_PREFIX_LISTS).unwrap_or_default();
        // Everybody may come in where neither is given.
        let everybody = || Some(INBOUND_CIDRS.fallback(group.input.settings)?.value).filter(|_| lists.is_empty());
        let cidrs = first(group.fragments_on(port), &INBOUND_CIDRS).or_else(everybody).unwrap_or_default();
        let blocks = cidrs.into_iter().filter_map(|cidr| match cidr.contains(':') {
            true => ip_address_type.is_dualstack().then_some(PeerSource::Ipv6(cidr)),
            false => Some(PeerSource::Ipv4(cidr)),
        });
        for source in blocks.chain(lists.into_iter().map(PeerSource::PrefixList)) {
            ingress.insert(Permission {
                protocol: "tcp".to_owned(),
                ports: Some((port, port)),
                source,
                description: None,
            });
        }
    }
    SecurityGroup {
        name: managed_security_group_name(&group.input.settings.cluster_name, group.id()),
        description: DESCRIPTION.to_owned(),
        ingress,
        tags: group.tags(&ResourceId::managed_security_group(), group.fragments()),
    }
}
