//! Where the load balancer is: scheme, address type, subnets.

use super::faults::Fault;
use super::group::Group;
use super::subnets::{self, Wanted};
use crate::annotation::catalogue::{IP_ADDRESS_TYPE, SCHEME, SUBNETS};
use crate::compile::SettingKey;
use crate::settings::Gate;
use crate::stack::{IpAddressType, Scheme};

/// Where the load balancer is.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    pub scheme: Scheme,
    pub ip_address_type: IpAddressType,
    /// Ids.
    pub subnets: Vec<String>,
}

/// Where the load balancer is to be, or where it is, and why it has to stay there.
pub(super) fn placement(group: Group<'_>) -> (Placement, Option<Fault>) {
    let scheme = group.merged_or_default(&SCHEME).unwrap_or(Scheme::Internal);
    let ip_address_type = group.merged_or_default(&IP_ADDRESS_TYPE).unwrap_or(IpAddressType::Ipv4);
    let existing = group.input.existing;
    let wanted = Wanted {
        key: SettingKey::of(&SUBNETS),
        scheme_key: SettingKey::of(&SCHEME),
        ask: group.merged(&SUBNETS),
        existing: existing.filter(|one| one.scheme == scheme).map(|existing| existing.subnets.as_slice()),
        scheme,
        ip_address_type,
        least: if group.input.settings.gate(Gate::AlbSingleSubnet) { 1 } else { 2 },
    };
    let fault = match subnets::choose(group.input, &wanted) {
        Ok(subnets) => return (Placement { scheme, ip_address_type, subnets }, None),
        Err(fault) => fault.stays(existing.is_some()),
    };
    let placement = match existing {
        Some(existing) => Placement {
            scheme: existing.scheme,
            ip_address_type: existing.ip_address_type.unwrap_or(ip_address_type),
            subnets: existing.subnets.clone(),
        },
        None => Placement { scheme, ip_address_type, subnets: Vec::new() },
    };
    (placement, Some(fault))
}
