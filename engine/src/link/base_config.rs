//! What the group's rules stand on: where the load balancer is, its security groups, whether HTTP is led to HTTPS, the NLB in
//! front. What of it cannot be had is a fault; in its place stands what AWS has.

use std::collections::BTreeMap;

use super::Linker;
use super::faults::{Backends, Fault};
use super::frontend_nlb::Frontend;
use super::security_groups::SecurityGroups;
use crate::annotation::catalogue;
use crate::compile::{Fragment, SettingKey};
use crate::finding::Code;
use crate::stack::{IpAddressType, Protocol, Scheme};

/// What the group's rules stand on.
pub(super) struct BaseConfig {
    pub placement: Placement,
    pub groups: SecurityGroups,
    /// The port to which every HTTP listener leads everything.
    pub redirect: Option<u16>,
    pub frontend: Frontend,
    pub faults: Vec<Fault>,
}

/// Where the load balancer is.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    pub scheme: Scheme,
    pub ip_address_type: IpAddressType,
    /// Ids.
    pub subnets: Vec<String>,
}

const SSL_REDIRECT: SettingKey = SettingKey::Group(&catalogue::SSL_REDIRECT.row);
pub(super) const IP_ADDRESS_TYPE: SettingKey = SettingKey::Group(&catalogue::IP_ADDRESS_TYPE.row);

impl Linker<'_> {
    pub(super) fn base_config(&self) -> BaseConfig {
        let mut faults = Vec::new();
        let redirect = self.redirect(&mut faults);
        let mut placement = self.placement(&mut faults);
        self.check_backends(&mut placement, redirect, &mut faults);
        let groups = self.security_groups(placement.ip_address_type, &mut faults);
        let frontend = self.frontend(placement.ip_address_type, &mut faults);
        BaseConfig { placement, groups, redirect, frontend, faults }
    }

    fn redirect(&self, faults: &mut Vec<Fault>) -> Option<u16> {
        let mut of_classes = self.fragments().filter_map(|fragment| fragment.params.as_ref());
        if of_classes.any(|params| catalogue::switches_redirect_off(&params.spec)) {
            return None;
        }
        let Some(port) = self.merged(&catalogue::SSL_REDIRECT) else {
            return self.redirect_of_quarantined();
        };
        let message = match self.ports().get(&port) {
            Some(Protocol::Https) => return Some(port),
            Some(Protocol::Http) => format!("listener protocol non-SSL for SSLRedirect port: {port}"),
            None => format!("listener does not exist for SSLRedirect port: {port}"),
        };
        let by = vec![SSL_REDIRECT, SettingKey::Port(&catalogue::LISTEN_PORTS.row, port)];
        let existing = self.input.existing;
        let fault = Fault::new(Code::InvalidSslRedirect, by, message).value(port.to_string());
        faults.push(fault.stays(existing.is_some()));
        existing.and_then(|existing| existing.ssl_redirect)
    }

    /// Ports that members open, each with its protocol.
    pub(super) fn ports(&self) -> BTreeMap<u16, Protocol> {
        let listeners = self.fragments().flat_map(|fragment| &fragment.listeners);
        listeners.map(|(port, ask)| (*port, ask.protocol)).collect()
    }

    /// Backends with IPv6 addresses alone stand behind a load balancer that has them too.
    fn check_backends(&self, placement: &mut Placement, redirect: Option<u16>, faults: &mut Vec<Fault>) {
        if placement.ip_address_type.is_dualstack() {
            return;
        }
        let had = self.input.existing.and_then(|existing| existing.ip_address_type);
        let had = had.filter(|kind| kind.is_dualstack());
        for fragment in self.fragments().filter(|fragment| fragment.routes(redirect.is_some())) {
            let Some(taken) = self.taken.get(&fragment.key) else { continue };
            let before = taken.candidate.last_good.as_ref();
            let newly = self.is_newcomer(taken) && before.is_none_or(|before| ipv6(&before.asked).next().is_none());
            for service in ipv6(fragment) {
                let message =
                    format!("unsupported IPv6 configuration, lb not dual-stack: Service {service} has IPv6 addresses");
                let fault = Fault::new(Code::ServiceTypeMismatch, vec![IP_ADDRESS_TYPE], message);
                let fault = fault.fix("set ip-address-type: dualstack, or give the Service IPv4 addresses alone");
                let backends = Some(Backends { of: fragment.key.clone(), newly });
                faults.push(Fault { backends, stays: had.is_some(), ..fault });
                placement.ip_address_type = had.unwrap_or(placement.ip_address_type);
            }
        }
    }
}

/// Services with IPv6 addresses that a member leads to.
fn ipv6(fragment: &Fragment) -> impl Iterator<Item = &str> {
    fragment.target_groups.values().filter(|ask| ask.target_group.ipv6).map(|ask| ask.service.as_str())
}

impl Fragment {
    /// Whether its rules are made; `redirected`: HTTP listeners lead everything to HTTPS.
    pub(super) fn routes(&self, redirected: bool) -> bool {
        self.listeners.values().any(|ask| !redirected || ask.protocol == Protocol::Https)
    }
}
