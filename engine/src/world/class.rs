//! Which controller an Ingress belongs to: by the legacy annotation, its class, the default class, and the parameters of the class.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::World;
use crate::kinds::IngressClassParams;
use crate::settings::{CONTROLLER, Settings};

/// The legacy annotation that names a class.
pub const LEGACY_CLASS: &str = "kubernetes.io/ingress.class";
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// How an Ingress that is ours was selected.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    /// The IngressClass; `None` when the legacy annotation or no class at all selected it.
    pub name: Option<String>,
    /// Its parameters.
    pub params: Option<Arc<IngressClassParams>>,
}

/// Why it is unknown whether an Ingress is ours, or why its class cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// The class does not exist.
    #[error("invalid ingress class: IngressClass.networking.k8s.io \"{0}\" not found")]
    NotFound(String),
    /// More than one class is the default.
    #[error("multiple default IngressClasses found")]
    SeveralDefaults(Vec<String>),
    /// Parameters of another kind.
    #[error("invalid ingress class: IngressClass {0} references unknown parameters")]
    UnknownParameters(String),
    /// The parameters do not exist.
    #[error("invalid ingress class: IngressClassParams.elbv2.k8s.aws \"{0}\" not found")]
    ParametersNotFound(String),
    /// The parameters select other namespaces.
    #[error("invalid ingress class: namespaceSelector of IngressClassParams {0} mismatch")]
    NamespaceNotSelected(String),
}

impl World {
    /// The class of an Ingress that is ours; `Ok(None)` if it belongs to another controller.
    ///
    /// # Errors
    /// If the Ingress names a class that cannot be used.
    pub fn classify(&self, ingress: &Ingress) -> Result<Option<Class>, ClassError> {
        let ours = self.ingress_class();
        if let Some(value) = ingress.metadata.annotations.as_ref().and_then(|map| map.get(LEGACY_CLASS)) {
            let matches = !self.is_beside_lbc() && (value == ours || ours.is_empty() && value == "alb");
            return Ok(matches.then_some(Class { name: None, params: None }));
        }
        let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.clone());
        let class = match named {
            Some(name) => self.classes.get(&name).ok_or(ClassError::NotFound(name))?,
            None => match self.default_class()? {
                Some(class) => class,
                None => {
                    let takes_all = ours.is_empty() && !self.is_beside_lbc();
                    return Ok(takes_all.then_some(Class { name: None, params: None }));
                }
            },
        };
        if !self.is_own_class(class) {
            return Ok(None);
        }
        let params = self.params_of(class)?;
        let namespace = ingress.metadata.namespace.as_deref().unwrap_or_default();
        if let Some(params) = &params {
            self.check_namespace(params, namespace)?;
        }
        Ok(Some(Class { name: class.metadata.name.clone(), params }))
    }

    /// Names of the classes that are ours, sorted.
    #[must_use]
    pub fn own_classes(&self) -> Vec<String> {
        self.classes.iter().filter(|(_, class)| self.is_own_class(class)).map(|(name, _)| name.clone()).collect()
    }

    /// Whether a class of ours has these parameters.
    #[must_use]
    pub fn is_of_own_class(&self, params: &str) -> bool {
        let named = |class: &IngressClass| {
            let reference = class.spec.as_ref().and_then(|spec| spec.parameters.as_ref());
            reference.is_some_and(|reference| reference.kind == "IngressClassParams" && reference.name == params)
        };
        self.classes.values().any(|class| self.is_own_class(class) && named(class))
    }

    /// The controller that a class of ours should have.
    #[must_use]
    pub fn own_controller(&self) -> &'static str {
        self.controllers().first().copied().unwrap_or(CONTROLLER)
    }

    fn controllers(&self) -> &'static [&'static str] {
        self.settings.as_ref().map_or(&[CONTROLLER], Settings::controllers)
    }

    fn is_own_class(&self, class: &IngressClass) -> bool {
        let controller = class.spec.as_ref().and_then(|spec| spec.controller.as_deref());
        controller.is_some_and(|controller| self.controllers().contains(&controller))
    }

    fn is_beside_lbc(&self) -> bool {
        self.settings.as_ref().is_some_and(|settings| settings.beside_lbc)
    }

    /// The controller of a class, if there is such a class.
    #[must_use]
    pub fn controller_of(&self, class: &str) -> Option<&str> {
        self.classes.get(class)?.spec.as_ref()?.controller.as_deref()
    }

    fn ingress_class(&self) -> &str {
        self.settings.as_ref().map_or("alb", |settings| settings.ingress_class.as_str())
    }

    fn default_class(&self) -> Result<Option<&Arc<IngressClass>>, ClassError> {
        let defaults: Vec<_> = self
            .classes
            .values()
            .filter(|class| {
                class.metadata.annotations.as_ref().and_then(|map| map.get(DEFAULT_CLASS)).is_some_and(|v| v == "true")
            })
            .collect();
        match defaults.as_slice() {
            [] => Ok(None),
            [class] => Ok(Some(class)),
            several => Err(ClassError::SeveralDefaults(
                several.iter().filter_map(|class| class.metadata.name.clone()).collect(),
            )),
        }
    }

    fn params_of(&self, class: &IngressClass) -> Result<Option<Arc<IngressClassParams>>, ClassError> {
        let name = class.metadata.name.clone().unwrap_or_default();
        let Some(reference) = class.spec.as_ref().and_then(|spec| spec.parameters.as_ref()) else {
            return Ok(None);
        };
        if reference.api_group.as_deref() != Some("elbv2.k8s.aws") || reference.kind != "IngressClassParams" {
            return Err(ClassError::UnknownParameters(name));
        }
        let params = self.params.get(&reference.name);
        params.cloned().map(Some).ok_or_else(|| ClassError::ParametersNotFound(reference.name.clone()))
    }

    /// The labels of a namespace that selectors see.
    pub(super) fn labels_in(&self, namespace: &str) -> BTreeMap<String, String> {
        let mut labels = self.namespaces.get(namespace).map(|labels| (**labels).clone()).unwrap_or_default();
        // The API server adds this label to every namespace. A namespace from a file, or one that is not in the files, lacks it.
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        labels
    }

    fn check_namespace(&self, params: &IngressClassParams, namespace: &str) -> Result<(), ClassError> {
        let Some(selector) = &params.spec.namespace_selector else { return Ok(()) };
        if selects(selector, &self.labels_in(namespace)) {
            Ok(())
        } else {
            Err(ClassError::NamespaceNotSelected(params.metadata.name.clone().unwrap_or_default()))
        }
    }
}

/// Whether a label selector matches labels. An invalid selector matches nothing:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>.
#[must_use]
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = selector.match_expressions.iter().flatten().all(|expression| {
        let value = labels.get(&expression.key);
        let values = expression.values.as_deref().unwrap_or_default();
        let listed = value.is_some_and(|v| values.contains(v));
        match (expression.operator.as_str(), values.is_empty()) {
            ("In", false) => listed,
            ("NotIn", false) => !listed,
            ("Exists", true) => value.is_some(),
            ("DoesNotExist", true) => value.is_none(),
            _ => false,
        }
    });
    equal && expressions
}
