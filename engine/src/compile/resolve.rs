//! Where the value of a setting comes from: the class's parameters, the Service, the Ingress, a flag, a default, in this order. How a
//! setting differs from that stands in its row.

use std::collections::BTreeMap;

use super::Compiler;
use super::reader::{FaultReporting, Unreadable};
use crate::annotation::catalogue::{ENABLE_FRONTEND_NLB, SECURITY_GROUPS};
use crate::annotation::{
    OnService, PREFIX, Resolved, Scope, Setting, SettingRow, SettingValue, Source, Value, Values, When, Wins, rows,
};

/// Annotations of a Service.
pub(super) type Annotations = BTreeMap<String, String>;

impl Compiler<'_> {
    /// The value of a setting, if it is set and can be read.
    pub(super) fn resolve<T: SettingValue>(&mut self, setting: &'static Setting<T>) -> Option<Resolved<T>> {
        self.resolve_row(&setting.row, setting.row.key, None, FaultReporting::Full).ok()??.typed()
    }

    /// The value of one key of a family of settings, if it is set and can be read; `name` is what follows the family's dot.
    pub(super) fn resolve_one<T: SettingValue>(&mut self, family: &'static Setting<T>, name: &str) -> Option<T> {
        let suffix = format!("{}{name}", family.row.key);
        let resolved = self.resolve_row(&family.row, &suffix, None, FaultReporting::Full).ok()??;
        T::from_value(&resolved.value)
    }

    /// The value of a setting for a target group of a Service, if it is set.
    pub(super) fn resolve_on<T: SettingValue>(
        &mut self,
        setting: &'static Setting<T>,
        service: Option<&Annotations>,
    ) -> Result<Option<Resolved<T>>, Unreadable> {
        let resolved = self.resolve_row(&setting.row, setting.row.key, service, FaultReporting::Full)?;
        Ok(resolved.and_then(|resolved| resolved.typed()))
    }

    /// The same, or the flag or default where it is not set. `None`: the value cannot be read.
    pub(super) fn resolve_or_default<T: SettingValue>(
        &mut self,
        setting: &'static Setting<T>,
        service: Option<&Annotations>,
    ) -> Option<Resolved<T>> {
        self.resolve_on(setting, service).ok()?.or_else(|| setting.fallback(self.settings()))
    }

    /// The settings of the load balancer, its listeners and the NLB in front. Finds out, too, whether the Ingress has TLS.
    pub(super) fn values(&mut self) -> Values {
        const SCOPES: [Scope; 4] =
            [Scope::GroupExclusive, Scope::GroupMergeable, Scope::Listener, Scope::NetworkLoadBalancer];
        let mut values = Values::default();
        self.tls = self.has_tls();
        for row in rows().filter(|row| SCOPES.contains(&row.scope) && !row.family && !row.on_service.is_read()) {
            let reporting = self.reporting(row, &values);
            if matches!(row.when, When::Without(..)) && reporting < FaultReporting::Full {
                continue;
            }
            if let Ok(Some(resolved)) = self.resolve_row(row, row.key, None, reporting) {
                values.insert(row, resolved);
            }
        }
        values
    }

    /// How faults of a value are reported, given the other settings.
    pub(super) fn reporting(&self, row: &SettingRow, values: &Values) -> FaultReporting {
        let (otherwise, counts) = match row.when {
            When::Always | When::HttpsPorts | When::ManagedSecurityGroup | When::Backend | When::BackendAsks => {
                return FaultReporting::Full;
            }
            When::Elsewhere => return FaultReporting::Skip,
            When::Https => (FaultReporting::Skip, self.tls),
            When::OwnSecurityGroups => (FaultReporting::WithoutEffect, values.has(&SECURITY_GROUPS)),
            When::Without(other, _) => (FaultReporting::WithoutEffect, !self.is_given(other)),
            When::NetworkLoadBalancer => {
                (FaultReporting::UnreadableOnly, values.get(&ENABLE_FRONTEND_NLB) == Some(true))
            }
        };
        if counts { FaultReporting::Full } else { otherwise }
    }

    /// The value in the parameters of the class.
    pub(super) fn of_class(&self, row: &SettingRow, suffix: &str) -> Option<Value> {
        row.of_class(&self.params.as_ref()?.spec, suffix)
    }

    fn is_given(&self, row: &SettingRow) -> bool {
        self.of_class(row, row.key).is_some() || self.reader.raw(row.key).is_some_and(|value| !value.is_empty())
    }

    /// Precedence, for all settings. `suffix`: the row's key, of a family the whole one.
    pub(super) fn resolve_row(
        &mut self,
        row: &'static SettingRow,
        suffix: &str,
        service: Option<&Annotations>,
        reporting: FaultReporting,
    ) -> Result<Option<Resolved<Value>>, Unreadable> {
        let wins = row.parameter.map(|parameter| parameter.wins);
        let of_class = self.of_class(row, suffix);
        let whole = match wins {
            Some(Wins::OverEach) => true,
            // The Ingress is the first member of a group of its own.
            Some(Wins::AsFirst) => !self.group().is_explicit(),
            _ => false,
        };
        if let Some(value) = of_class.clone().filter(|_| whole) {
            return Ok(Some(Resolved { value, source: Source::Class }));
        }
        let of_service = service.filter(|_| row.on_service.is_read());
        let of_service = of_service.and_then(|map| map.get(&format!("{PREFIX}{suffix}"))).map(String::as_str);
        let of_ingress =
            self.reader.raw(suffix).filter(|_| of_service.is_none() || row.on_service != OnService::Replaces);
        let injected = of_ingress.is_some() && self.reader.is_default(suffix);
        let from = if injected { Source::Injected } else { Source::Ingress };
        let mut resolved: Option<Resolved<Value>> = None;
        for (raw, source) in [(of_ingress, from), (of_service, Source::Service)] {
            let Some(raw) = raw else { continue };
            let Some(value) = self.reader.read_setting(row, suffix, raw, reporting)? else { continue };
            resolved = Some(match resolved {
                Some(before) => Resolved { value: together(before.value, value), ..before },
                None => Resolved { value, source },
            });
        }
        match (resolved, of_class.filter(|_| wins == Some(Wins::ByKey))) {
            (Some(own), Some(value)) => Ok(Some(Resolved { value: together(own.value, value), ..own })),
            (None, Some(value)) => Ok(Some(Resolved { value, source: Source::Class })),
            (resolved, None) => Ok(resolved),
        }
    }
}

/// Two values that count both: true if one of them is, pairs of which the later ones win.
fn together(value: Value, later: Value) -> Value {
    match (value, later) {
        (Value::Bool(one), Value::Bool(other)) => Value::Bool(one || other),
        (Value::Map(mut pairs), Value::Map(later)) => {
            pairs.extend(later);
            Value::Map(pairs)
        }
        (_, later) => later,
    }
}
