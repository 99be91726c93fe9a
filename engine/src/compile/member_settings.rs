//! Settings of a member that have to fit those of the other members, piece by piece: the merge rule of the row decides what a piece is.

use std::collections::BTreeSet;

use super::Fragment;
use crate::annotation::catalogue::{LISTENER_ATTRIBUTES, TAGS};
use crate::annotation::{Merge, Scope, Setting, SettingRow, Source, Value, When};
use crate::stack::Protocol;

/// Something of which a group has one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SettingKey {
    /// A setting of the group.
    Group(&'static SettingRow),
    /// One key of a setting of the group.
    Item(&'static SettingRow, String),
    /// A setting of a port: of the load balancer's, or of the NLB's.
    Port(&'static SettingRow, u16),
    /// One key of a setting of a listener.
    PortItem(&'static SettingRow, u16, Protocol, String),
    /// What answers on a port if no rule does.
    DefaultBackend(u16, Protocol),
}

impl SettingKey {
    /// That of a setting of the group.
    #[must_use]
    pub const fn of<T>(setting: &'static Setting<T>) -> Self {
        Self::Group(&setting.row)
    }

    /// The setting.
    #[must_use]
    pub fn row(&self) -> Option<&'static SettingRow> {
        match self {
            Self::Group(row) | Self::Item(row, _) | Self::Port(row, _) | Self::PortItem(row, ..) => Some(row),
            Self::DefaultBackend(..) => None,
        }
    }

    /// The whole key of the annotation, without its prefix.
    #[must_use]
    pub fn annotation(&self) -> Option<String> {
        let row = self.row()?;
        Some(match self {
            Self::PortItem(_, port, protocol, _) => row.key_on(*protocol, *port),
            Self::Group(_) | Self::Item(..) | Self::Port(..) | Self::DefaultBackend(..) => row.key.to_owned(),
        })
    }

    /// The key in the value of the annotation, if this is about one.
    #[must_use]
    pub fn item(&self) -> Option<&str> {
        match self {
            Self::Item(_, item) | Self::PortItem(.., item) => Some(item),
            Self::Group(_) | Self::Port(..) | Self::DefaultBackend(..) => None,
        }
    }

    /// A value of it as one writes it.
    #[must_use]
    pub fn shown(&self, value: &Value) -> String {
        match self {
            Self::Group(row) | Self::Port(row, _) => row.shown(value),
            Self::Item(..) | Self::PortItem(..) | Self::DefaultBackend(..) => value.to_string(),
        }
    }

    /// Whether it has no effect unless a member asks for an NLB.
    #[must_use]
    pub fn is_of_nlb(&self) -> bool {
        self.row().is_some_and(|row| row.when == When::NetworkLoadBalancer)
    }
}

/// The value of a setting, or of one key or port of it, in a member.
#[derive(Debug, Clone, PartialEq)]
pub struct MemberSetting {
    /// Which.
    pub key: SettingKey,
    /// Equal values mean the same.
    pub value: Value,
    /// Where it comes from.
    pub source: Source,
}

/// All of a member, each piece once.
pub(super) fn of(member: &Fragment) -> Vec<MemberSetting> {
    let mut settings = Vec::new();
    for (row, resolved) in member.values.iter() {
        for (key, value) in pieces(row, &resolved.value, member) {
            settings.push(MemberSetting { key, value, source: resolved.source });
        }
    }
    let mut say = |key: SettingKey, value: &str, source: Source| {
        settings.push(MemberSetting { key, value: Value::Text(value.to_owned()), source });
    };
    let of_class = member.of_class(&TAGS.row, TAGS.row.key);
    for (key, value) in &member.tags {
        let by_class = matches!(&of_class, Some(Value::Map(tags)) if tags.contains_key(key));
        let source = if by_class { Source::Class } else { Source::Ingress };
        say(SettingKey::Item(&TAGS.row, key.clone()), value, source);
    }
    for (port, listener) in &member.listeners {
        for (key, value) in &listener.attributes {
            let key = SettingKey::PortItem(&LISTENER_ATTRIBUTES.row, *port, listener.protocol, key.clone());
            say(key, value, Source::Ingress);
        }
        if member.default_backend.is_some() {
            // No two members have the same one.
            say(SettingKey::DefaultBackend(*port, listener.protocol), &member.key.to_string(), Source::Ingress);
        }
    }
    settings
}

/// The pieces of a value that are compared each by itself.
fn pieces(row: &'static SettingRow, value: &Value, member: &Fragment) -> Vec<(SettingKey, Value)> {
    let whole = |value: Value| vec![(SettingKey::Group(row), value)];
    match row.merge {
        Merge::Own | Merge::JoinPerPort | Merge::KeyUnionPerPort => Vec::new(),
        Merge::Same | Merge::SameList | Merge::Identical => whole(value.clone()),
        Merge::SameNonEmpty if value.is_empty() => Vec::new(),
        Merge::SameNonEmpty => whole(value.clone()),
        Merge::SameSet => whole(any_order(value)),
        Merge::KeyUnion => match value {
            Value::Map(pairs) => {
                let item =
                    |(key, value): (&String, &String)| (SettingKey::Item(row, key.clone()), Value::Text(value.clone()));
                pairs.iter().map(item).collect()
            }
            value => whole(value.clone()),
        },
        Merge::PortUnion | Merge::SamePerPort => on_ports(row, member, value),
        Merge::SameSetPerPort => on_ports(row, member, &any_order(value)),
    }
}

/// A value on each port that it counts on.
fn on_ports(row: &'static SettingRow, member: &Fragment, value: &Value) -> Vec<(SettingKey, Value)> {
    let ports: Vec<u16> = match row.scope {
        Scope::NetworkLoadBalancer => member.nlb_ports().into_keys().collect(),
        _ => {
            let listeners = member.listeners.iter();
            let counts = listeners.filter(|(_, one)| row.when != When::Https || one.protocol == Protocol::Https);
            counts.map(|(port, _)| *port).collect()
        }
    };
    let on_port = |port: u16| match value {
        Value::ByPort(ports) => Some((SettingKey::Port(row, port), ports.get(&port)?.clone())),
        value => Some((SettingKey::Port(row, port), value.clone())),
    };
    ports.into_iter().filter_map(on_port).collect()
}

/// The items of a list as a set; what has no order anyway stays as it is.
fn any_order(value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()),
        value => value.clone(),
    }
}
