//! The AWS resources of one group in AWS's words: what should exist and what does, in the same types.

mod action;
mod addons;
mod condition;
mod group;
mod listener;
mod load_balancer;
mod names;
mod nlb;
mod observed;
mod rule;
mod security_group;
mod tags;
mod target_group;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use action::{
    Action, AdditionalClaim, Authenticate, FixedResponse, Forward, JwtValidation, Redirect, Stickiness,
    TargetGroupTuple,
};
pub use addons::{Addon, Addons, Attachment, SHIELD_PROTECTION};
pub use condition::{Condition, ConditionField, Patterns, QueryPair};
pub use group::{GroupId, Holder};
pub use listener::{Listener, MutualAuthentication};
pub use load_balancer::{
    AddressPools, IpAddressType, LoadBalancer, LoadBalancerGeneration, LoadBalancerKind, LoadBalancerState, Scheme,
};
pub use names::{
    TargetGroupName, backend_security_group_name, load_balancer_name, managed_security_group_name, nlb_name,
    nlb_target_group_name,
};
pub use nlb::{Nlb, NlbListener, NlbTargetGroup};
pub use observed::{
    Found, Observed, ObservedListener, ObservedLoadBalancer, ObservedNlb, ObservedNlbListener, ObservedNlbTargetGroup,
};
pub use rule::{Rewrite, Rule, Transform, Treatment};
pub use security_group::{PeerSource, Permission, SecurityGroup, network};
pub use tags::{
    CLUSTER_TAG, LEGACY_CLUSTER_TAG, RESOURCE_TAG, RuleTags, SHARED_RESOURCE_TAG, STACK_TAG, TRACKING_TAGS, Tags,
    resource_of, tracking, tracking_group,
};
pub use target_group::{
    Binding, HealthCheck, NetworkingPort, Protocol, ProtocolVersion, ServicePort, Target, TargetGroup,
    TargetGroupGeneration, TargetGroupTraits, TargetHealth, TargetType, UNALLOCATED_NODE_PORT,
};

/// Attributes of a resource as AWS names them (`idle_timeout.timeout_seconds`), value as text.
pub type Attributes = BTreeMap<String, String>;

/// The attribute that keeps a load balancer from being deleted.
pub const DELETION_PROTECTION: &str = "deletion_protection.enabled";

/// What identifies a resource inside its stack: the value of the tag `ingress.k8s.aws/resource`. Copies share the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResourceId(Arc<str>);

impl ResourceId {
    /// The load balancer of a stack.
    #[must_use]
    pub fn load_balancer() -> Self {
        Self::from("LoadBalancer")
    }

    /// The security group in front of the load balancer.
    #[must_use]
    pub fn managed_security_group() -> Self {
        Self::from("ManagedLBSecurityGroup")
    }

    /// The security group shared by all load balancers of a cluster, which pods and nodes admit.
    #[must_use]
    pub fn backend_security_group() -> Self {
        Self::from("backend-sg")
    }

    /// The target group of one port of one Service as one Ingress refers to it.
    #[must_use]
    pub fn target_group(namespace: &str, ingress: &str, service: &str, port: &ServicePort) -> Self {
        Self::from(format!("{namespace}/{ingress}-{service}:{port}"))
    }

    /// The listener on a port.
    #[must_use]
    pub fn listener(port: u16) -> Self {
        Self::from(port.to_string())
    }

    /// The NLB in front of a stack's load balancer.
    #[must_use]
    pub fn nlb() -> Self {
        Self::from("FrontendNlb")
    }

    /// The listener of the NLB on a port.
    #[must_use]
    pub fn nlb_listener(port: u16) -> Self {
        Self::from(format!("FrontendNlb-ls-TCP-{port}"))
    }

    /// The target group of the NLB's listener on a port.
    #[must_use]
    pub fn nlb_target_group(port: u16) -> Self {
        Self::from(format!("FrontendNlb-tg-TCP-{port}"))
    }

    /// Whether an id is that of the NLB or of a part of it.
    #[must_use]
    pub fn is_of_nlb(id: &str) -> bool {
        id.starts_with("FrontendNlb")
    }

    /// The rule of a listener at a priority.
    #[must_use]
    pub fn rule(port: u16, priority: u32) -> Self {
        Self::from(format!("{port}:{priority}"))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ResourceId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for ResourceId {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A resource that is known by its ARN or id, or will be once it was created in this pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ref {
    /// ARN, or id where AWS uses ids (`sg-…`).
    Known(String),
    /// The resource of this stack with that id.
    Of(ResourceId),
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(id) => f.write_str(id),
            Self::Of(id) => write!(f, "<{id}>"),
        }
    }
}

/// Everything that should exist in AWS (and the bindings in Kubernetes) for one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// The group.
    pub group: GroupId,
    /// The load balancer; `None` when the group has no members and nothing should exist.
    pub load_balancer: Option<LoadBalancer>,
    /// What is attached to the load balancer.
    pub addons: Addons,
    /// The managed security group, unless the group names its own.
    pub security_group: Option<SecurityGroup>,
    /// Listeners by port.
    pub listeners: BTreeMap<u16, Listener>,
    /// Target groups by resource id. Shared by who asked for them and all states that hold them.
    pub target_groups: BTreeMap<ResourceId, Arc<TargetGroup>>,
    /// One binding a target group.
    pub bindings: BTreeMap<ResourceId, Binding>,
    /// The NLB in front of the load balancer, if one is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nlb: Option<Nlb>,
    /// Whether an NLB that exists stays as it is: a member that is quarantined asks for one.
    pub keep_nlb: bool,
    /// Whether the load balancer carries the shared backend security group, which then has to exist.
    pub backend_security_group: bool,
    /// The kinds of load balancers whose deletion protection is lifted if they have to go: only when Ingresses say in so many words
    /// that it is off, or take back in the same edit that they asked for it.
    pub lift_deletion_protection: BTreeSet<LoadBalancerKind>,
}

impl Desired {
    /// Its load balancers: the ALB, then the NLB in front of it.
    pub fn balancers(&self) -> impl Iterator<Item = &LoadBalancer> {
        self.load_balancer.iter().chain(self.nlb.iter().map(|nlb| &nlb.is))
    }

    /// The desired state of a group without members.
    #[must_use]
    pub fn empty(group: GroupId) -> Self {
        Self {
            group,
            load_balancer: None,
            addons: Addons::default(),
            security_group: None,
            listeners: BTreeMap::new(),
            target_groups: BTreeMap::new(),
            bindings: BTreeMap::new(),
            nlb: None,
            keep_nlb: false,
            backend_security_group: false,
            lift_deletion_protection: BTreeSet::new(),
        }
    }
}
