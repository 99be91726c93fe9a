//! What the listeners of a group stand on: where the load balancer is, its security groups, the redirect to HTTPS, the NLB in front.
//! What of it is not possible is a fault; AWS keeps what it has for that part.

use super::Existing;
use super::faults::{Backends, Fault};
use super::group::Group;
use super::members::Members;
use super::nlb::{self, Frontend};
use super::placement::{Placement, placement};
use super::security_groups::{SecurityGroups, security_groups};
use crate::annotation::catalogue::{self, IP_ADDRESS_TYPE, IPAM_IPV4_POOL_ID, LISTEN_PORTS, SCHEME, SSL_REDIRECT};
use crate::compile::{Fragment, SettingKey};
use crate::finding::Code;
use crate::stack::{IpAddressType, Protocol, Scheme};

/// What the listeners of a group stand on.
pub(super) struct BaseConfig {
    pub placement: Placement,
    pub groups: SecurityGroups,
    /// The port to which every HTTP listener redirects everything.
    pub redirect: Option<u16>,
    pub frontend: Frontend,
}

/// The base config, and what of it is not possible as members ask for it.
pub(super) fn base_config(group: Group<'_>, members: &Members<'_>) -> (BaseConfig, Vec<Fault>) {
    let (redirect, of_redirect) = redirect(group, members);
    let (placement, of_placement) = placement(group);
    let of_backends = faults_of_backends(group, members, placement.ip_address_type, redirect);
    // Behind what AWS has they may stand.
    let had = group.input.existing.and_then(dualstack).filter(|_| !of_backends.is_empty());
    let ip_address_type = had.unwrap_or(placement.ip_address_type);
    let of_scheme = faults_of_scheme(group, &placement);
    // What an internal load balancer cannot have, it does not have yet.
    let without_public = ip_address_type == IpAddressType::DualstackWithoutPublicIpv4 && !of_scheme.is_empty();
    let ip_address_type = match group.input.existing.and_then(|existing| existing.ip_address_type) {
        Some(has) if without_public => has,
        _ => ip_address_type,
    };
    let (groups, of_groups) = security_groups(group, ip_address_type);
    let (frontend, of_frontend) = nlb::frontend(group, ip_address_type);
    let of_placement = of_placement.into_iter().chain(of_scheme);
    let faults = of_redirect.into_iter().chain(of_placement).chain(of_backends).chain(of_groups).chain(of_frontend);
    let placement = Placement { ip_address_type, ..placement };
    (BaseConfig { placement, groups, redirect, frontend }, faults.collect())
}

/// Where HTTP listeners redirect to, and why that is not what members ask for.
fn redirect(group: Group<'_>, members: &Members<'_>) -> (Option<u16>, Option<Fault>) {
    let mut of_classes = group.fragments().filter_map(|fragment| fragment.params.as_ref());
    if of_classes.any(|params| catalogue::switches_redirect_off(&params.spec)) {
        return (None, None);
    }
    let protocol = |port: u16| group.ports().get(&port).copied();
    let Some(port) = group.merged(&SSL_REDIRECT) else {
        return (members.redirect_of_quarantined.filter(|port| protocol(*port) == Some(Protocol::Https)), None);
    };
    let message = match protocol(port) {
        Some(Protocol::Https) => return (Some(port), None),
        Some(Protocol::Http) => format!("listener protocol non-SSL for SSLRedirect port: {port}"),
        None => format!("listener does not exist for SSLRedirect port: {port}"),
    };
    let by = vec![SettingKey::of(&SSL_REDIRECT), SettingKey::Port(&LISTEN_PORTS.row, port)];
    let existing = group.input.existing;
    let fault = Fault::new(Code::InvalidSslRedirect, by, message).value(port.to_string()).stays(existing.is_some());
    (existing.and_then(|existing| existing.ssl_redirect), Some(fault))
}

/// Addresses that only an internet-facing load balancer has, and that an internal one is to have.
///
/// Sources: <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/application-load-balancers.html#ip-address-type> and `#ip-pools`.
fn faults_of_scheme(group: Group<'_>, placement: &Placement) -> Vec<Fault> {
    if placement.scheme == Scheme::InternetFacing {
        return Vec::new();
    }
    let without_public = IpAddressType::DualstackWithoutPublicIpv4;
    let asked = group.merged(&IP_ADDRESS_TYPE).filter(|asked| *asked == without_public);
    let asked =
        asked.map(|asked| (SettingKey::of(&IP_ADDRESS_TYPE), asked.as_str().to_owned(), "it has no public addresses"));
    let pool = group.merged(&IPAM_IPV4_POOL_ID).filter(|pool| !pool.is_empty());
    let pool = pool.map(|pool| (SettingKey::of(&IPAM_IPV4_POOL_ID), pool, "it takes no public address from a pool"));
    let fault = |(key, value, why): (SettingKey, String, &str)| {
        let message = format!("the load balancer is internal: {why}, and AWS refuses {value}");
        let by = vec![key, SettingKey::of(&SCHEME)];
        Fault::new(Code::AddressesOfInternal, by, message).value(value).stays(group.input.existing.is_some())
    };
    asked.into_iter().chain(pool).map(fault).collect()
}

/// The addresses of the load balancer that exists, if it has IPv6 ones.
fn dualstack(existing: &Existing) -> Option<IpAddressType> {
    existing.ip_address_type.filter(|kind| kind.is_dualstack())
}

/// Backends that have only IPv6 addresses and cannot stand behind a load balancer without any.
fn faults_of_backends(
    group: Group<'_>,
    members: &Members<'_>,
    ip_address_type: IpAddressType,
    redirect: Option<u16>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    if ip_address_type.is_dualstack() {
        return faults;
    }
    let stays = group.input.existing.and_then(dualstack).is_some();
    for fragment in group.fragments().filter(|fragment| fragment.routes(redirect.is_some())) {
        let Some(member) = members.get(&fragment.key) else { continue };
        let before = member.candidate.last_good.as_ref();
        let newly = member.is_newcomer && before.is_none_or(|before| ipv6(&before.asked).next().is_none());
        for service in ipv6(fragment) {
            let message =
                format!("unsupported IPv6 configuration, lb not dual-stack: Service {service} has IPv6 addresses");
            let fault = Fault::new(Code::ServiceTypeMismatch, vec![SettingKey::of(&IP_ADDRESS_TYPE)], message);
            let fault = fault.fix("set ip-address-type: dualstack, or give the Service IPv4 addresses alone");
            let backends = Some(Backends { of: fragment.key.clone(), newly });
            faults.push(Fault { backends, stays, ..fault });
        }
    }
    faults
}

/// Services with IPv6 addresses that a member routes to.
fn ipv6(fragment: &Fragment) -> impl Iterator<Item = &str> {
    fragment.target_groups.values().filter(|spec| spec.target_group.ipv6).map(|spec| spec.service.as_str())
}
