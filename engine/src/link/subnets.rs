//! The subnets of one load balancer: those that are named, those that it has, or those that can be discovered.

use std::collections::{BTreeMap, BTreeSet};

use super::Input;
use super::discovery::{self, Discovery, Standing};
use super::faults::Fault;
use crate::annotation::Subnets;
use crate::annotation::catalogue::IP_ADDRESS_TYPE;
use crate::compile::SettingKey;
use crate::facts::Subnet;
use crate::finding::Code;
use crate::stack::{IpAddressType, Scheme};

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
    let (settings, facts) = (input.settings, input.facts);
    let (scheme, ip_address_type) = (wanted.scheme, wanted.ip_address_type);
    let with_tags = |tags| Discovery { settings, facts, scheme, ip_address_type, tags };
    let chosen = match (&wanted.ask, wanted.existing) {
        (Some(Subnets::Named(list)), _) => {
            let found = named(input, list, subnets).and_then(|found| check(&found, wanted).map(|()| found));
            found.map(|found| found.into_iter().map(|subnet| subnet.id.clone()).collect())
        }
        (Some(Subnets::Tagged(tags)), _) => discovered(with_tags(Some(tags)), wanted),
        (None, Some(existing)) => Ok(existing.to_vec()),
        (None, None) => discovered(with_tags(None), wanted).map_err(|unusable| {
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

/// One eligible subnet a zone, sorted by id; or why not, with what becomes of each subnet.
fn discovered(discovery: Discovery<'_>, wanted: &Wanted<'_>) -> Result<Vec<String>, Unusable> {
    let looks = discovery.looks();
    let explained = |unusable: Unusable| Unusable { message: unusable.message + &discovery::told(&looks), ..unusable };
    let count = |is: fn(&Standing<'_>) -> bool| looks.iter().filter(|look| is(&look.standing)).count();
    let mut chosen: Vec<&Subnet> =
        looks.iter().filter(|look| look.standing == Standing::Chosen).map(|look| look.subnet).collect();
    chosen.sort_by(|a, b| a.id.cmp(&b.id));
    if !chosen.is_empty() {
        check(&chosen, wanted).map_err(explained)?;
        return Ok(chosen.into_iter().map(|subnet| subnet.id.clone()).collect());
    }
    let foreign = count(|standing| matches!(standing, Standing::OtherCluster(_)));
    let full = count(|standing| matches!(standing, Standing::Full(_)));
    let without_ipv6 = count(|standing| *standing == Standing::WithoutIpv6);
    let evaluated = foreign + full + without_ipv6;
    let mut message = format!(
        "unable to resolve at least one subnet. Evaluated {evaluated} subnets: {foreign} are tagged for other clusters, and {full} have \
         insufficient available IP addresses"
    );
    if wanted.ip_address_type.is_dualstack() {
        message.push_str(&format!(
            ", and {without_ipv6} don't have an associated IPv6 CIDR block, which is required for dualstack load balancers"
        ));
    }
    let for_ipv6 = without_ipv6 > 0;
    Err(explained(Unusable { code: Code::NoSubnets, message, value: String::new(), for_ipv6 }))
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

/// Why subnets cannot be used.
pub(super) struct Unusable {
    pub code: Code,
    pub message: String,
    pub value: String,
    /// They would do for IPv4.
    pub for_ipv6: bool,
}
