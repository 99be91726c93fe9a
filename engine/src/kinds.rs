//! Kubernetes kinds as Albedo reads them: two of LBC, our own, and projections of the large ones.

mod annotations;
mod binding;
mod defaults;
mod endpoints;
mod group;
mod name;
mod node;
mod params;
mod pod;
mod policy;

pub use annotations::{MAX_ANNOTATION_BYTES, annotation_bytes};
pub use binding::{
    IpBlock, NetworkingIngress, NetworkingPeer, NetworkingPortSpec, SecurityGroupRef, ServiceReference, TARGETS_KEY,
    TargetGroupBinding, TargetGroupBindingNetworking, TargetGroupBindingSpec, TargetGroupBindingStatus,
    target_group_name, targets_config_map,
};
pub use defaults::{IngressDefaults, IngressDefaultsSpec, PolicyStatus};
pub use endpoints::{Endpoint, EndpointPort, Endpoints};
pub use group::{
    Applied, IngressGroup, IngressGroupSpec, IngressGroupStatus, LastGood, LoadBalancerStatus, MemberFinding,
    MemberStatus, TARGETS_FAIL,
};
pub use name::is_subdomain;
pub use node::Node;
pub use params::{
    Attribute, Group, IngressClassParams, IngressClassParamsSpec, IpamConfiguration, ListenerParams, MinimumCapacity,
    SubnetSelector, Tag,
};
pub use pod::{GateCondition, Pod, TARGET_HEALTH, TargetHealthGate, readiness_gate};
pub use policy::{IngressPolicy, IngressPolicySpec, PolicyAction, SettingRule, TargetGroupRule};

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::finding::ObjectRef;

/// Namespace and name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Key {
    /// Namespace; empty for what is cluster-scoped.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// `namespace`/`name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The Ingress with this key, as findings name it.
    #[must_use]
    pub fn ingress(&self) -> ObjectRef {
        ObjectRef::ingress(&self.namespace, &self.name)
    }

    /// The key of an object, from its metadata.
    #[must_use]
    pub fn of(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> Self {
        Self { namespace: meta.namespace.clone().unwrap_or_default(), name: meta.name.clone().unwrap_or_default() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}
