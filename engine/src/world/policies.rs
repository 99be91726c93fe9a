//! Which `IngressDefaults` and `IngressPolicy` objects match an Ingress: by its class, the labels of its namespace, and its labels.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::class::{LEGACY_CLASS, selects};
use super::{Class, Membership, World};
use crate::kinds::{IngressDefaults, IngressPolicy};

/// The name of the class that selected an Ingress; the legacy annotation can name it, too. `None`: the Ingress names none.
#[must_use]
pub fn class_name<'a>(ingress: &'a Ingress, class: &'a Class) -> Option<&'a str> {
    let legacy = || ingress.metadata.annotations.as_ref()?.get(LEGACY_CLASS);
    class.name.as_ref().or_else(legacy).map(String::as_str)
}

/// How many Ingresses each object matches, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// Of `IngressDefaults`.
    pub defaults: BTreeMap<String, i64>,
    /// Of `IngressPolicy`.
    pub policies: BTreeMap<String, i64>,
}

/// What selectors see of an Ingress.
struct Selected<'a> {
    class: Option<&'a str>,
    namespace: BTreeMap<String, String>,
    ingress: &'a BTreeMap<String, String>,
}

impl Selected<'_> {
    fn fits(&self, classes: &[String], namespaces: Option<&LabelSelector>, ingresses: Option<&LabelSelector>) -> bool {
        (classes.is_empty() || self.class.is_some_and(|class| classes.iter().any(|one| one == class)))
            && namespaces.is_none_or(|selector| selects(selector, &self.namespace))
            && ingresses.is_none_or(|selector| selects(selector, self.ingress))
    }

    fn fits_defaults(&self, object: &IngressDefaults) -> bool {
        let spec = &object.spec;
        self.fits(&spec.classes, spec.namespace_selector.as_ref(), spec.ingress_selector.as_ref())
    }

    fn fits_policy(&self, object: &IngressPolicy) -> bool {
        self.fits(&object.spec.classes, object.spec.namespace_selector.as_ref(), None)
    }
}

/// For an Ingress without labels.
static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();

impl World {
    fn selected<'a>(&self, ingress: &'a Ingress, class: &'a Class) -> Selected<'a> {
        Selected {
            class: class_name(ingress, class),
            namespace: self.labels_in(ingress.metadata.namespace.as_deref().unwrap_or_default()),
            ingress: ingress.metadata.labels.as_ref().unwrap_or(&NO_LABELS),
        }
    }

    /// All `IngressDefaults`, by name.
    pub fn all_defaults(&self) -> impl Iterator<Item = &Arc<IngressDefaults>> {
        self.defaults.values()
    }

    /// All `IngressPolicy` objects, by name.
    pub fn all_policies(&self) -> impl Iterator<Item = &Arc<IngressPolicy>> {
        self.policies.values()
    }

    /// The `IngressDefaults` that match an Ingress of ours, the strongest first: by priority, then by name.
    #[must_use]
    pub fn defaults_for(&self, ingress: &Ingress, class: &Class) -> Vec<&Arc<IngressDefaults>> {
        let selected = self.selected(ingress, class);
        let mut matching: Vec<_> = self.defaults.values().filter(|one| selected.fits_defaults(one)).collect();
        // The map is ordered by name, and the sort keeps that order.
        matching.sort_by_key(|one| Reverse(one.spec.priority));
        matching
    }

    /// The policies that apply to an Ingress of ours, by name.
    #[must_use]
    pub fn policies_for(&self, ingress: &Ingress, class: &Class) -> Vec<&Arc<IngressPolicy>> {
        let selected = self.selected(ingress, class);
        self.policies.values().filter(|one| selected.fits_policy(one)).collect()
    }

    /// How many Ingresses each object matches.
    #[must_use]
    pub fn matched(&self) -> Matched {
        let mut matched = Matched {
            defaults: self.defaults.keys().map(|name| (name.clone(), 0)).collect(),
            policies: self.policies.keys().map(|name| (name.clone(), 0)).collect(),
        };
        if self.defaults.is_empty() && self.policies.is_empty() {
            return matched;
        }
        for (key, membership) in &self.memberships {
            let (Membership::Member(_, class), Some(ingress)) = (membership, self.ingresses.get(key)) else { continue };
            let selected = self.selected(ingress, class);
            for (name, _) in self.defaults.iter().filter(|(_, one)| selected.fits_defaults(one)) {
                *matched.defaults.entry(name.clone()).or_default() += 1;
            }
            for (name, _) in self.policies.iter().filter(|(_, one)| selected.fits_policy(one)) {
                *matched.policies.entry(name.clone()).or_default() += 1;
            }
        }
        matched
    }
}
