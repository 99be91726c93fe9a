//! Certificates that are discovered: those that cover a member's hosts.

use std::collections::BTreeSet;

use super::Input;
use crate::compile::{CertificatesSpec, Fragment};
use crate::facts::Certificate;
use crate::finding::{Code, FieldPath, Finding};
use crate::stack::Protocol;

/// The certificates that cover a member's hosts, and a finding for each host that none covers. `None`: it names them
/// itself, needs none, or they are not known yet: admission lets it pass, and the reconciler reads them before it links.
pub(super) fn certificates(input: Input<'_>, fragment: &Fragment) -> Option<(BTreeSet<String>, Vec<Finding>)> {
    let CertificatesSpec::Discover(hosts) = &fragment.certificates else { return None };
    let known = input.facts.certificates.as_ref().filter(|_| https(fragment).next().is_some())?;
    let age = known.age(input.now);
    let allowed = &input.settings.allowed_certificate_authorities;
    let mut arns = BTreeSet::new();
    let mut faults = Vec::new();
    for host in hosts {
        let found: Vec<&Certificate> =
            known.value.iter().filter(|one| usable(one, allowed) && covers(one, host)).collect();
        if found.is_empty() {
            let message = format!("no certificate found for host: {host}");
            let path = FieldPath::at("spec.rules");
            let finding = Finding::new(Code::CertificateNotFound, fragment.key.ingress(), path, message);
            faults.push(finding.value(host).age(age));
        }
        arns.extend(found.into_iter().map(|one| one.arn.clone()));
    }
    Some((arns, faults))
}

/// The ports that a member opens for HTTPS.
pub(super) fn https(fragment: &Fragment) -> impl Iterator<Item = u16> {
    fragment.listeners.iter().filter(|(_, spec)| spec.protocol == Protocol::Https).map(|(port, _)| *port)
}

fn usable(certificate: &Certificate, allowed: &[String]) -> bool {
    allowed.is_empty()
        || certificate.certificate_authority.as_ref().is_some_and(|authority| allowed.contains(authority))
}

/// Equal, or a wildcard for the first label: `*.example.com` covers `a.example.com`, not `a.b.example.com`.
fn covers(certificate: &Certificate, host: &str) -> bool {
    certificate.domains.iter().any(|domain| {
        domain == host
            || domain.strip_prefix("*.").is_some_and(|rest| host.split_once('.').is_some_and(|(_, tail)| tail == rest))
    })
}
