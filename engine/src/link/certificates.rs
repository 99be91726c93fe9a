//! Certificates: given ones as they are, discovered ones for every host.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Linker;
use crate::compile::{CertificatesAsk, Fragment};
use crate::facts::Certificate;
use crate::finding::{Code, FieldPath, Finding, ObjectRef};
use crate::kinds::Key;
use crate::stack::Protocol;

impl Linker<'_> {
    /// Turns hosts into certificates, and sets members aside for whose hosts there is none.
    pub(super) fn place_certificates(&mut self) {
        let mut kept = Vec::new();
        for mut fragment in std::mem::take(&mut self.fragments) {
            match self.place(&fragment) {
                Placed::AsIs => {}
                // What was compiled may be used again with other facts: it stays as it is.
                Placed::At(arns) => Arc::make_mut(&mut fragment).certificates = CertificatesAsk::Explicit(arns),
                Placed::Nowhere => continue,
            }
            kept.push(fragment);
        }
        let bare: BTreeSet<Key> = kept
            .iter()
            .filter(|fragment| is_bare(fragment) && !is_served(fragment, &kept))
            .map(|fragment| fragment.key.clone())
            .collect();
        kept.retain(|fragment| !bare.contains(&fragment.key));
        self.fragments = kept;
        for key in bare {
            let subject = ObjectRef::ingress(&key.namespace, &key.name);
            let message = "a certificate must be specified for HTTPS listeners: no host to find one for, and certificate-arn names none";
            let path = FieldPath::annotation(&format!("{}certificate-arn", crate::annotation::PREFIX));
            self.report(&key, Finding::new(Code::CertificateNotFound, subject, path, message));
        }
    }

    fn place(&mut self, fragment: &Fragment) -> Placed {
        let Some((arns, faults)) = self.discover(fragment) else { return Placed::AsIs };
        let good = faults.is_empty();
        for finding in faults {
            self.report(&fragment.key, finding);
        }
        if good { Placed::At(arns.into_iter().collect()) } else { Placed::Nowhere }
    }

    /// Tells a member that is set aside anyway for which of its hosts there is no certificate.
    pub(super) fn report_uncovered(&mut self, fragment: &Fragment) {
        for finding in self.discover(fragment).into_iter().flat_map(|(_, faults)| faults) {
            self.report(&fragment.key, finding);
        }
    }

    /// The certificates that cover a member's hosts, and a finding for each host that none covers. `None`: it names them
    /// itself, needs none, or they are not known yet: admission lets it pass, and the reconciler reads them before it links.
    fn discover(&self, fragment: &Fragment) -> Option<(BTreeSet<String>, Vec<Finding>)> {
        let https = fragment.listeners.values().any(|ask| ask.protocol == Protocol::Https);
        let CertificatesAsk::Discover(hosts) = &fragment.certificates else { return None };
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
    matches!(&fragment.certificates, CertificatesAsk::Explicit(arns) if arns.is_empty())
        && fragment.listeners.values().any(|ask| ask.protocol == Protocol::Https)
}

/// Whether others bring certificates to every port on which a member listens for HTTPS.
fn is_served(fragment: &Fragment, all: &[Arc<Fragment>]) -> bool {
    let brings = |other: &Fragment, port: u16| {
        other.listeners.contains_key(&port)
            && matches!(&other.certificates, CertificatesAsk::Explicit(arns) if !arns.is_empty())
    };
    let mut secure = fragment.listeners.iter().filter(|(_, ask)| ask.protocol == Protocol::Https);
    secure.all(|(port, _)| all.iter().any(|other| brings(other, *port)))
}

/// What became of a member's wish for certificates.
enum Placed {
    /// It names them itself, needs none, or they cannot be told.
    AsIs,
    /// These were found.
    At(Vec<String>),
    /// There are none for some of its hosts.
    Nowhere,
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
