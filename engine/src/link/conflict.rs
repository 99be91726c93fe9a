//! Whether members of a group conflict with each other: what they say of one thing has to be the same, where it counts.

mod context;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::annotation::PREFIX;
use crate::annotation::catalogue::{ENABLE_FRONTEND_NLB, GROUP_ORDER};
use crate::annotation::{Merge, SettingRow, Source, Value, rows};
use crate::compile::{Fragment, MemberSetting, SettingKey};
use crate::finding::{Code, FieldPath, Finding, Readers};
use context::ConflictContext;

/// Conflicts among others that one newcomer is told of.
const TOLD: usize = 10;
/// How the value is shown of a member that says nothing, where that is a conflict.
const SILENCE: &str = "(none)";

/// What the members taken so far say. A newcomer is held against that and not against each member, so a group costs as
/// much time as its members say.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    settings: BTreeMap<SettingKey, Standing>,
    /// Settings of which members have different values, without a conflict as things stand.
    open: BTreeSet<SettingKey>,
    /// The first member of the group.
    first: Option<Arc<Fragment>>,
    /// The first on each port.
    first_on: BTreeMap<u16, Arc<Fragment>>,
    /// Who sets what has to be the same in all members, or absent in all.
    whole: BTreeMap<&'static SettingRow, Whole>,
    /// A member asks for an NLB.
    nlb: bool,
    /// What any of those says who will be put together.
    context: ConflictContext,
}

/// The values of a setting: of the most senior member that has one, and of the most senior that has another.
#[derive(Debug)]
struct Standing {
    own: One,
    other: Option<One>,
}

/// The value of one member.
#[derive(Debug)]
struct One {
    setting: MemberSetting,
    by: Arc<Fragment>,
}

impl One {
    fn of(setting: &MemberSetting, by: &Arc<Fragment>) -> Self {
        Self { setting: setting.clone(), by: by.clone() }
    }

    fn side(&self) -> Side<'_> {
        (&self.by, Some(&self.setting))
    }
}

/// A member and what it says; `None`: nothing.
type Side<'s> = (&'s Fragment, Option<&'s MemberSetting>);

impl Standing {
    /// The most senior member with another value.
    fn against(&self, value: &Value) -> Option<Side<'_>> {
        if self.own.setting.value != *value {
            return Some(self.own.side());
        }
        self.other.as_ref().map(One::side)
    }
}

/// Of something that all have to say behind the first that does.
#[derive(Debug, Default)]
struct Whole {
    first_to_speak: Option<Arc<Fragment>>,
    last_silent: Option<Arc<Fragment>>,
}

impl Agreement {
    /// Nobody's yet, of those that will be put together.
    pub(super) fn new<'f>(all: impl IntoIterator<Item = &'f Arc<Fragment>>) -> Self {
        Self { context: ConflictContext::of(all), ..Self::default() }
    }

    /// Takes note of what a member says.
    pub(super) fn take_in(&mut self, member: &Arc<Fragment>) {
        for one in &member.settings {
            match self.settings.get_mut(&one.key) {
                None => {
                    self.settings.insert(one.key.clone(), Standing { own: One::of(one, member), other: None });
                }
                Some(standing) if standing.own.setting.value != one.value && standing.other.is_none() => {
                    standing.other = Some(One::of(one, member));
                    self.open.insert(one.key.clone());
                }
                Some(_) => {}
            }
        }
        let is_first = |before: Option<&Arc<Fragment>>| before.is_none_or(|before| comes_before(member, before));
        if is_first(self.first.as_ref()) {
            self.first = Some(member.clone());
        }
        for port in member.listeners.keys() {
            if is_first(self.first_on.get(port)) {
                self.first_on.insert(*port, member.clone());
            }
        }
        for row in identical() {
            let whole = self.whole.entry(row).or_default();
            match member.setting(&SettingKey::Group(row)) {
                Some(_) if is_first(whole.first_to_speak.as_ref()) => whole.first_to_speak = Some(member.clone()),
                None if whole.last_silent.as_ref().is_none_or(|last| comes_before(last, member)) => {
                    whole.last_silent = Some(member.clone());
                }
                _ => {}
            }
        }
        self.nlb |= asks_for_nlb(member);
    }

    /// The conflicts that a newcomer brings with it, each a finding on the newcomer: what it says otherwise than its
    /// seniors, and what they say otherwise than each other if only with the newcomer that counts.
    pub(super) fn conflicts(&self, newcomer: &Fragment) -> Vec<Finding> {
        let mut findings = Vec::new();
        for own in &newcomer.settings {
            let against = self.settings.get(&own.key).and_then(|standing| standing.against(&own.value));
            let against = against.filter(|_| self.counts(&own.key, newcomer));
            findings.extend(against.map(|senior| conflict(&own.key, (newcomer, Some(own)), senior)));
        }
        if self.nlb || asks_for_nlb(newcomer) {
            findings.extend(identical().filter_map(|row| self.silence(newcomer, row)));
        }
        findings.extend(self.opened_by(newcomer));
        findings
    }

    /// A newcomer that is silent behind one that speaks, or speaks before one that is silent.
    fn silence(&self, newcomer: &Fragment, row: &'static SettingRow) -> Option<Finding> {
        let Whole { first_to_speak, last_silent } = self.whole.get(row)?;
        let key = SettingKey::Group(row);
        if let Some(own) = newcomer.setting(&key) {
            let silent = last_silent.as_ref().filter(|silent| comes_before(newcomer, silent))?;
            return Some(conflict(&key, (newcomer, Some(own)), (silent, None)));
        }
        let speaker = first_to_speak.as_ref().filter(|speaker| comes_before(speaker, newcomer))?;
        Some(conflict(&key, (newcomer, None), (speaker, speaker.setting(&key))))
    }

    /// What seniors say otherwise than each other and what did not count without a newcomer: it asks for an NLB, or stands
    /// before the one whose class's parameters settled it.
    fn opened_by(&self, newcomer: &Fragment) -> Vec<Finding> {
        let opens = (!self.nlb && asks_for_nlb(newcomer)).then_some(&ENABLE_FRONTEND_NLB.row);
        if opens.is_none() && !self.leads(newcomer) {
            return Vec::new();
        }
        let open = self.open.iter().filter(|key| self.counts(key, newcomer));
        let mut conflicts: Vec<Finding> = open
            .filter_map(|key| {
                let standing = self.settings.get(key)?;
                Some(conflict(key, standing.other.as_ref()?.side(), standing.own.side()))
            })
            .take(TOLD)
            .collect();
        if opens.is_some() {
            conflicts.extend(self.whole.iter().filter_map(|(row, whole)| {
                let (speaker, silent) = whole.first_to_speak.as_ref().zip(whole.last_silent.as_ref())?;
                let late = comes_before(speaker, silent).then_some(silent)?;
                let key = SettingKey::Group(row);
                Some(conflict(&key, (late, None), (speaker, speaker.setting(&key))))
            }));
        }
        let (row, consequence) = match opens {
            Some(row) => (row, "of members that this would put an NLB in front of"),
            None => (&GROUP_ORDER.row, "of members that come behind this one, whose class does not settle it"),
        };
        let of_others = |conflict: Finding| {
            let message = format!("{} {consequence}", conflict.message);
            let path = row.path();
            let finding = Finding::new(Code::GroupConflict, newcomer.key.ingress(), path, message);
            let value = if opens.is_some() { "true".to_owned() } else { newcomer.order.to_string() };
            let readers = conflict.readers().unwrap_or_default();
            let readers = readers.into_iter().filter(|reader| *reader == newcomer.key.namespace).collect();
            let outline = format!("members that say one thing and another in the same annotation {consequence}");
            let finding = finding.value(&value).related([conflict.subject]).related(conflict.related);
            finding.known_to(readers, outline)
        };
        conflicts.into_iter().map(of_others).collect()
    }
}

/// Whether a member stands before another in the group.
fn comes_before(one: &Fragment, other: &Fragment) -> bool {
    one.in_group_order(other).is_lt()
}

fn asks_for_nlb(fragment: &Fragment) -> bool {
    fragment.values.get(&ENABLE_FRONTEND_NLB) == Some(true)
}

/// What all members have to set alike, or none of them.
fn identical() -> impl Iterator<Item = &'static SettingRow> {
    rows().filter(|row| row.merge == Merge::Identical)
}

/// The annotation, where in it, and the code of a conflict.
pub(super) fn words(key: &SettingKey) -> (String, String, Code) {
    let (place, code) = match key {
        SettingKey::Group(_) => (String::new(), Code::GroupConflict),
        SettingKey::Item(_, item) | SettingKey::PortItem(.., item) => (format!(" {item}"), Code::GroupConflict),
        SettingKey::Port(_, port) => {
            let whose = if key.is_of_nlb() { "the NLB's port" } else { "port" };
            (format!(" on {whose} {port}"), Code::ListenerConflict)
        }
        SettingKey::DefaultBackend(port, _) => (format!(" on port {port}"), Code::ListenerConflict),
    };
    (key.annotation().unwrap_or_default(), place, code)
}

/// The value of a member as one writes it.
fn shown(setting: Option<&MemberSetting>) -> String {
    setting.map_or_else(|| SILENCE.to_owned(), |setting| setting.key.shown(&setting.value))
}

/// The value of a newcomer against that of a senior.
fn conflict(key: &SettingKey, (newcomer, own): Side<'_>, (senior, theirs): Side<'_>) -> Finding {
    let (suffix, place, code) = words(key);
    if matches!(key, SettingKey::DefaultBackend(..)) {
        let message = format!("multiple ingress defined default backend: {} has one{place} already", senior.key);
        return Finding::new(code, newcomer.key.ingress(), FieldPath::at("spec.defaultBackend"), message)
            .related([senior.key.ingress()])
            .fix("keep one spec.defaultBackend in the group, or listen on another port");
    }
    let from = |setting: Option<&MemberSetting>| match setting.map(|setting| setting.source) {
        Some(Source::Class) => " (from its IngressClassParams)",
        _ => "",
    };
    let sources = (from(own), from(theirs));
    let (own, theirs) = (shown(own), shown(theirs));
    let message = format!(
        "conflicting {suffix}{place}, {}: {own}{} | {}: {theirs}{}",
        newcomer.key, sources.0, senior.key, sources.1
    );
    let outline = format!("conflicting {suffix}{place}: {} says one thing and {} another", newcomer.key, senior.key);
    // Two namespaces: neither reads what the other wrote.
    let (one, other) = (&newcomer.key.namespace, &senior.key.namespace);
    let readers = if one == other { Readers::from([one.clone()]) } else { Readers::new() };
    let fix = format!("write {theirs} as {} does, or leave it out, or leave the group", senior.key);
    Finding::new(code, newcomer.key.ingress(), FieldPath::annotation(&format!("{PREFIX}{suffix}")), message)
        .value(&own)
        .allowed([theirs])
        .related([senior.key.ingress()])
        .fix(fix)
        .known_to(readers, outline)
}
