//! One value from those of all members, by the merge rules of the rows. Conflicts are found in `conflict`.

use super::group::Group;
use crate::annotation::catalogue::LISTENER_ATTRIBUTES;
use crate::annotation::{Setting, SettingRow, SettingValue, Value, Wins};
use crate::compile::{Fragment, SettingKey};
use crate::settings::Settings;
use crate::stack::{Attributes, Protocol};

impl Group<'_> {
    /// The value of a setting for the group: from the class of the first member, if that wins over all, or from the first member that sets it.
    pub(super) fn merged<T: SettingValue>(self, setting: &'static Setting<T>) -> Option<T> {
        let row = &setting.row;
        let settles = row.parameter.filter(|parameter| parameter.wins == Wins::AsFirst);
        let of_class = settles.and_then(|_| self.fragments().next()?.of_class(row, row.key));
        of_class.and_then(|value| T::from_value(&value)).or_else(|| first(self.fragments(), setting))
    }

    /// The same, or the flag or default where no member sets it.
    pub(super) fn merged_or_default<T: SettingValue>(self, setting: &'static Setting<T>) -> Option<T> {
        self.merged(setting).or_else(|| Some(setting.fallback(self.input.settings)?.value))
    }

    /// The pairs of all members; those of the first member's class win.
    pub(super) fn united(self, setting: &'static Setting<Attributes>) -> Attributes {
        let row = &setting.row;
        let all = self.fragments().filter_map(|fragment| fragment.values.get(setting)).flatten();
        all.chain(of_first(self.fragments().next(), row, row.key)).collect()
    }

    /// The attributes of a listener: those of all members on its port; those of the class of the first one there win.
    pub(super) fn listener_attributes(self, port: u16, protocol: Protocol) -> Attributes {
        let row = &LISTENER_ATTRIBUTES.row;
        let all = self.on(port).flat_map(|(_, listener)| listener.attributes.clone());
        let first = self.fragments_on(port).next();
        all.chain(of_first(first, row, &row.key_on(protocol, port))).collect()
    }
}

/// The value in the first of some members that set it.
pub(super) fn first<'f, T: SettingValue>(
    mut of: impl Iterator<Item = &'f Fragment>,
    setting: &'static Setting<T>,
) -> Option<T> {
    of.find_map(|fragment| fragment.values.get(setting))
}

/// The same, or the flag or default where none sets it.
pub(super) fn first_or_default<'f, T: SettingValue>(
    of: impl Iterator<Item = &'f Fragment>,
    setting: &'static Setting<T>,
    settings: &Settings,
) -> Option<T> {
    first(of, setting).or_else(|| Some(setting.fallback(settings)?.value))
}

fn of_first(first: Option<&Fragment>, row: &SettingRow, suffix: &str) -> Attributes {
    let value = first.and_then(|first| first.of_class(row, suffix));
    value.and_then(|value| Attributes::from_value(&value)).unwrap_or_default()
}

/// The value in the class of the first member of the group (or on the port), if it wins over all annotations.
pub(super) fn settled(first: &Fragment, key: &SettingKey) -> Option<Value> {
    let wins = key.row()?.parameter?.wins;
    match (wins, key.item()) {
        (Wins::AsFirst, _) | (Wins::ByKeyAsFirst, Some(_)) => of_class(first, key),
        (Wins::OverEach | Wins::ByKey | Wins::ByKeyAsFirst, _) => None,
    }
}

/// The value in the parameters of a member's class.
pub(super) fn of_class(member: &Fragment, key: &SettingKey) -> Option<Value> {
    match (member.of_class(key.row()?, &key.annotation()?)?, key.item()) {
        (Value::Map(pairs), Some(item)) => Some(Value::Text(pairs.get(item)?.clone())),
        (value, _) => Some(value),
    }
}
