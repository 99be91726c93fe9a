//! What the group as a whole cannot be given: whose statement it comes from, and what becomes of the others.
//!
//! Who brings it in, new or by a change, is quarantined alone. Where nobody does, because a class's parameters, a Service or AWS changed
//! under the group, what AWS has stays for that part, and the rest goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::conflict::words;
use super::members::{Taken, ToQuarantine, setting_of};
use super::{Linker, MemberState};
use crate::annotation::{PREFIX, Source, Value};
use crate::compile::{Fragment, SettingKey};
use crate::finding::{Code, Effect, FieldPath, Finding, ObjectRef, Readers};
use crate::kinds::Key;

/// Something that the group asks for and that cannot be had.
#[derive(Debug)]
pub(super) struct Fault {
    pub code: Code,
    pub message: String,
    pub value: Option<String>,
    /// Instead of its code's.
    pub fix: Option<String>,
    /// Age of the fact that it rests on.
    pub age: Option<Duration>,
    /// The setting that cannot be had, and others that it depends on.
    pub by: Vec<SettingKey>,
    /// The member whose backends they are, if that is the matter.
    pub backends: Option<Backends>,
    /// What AWS has in its place stays; otherwise nothing can be built.
    pub stays: bool,
}

/// Backends of a member that cannot stand behind the load balancer.
#[derive(Debug)]
pub(super) struct Backends {
    pub of: Key,
    /// It brings them in with what it asks for now.
    pub newly: bool,
}

impl Fault {
    pub(super) fn new(code: Code, by: Vec<SettingKey>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { code, message, value: None, fix: None, age: None, by, backends: None, stays: false }
    }

    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { value: Some(value.into()).filter(|value| !value.is_empty()), ..self }
    }

    pub(super) fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    pub(super) fn age(self, age: Duration) -> Self {
        Self { age: Some(age), ..self }
    }

    pub(super) fn stays(self, stays: bool) -> Self {
        Self { stays, ..self }
    }

    /// As a finding of a member. `blamed`: what it says that brings it in. `readers`: who wrote what the fault tells of, if somebody did.
    fn finding(
        &self,
        fragment: &Fragment,
        blamed: Option<&SettingKey>,
        effect: Effect,
        readers: Option<Readers>,
    ) -> Finding {
        let has = |key: &&SettingKey| setting_of(fragment, key).is_some();
        let first = self.by.first();
        let named = first.filter(has).or(blamed).or(first).filter(|_| self.backends.is_none() || blamed.is_some());
        let setting = named.and_then(|key| setting_of(fragment, key));
        let settled =
            fragment.params.as_ref().filter(|_| setting.is_some_and(|setting| setting.source == Source::Class));
        let path = match (named, settled) {
            (_, Some(_)) => FieldPath::at("spec.ingressClassName"),
            (Some(key), None) => FieldPath::annotation(&format!("{PREFIX}{}", words(key).0)),
            (None, None) => FieldPath::at("spec.rules"),
        };
        let subject = ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name);
        let mut finding = Finding::new(self.code, subject, path, self.message.as_str()).effect(effect);
        if let Some(params) = settled {
            let name = params.metadata.name.as_deref().unwrap_or_default();
            finding = finding.related([ObjectRef::new("IngressClassParams", "", name)]);
        }
        if let Some(value) = &self.value {
            finding = finding.value(value);
        }
        if let Some(fix) = &self.fix {
            finding = finding.fix(fix);
        }
        if let Some(readers) = readers {
            finding = finding.known_to(readers, format!("{}, by what several members say", self.code.row().title));
        }
        match self.age {
            Some(age) => finding.age(age),
            None => finding,
        }
    }
}

impl Linker<'_> {
    /// The namespaces that know all that a fault tells of; `None`: nobody wrote any of it.
    fn readers(&self, fault: &Fault) -> Option<Readers> {
        let spoken = fault.by.iter().map(|thing| {
            let speakers = self.fragments().filter(|fragment| setting_of(fragment, thing).is_some());
            speakers.map(|fragment| fragment.key.namespace.clone()).collect::<Readers>()
        });
        let owner = fault.backends.iter().map(|backends| Readers::from([backends.of.namespace.clone()]));
        let known = spoken.filter(|speakers| !speakers.is_empty()).chain(owner);
        known.reduce(|some, others| some.intersection(&others).cloned().collect())
    }

    /// Who is quarantined for what cannot be had: of those who bring it in by one statement or another, the most junior; and
    /// whose backends they are, if nobody does and nothing stays in their place.
    pub(super) fn culprits(&self, faults: &[Fault]) -> ToQuarantine {
        let mut to_quarantine = ToQuarantine::new();
        let mut quarantine = |key: &Key, finding: Finding| to_quarantine.entry(key.clone()).or_default().push(finding);
        let effect = Effect::MemberQuarantined;
        let keys: BTreeSet<&SettingKey> = faults.iter().flat_map(|fault| &fault.by).collect();
        let behind: BTreeMap<&SettingKey, Vec<&Taken<'_>>> =
            keys.into_iter().map(|one| (one, self.behind(one))).collect();
        let mut told = BTreeSet::new();
        for fault in faults {
            let readers = self.readers(fault);
            let owner = fault.backends.as_ref().and_then(|backends| self.taken.get_key_value(&backends.of));
            let own = owner.filter(|_| fault.backends.as_ref().is_some_and(|backends| backends.newly));
            let mut blamed = own.map(|(_, taken)| (taken.rank, None, vec![taken]));
            for thing in &fault.by {
                let behind = behind.get(thing).map(Vec::as_slice).unwrap_or_default();
                let Some(rank) = behind.first().map(|taken| taken.rank) else { continue };
                if blamed.as_ref().is_none_or(|(senior, ..)| rank > *senior) {
                    blamed = Some((rank, Some(thing), behind.to_vec()));
                }
            }
            match (blamed, owner) {
                // One of all those whose backends it keeps out is enough.
                (Some((_, Some(thing), _)), Some(_)) if !told.insert(thing) => {}
                (Some((_, thing, behind)), _) => {
                    for taken in behind {
                        let asked = &taken.candidate.present.asked;
                        quarantine(&asked.key, fault.finding(asked, thing, effect, readers.clone()));
                    }
                }
                (None, Some((key, taken))) if !fault.stays => {
                    quarantine(key, fault.finding(&taken.candidate.present.asked, None, effect, readers));
                }
                (None, _) => {}
            }
        }
        to_quarantine
    }

    /// Who brings in what is said of a thing, by seniority: those who say it, unless one of them said so before and is in AWS with it; if
    /// nobody says anything, those who took it back.
    fn behind(&self, key: &SettingKey) -> Vec<&Taken<'_>> {
        let value_of = |fragment: &Fragment| setting_of(fragment, key).map(|setting| setting.value.clone());
        let counts: Option<Value> = self.fragments().find_map(value_of);
        let mut behind = Vec::new();
        for candidate in self.candidates {
            let Some(taken) = self.taken.get(&candidate.present.key) else { continue };
            let now = match taken.state {
                MemberState::Linked => setting_of(&candidate.present.asked, key),
                MemberState::LastGood => candidate.setting_before(key),
                MemberState::Quarantined | MemberState::Kept => continue,
            };
            let now = now.map(|setting| &setting.value);
            let before = candidate.setting_before(key).map(|setting| &setting.value);
            let brings = self.is_newcomer(taken) && now != before;
            if now == counts.as_ref() {
                match (now, brings) {
                    (Some(_), false) => return Vec::new(),
                    (_, true) => behind.push(taken),
                    (None, false) => {}
                }
            }
        }
        behind
    }

    /// Tells of what nobody brought in: those who say it, or all. Whether what AWS has stays for all of it.
    pub(super) fn tell(&mut self, faults: &[Fault]) -> bool {
        let mut found = Vec::new();
        for fault in faults {
            let effect = if fault.stays { Effect::PartKept } else { Effect::GroupBlocked };
            let readers = self.readers(fault);
            let finding =
                |fragment: &Fragment| (fragment.key.clone(), fault.finding(fragment, None, effect, readers.clone()));
            if let Some(backends) = &fault.backends {
                let owner = self.taken.get(&backends.of);
                found.extend(owner.map(|taken| finding(&taken.candidate.present.asked)));
                continue;
            }
            let says = |fragment: &&Fragment| fault.by.first().is_some_and(|key| setting_of(fragment, key).is_some());
            let before = found.len();
            found.extend(self.fragments().filter(says).map(finding));
            if found.len() == before {
                found.extend(self.fragments().map(finding));
            }
        }
        for (key, finding) in found {
            self.report(&key, finding);
        }
        faults.iter().all(|fault| fault.stays)
    }
}
