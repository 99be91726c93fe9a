//! Which value of each setting is in effect, and where it comes from: what `merge` decides, told with its source.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Linked;
use super::conflict::words;
use super::merge::{of_class, settled};
use crate::annotation::catalogue::LISTENER_ATTRIBUTES;
use crate::annotation::{Merge, Scope, SettingRow, Source, Value, rows};
use crate::compile::{Fragment, SettingKey};
use crate::kinds::Key;
use crate::settings::Settings;

/// A setting with the value that is in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct InEffect {
    /// Which.
    pub key: SettingKey,
    /// The value as one writes it.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
    /// The Ingress whose annotation or class sets it; `None`: a flag or a default does.
    pub by: Option<Key>,
    /// The `IngressClassParams` of that Ingress's class.
    pub params: Option<String>,
}

impl InEffect {
    /// The annotation that sets it, without its prefix, and which part of it: `ssl-policy on port 443`.
    #[must_use]
    pub fn words(&self) -> String {
        let (suffix, place, _) = words(&self.key);
        suffix + &place
    }

    /// Where it comes from, in words; of the reader's own Ingress it says no name.
    #[must_use]
    pub fn from(&self, reader: &Key) -> String {
        let others = self.by.as_ref().filter(|by| *by != reader && self.source != Source::Default);
        let whose = others.map(|by| format!(" of Ingress {by}"));
        let from = self.key.row().map(|row| self.source.words(row, self.params.as_deref().unwrap_or_default(), ""));
        from.unwrap_or_default() + &whose.unwrap_or_default()
    }

    /// One line: `scheme: internal (annotation)`.
    #[must_use]
    pub fn line(&self, reader: &Key) -> String {
        format!("{}: {} ({})", self.words(), self.value, self.from(reader))
    }

    fn of(key: SettingKey, value: &Value, source: Source, by: &Fragment) -> Self {
        let params = by.params.as_ref().and_then(|params| params.metadata.name.clone());
        Self { value: key.shown(value), key, source, by: Some(by.key.clone()), params }
    }
}

impl Linked {
    /// The settings of the load balancer and its listeners that are in effect for a member, in the order of the catalogue; nothing for who
    /// takes no part.
    #[must_use]
    pub fn in_effect(&self, member: &Key, settings: &Settings) -> Vec<InEffect> {
        let Some(own) = self.fragments.iter().find(|fragment| fragment.key == *member) else { return Vec::new() };
        let said = self.fragments.iter().flat_map(|fragment| &fragment.settings).map(|one| one.key.clone());
        let keys: BTreeSet<SettingKey> = said.chain(self.class_keys(own)).filter(|key| concerns(key, own)).collect();
        let decided = keys.into_iter().filter_map(|key| Some((key.clone(), self.decide(key, own)?)));
        let mut found: BTreeMap<SettingKey, InEffect> = decided.collect();
        for (row, resolved) in own.values.iter().filter(|(row, _)| is_of_one(row)) {
            let key = SettingKey::Group(row);
            found.insert(key.clone(), InEffect::of(key, &resolved.value, resolved.source, own));
        }
        for row in rows().filter(|row| matches!(row.scope, Scope::GroupExclusive | Scope::GroupMergeable)) {
            let key = SettingKey::Group(row);
            if let (false, Some(is)) = (found.contains_key(&key), row.fallback(settings)) {
                let value = row.shown(&is.value);
                found.insert(key.clone(), InEffect { key, value, source: is.source, by: None, params: None });
            }
        }
        found.into_values().collect()
    }

    /// The value of one setting. Where the member sets the same value as the one that decides, its own source is told.
    fn decide(&self, key: SettingKey, own: &Arc<Fragment>) -> Option<InEffect> {
        let mut own_first = std::iter::once(own).chain(&self.fragments);
        if let Some(value) = self.first_of(&key).and_then(|first| settled(first, &key)) {
            let by = own_first.find(|fragment| of_class(fragment, &key).as_ref() == Some(&value))?;
            return Some(InEffect::of(key, &value, Source::Class, by));
        }
        let value = &self.fragments.iter().find_map(|fragment| fragment.setting(&key))?.value;
        let (by, source) = own_first.find_map(|fragment| {
            let said = fragment.setting(&key).filter(|said| said.value == *value)?;
            Some((fragment, said.source))
        })?;
        Some(InEffect::of(key, value, source, by))
    }

    /// What the class of the first member may decide, whoever says something of it.
    fn class_keys(&self, own: &Fragment) -> Vec<SettingKey> {
        let Some(first) = self.fragments.first() else { return Vec::new() };
        let mut keys = Vec::new();
        for row in rows().filter(|row| row.parameter.is_some()) {
            match first.of_class(row, row.key) {
                Some(Value::Map(pairs)) => {
                    keys.extend(pairs.into_keys().map(|item| SettingKey::Item(row, item)));
                }
                Some(_) => keys.push(SettingKey::Group(row)),
                None => {}
            }
        }
        let row = &LISTENER_ATTRIBUTES.row;
        for (port, protocol) in own.listeners.iter().map(|(port, listener)| (*port, listener.protocol)) {
            let first = self.first_on(port);
            if let Some(Value::Map(pairs)) = first.and_then(|first| first.of_class(row, &row.key_on(protocol, port))) {
                keys.extend(pairs.into_keys().map(|item| SettingKey::PortItem(row, port, protocol, item)));
            }
        }
        keys
    }

    /// The first member of the group, or on the port of the setting.
    fn first_of(&self, key: &SettingKey) -> Option<&Arc<Fragment>> {
        match key {
            SettingKey::PortItem(_, port, ..) => self.first_on(*port),
            _ => self.fragments.first(),
        }
    }

    fn first_on(&self, port: u16) -> Option<&Arc<Fragment>> {
        self.fragments.iter().find(|fragment| fragment.listeners.contains_key(&port))
    }
}

/// Whether a setting says something of the load balancer, or of a port on which the member listens.
fn concerns(key: &SettingKey, own: &Fragment) -> bool {
    match key {
        SettingKey::Group(_) | SettingKey::Item(..) => true,
        SettingKey::Port(row, port) if row.scope == Scope::NetworkLoadBalancer => own.nlb_ports().contains_key(port),
        SettingKey::Port(_, port) | SettingKey::PortItem(_, port, ..) => own.listeners.contains_key(port),
        SettingKey::DefaultBackend(..) => false,
    }
}

/// Whether each member has a value of its own, so that no piece of it is compared.
fn is_of_one(row: &SettingRow) -> bool {
    matches!(row.merge, Merge::Own | Merge::JoinPerPort | Merge::KeyUnionPerPort)
}
