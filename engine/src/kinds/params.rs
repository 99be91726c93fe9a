//! `IngressClassParams` (`elbv2.k8s.aws/v1beta1`): what an IngressClass enforces on its Ingresses.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spec; every field is optional and wins over the annotation of the same meaning.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "elbv2.k8s.aws",
    version = "v1beta1",
    kind = "IngressClassParams",
    plural = "ingressclassparams",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase", default)]
pub struct IngressClassParamsSpec {
    /// Name of the load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_name: Option<String>,
    /// Certificates of the listeners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_arn: Option<Vec<String>>,
    /// Namespaces that may use the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// Group of all Ingresses of the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// `internal` or `internet-facing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// CIDRs that may come in.
    #[serde(rename = "inboundCIDRs", skip_serializing_if = "Option::is_none")]
    pub inbound_cidrs: Option<Vec<String>>,
    /// TLS policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_policy: Option<String>,
    /// Port that HTTP is redirected to, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_redirect_port: Option<String>,
    /// Subnets by id or by tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnets: Option<SubnetSelector>,
    /// `ipv4`, `dualstack` or `dualstack-without-public-ipv4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// `instance` or `ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_type: Option<String>,
    /// Attributes of the load balancer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_attributes: Vec<Attribute>,
    /// Attributes of listeners.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<ListenerParams>,
    /// Capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_load_balancer_capacity: Option<MinimumCapacity>,
    /// IPAM pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipam_configuration: Option<IpamConfiguration>,
    /// Prefix lists that may come in (older spelling).
    #[serde(rename = "PrefixListsIDs", skip_serializing_if = "Option::is_none")]
    pub legacy_prefix_lists_ids: Option<Vec<String>>,
    /// Prefix lists that may come in.
    #[serde(rename = "prefixListsIDs", skip_serializing_if = "Option::is_none")]
    pub prefix_lists_ids: Option<Vec<String>>,
    /// ARN of a web ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wafv2_acl_arn: Option<String>,
    /// Name of a web ACL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wafv2_acl_name: Option<String>,
}

/// A group by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Group {
    /// Name.
    pub name: String,
}

/// Subnets by id or by tags, one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubnetSelector {
    /// `subnet-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// Every key has to have one of its values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, Vec<String>>>,
}

/// A tag.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tag {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// An attribute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attribute {
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// Attributes of the listener on a port.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerParams {
    /// `HTTP` or `HTTPS`.
    pub protocol: String,
    /// Port.
    pub port: i32,
    /// Attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listener_attributes: Vec<Attribute>,
}

/// Capacity that is held ready.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinimumCapacity {
    /// Load balancer capacity units.
    pub capacity_units: i32,
}

/// Pools of addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IpamConfiguration {
    /// Pool of public IPv4 addresses.
    #[serde(rename = "ipv4IPAMPoolId", default, skip_serializing_if = "Option::is_none")]
    pub ipv4_ipam_pool_id: Option<String>,
}
