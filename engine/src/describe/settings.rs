//! The settings of an Ingress: the value of each that is in effect, and where it comes from.

use serde::Serialize;

use crate::annotation::{Resolved, SettingRow, Source, Value, Values};
use crate::kinds::Key;
use crate::link::InEffect;

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The annotation that sets it, without its prefix, and which part of it: `scheme`, `tags team`, `ssl-policy on port 443`.
    pub key: String,
    /// The value, as one writes it in an annotation.
    pub value: String,
    /// Where it comes from, in words: `annotation`, `IngressClassParams public, spec.scheme`, `default`.
    pub from: String,
    /// Whether nobody set it.
    pub is_default: bool,
}

impl Setting {
    /// A setting of the load balancer or a listener, for one of the group's Ingresses.
    pub(super) fn of_group(is: &InEffect, reader: &Key) -> Self {
        let is_default = is.source == Source::Default;
        Self { key: is.words(), value: is.value.clone(), from: is.from(reader), is_default }
    }

    /// The settings of the target groups of a Service.
    pub(super) fn of_service(values: &Values, params: Option<&str>, service: &str) -> Vec<Self> {
        let setting = |(row, resolved): (&'static SettingRow, &Resolved<Value>)| Self {
            key: row.key.to_owned(),
            value: row.shown(&resolved.value),
            from: resolved.source.words(row, params.unwrap_or_default(), service),
            is_default: resolved.source == Source::Default,
        };
        values.iter().map(setting).collect()
    }

    /// One line: `scheme: internal (annotation)`.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}: {} ({})", self.key, self.value, self.from)
    }
}
