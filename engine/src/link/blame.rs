//! Who is quarantined for a fault of the base config: who introduced it, by joining or by an edit.
//!
//! If nobody did, because the parameters of a class, a Service or AWS changed, AWS keeps what it has for that part, and the rest is applied.

use std::collections::{BTreeMap, BTreeSet};

use super::MemberState;
use super::faults::Fault;
use super::findings::Findings;
use super::group::Group;
use super::members::{Member, Members};
use super::quarantined::ToQuarantine;
use crate::annotation::Value;
use crate::compile::{Fragment, SettingKey};
use crate::finding::{Effect, Finding, Readers};
use crate::kinds::Key;

/// The namespaces that know all that a fault tells of; `None`: nobody wrote any of it.
fn readers(group: Group<'_>, fault: &Fault) -> Option<Readers> {
    let spoken = fault.by.iter().map(|key| {
        let speakers = group.fragments().filter(|fragment| fragment.setting(key).is_some());
        speakers.map(|fragment| fragment.key.namespace.clone()).collect::<Readers>()
    });
    let owner = fault.backends.iter().map(|backends| Readers::from([backends.of.namespace.clone()]));
    let known = spoken.filter(|speakers| !speakers.is_empty()).chain(owner);
    known.reduce(|some, others| some.intersection(&others).cloned().collect())
}

/// Quarantines for each fault the most junior of the members that introduced it by one setting or another; and the owner of the
/// backends, if nobody introduced it and AWS has nothing in its place.
pub(super) fn culprits(group: Group<'_>, members: &Members<'_>, faults: &[Fault]) -> ToQuarantine {
    let mut to_quarantine = ToQuarantine::new();
    let mut quarantine = |key: &Key, finding: Finding| to_quarantine.entry(key.clone()).or_default().push(finding);
    let effect = Effect::MemberQuarantined;
    let keys: BTreeSet<&SettingKey> = faults.iter().flat_map(|fault| &fault.by).collect();
    let behind: BTreeMap<&SettingKey, Vec<&Member<'_>>> =
        keys.into_iter().map(|key| (key, behind(group, members, key))).collect();
    let mut told = BTreeSet::new();
    for fault in faults {
        let readers = readers(group, fault);
        let owner = fault.backends.as_ref().and_then(|backends| members.get(&backends.of));
        let own = owner.filter(|_| fault.backends.as_ref().is_some_and(|backends| backends.newly));
        let mut blamed = own.map(|member| (member.rank, None, vec![member]));
        for key in &fault.by {
            let behind = behind.get(key).map(Vec::as_slice).unwrap_or_default();
            let Some(rank) = behind.first().map(|member| member.rank) else { continue };
            if blamed.as_ref().is_none_or(|(senior, ..)| rank > *senior) {
                blamed = Some((rank, Some(key), behind.to_vec()));
            }
        }
        match (blamed, owner) {
            // One of all those whose backends it keeps out is enough.
            (Some((_, Some(key), _)), Some(_)) if !told.insert(key) => {}
            (Some((_, key, behind)), _) => {
                for member in behind {
                    let asked = &member.candidate.present.asked;
                    quarantine(&asked.key, fault.finding(asked, key, effect, readers.clone()));
                }
            }
            (None, Some(owner)) if !fault.stays => {
                let asked = &owner.candidate.present.asked;
                quarantine(&asked.key, fault.finding(asked, None, effect, readers));
            }
            (None, _) => {}
        }
    }
    to_quarantine
}

/// The members that introduced the value of a setting that counts, by seniority: those that set it, unless one of them did before and is
/// in AWS with it; if nobody sets it, those that removed it.
fn behind<'m>(group: Group<'_>, members: &'m Members<'m>, key: &SettingKey) -> Vec<&'m Member<'m>> {
    let value_of = |fragment: &Fragment| fragment.setting(key).map(|setting| setting.value.clone());
    let counts: Option<Value> = group.fragments().find_map(value_of);
    let mut behind = Vec::new();
    for member in &members.by_seniority {
        let candidate = member.candidate;
        let now = match member.state {
            MemberState::Linked => candidate.present.asked.setting(key),
            MemberState::LastGood => candidate.setting_before(key),
            MemberState::Quarantined | MemberState::Kept => continue,
        };
        let now = now.map(|setting| &setting.value);
        let before = candidate.setting_before(key).map(|setting| &setting.value);
        let brings = member.is_newcomer && now != before;
        if now == counts.as_ref() {
            match (now, brings) {
                (Some(_), false) => return Vec::new(),
                (_, true) => behind.push(member),
                (None, false) => {}
            }
        }
    }
    behind
}

/// Reports the faults that nobody introduced: to the members that set the setting, or to all. Whether AWS keeps what it has for all of them.
pub(super) fn tell(group: Group<'_>, members: &Members<'_>, faults: &[Fault], findings: &mut Findings) -> bool {
    for fault in faults {
        let effect = if fault.stays { Effect::PartKept } else { Effect::GroupBlocked };
        let readers = readers(group, fault);
        let mut tell = |fragment: &Fragment| {
            findings.report(&fragment.key, fault.finding(fragment, None, effect, readers.clone()));
        };
        if let Some(backends) = &fault.backends {
            if let Some(owner) = members.get(&backends.of) {
                tell(&owner.candidate.present.asked);
            }
            continue;
        }
        let says = |fragment: &&Fragment| fault.by.first().is_some_and(|key| fragment.setting(key).is_some());
        let any = group.fragments().any(|fragment| says(&fragment));
        group.fragments().filter(|fragment| !any || says(fragment)).for_each(&mut tell);
    }
    faults.iter().all(|fault| fault.stays)
}
