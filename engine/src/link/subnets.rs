//! The subnets of one load balancer: those that are named, those that it has, or those that can be discovered.

use std::collections::{BTreeMap, BTreeSet};

use super::Input;
use super::faults::Fault;
use crate::annotation::Subnets;
use crate::annotation::catalogue::IP_ADDRESS_TYPE;
use crate::compile::SettingKey;
use crate::facts::{self, Subnet};
use crate::finding::Code;
use crate::settings::Gate;
use crate::stack::{IpAddressType, Scheme};

/// Addresses that a load balancer needs free in a subnet:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#subnets-load-balancer>.
const FREE_ADDRESSES: i64 = 8;

/// Subnets that are wanted for one load balancer.
pub(super) struct Wanted<'w> {
    /// What members say of them.
    pub key: SettingKey,
    /// What members say of the scheme.
    pub scheme_key: SettingKey,
    /// What is asked for.
    pub ask: Option<Subnets>,
    /// The subnets that the load balancer has, unless its scheme changes.
    pub existing: Option<&'w [String]>,
    pub scheme: Scheme,
    pub ip_address_type: IpAddressType,
    /// How many AWS wants at least in ordinary zones.
    pub least: usize,
}

/// Ids of the subnets of one load balancer; or why there are none to be used.
pub(super) fn choose(input: Input<'_>, wanted: &Wanted<'_>) -> Result<Vec<String>, Box<Fault>> {
    let Some(known) = &input.facts.subnets else {
        // Not known yet: what is named is taken as it is, and what would be discovered cannot be told.
        return Ok(match &wanted.ask {
            Some(Subnets::Named(list)) => list.clone(),
            _ => wanted.existing.map(<[String]>::to_vec).unwrap_or_default(),
        });
    };
    let subnets = &known.value;
    let chosen = match (&wanted.ask, wanted.existing) {
        (Some(Subnets::Named(list)), _) => {
            let found = named(input, list, subnets).and_then(|found| check(&found, wanted).map(|()| found));
            found.map(|found| found.into_iter().map(|subnet| subnet.id.clone()).collect())
        }
        (Some(Subnets::Tagged(tags)), _) => {
            let matching = subnets.iter().filter(|subnet| in_vpc(input, subnet) && has_tags(subnet, tags)).collect();
            one_a_zone(input, matching, wanted)
        }
        (None, Some(existing)) => Ok(existing.to_vec()),
        (None, None) => one_a_zone(input, candidates(input, subnets, wanted.scheme), wanted).map_err(|unusable| {
            let message = format!("couldn't auto-discover subnets: {}", unusable.message);
            Unusable { code: Code::NoSubnets, message, ..unusable }
        }),
    };
    chosen.map_err(|unusable| {
        let mut by = vec![wanted.key.clone()];
        let discovers = matches!(wanted.ask, None | Some(Subnets::Tagged(_)));
        if discovers && wanted.scheme != input.settings.default_scheme {
            by.push(wanted.scheme_key.clone());
        }
        if unusable.for_ipv6 {
            by.push(SettingKey::of(&IP_ADDRESS_TYPE));
        }
        let age = known.age(input.now);
        Box::new(Fault::new(unusable.code, by, unusable.message).value(unusable.value).age(age))
    })
}

fn in_vpc(input: Input<'_>, subnet: &Subnet) -> bool {
    input.facts.vpc_id.as_ref().is_none_or(|vpc| *vpc == subnet.vpc_id)
}

/// Subnets by id, or by Name tag, where a name that is repeated takes the next subnet of that name.
pub(super) fn named<'s>(input: Input<'_>, list: &[String], subnets: &'s [Subnet]) -> Result<Vec<&'s Subnet>, Unusable> {
    let mut found: Vec<&Subnet> = Vec::new();
    let mut missing = Vec::new();
    for item in list {
        let next = subnets.iter().filter(|subnet| !found.iter().any(|taken| taken.id == subnet.id)).filter(|subnet| {
            if item.starts_with("subnet-") {
                subnet.id == *item
            } else {
                in_vpc(input, subnet) && subnet.tags.get("Name") == Some(item)
            }
        });
        match next.min_by(|a, b| a.id.cmp(&b.id)) {
            Some(subnet) => found.push(subnet),
            None => missing.push(item.clone()),
        }
    }
    if missing.is_empty() {
        return Ok(found);
    }
    let value = missing.join(", ");
    let message = format!("failed to list subnets by names or IDs: couldn't find all subnets, missing: {value}");
    Err(Unusable { code: Code::SubnetsNotFound, message, value, for_ipv6: false })
}

/// Subnets with the scheme's role tag, or, when no subnet has it, those that are public or private by their routes.
fn candidates<'s>(input: Input<'_>, subnets: &'s [Subnet], scheme: Scheme) -> Vec<&'s Subnet> {
    let (role, public) = match scheme {
        Scheme::InternetFacing => ("kubernetes.io/role/elb", true),
        Scheme::Internal => ("kubernetes.io/role/internal-elb", false),
    };
    let own = || subnets.iter().filter(|subnet| in_vpc(input, subnet));
    let tagged: Vec<&Subnet> =
        own().filter(|subnet| subnet.tags.get(role).is_some_and(|value| value.is_empty() || value == "1")).collect();
    if !tagged.is_empty() || !input.settings.gate(Gate::SubnetDiscoveryByReachability) {
        return tagged;
    }
    own().filter(|subnet| subnet.public == Some(public)).collect()
}

/// One eligible subnet a zone: this cluster's before others', then the lowest id; sorted by id.
fn one_a_zone(input: Input<'_>, candidates: Vec<&Subnet>, wanted: &Wanted<'_>) -> Result<Vec<String>, Unusable> {
    let own_tag = format!("kubernetes.io/cluster/{}", input.settings.cluster_name);
    let (mut foreign, mut full, mut without_ipv6) = (0, 0, 0);
    let evaluated = candidates.len();
    let mut by_zone: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    for subnet in candidates {
        let tagged = subnet.tags.keys().any(|key| key.starts_with("kubernetes.io/cluster"));
        if input.settings.gate(Gate::SubnetsClusterTagCheck) && tagged && !subnet.tags.contains_key(&own_tag) {
            foreign += 1;
        } else if subnet.free_addresses < FREE_ADDRESSES {
            full += 1;
        } else if wanted.ip_address_type.is_dualstack() && !subnet.ipv6 {
            without_ipv6 += 1;
        } else {
            by_zone.entry(&subnet.zone).or_default().push(subnet);
        }
    }
    let mut chosen: Vec<&Subnet> = by_zone
        .into_values()
        .filter_map(|subnets| {
            subnets.into_iter().min_by_key(|subnet| (!subnet.tags.contains_key(&own_tag), subnet.id.clone()))
        })
        .collect();
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    if chosen.is_empty() {
        let mut message = format!(
            "unable to resolve at least one subnet. Evaluated {evaluated} subnets: {foreign} are tagged for other \
             clusters, and {full} have insufficient available IP addresses"
        );
        if wanted.ip_address_type.is_dualstack() {
            message.push_str(&format!(
                ", and {without_ipv6} don't have an associated IPv6 CIDR block, which is required for dualstack load balancers"
            ));
        }
        let for_ipv6 = without_ipv6 > 0;
        return Err(Unusable { code: Code::NoSubnets, message, value: String::new(), for_ipv6 });
    }
    check(&chosen, wanted)?;
    Ok(chosen.into_iter().map(|subnet| subnet.id.clone()).collect())
}

/// The rules that AWS has for the subnets of one load balancer.
fn check(chosen: &[&Subnet], wanted: &Wanted<'_>) -> Result<(), Unusable> {
    let ids = |subnets: &[&Subnet]| subnets.iter().map(|subnet| subnet.id.clone()).collect::<Vec<_>>().join(", ");
    let fault =
        |message: String, value: String| Unusable { code: Code::SubnetsUnusable, message, value, for_ipv6: false };
    if chosen.is_empty() {
        return Err(fault("unable to resolve at least one subnet".to_owned(), String::new()));
    }
    let mut by_zone: BTreeMap<&str, Vec<&Subnet>> = BTreeMap::new();
    for subnet in chosen {
        by_zone.entry(&subnet.zone).or_default().push(subnet);
    }
    if let Some((zone, several)) = by_zone.iter().find(|(_, several)| several.len() > 1) {
        let message = format!(
            "multiple subnets in same Availability Zone {zone}: [{}]; two zones are needed, one subnet in each",
            ids(several)
        );
        return Err(fault(message, ids(several)));
    }
    let locales: BTreeSet<&str> = chosen.iter().map(|subnet| subnet.locale.as_str()).collect();
    if locales.len() > 1 {
        return Err(fault(format!("subnets in multiple locales: {locales:?}"), ids(chosen)));
    }
    let regional = locales.first().is_some_and(|locale| *locale == "availability-zone");
    let least = if regional { wanted.least } else { 1 };
    if chosen.len() < least {
        let message = format!("subnets count less than minimal required count: {} < {least}", chosen.len());
        return Err(fault(message, ids(chosen)));
    }
    let without: Vec<&Subnet> = chosen.iter().copied().filter(|subnet| !subnet.ipv6).collect();
    if wanted.ip_address_type.is_dualstack() && !without.is_empty() {
        let message = format!(
            "subnets [{}] do not have an associated IPv6 CIDR block, which is required for dualstack load balancers",
            ids(&without)
        );
        return Err(Unusable { for_ipv6: true, ..fault(message, ids(&without)) });
    }
    Ok(())
}

fn has_tags(subnet: &Subnet, tags: &BTreeMap<String, Vec<String>>) -> bool {
    let has = |key, values: &Vec<String>| {
        subnet.tags.get(key).is_some_and(|value| values.iter().any(|filter| facts::passes(filter, value)))
    };
    tags.iter().all(|(key, values)| has(key, values))
}

/// Why subnets cannot be used.
pub(super) struct Unusable {
    pub code: Code,
    pub message: String,
    pub value: String,
    /// They would do for IPv4.
    pub for_ipv6: bool,
}
