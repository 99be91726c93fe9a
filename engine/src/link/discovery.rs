//! Discovery of subnets: what becomes of each subnet of the account, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::findings::Findings;
use super::group::Group;
use super::{Input, candidates};
use crate::annotation::Subnets;
use crate::annotation::catalogue::{IP_ADDRESS_TYPE, SCHEME, SUBNETS};
use crate::compile::{Cache, Fragment};
use crate::facts::{self, FREE_ADDRESSES, Facts, Subnet};
use crate::finding::{Code, Finding};
use crate::settings::{Gate, Settings};
use crate::stack::{Desired, IpAddressType, Scheme};

/// Messages name at most so many subnets that are not chosen.
const NAMED: usize = 6;

/// What subnets are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Discovery<'a> {
    /// The operator's decisions.
    pub settings: &'a Settings,
    /// The account.
    pub facts: &'a Facts,
    /// Whether they have to be public.
    pub scheme: Scheme,
    /// Whether they need IPv6.
    pub ip_address_type: IpAddressType,
    /// Tags and their values instead of those of the role.
    pub tags: Option<&'a BTreeMap<String, Vec<String>>>,
}

/// A subnet and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look<'a> {
    /// The subnet.
    pub subnet: &'a Subnet,
    /// What becomes of it.
    pub standing: Standing<'a>,
}

/// What becomes of a subnet; those that come first are nearest to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing<'a> {
    /// The load balancer gets it.
    Chosen,
    /// It has so few free addresses.
    Full(i64),
    /// It has the tags of other clusters: this one is of one of them.
    OtherCluster(&'a str),
    /// It has no IPv6 block, and the load balancer is dualstack.
    WithoutIpv6,
    /// Its zone has another one, of this id.
    ZoneTaken(&'a str),
    /// The tag of the role has this value.
    RoleValue(&'static str, &'a str),
    /// It has no tag of the role.
    NoRole(&'static str),
    /// It lacks the tags that the parameters of the class name.
    NotTagged,
    /// Its routes: whether it is public.
    Routes(Option<bool>),
    /// It is in another VPC than the cluster.
    OtherVpc(&'a str),
}

impl Standing<'_> {
    /// Whether it has the tags or routes that are looked for.
    fn is_candidate(&self) -> bool {
        matches!(self, Self::Chosen | Self::Full(_) | Self::OtherCluster(_) | Self::WithoutIpv6 | Self::ZoneTaken(_))
    }
}

impl fmt::Display for Standing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("chosen"),
            Self::Full(free) => write!(f, "{free} free addresses, {FREE_ADDRESSES} are needed"),
            Self::OtherCluster(tag) => write!(f, "it belongs to another cluster (tag {tag})"),
            Self::WithoutIpv6 => f.write_str("it has no IPv6 block, which dualstack needs"),
            Self::ZoneTaken(other) => write!(f, "its zone has {other}"),
            Self::RoleValue(role, value) => write!(f, "tag {role} is \"{value}\" instead of \"1\""),
            Self::NoRole(role) => write!(f, "no tag {role}"),
            Self::NotTagged => f.write_str("it lacks the tags that the parameters of the class name"),
            Self::Routes(Some(true)) => f.write_str("its routes make it public"),
            Self::Routes(Some(false)) => f.write_str("its routes make it private"),
            Self::Routes(None) => f.write_str("its routes are not known"),
            Self::OtherVpc(vpc) => write!(f, "it is in {vpc}, another VPC than the cluster's"),
        }
    }
}

impl fmt::Display for Look<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.subnet.tags.get("Name").map(|name| format!("{name}, ")).unwrap_or_default();
        write!(f, "{} ({name}{}): {}", self.subnet.id, self.subnet.zone, self.standing)
    }
}

impl<'a> Discovery<'a> {
    /// Every subnet that is known, by zone and id. Of a zone, this cluster's subnets are chosen before others, then the one with the lowest id.
    #[must_use]
    pub fn looks(self) -> Vec<Look<'a>> {
        let subnets = self.facts.subnets.as_ref().map(|known| known.value.as_slice()).unwrap_or_default();
        let (role, _) = self.role();
        let is_in_vpc = |subnet: &Subnet| self.facts.vpc_id.as_ref().is_none_or(|vpc| *vpc == subnet.vpc_id);
        let has_role = |subnet: &Subnet| subnet.tags.get(role).is_some_and(|value| is_role(value));
        let by_routes = self.settings.gate(Gate::SubnetDiscoveryByReachability)
            && !subnets.iter().any(|subnet| is_in_vpc(subnet) && has_role(subnet));
        let own_tag = format!("kubernetes.io/cluster/{}", self.settings.cluster_name);
        let mut looks: Vec<Look<'a>> = subnets
            .iter()
            .map(|subnet| {
                let standing = match is_in_vpc(subnet) {
                    false => Standing::OtherVpc(&subnet.vpc_id),
                    true => self.selection(subnet, by_routes).unwrap_or_else(|| self.use_of(subnet, &own_tag)),
                };
                Look { subnet, standing }
            })
            .collect();
        looks.sort_by_key(|look| (&look.subnet.zone, !look.subnet.tags.contains_key(&own_tag), &look.subnet.id));
        let mut taken: BTreeMap<&str, &'a str> = BTreeMap::new();
        for look in looks.iter_mut().filter(|look| look.standing == Standing::Chosen) {
            match taken.get(look.subnet.zone.as_str()) {
                Some(other) => look.standing = Standing::ZoneTaken(other),
                None => drop(taken.insert(&look.subnet.zone, &look.subnet.id)),
            }
        }
        looks
    }

    /// The tag of the role, and whether the routes of its subnets lead to an internet gateway.
    fn role(self) -> (&'static str, bool) {
        match self.scheme {
            Scheme::InternetFacing => ("kubernetes.io/role/elb", true),
            Scheme::Internal => ("kubernetes.io/role/internal-elb", false),
        }
    }

    /// Why a subnet is none of those that are looked for.
    fn selection(self, subnet: &'a Subnet, by_routes: bool) -> Option<Standing<'a>> {
        if let Some(tags) = self.tags {
            return (!has_tags(subnet, tags)).then_some(Standing::NotTagged);
        }
        let (role, public) = self.role();
        if by_routes {
            return (subnet.public != Some(public)).then_some(Standing::Routes(subnet.public));
        }
        match subnet.tags.get(role) {
            Some(value) if is_role(value) => None,
            Some(value) => Some(Standing::RoleValue(role, value)),
            None => Some(Standing::NoRole(role)),
        }
    }

    /// Whether a subnet that is looked for can be used.
    fn use_of(self, subnet: &'a Subnet, own_tag: &str) -> Standing<'a> {
        let mut clusters = subnet.tags.keys().filter(|key| key.starts_with("kubernetes.io/cluster"));
        match clusters.next() {
            Some(other) if self.settings.gate(Gate::SubnetsClusterTagCheck) && !subnet.tags.contains_key(own_tag) => {
                Standing::OtherCluster(other)
            }
            _ if subnet.free_addresses < FREE_ADDRESSES => Standing::Full(subnet.free_addresses),
            _ if self.ip_address_type.is_dualstack() && !subnet.ipv6 => Standing::WithoutIpv6,
            _ => Standing::Chosen,
        }
    }
}

fn is_role(value: &str) -> bool {
    value.is_empty() || value == "1"
}

fn has_tags(subnet: &Subnet, tags: &BTreeMap<String, Vec<String>>) -> bool {
    let has = |key, values: &Vec<String>| {
        subnet.tags.get(key).is_some_and(|value| values.iter().any(|filter| facts::passes(filter, value)))
    };
    tags.iter().all(|(key, values)| has(key, values))
}

/// What becomes of each subnet for the load balancer of a group, a line each, whatever else is wrong with its members; nothing if a member
/// names subnets, if the load balancer exists and keeps its own, or if the subnets of the account are not known.
#[must_use]
pub fn looks_of(input: Input<'_>) -> Vec<String> {
    let candidates = candidates(input, &mut Cache::default());
    let fragments: Vec<Arc<Fragment>> = candidates.iter().map(|candidate| candidate.present.asked.clone()).collect();
    let group = Group { input, fragments: &fragments };
    let scheme = group.merged_or_default(&SCHEME).unwrap_or(Scheme::Internal);
    let ip_address_type = group.merged_or_default(&IP_ADDRESS_TYPE).unwrap_or(IpAddressType::Ipv4);
    let stays = input.existing.is_some_and(|existing| existing.scheme == scheme);
    let tags = match group.merged(&SUBNETS) {
        None if stays => return Vec::new(),
        None => None,
        Some(Subnets::Named(_)) => return Vec::new(),
        Some(Subnets::Tagged(tags)) => Some(tags),
    };
    if fragments.is_empty() {
        return Vec::new();
    }
    let Input { settings, facts, .. } = input;
    let looks = Discovery { settings, facts, scheme, ip_address_type, tags: tags.as_ref() }.looks();
    looks.iter().map(ToString::to_string).collect()
}

/// The subnets that are not chosen, nearest first, as many as a message has room for.
pub(super) fn told(looks: &[Look<'_>]) -> String {
    // Subnets of other VPCs are known because somebody names them.
    let is_told = |look: &&Look<'_>| !matches!(look.standing, Standing::Chosen | Standing::OtherVpc(_));
    let mut others: Vec<&Look<'_>> = looks.iter().filter(is_told).collect();
    others.sort_by_key(|look| &look.standing);
    let named: Vec<String> = others.iter().take(NAMED).map(ToString::to_string).collect();
    let more = match others.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    if named.is_empty() { String::new() } else { format!(". {}{more}", named.join("; ")) }
}

/// Warns of zones for which a subnet is tagged that cannot be used: a load balancer that is to be created gets no address there.
pub(super) fn warn_of_zones(group: Group<'_>, desired: &Desired, findings: &mut Findings) {
    let is_new = group.input.existing.is_none() && group.merged(&SUBNETS).is_none();
    let known = group.input.facts.subnets.as_ref().filter(|_| is_new);
    let (Some(known), Some(balancer), Some(first)) = (known, &desired.load_balancer, group.fragments().next()) else {
        return;
    };
    let (scheme, ip_address_type) = (balancer.scheme, balancer.ip_address_type);
    let discovery =
        Discovery { settings: group.input.settings, facts: group.input.facts, scheme, ip_address_type, tags: None };
    let looks = discovery.looks();
    let zones = |is: &dyn Fn(&Standing<'_>) -> bool| -> BTreeSet<&str> {
        looks.iter().filter(|look| is(&look.standing)).map(|look| look.subnet.zone.as_str()).collect()
    };
    let chosen = zones(&|standing| *standing == Standing::Chosen);
    let left: BTreeSet<&str> = zones(&|standing| standing.is_candidate()).difference(&chosen).copied().collect();
    if left.is_empty() || chosen.is_empty() {
        return;
    }
    let of_zones: Vec<Look<'_>> =
        looks.iter().filter(|look| left.contains(look.subnet.zone.as_str())).cloned().collect();
    let list = |zones: &BTreeSet<&str>| zones.iter().copied().collect::<Vec<_>>().join(", ");
    let message =
        format!("the load balancer gets subnets in {}, and none in {}{}", list(&chosen), list(&left), told(&of_zones));
    let path = match ip_address_type.is_dualstack() {
        true => IP_ADDRESS_TYPE.row.path(),
        false => SCHEME.row.path(),
    };
    let finding = Finding::new(Code::ZonesWithoutSubnet, first.key.ingress(), path, message);
    findings.report(&first.key, finding.age(known.age(group.input.now)));
}
