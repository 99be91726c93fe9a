//! Certificates: given ones as they are, discovered ones for every host.

use super::Linker;
use crate::compile::{CertificatesAsk, Fragment};
use crate::facts::Certificate;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::stack::Protocol;

impl Linker<'_> {
    /// Turns hosts into certificates, and sets members aside for whose hosts there is none.
    pub(super) fn place_certificates(&mut self) {
        let mut kept = Vec::new();
        for mut fragment in std::mem::take(&mut self.fragments) {
            if self.place(&mut fragment) {
                kept.push(fragment);
            }
        }
        self.fragments = kept;
    }

    fn place(&mut self, fragment: &mut Fragment) -> bool {
        let https = fragment.listeners.values().any(|ask| ask.protocol == Protocol::Https);
        let CertificatesAsk::Discover(hosts) = &fragment.certificates else { return true };
        if !https {
            fragment.certificates = CertificatesAsk::Explicit(Vec::new());
            return true;
        }
        let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
        let Some(known) = &self.input.facts.certificates else {
            // Not known yet: admission lets it pass, and the reconciler reads the facts before it links.
            return true;
        };
        let age = known.age(self.input.now);
        let allowed = &self.input.settings.allowed_certificate_authorities;
        let mut arns = std::collections::BTreeSet::new();
        let mut faults = Vec::new();
        for host in hosts {
            let found: Vec<&Certificate> =
                known.value.iter().filter(|one| usable(one, allowed) && covers(one, host)).collect();
            if found.is_empty() {
                let message = format!("no certificate found for host: {host}");
                let finding =
                    Finding::new(Code::CertificateNotFound, subject.clone(), FieldPath::at("spec.rules"), message);
                faults.push(finding.value(host).age(age));
            }
            arns.extend(found.into_iter().map(|one| one.arn.clone()));
        }
        if faults.is_empty() && arns.is_empty() {
            let message = "a certificate must be specified for HTTPS listeners: no host to find one for, and certificate-arn names none";
            let path = FieldPath::annotation(&format!("{}certificate-arn", crate::annotation::PREFIX));
            faults.push(Finding::new(Code::CertificateNotFound, subject, path, message).age(age));
        }
        let good = faults.is_empty();
        for finding in faults {
            self.report(&fragment.key.clone(), finding);
        }
        fragment.certificates = CertificatesAsk::Explicit(arns.into_iter().collect());
        good
    }
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

/// The certificates of a port: the default one is the first of the first member that has any; of the others each once,
/// the default one's repetition included when it stands in a later place.
pub(super) fn merge<'f>(fragments: impl Iterator<Item = &'f Fragment>) -> Vec<String> {
    let all: Vec<&String> = fragments
        .filter_map(|fragment| match &fragment.certificates {
            CertificatesAsk::Explicit(arns) => Some(arns),
            CertificatesAsk::Discover(_) => None,
        })
        .flatten()
        .collect();
    let Some((default, rest)) = all.split_first() else { return Vec::new() };
    let mut merged = vec![(*default).clone()];
    for arn in rest {
        if !merged.iter().skip(1).any(|known| known == *arn) {
            merged.push((*arn).clone());
        }
    }
    merged
}
