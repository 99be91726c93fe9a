//! What is wrong with the base config of a group: which settings it comes from, and what becomes of that part.

use std::time::Duration;

use super::conflict::words;
use crate::annotation::{PREFIX, Source};
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
    pub(super) fn finding(
        &self,
        fragment: &Fragment,
        blamed: Option<&SettingKey>,
        effect: Effect,
        readers: Option<Readers>,
    ) -> Finding {
        let has = |key: &&SettingKey| fragment.setting(key).is_some();
        let first = self.by.first();
        let named = first.filter(has).or(blamed).or(first).filter(|_| self.backends.is_none() || blamed.is_some());
        let setting = named.and_then(|key| fragment.setting(key));
        let settled =
            fragment.params.as_ref().filter(|_| setting.is_some_and(|setting| setting.source == Source::Class));
        let path = match (named, settled) {
            (_, Some(_)) => FieldPath::at("spec.ingressClassName"),
            (Some(key), None) => FieldPath::annotation(&format!("{PREFIX}{}", words(key).0)),
            (None, None) => FieldPath::at("spec.rules"),
        };
        let subject = fragment.key.ingress();
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
