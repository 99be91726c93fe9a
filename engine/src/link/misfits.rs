//! What a newcomer asks for that the group cannot give: for that it alone is set aside, and the others go on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Linker, MemberState};
use crate::annotation::PREFIX;
use crate::compile::Fragment;
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::stack::Protocol;

impl Linker<'_> {
    /// Newcomers, and those that changed, that do not fit the group as it is with them. Who is in AWS already, or may be, is
    /// none of them: it keeps the group as it is.
    pub(super) fn misfits(&self) -> BTreeMap<Key, Vec<Finding>> {
        if self.is_taken_over() {
            return BTreeMap::new();
        }
        let changed: BTreeSet<&Key> =
            self.seniority.iter().filter(|(_, unchanged)| !unchanged).map(|(key, _)| key).collect();
        let newcomer = |fragment: &&Fragment| {
            changed.contains(&fragment.key) && self.states.get(&fragment.key) == Some(&MemberState::Linked)
        };
        let ports = self.ports();
        let redirect = self.wanted_redirect().map(|port| (port, redirect_fault(port, &ports)));
        let leads_to_https = matches!(redirect, Some((_, None)));
        let asking = if matches!(redirect, Some((_, Some(_)))) { self.carriers(SSL_REDIRECT) } else { BTreeSet::new() };
        let dualstack = self.ip_address_type().is_dualstack();
        let mut misfits: BTreeMap<Key, Vec<Finding>> = BTreeMap::new();
        for fragment in self.fragments().filter(newcomer) {
            let mut findings = Vec::new();
            if !dualstack && fragment.routes(leads_to_https) {
                let services = fragment.target_groups.values().filter(|ask| ask.target_group.ipv6);
                findings.extend(services.map(|ask| without_dualstack(&fragment.key, &ask.service)));
            }
            if let Some((port, Some(fault))) = &redirect
                && asking.contains(&fragment.key)
            {
                let path = FieldPath::annotation(&format!("{PREFIX}{SSL_REDIRECT}"));
                let finding = Finding::new(Code::InvalidSslRedirect, subject(&fragment.key), path, fault.as_str());
                findings.push(finding.value(&port.to_string()));
            }
            if !findings.is_empty() {
                let aside = findings.into_iter().map(|finding| finding.effect(Effect::MemberSetAside));
                misfits.insert(fragment.key.clone(), aside.collect());
            }
        }
        misfits
    }
}

impl Fragment {
    /// Whether its rules are made; `redirected`: HTTP listeners lead everything to HTTPS.
    pub(super) fn routes(&self, redirected: bool) -> bool {
        self.listeners.values().any(|ask| !redirected || ask.protocol == Protocol::Https)
    }
}

pub(super) const SSL_REDIRECT: &str = "ssl-redirect";

/// Why HTTP cannot be redirected to a port, if it cannot.
pub(super) fn redirect_fault(port: u16, ports: &BTreeMap<u16, Protocol>) -> Option<String> {
    match ports.get(&port) {
        Some(Protocol::Https) => None,
        Some(Protocol::Http) => Some(format!("listener protocol non-SSL for SSLRedirect port: {port}")),
        None => Some(format!("listener does not exist for SSLRedirect port: {port}")),
    }
}

/// A Service of IPv6 behind a load balancer of IPv4.
pub(super) fn without_dualstack(key: &Key, service: &str) -> Finding {
    let message = format!("unsupported IPv6 configuration, lb not dual-stack: Service {service} has IPv6 addresses");
    Finding::new(Code::ServiceTypeMismatch, subject(key), FieldPath::at("spec.rules"), message)
        .mend("set ip-address-type: dualstack, or give the Service IPv4 addresses alone")
}

fn subject(key: &Key) -> ObjectRef {
    ObjectRef::ingress(&key.namespace, &key.name)
}
