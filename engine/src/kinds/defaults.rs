//! `IngressDefaults` (`albedo.dev/v1alpha1`): values that admission writes into Ingresses that lack them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which Ingresses get which values.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "albedo.dev",
    version = "v1alpha1",
    kind = "IngressDefaults",
    plural = "ingressdefaults",
    shortname = "ingd",
    status = "PolicyStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Priority","type":"integer","jsonPath":".spec.priority"}"#,
    printcolumn = r#"{"name":"Ingresses","type":"integer","jsonPath":".status.ingresses"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressDefaultsSpec {
    /// If several IngressDefaults match an Ingress and have one setting, the value of the highest priority is used; of equal priorities
    /// that of the first name in alphabetical order.
    pub priority: i32,
    /// Names of classes. Without any it matches Ingresses of every class of Albedo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Labels of namespaces. Without it, it matches Ingresses of all namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Labels of Ingresses. Without it, it matches Ingresses with any labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_selector: Option<LabelSelector>,
    /// Values of annotations, by their keys without the prefix `alb.ingress.kubernetes.io/`.
    pub settings: BTreeMap<String, String>,
}

/// The state of an `IngressDefaults` or an `IngressPolicy` object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The number of Ingresses that it matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingresses: Option<i64>,
    /// The same by the namespace that each installation of Albedo watches; `*`: the whole cluster.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub watched: BTreeMap<String, i64>,
    /// `Ready`: whether all of it can be used. What cannot be used has no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
