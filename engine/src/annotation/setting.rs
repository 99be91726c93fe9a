//! Settings: rows of the catalogue with the type of their value, and where a value comes from.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use super::PREFIX;
use super::row::{ClassParameter, Flag, Grammar, Merge, OnService, Scope, SettingRow, When, Wins};
use super::value::{SettingValue, Value};
use crate::finding::Code;
use crate::kinds::IngressClassParamsSpec;
use crate::settings::Settings;

/// One setting: the row that everybody reads, and the type that a value of it has.
#[derive(Debug)]
pub struct Setting<T> {
    /// All that is known of it.
    pub row: SettingRow,
    of: PhantomData<fn() -> T>,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A parameter of the class.
    Class,
    /// An annotation of the Service.
    Service,
    /// An annotation of the Ingress.
    Ingress,
    /// An annotation of the Ingress that admission wrote as a default.
    Injected,
    /// A flag of the controller.
    Flag,
    /// The built-in default.
    Default,
}

impl Source {
    /// In words, for a setting: `IngressClassParams public, spec.scheme`. `params` and `service` are the names of what may set it.
    #[must_use]
    pub fn words(self, row: &SettingRow, params: &str, service: &str) -> String {
        match self {
            Self::Class => {
                let field = row.parameter.map(|parameter| parameter.field).unwrap_or_default();
                format!("IngressClassParams {params}, spec.{field}")
            }
            Self::Service => format!("annotation of Service {service}"),
            Self::Ingress => "annotation".to_owned(),
            Self::Injected => "annotation that admission added".to_owned(),
            Self::Flag => "flag of the controller".to_owned(),
            Self::Default => "default".to_owned(),
        }
    }
}

/// A value and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

impl<T> Setting<T> {
    pub(super) const fn new(
        key: &'static str,
        scope: Scope,
        grammar: Grammar,
        merge: Merge,
        example: &'static str,
        doc: &'static str,
    ) -> Self {
        // What belongs to the frontend NLB has an effect and faults alike.
        let (when, other_codes): (When, &'static [Code]) = match scope {
            Scope::NetworkLoadBalancer => {
                (When::NetworkLoadBalancer, &[Code::GroupConflict, Code::InvalidFrontendNlb, Code::FrontendNlbOff])
            }
            _ => (When::Always, &[]),
        };
        let family = matches!(key.as_bytes().last(), Some(b'.'));
        let row = SettingRow {
            prefix: PREFIX,
            key,
            family,
            placeholder: if family { "<service>" } else { "" },
            example_name: if family { "app" } else { "" },
            scope,
            on_service: OnService::Unread,
            grammar,
            default: "",
            flag: None,
            merge,
            parameter: None,
            when,
            strict: false,
            passed_on: false,
            code: Code::InvalidValue,
            code_has_fix: false,
            unreadable: Code::InvalidValue,
            other_codes,
            confidential: false,
            doc,
            example,
        };
        Self { row, of: PhantomData }
    }

    pub(super) const fn default(mut self, value: &'static str) -> Self {
        self.row.default = value;
        self
    }

    pub(super) const fn flag(mut self, flag: Flag) -> Self {
        self.row.flag = Some(flag);
        self
    }

    pub(super) const fn params(
        mut self,
        field: &'static str,
        wins: Wins,
        get: fn(&IngressClassParamsSpec, &str) -> Option<Value>,
    ) -> Self {
        self.row.parameter = Some(ClassParameter { field, get, wins });
        self
    }

    pub(super) const fn named(mut self, placeholder: &'static str, example_name: &'static str) -> Self {
        self.row.placeholder = placeholder;
        self.row.example_name = example_name;
        self
    }

    pub(super) const fn of(mut self, prefix: &'static str) -> Self {
        self.row.prefix = prefix;
        self
    }

    pub(super) const fn code(mut self, code: Code) -> Self {
        self.row.code = code;
        self.row.unreadable = code;
        self
    }

    pub(super) const fn fix_of_code(mut self) -> Self {
        self.row.code_has_fix = true;
        self
    }

    pub(super) const fn unreadable(mut self, code: Code) -> Self {
        self.row.unreadable = code;
        self
    }

    pub(super) const fn also(mut self, codes: &'static [Code]) -> Self {
        self.row.other_codes = codes;
        self
    }

    pub(super) const fn strict(mut self) -> Self {
        self.row.strict = true;
        self
    }

    pub(super) const fn passed_on(mut self) -> Self {
        self.row.passed_on = true;
        self
    }

    pub(super) const fn when(mut self, when: When) -> Self {
        self.row.when = when;
        self
    }

    pub(super) const fn confidential(mut self) -> Self {
        self.row.confidential = true;
        self
    }

    pub(super) const fn on_service(mut self, does: OnService) -> Self {
        self.row.on_service = does;
        self
    }
}

impl<T: SettingValue> Setting<T> {
    /// The value where nothing is set: that of a flag, or the built-in default.
    #[must_use]
    pub fn fallback(&self, settings: &Settings) -> Option<Resolved<T>> {
        self.row.fallback(settings)?.typed()
    }
}

impl SettingRow {
    /// The value where nothing is set: that of a flag, or the built-in default.
    #[must_use]
    pub fn fallback(&self, settings: &Settings) -> Option<Resolved<Value>> {
        if let Some(flag) = self.flag {
            return Some(Resolved { value: flag(settings), source: Source::Flag });
        }
        let default = Some(self.default).filter(|default| !default.is_empty())?;
        Some(Resolved { value: self.read(default, &[]).value()?, source: Source::Default })
    }
}

impl Resolved<Value> {
    /// The same with the value in its type.
    #[must_use]
    pub fn typed<T: SettingValue>(&self) -> Option<Resolved<T>> {
        Some(Resolved { value: T::from_value(&self.value)?, source: self.source })
    }
}

/// The values of an Ingress by their rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(BTreeMap<&'static SettingRow, Resolved<Value>>);

impl Values {
    /// Takes a value in.
    pub fn insert(&mut self, row: &'static SettingRow, resolved: Resolved<Value>) {
        self.0.insert(row, resolved);
    }

    /// The value of a setting, if it is set.
    #[must_use]
    pub fn get<T: SettingValue>(&self, setting: &'static Setting<T>) -> Option<T> {
        T::from_value(&self.0.get(&setting.row)?.value)
    }

    /// The value of a setting with its source.
    #[must_use]
    pub fn resolved<T: SettingValue>(&self, setting: &'static Setting<T>) -> Option<Resolved<T>> {
        self.0.get(&setting.row)?.typed()
    }

    /// The value of a row with its source.
    #[must_use]
    pub fn of_row(&self, row: &'static SettingRow) -> Option<&Resolved<Value>> {
        self.0.get(row)
    }

    /// Takes a value out.
    pub fn remove<T>(&mut self, setting: &'static Setting<T>) -> Option<Resolved<Value>> {
        self.0.remove(&setting.row)
    }

    /// Whether a setting is set.
    #[must_use]
    pub fn has<T>(&self, setting: &'static Setting<T>) -> bool {
        self.0.contains_key(&setting.row)
    }

    /// All of them, in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = (&'static SettingRow, &Resolved<Value>)> {
        self.0.iter().map(|(row, resolved)| (*row, resolved))
    }
}
