//! Certificates of the listeners: given ones as they are, discovered ones for every host.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Input;
use super::discovered::{self, https};
use super::findings::Findings;
use super::members::Members;
use super::quarantined::ToQuarantine;
use crate::annotation::catalogue::CERTIFICATE_ARN;
use crate::compile::{CertificatesSpec, Fragment};
use crate::finding::{Code, Effect, Finding};

/// Replaces hosts by certificates in what is linked. Quarantines members for whose hosts there is none, unless there was one when they were
/// linked: then the listeners keep what they have.
pub(super) fn place(
    input: Input<'_>,
    members: &Members<'_>,
    mut fragments: Vec<Arc<Fragment>>,
    findings: &mut Findings,
) -> Result<Vec<Arc<Fragment>>, ToQuarantine> {
    let mut to_quarantine = ToQuarantine::new();
    for fragment in &mut fragments {
        let Some((arns, faults)) = discovered::certificates(input, fragment) else {
            // What could not be read is not known to be gone: a listener keeps what it has.
            let looks =
                matches!(fragment.certificates, CertificatesSpec::Discover(_)) && https(fragment).next().is_some();
            if let Some(had) = looks.then(|| had(input, members, fragment)).flatten() {
                set(fragment, had);
            }
            continue;
        };
        let had = if faults.is_empty() { Some(Vec::new()) } else { had(input, members, fragment) };
        let Some(had) = had else {
            to_quarantine.insert(fragment.key.clone(), faults);
            continue;
        };
        for finding in faults {
            findings.report(&fragment.key, finding.effect(Effect::PartKept));
        }
        let had: Vec<String> = had.into_iter().filter(|arn| !arns.contains(arn)).collect();
        set(fragment, arns.into_iter().chain(had).collect());
    }
    let brought: BTreeSet<u16> = fragments.iter().flat_map(|fragment| brings(fragment)).collect();
    for fragment in fragments.iter_mut().filter(|fragment| is_bare(fragment)) {
        if https(fragment).all(|port| brought.contains(&port)) {
            continue;
        }
        let message = "a certificate must be specified for HTTPS listeners: no host to find one for, and certificate-arn names none";
        let path = CERTIFICATE_ARN.row.path();
        let finding = Finding::new(Code::CertificateNotFound, fragment.key.ingress(), path, message);
        match had(input, members, fragment) {
            Some(had) => {
                findings.report(&fragment.key, finding.effect(Effect::PartKept));
                set(fragment, had);
            }
            None => {
                to_quarantine.insert(fragment.key.clone(), vec![finding]);
            }
        }
    }
    if to_quarantine.is_empty() { Ok(fragments) } else { Err(to_quarantine) }
}

/// What was compiled may be used again with other facts: it stays as it is.
fn set(fragment: &mut Arc<Fragment>, arns: Vec<String>) {
    Arc::make_mut(fragment).certificates = CertificatesSpec::Explicit(arns);
}

/// The certificates of the listeners that a member opens for HTTPS, if it asked for the same when it was linked last.
fn had(input: Input<'_>, members: &Members<'_>, fragment: &Fragment) -> Option<Vec<String>> {
    let member = members.get(&fragment.key)?;
    let before = member.candidate.last_good.as_ref();
    let asks = |other: &Fragment| other.certificates == fragment.certificates && https(other).eq(https(fragment));
    if member.is_newcomer && !before.is_some_and(|before| asks(&before.asked)) {
        return None;
    }
    let there = &input.existing?.certificates;
    let mut had: Vec<String> = Vec::new();
    for arn in https(fragment).map(|port| there.get(&port)).collect::<Option<Vec<_>>>()?.into_iter().flatten() {
        if !had.contains(arn) {
            had.push(arn.clone());
        }
    }
    Some(had)
}

/// Whether a member listens for HTTPS and brings no certificate along.
fn is_bare(fragment: &Fragment) -> bool {
    matches!(&fragment.certificates, CertificatesSpec::Explicit(arns) if arns.is_empty())
        && https(fragment).next().is_some()
}

/// The ports that a member brings certificates to.
fn brings(fragment: &Fragment) -> impl Iterator<Item = u16> {
    let any = matches!(&fragment.certificates, CertificatesSpec::Explicit(arns) if !arns.is_empty());
    fragment.listeners.keys().copied().filter(move |_| any)
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
