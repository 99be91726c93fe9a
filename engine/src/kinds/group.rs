//! `IngressGroup` (`albedo.dev/v1alpha1`): the ledger of a group, for people and for the next start of the controller.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The reason of the conditions while the load balancer of a group is as desired, but bindings of the group fail.
pub const TARGETS_FAIL: &str = "TargetsFail";

/// The group. Only Albedo writes it.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "albedo.dev",
    version = "v1alpha1",
    kind = "IngressGroup",
    plural = "ingressgroups",
    shortname = "ingg",
    status = "IngressGroupStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Load-Balancer","type":"string","jsonPath":".status.loadBalancer.name"}"#,
    printcolumn = r#"{"name":"Hostname","type":"string","jsonPath":".status.loadBalancer.dnsName"}"#,
    printcolumn = r#"{"name":"Members","type":"integer","jsonPath":".status.memberCount"}"#,
    printcolumn = r#"{"name":"Quarantined","type":"integer","jsonPath":".status.quarantinedCount"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.state"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct IngressGroupSpec {
    /// The value of the tag `ingress.k8s.aws/stack`: the name of a group, or `namespace/name` of a single Ingress.
    pub stack: String,
}

/// The state of the group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressGroupStatus {
    /// The `metadata.generation` that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `Converging` or `Blocked`.
    pub state: String,
    /// The load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<LoadBalancerStatus>,
    /// The number of Ingresses in the group.
    pub member_count: i32,
    /// The number of quarantined Ingresses.
    pub quarantined_count: i32,
    /// The members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberStatus>,
    /// What was applied last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// ARNs by resource id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Secrets (`namespace/name`), each with the resourceVersion of which AWS has the client secret, empty if that is not known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub client_secrets: BTreeMap<String, String>,
    /// The last good input of each member; never Secret data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub last_good: Vec<LastGood>,
    /// `Ready`, `Reconciling` and `Stalled`, for tools that wait:
    /// <https://github.com/kubernetes-sigs/cli-utils/tree/master/pkg/kstatus>.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl IngressGroupStatus {
    /// Namespace and name of each that is known as a member: those of the last pass, and those whose last good input is kept.
    pub fn known_members(&self) -> impl Iterator<Item = (&str, &str)> {
        let members = self.members.iter().map(|one| (one.namespace.as_str(), one.name.as_str()));
        members.chain(self.last_good.iter().map(|one| (one.namespace.as_str(), one.name.as_str())))
    }
}

/// The load balancer of a group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LoadBalancerStatus {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// DNS name, lower case.
    pub dns_name: String,
    /// `internal` or `internet-facing`.
    pub scheme: String,
}

/// One member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberStatus {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// `Linked`, `Quarantined`, `Kept` or `Leaving`.
    pub state: String,
    /// Its findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<MemberFinding>,
}

/// A finding in the ledger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MemberFinding {
    /// Code.
    pub code: String,
    /// Field.
    pub path: String,
    /// The text, with the fix.
    pub message: String,
    /// Its effect on AWS: `Nothing`, `PartKept`, `MemberQuarantined` or `GroupBlocked`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub effect: String,
}

/// What was applied last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Applied {
    /// SHA-256 over the desired state.
    pub fingerprint: String,
    /// When it was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// The last good input of a member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LastGood {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Annotations that Albedo reads.
    pub annotations: BTreeMap<String, String>,
    /// The spec of the Ingress, as JSON text.
    pub spec: String,
    /// Instead of annotations and spec that are too large: SHA-256 over both, in hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
}
