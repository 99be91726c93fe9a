//! Compilation remembered: a member whose inputs are those of an earlier time is not compiled again.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;

use super::{Compiled, Context, compile};
use crate::facts::Facts;
use crate::kinds::Key;
use crate::settings::Settings;
use crate::stack::GroupId;
use crate::world::{Class, ClassifiedMember, SecretKeys, View, secret_refs, service_refs};

/// Compilations that are kept of one Ingress: as it is stored, as it was last good, as a review would have it.
const VARIANTS: usize = 3;
/// What takes more than this part of the capacity is not kept.
const LARGEST_SHARE: usize = 4;

/// What was compiled, with what it was compiled from. The caller owns it; it is never wrong, only empty.
///
/// An entry counts while its inputs are equal to those at hand. Objects of the world are shared, so that comparing them is
/// comparing pointers; only what comes from elsewhere (a candidate under review) is compared by value. Operator's
/// settings and facts are the same for all entries: when they change, all are dropped.
#[derive(Debug, Default)]
pub struct Cache {
    /// Bytes that each of the two generations may hold.
    capacity: usize,
    /// Bytes that the young ones hold, as [`weight`] counts them.
    held: usize,
    compilations: u64,
    settings: Option<Settings>,
    facts: Option<Arc<Facts>>,
    /// The Ingress under review, and the object of it that is stored.
    reviewed: Option<(Key, Option<Arc<Ingress>>)>,
    /// What was used since the last time that it was full.
    young: BTreeMap<Key, Vec<Entry>>,
    /// What was used before that: dropped when the young are full again.
    old: BTreeMap<Key, Vec<Entry>>,
}

/// One compilation and all that it looked at.
#[derive(Debug)]
struct Entry {
    group: GroupId,
    ingress: Arc<Ingress>,
    class: Class,
    services: Vec<(Key, Option<Arc<Service>>)>,
    secrets: Vec<(Key, Option<Arc<SecretKeys>>)>,
    /// Services that there are, from which a missing one's likely name is taken; only if one is missing.
    names: Option<Vec<Key>>,
    compiled: Arc<Compiled>,
    /// Bytes.
    weight: usize,
}

impl Cache {
    /// Keeps compilations of `capacity` bytes, of twice as many for a while. [`Default`] keeps none.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// The facts that will be asked with: comparing them is then comparing pointers.
    pub fn know(&mut self, facts: &Arc<Facts>) {
        let same = self.facts.as_ref().is_some_and(|known| same(known, facts));
        if !same {
            self.forget();
        }
        self.facts = Some(facts.clone());
    }

    /// How many times something had to be compiled.
    #[must_use]
    pub fn compilations(&self) -> u64 {
        self.compilations
    }

    /// Compiles members, each unless that was done from the same inputs before.
    pub fn compile<'m>(
        &mut self,
        members: impl IntoIterator<Item = &'m ClassifiedMember>,
        context: Context<'_>,
    ) -> Vec<Arc<Compiled>> {
        self.settle(context);
        members.into_iter().map(|member| self.one(member, context)).collect()
    }

    fn one(&mut self, member: &ClassifiedMember, context: Context<'_>) -> Arc<Compiled> {
        let key = member.key();
        if let Some(known) = self.find(&key, member, context.view) {
            return known;
        }
        self.compilations += 1;
        let compiled = Arc::new(compile(member, context));
        if self.capacity > 0 && !self.is_passing(&key, &member.ingress) {
            self.keep(key, Entry::new(member, context.view, compiled.clone()));
        }
        compiled
    }

    /// Runs a review of an Ingress, in which nothing is kept of it but what is compiled from this object, the stored one: what is only
    /// reviewed may never be seen again, and whoever may ask for reviews must not fill the memory. Nor is it worth the time to [weigh](weight) it.
    pub fn reviewing<T>(&mut self, key: &Key, stored: Option<&Arc<Ingress>>, review: impl FnOnce(&mut Self) -> T) -> T {
        self.reviewed = Some((key.clone(), stored.cloned()));
        let answer = review(self);
        self.reviewed = None;
        answer
    }

    /// Bytes that are held, by an estimate that is rather too high.
    #[must_use]
    pub fn bytes(&self) -> usize {
        weight_of(&self.young) + weight_of(&self.old)
    }

    /// Whether this is under review and not stored.
    fn is_passing(&self, key: &Key, ingress: &Arc<Ingress>) -> bool {
        let Some((reviewed, stored)) = &self.reviewed else { return false };
        reviewed == key && !stored.as_ref().is_some_and(|stored| Arc::ptr_eq(stored, ingress))
    }

    fn forget(&mut self) {
        self.young.clear();
        self.old.clear();
        self.held = 0;
    }

    /// Drops everything if the settings or facts are others than before.
    fn settle(&mut self, context: Context<'_>) {
        if self.capacity == 0 {
            return;
        }
        if self.settings.as_ref() != Some(context.settings) {
            self.forget();
            self.settings = Some(context.settings.clone());
        }
        let known = self.facts.as_deref();
        let same = known.is_some_and(|known| std::ptr::eq(known, context.facts) || known == context.facts);
        if !same {
            self.forget();
            self.facts = Some(Arc::new(context.facts.clone()));
        }
    }

    fn find(&mut self, key: &Key, member: &ClassifiedMember, view: &View) -> Option<Arc<Compiled>> {
        let counts = |entry: &Entry| entry.counts(member, view);
        if let Some(entry) = self.young.get(key).into_iter().flatten().find(|entry| counts(entry)) {
            return Some(entry.compiled.clone());
        }
        let entry = self.old.remove(key)?.into_iter().find(counts)?;
        let compiled = entry.compiled.clone();
        self.keep(key.clone(), entry);
        Some(compiled)
    }

    fn keep(&mut self, key: Key, entry: Entry) {
        // One that takes a large part of the room would throw out what many others need.
        if entry.weight > self.capacity / LARGEST_SHARE {
            return;
        }
        if self.held + entry.weight > self.capacity {
            self.old = std::mem::take(&mut self.young);
            self.held = 0;
        }
        self.held += entry.weight;
        let variants = self.young.entry(key).or_default();
        variants.insert(0, entry);
        for dropped in variants.drain(VARIANTS.min(variants.len())..) {
            self.held = self.held.saturating_sub(dropped.weight);
        }
    }
}

/// The bytes of some entries.
fn weight_of(entries: &BTreeMap<Key, Vec<Entry>>) -> usize {
    entries.values().flatten().map(|entry| entry.weight).sum()
}

/// Twice the length of a value's debug text, which grows with every field and item, so that no new one is forgotten. Field names in
/// the text stand for headers and slack in memory; what is shared counts each time that it is met.
fn weight(value: &impl Debug) -> usize {
    let mut length = Length(0);
    // A length never fails to be written.
    let _ = write!(length, "{value:?}");
    2 * length.0
}

/// Counts what is written.
struct Length(usize);

impl Write for Length {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

impl Entry {
    fn new(member: &ClassifiedMember, view: &View, compiled: Arc<Compiled>) -> Self {
        let namespace = member.key().namespace;
        let services: Vec<_> = service_refs(&member.ingress)
            .into_iter()
            .map(|name| Key::new(&namespace, &name))
            .map(|key| (key.clone(), view.services.get(&key).cloned()))
            .collect();
        let missing = services.iter().any(|(_, service)| service.is_none());
        Self {
            group: view.group.clone(),
            ingress: member.ingress.clone(),
            class: member.class.clone(),
            secrets: secret_refs(&member.ingress, &view.services)
                .into_iter()
                .map(|key| (key.clone(), view.secrets.get(&key).cloned()))
                .collect(),
            names: missing.then(|| names(view, &namespace).collect()),
            services,
            weight: weight(&compiled) + weight(&member.ingress),
            compiled,
        }
    }

    /// Whether it was compiled from what is at hand.
    fn counts(&self, member: &ClassifiedMember, view: &View) -> bool {
        let class = self.class.name == member.class.name
            && same_or_none(self.class.params.as_ref(), member.class.params.as_ref());
        class
            && same(&self.ingress, &member.ingress)
            && self.group == view.group
            && self.services.iter().all(|(key, was)| same_or_none(was.as_ref(), view.services.get(key)))
            && self.secrets.iter().all(|(key, was)| same_or_none(was.as_ref(), view.secrets.get(key)))
            && self.names.as_ref().is_none_or(|were| were.iter().cloned().eq(names(view, &self.compiled.key.namespace)))
    }
}

fn names(view: &View, namespace: &str) -> impl Iterator<Item = Key> {
    view.nearby.iter().map(|service| Key::of(&service.metadata)).filter(move |key| key.namespace == namespace)
}

fn same<T: PartialEq>(was: &Arc<T>, is: &Arc<T>) -> bool {
    Arc::ptr_eq(was, is) || was == is
}

fn same_or_none<T: PartialEq>(was: Option<&Arc<T>>, is: Option<&Arc<T>>) -> bool {
    match (was, is) {
        (Some(was), Some(is)) => same(was, is),
        (None, None) => true,
        _ => false,
    }
}
