//! Whether members of a group contradict each other: what they say of one thing has to be the same, where it counts.

mod circumstances;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::annotation::PREFIX;
use crate::compile::{FRONTEND_WHOLE, Fragment, Statement, Thing};
use crate::finding::{Code, FieldPath, Finding, ObjectRef, Readers};
use circumstances::Circumstances;

/// Contradictions among others that one newcomer is told of.
const TOLD: usize = 10;
/// What a member's silence is taken for where it is a statement.
const SILENCE: &str = "(none)";

/// What the members taken so far say. A newcomer is held against that and not against each member, so a group costs as
/// much time as its members say.
#[derive(Debug, Default)]
pub(super) struct Agreement {
    said: BTreeMap<Thing, Said>,
    /// Things of which members say one thing and another, which as things stand does not count.
    open: BTreeSet<Thing>,
    /// The first member of the group.
    first: Option<Arc<Fragment>>,
    /// The first on each port.
    first_on: BTreeMap<u16, Arc<Fragment>>,
    /// Who speaks of [`FRONTEND_WHOLE`], by annotation.
    whole: BTreeMap<&'static str, Whole>,
    /// A member asks for an NLB.
    frontend_nlb: bool,
    /// What any of those says who will be put together.
    circumstances: Circumstances,
}

/// What is said of a thing: by the most senior who speaks of it, and by the most senior who says otherwise.
#[derive(Debug)]
struct Said {
    text: String,
    by: Arc<Fragment>,
    otherwise: Option<(String, Arc<Fragment>)>,
}

impl Said {
    /// Who says something else than a text, and what.
    fn against(&self, text: &str) -> Option<(&str, &Fragment)> {
        if self.text != text {
            return Some((&self.text, &self.by));
        }
        self.otherwise.as_ref().map(|(text, by)| (text.as_str(), &**by))
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
        Self { circumstances: Circumstances::of(all), ..Self::default() }
    }

    /// Takes note of what a member says.
    pub(super) fn take_in(&mut self, member: &Arc<Fragment>) {
        for Statement { thing, text } in &member.statements {
            match self.said.get_mut(thing) {
                None => {
                    let said = Said { text: text.clone(), by: member.clone(), otherwise: None };
                    self.said.insert(thing.clone(), said);
                }
                Some(said) if said.text != *text && said.otherwise.is_none() => {
                    said.otherwise = Some((text.clone(), member.clone()));
                    self.open.insert(thing.clone());
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
        for suffix in FRONTEND_WHOLE {
            let whole = self.whole.entry(suffix).or_default();
            match spoken(member, suffix) {
                Some(_) if is_first(whole.first_to_speak.as_ref()) => whole.first_to_speak = Some(member.clone()),
                None if whole.last_silent.as_ref().is_none_or(|last| comes_before(last, member)) => {
                    whole.last_silent = Some(member.clone());
                }
                _ => {}
            }
        }
        self.frontend_nlb |= asks_for_frontend_nlb(member);
    }

    /// The contradictions that a newcomer brings with it, each a finding on the newcomer: what it says otherwise than its
    /// seniors, and what they say otherwise than each other if only with the newcomer that counts.
    pub(super) fn contradictions(&self, newcomer: &Fragment) -> Vec<Finding> {
        let mut findings = Vec::new();
        for Statement { thing, text } in &newcomer.statements {
            let against = self.said.get(thing).and_then(|said| said.against(text));
            let against = against.filter(|_| self.counts(thing, newcomer));
            findings.extend(against.map(|(theirs, senior)| conflict(thing, (newcomer, text), (senior, theirs))));
        }
        if self.frontend_nlb || asks_for_frontend_nlb(newcomer) {
            findings.extend(FRONTEND_WHOLE.into_iter().filter_map(|suffix| self.silence(newcomer, suffix)));
        }
        findings.extend(self.opened_by(newcomer));
        findings
    }

    /// A newcomer that is silent behind one that speaks, or speaks before one that is silent.
    fn silence(&self, newcomer: &Fragment, suffix: &'static str) -> Option<Finding> {
        let Whole { first_to_speak, last_silent } = self.whole.get(suffix)?;
        let thing = Thing::FrontendWhole(suffix);
        if let Some(text) = spoken(newcomer, suffix) {
            let silent = last_silent.as_ref().filter(|silent| comes_before(newcomer, silent))?;
            return Some(conflict(&thing, (newcomer, text), (silent, SILENCE)));
        }
        let speaker = first_to_speak.as_ref().filter(|speaker| comes_before(speaker, newcomer))?;
        Some(conflict(&thing, (newcomer, SILENCE), (speaker, spoken(speaker, suffix)?)))
    }

    /// What seniors say otherwise than each other and what did not count without a newcomer: it asks for an NLB, or stands
    /// before the one whose class's parameters settled it.
    fn opened_by(&self, newcomer: &Fragment) -> Vec<Finding> {
        let opens = (!self.frontend_nlb && asks_for_frontend_nlb(newcomer)).then_some("enable-frontend-nlb");
        if opens.is_none() && !self.leads(newcomer) {
            return Vec::new();
        }
        let open = self.open.iter().filter(|thing| self.counts(thing, newcomer));
        let mut conflicts: Vec<Finding> = open
            .filter_map(|thing| {
                let said = self.said.get(thing)?;
                let (text, by) = said.otherwise.as_ref()?;
                Some(conflict(thing, (by, text), (&said.by, &said.text)))
            })
            .take(TOLD)
            .collect();
        if opens.is_some() {
            conflicts.extend(self.whole.iter().filter_map(|(suffix, whole)| {
                let (speaker, silent) = whole.first_to_speak.as_ref().zip(whole.last_silent.as_ref())?;
                let late = comes_before(speaker, silent).then_some(silent)?;
                let thing = Thing::FrontendWhole(suffix);
                Some(conflict(&thing, (late, SILENCE), (speaker, spoken(speaker, suffix)?)))
            }));
        }
        let (suffix, consequence) = match opens {
            Some(suffix) => (suffix, "of members that this would put an NLB in front of"),
            None => ("group.order", "of members that come behind this one, whose class does not settle it"),
        };
        let of_others = |conflict: Finding| {
            let message = format!("{} {consequence}", conflict.message);
            let path = FieldPath::annotation(&format!("{PREFIX}{suffix}"));
            let finding = Finding::new(Code::GroupConflict, subject(newcomer), path, message);
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

fn asks_for_frontend_nlb(fragment: &Fragment) -> bool {
    fragment.frontend_nlb.enabled == Some(true)
}

fn spoken<'f>(fragment: &'f Fragment, suffix: &'static str) -> Option<&'f str> {
    let statements = fragment.statements.iter();
    let mut of_it = statements.filter(|one| one.thing == Thing::FrontendWhole(suffix));
    of_it.next().map(|one| one.text.as_str())
}

fn subject(fragment: &Fragment) -> ObjectRef {
    ObjectRef::ingress(&fragment.key.namespace, &fragment.key.name)
}

/// The annotation that says it, where in it, and whether it is said of a listener.
pub(super) fn words(thing: &Thing) -> (String, String, Code) {
    let (suffix, place, code) = match thing {
        Thing::Group(suffix) | Thing::Frontend(suffix) | Thing::FrontendWhole(suffix) => {
            (*suffix, String::new(), Code::GroupConflict)
        }
        Thing::Attribute(key) => ("load-balancer-attributes", format!(" {key}"), Code::GroupConflict),
        Thing::Tag(key) => ("tags", format!(" {key}"), Code::GroupConflict),
        Thing::Listener(port, suffix) => (*suffix, format!(" on port {port}"), Code::ListenerConflict),
        Thing::FrontendPort(port, suffix) => (*suffix, format!(" on the NLB's port {port}"), Code::ListenerConflict),
        Thing::ListenerAttribute(port, protocol, key) => {
            return (format!("listener-attributes.{protocol}-{port}"), format!(" {key}"), Code::GroupConflict);
        }
        Thing::DefaultBackend(port, _) => ("", format!(" on port {port}"), Code::ListenerConflict),
    };
    (suffix.to_owned(), place, code)
}

/// What a newcomer says against what a senior says.
fn conflict(thing: &Thing, (newcomer, own): (&Fragment, &str), (senior, theirs): (&Fragment, &str)) -> Finding {
    let (suffix, place, code) = words(thing);
    if matches!(thing, Thing::DefaultBackend(..)) {
        let message = format!("multiple ingress defined default backend: {} has one{place} already", senior.key);
        return Finding::new(code, subject(newcomer), FieldPath::at("spec.defaultBackend"), message)
            .related([subject(senior)])
            .mend("keep one spec.defaultBackend in the group, or listen on another port");
    }
    let message = format!("conflicting {suffix}{place}, {}: {own} | {}: {theirs}", newcomer.key, senior.key);
    let outline = format!("conflicting {suffix}{place}: {} says one thing and {} another", newcomer.key, senior.key);
    // Two namespaces: neither reads what the other wrote.
    let (one, other) = (&newcomer.key.namespace, &senior.key.namespace);
    let readers = if one == other { Readers::from([one.clone()]) } else { Readers::new() };
    Finding::new(code, subject(newcomer), FieldPath::annotation(&format!("{PREFIX}{suffix}")), message)
        .value(own)
        .allowed([theirs.to_owned()])
        .related([subject(senior)])
        .mend(format!("write {theirs} as {} does, or leave it out, or leave the group", senior.key))
        .known_to(readers, outline)
}
