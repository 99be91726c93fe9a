//! `IngressPolicy` (`albedo.dev/v1alpha1`): the values that Ingresses may have, as a platform team decides.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PolicyStatus;

/// Which Ingresses may have which values. All policies that match an Ingress apply.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "albedo.dev",
    version = "v1alpha1",
    kind = "IngressPolicy",
    plural = "ingresspolicies",
    shortname = "ingp",
    status = "PolicyStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Action","type":"string","jsonPath":".spec.action"}"#,
    printcolumn = r#"{"name":"Ingresses","type":"integer","jsonPath":".status.ingresses"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPolicySpec {
    /// `Deny` refuses an Ingress that breaks the policy, `Warn` only warns.
    pub action: PolicyAction,
    /// Why the policy exists, or whom to ask: it is added to each denial and warning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Names of classes. Without any it applies to Ingresses of every class of Albedo.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Labels of namespaces. Without it, it applies to Ingresses of all namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// What is allowed, by the keys of annotations without the prefix `alb.ingress.kubernetes.io/`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, SettingRule>,
    /// The existing target groups to which actions may forward. Without it any may be named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_groups: Option<TargetGroupRule>,
}

/// What happens to an Ingress that breaks a policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyAction {
    /// It is refused.
    #[default]
    Deny,
    /// It is admitted with a warning.
    Warn,
}

/// What the value of one setting may be. It must pass everything that is given here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SettingRule {
    /// The value, or each item of a list, must be one of these; `*` and `?` are wildcards. Items of maps are written `key=value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// The value, or an item of a list, must not be one of these; `*` and `?` are wildcards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<Vec<String>>,
    /// The smallest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// Blocks of addresses (CIDR); each block of the value must be inside one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Vec<String>>,
    /// Ids of AWS accounts; each ARN of the value must be of one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Vec<String>>,
    /// The lowest TLS version that a TLS policy may accept: `1.0`, `1.1`, `1.2` or `1.3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_tls_version: Option<String>,
    /// The setting must have a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
    /// The setting must not have a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forbidden: Option<bool>,
}

/// Existing target groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TargetGroupRule {
    /// ARNs of target groups; `*` and `?` are wildcards. An empty list allows none.
    pub allowed: Vec<String>,
}
