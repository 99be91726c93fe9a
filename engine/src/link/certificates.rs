//! Certificates: given ones as they are, discovered ones for every host.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Linker;
use super::members::ToQuarantine;
use crate::compile::{CertificatesSpec, Fragment};
use crate::facts::Certificate;
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef};
use crate::stack::Protocol;

impl Linker<'_> {
    /// Passes hosts into certificates. Who takes no part: members for whose hosts there is none. Where it was there when they were
    /// linked, what the listeners have stays.
    pub(super) fn place_certificates(&mut self) -> ToQuarantine {
        let mut to_quarantine = ToQuarantine::new();
        let mut found = Vec::new();
        let mut fragments = std::mem::take(&mut self.fragments);
        for fragment in &mut fragments {
            let Some((arns, faults)) = self.discover(fragment) else {
                // What could not be read is not known to be gone: a listener keeps what it has.
                if let Some(had) = self.certificates_unread(fragment) {
                    Arc::make_mut(fragment).certificates = CertificatesSpec::Explicit(had);
                }
                continue;
            };
            let had = if faults.is_empty() { Some(Vec::new()) } else { self.certificates_had(fragment) };
            let Some(had) = had else {
                to_quarantine.insert(fragment.key.clone(), faults);
                continue;
            };
            found.extend(faults.into_iter().map(|finding| (fragment.key.clone(), finding.effect(Effect::PartKept))));
            // What was compiled may be used again with other facts: it stays as it is.
            let had: Vec<String> = had.into_iter().filter(|arn| !arns.contains(arn)).collect();
            let arns = arns.into_iter().chain(had).collect();
            Arc::make_mut(fragment).certificates = CertificatesSpec::Explicit(arns);
        }
        let brought: BTreeSet<u16> = fragments.iter().flat_map(|fragment| brings(fragment)).collect();
        for fragment in fragments.iter_mut().filter(|fragment| is_bare(fragment)) {
            if https(fragment).all(|port| brought.contains(&port)) {
                continue;
            }
            let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
            let message = "a certificate must be specified for HTTPS listeners: no host to find one for, and certificate-arn names none";
            let path = FieldPath::annotation(&format!("{}certificate-arn", crate::annotation::PREFIX));
            let finding = Finding::new(Code::CertificateNotFound, subject, path, message);
            match self.certificates_had(fragment) {
                Some(had) => {
                    found.push((fragment.key.clone(), finding.effect(Effect::PartKept)));
                    Arc::make_mut(fragment).certificates = CertificatesSpec::Explicit(had);
                }
                None => {
                    to_quarantine.insert(fragment.key.clone(), vec![finding]);
                }
            }
        }
        self.fragments = fragments;
        for (key, finding) in found {
            self.report(&key, finding);
        }
        to_quarantine
    }

    /// The certificates of the listeners that a member opens for HTTPS, if it asked for the same when it was linked last.
    fn certificates_had(&self, fragment: &Fragment) -> Option<Vec<String>> {
        let taken = self.taken.get(&fragment.key)?;
        let before = taken.candidate.last_good.as_ref();
        let asks = |other: &Fragment| other.certificates == fragment.certificates && https(other).eq(https(fragment));
        if self.is_newcomer(taken) && !before.is_some_and(|before| asks(&before.asked)) {
            return None;
        }
        let there = &self.input.existing?.certificates;
        let mut had: Vec<String> = Vec::new();
        for arn in https(fragment).map(|port| there.get(&port)).collect::<Option<Vec<_>>>()?.into_iter().flatten() {
            if !had.contains(arn) {
                had.push(arn.clone());
            }
        }
        Some(had)
    }

    /// The certificates that a member's listeners have, where those for its hosts are looked for and none could be read.
    fn certificates_unread(&self, fragment: &Fragment) -> Option<Vec<String>> {
        let looks = matches!(fragment.certificates, CertificatesSpec::Discover(_)) && https(fragment).next().is_some();
        if looks && self.input.facts.certificates.is_none() { self.certificates_had(fragment) } else { None }
    }

    /// Tells a member that is quarantined anyway for which of its hosts there is no certificate.
    pub(super) fn report_uncovered(&mut self, fragment: &Fragment) {
        for finding in self.discover(fragment).into_iter().flat_map(|(_, faults)| faults) {
            self.report(&fragment.key, finding);
        }
    }

    /// The certificates that cover a member's hosts, and a finding for each host that none covers. `None`: it names them
    /// itself, needs none, or they are not known yet: admission lets it pass, and the reconciler reads them before it links.
    fn discover(&self, fragment: &Fragment) -> Option<(BTreeSet<String>, Vec<Finding>)> {
        let https = https(fragment).next().is_some();
        let CertificatesSpec::Discover(hosts) = &fragment.certificates else { return None };
        let known = self.input.facts.certificates.as_ref().filter(|_| https)?;
        let age = known.age(self.input.now);
        let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
        let allowed = &self.input.settings.allowed_certificate_authorities;
        let mut arns = BTreeSet::new();
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
        Some((arns, faults))
    }
}

/// Whether a member listens for HTTPS and brings no certificate along.
fn is_bare(fragment: &Fragment) -> bool {
    matches!(&fragment.certificates, CertificatesSpec::Explicit(arns) if arns.is_empty())
        && https(fragment).next().is_some()
}

/// The ports that a member opens for HTTPS.
fn https(fragment: &Fragment) -> impl Iterator<Item = u16> {
    fragment.listeners.iter().filter(|(_, ask)| ask.protocol == Protocol::Https).map(|(port, _)| *port)
}

/// The ports that a member brings certificates to.
fn brings(fragment: &Fragment) -> impl Iterator<Item = u16> {
    let any = matches!(&fragment.certificates, CertificatesSpec::Explicit(arns) if !arns.is_empty());
    fragment.listeners.keys().copied().filter(move |_| any)
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
            CertificatesSpec::Explicit(arns) => Some(arns),
            CertificatesSpec::Discover(_) => None,
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
