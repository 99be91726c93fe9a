//! `TargetGroupBinding` (`elbv2.k8s.aws/v1beta1`): targets of one port of a Service for one target group.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spec of a binding. The fields have LBC's order, because LBC's checkpoint is a hash of them.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "elbv2.k8s.aws",
    version = "v1beta1",
    kind = "TargetGroupBinding",
    namespaced,
    status = "TargetGroupBindingStatus",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupBindingSpec {
    /// ARN.
    #[serde(rename = "targetGroupARN", default, skip_serializing_if = "Option::is_none")]
    pub target_group_arn: Option<String>,
    /// Name, resolved to an ARN by a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group_name: Option<String>,
    /// Several clusters share the target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_cluster_target_group: Option<bool>,
    /// `instance` or `ip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_type: Option<String>,
    /// Protocol of the target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_group_protocol: Option<String>,
    /// The Service and its port.
    pub service_ref: ServiceReference,
    /// Who may reach the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub networking: Option<TargetGroupBindingNetworking>,
    /// Nodes that are targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
    /// `ipv4` or `ipv6`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<String>,
    /// VPC of the target group.
    #[serde(rename = "vpcID", default, skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    /// Role in another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_role_arn_to_assume: Option<String>,
    /// External id for that role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role_external_id: Option<String>,
}

/// Reference to a Service in the binding's namespace.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceReference {
    /// Name.
    pub name: String,
    /// Port by number or name.
    pub port: IntOrString,
}

/// Networking of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetGroupBindingNetworking {
    /// Rules.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<NetworkingIngress>,
}

/// One rule: from these peers to these ports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkingIngress {
    /// Peers.
    pub from: Vec<NetworkingPeer>,
    /// Ports; empty: all.
    pub ports: Vec<NetworkingPortSpec>,
}

/// A peer: a block or a security group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkingPeer {
    /// A block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
    /// A security group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group: Option<SecurityGroupRef>,
}

/// A block of addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IpBlock {
    /// CIDR.
    pub cidr: String,
}

/// A security group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecurityGroupRef {
    /// `sg-…`.
    #[serde(rename = "groupID")]
    pub group_id: String,
}

/// A port; without a number all ports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkingPortSpec {
    /// `TCP` or `UDP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// A port of the targets, by number or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<IntOrString>,
}

/// Status of a binding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGroupBindingStatus {
    /// Generation whose targets were registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl TargetGroupBinding {
    /// `spec.targetGroupARN`, unless it is empty. It has precedence over the name.
    #[must_use]
    pub fn given_arn(&self) -> Option<&str> {
        self.spec.target_group_arn.as_deref().filter(|arn| !arn.is_empty())
    }

    /// `spec.targetGroupName`, unless it is empty.
    #[must_use]
    pub fn given_name(&self) -> Option<&str> {
        self.spec.target_group_name.as_deref().filter(|name| !name.is_empty())
    }

    /// Whether it names this target group, by ARN or by name. A name belongs to one target group of the account and region.
    #[must_use]
    pub fn names(&self, arn: &str) -> bool {
        match self.given_arn() {
            Some(given) => given == arn,
            None => {
                self.given_name().is_some_and(|name| Some(name) == target_group_name(arn)) && self.is_of_account(arn)
            }
        }
    }

    /// Whether both name one target group.
    #[must_use]
    pub fn shares_target_group(&self, other: &Self) -> bool {
        match (self.given_arn(), other.given_arn()) {
            (Some(arn), _) => other.names(arn),
            (None, Some(arn)) => self.names(arn),
            (None, None) => {
                let role = |binding: &Self| binding.given_role().map(|(role, _)| role.to_owned());
                self.given_name().is_some() && self.given_name() == other.given_name() && role(self) == role(other)
            }
        }
    }

    /// The role that is to be assumed for the target group, `spec.iamRoleArnToAssume`, and the external id that its trust policy asks for, which may be empty.
    #[must_use]
    pub fn given_role(&self) -> Option<(&str, &str)> {
        let role = self.spec.iam_role_arn_to_assume.as_deref().filter(|role| !role.is_empty())?;
        Some((role, self.spec.assume_role_external_id.as_deref().unwrap_or_default()))
    }

    /// Whether a target group is in the account of the role that is to be assumed. Without a role that is not known here.
    #[must_use]
    pub fn is_of_account(&self, target_group: &str) -> bool {
        let account = |arn: &str| arn.split(':').nth(4).map(str::to_owned);
        self.given_role().is_none_or(|(role, _)| account(role) == account(target_group))
    }

    /// Whether the binding declares that several clusters share the target group.
    #[must_use]
    pub fn is_multi_cluster(&self) -> bool {
        self.spec.multi_cluster_target_group == Some(true)
    }
}

/// The key of the list in [`targets_config_map`].
pub const TARGETS_KEY: &str = "targets";

/// The `ConfigMap` in which LBC keeps what a binding registered in a target group that clusters share, in the namespace of the binding:
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/targetgroupbinding/targetgroupbinding/>.
#[must_use]
pub fn targets_config_map(binding: &str) -> String {
    format!("aws-lbc-targets-{binding}")
}

/// The name in a target group's ARN, `…:targetgroup/NAME/ID`.
#[must_use]
pub fn target_group_name(arn: &str) -> Option<&str> {
    arn.split_once(":targetgroup/")?.1.split('/').next().filter(|name| !name.is_empty())
}
