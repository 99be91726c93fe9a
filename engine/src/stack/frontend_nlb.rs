//! The Network Load Balancer in front of a group's Application Load Balancer, which gives it fixed addresses:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/application-load-balancer-target.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attributes, HealthCheck, IpAddressType, Ref, Scheme, Tags};

/// A frontend NLB with its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendNlb {
    /// Birth-only: the ALB's name, cut to 28 characters, and `-nlb`.
    pub name: String,
    /// A change replaces the NLB.
    pub scheme: Scheme,
    /// The ALB's.
    pub ip_address_type: IpAddressType,
    /// One a zone.
    pub subnets: Vec<SubnetMapping>,
    /// Security groups, in the order they were given.
    pub security_groups: Vec<Ref>,
    /// Desired: those that are asked for. Observed: all.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
    /// TCP listeners by port. Observed ones are in [`ObservedFrontendNlb::listeners`](super::ObservedFrontendNlb::listeners).
    pub listeners: BTreeMap<u16, FrontendListener>,
}

/// A subnet and the address that the NLB has in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SubnetMapping {
    /// `subnet-…`.
    pub subnet: String,
    /// Birth-only: the allocation id of an elastic address, `eipalloc-…`; without one AWS gives an address of its own.
    pub allocation_id: Option<String>,
}

/// A TCP listener and the target group that it forwards to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendListener {
    /// Tags, tracking ones included.
    pub tags: Tags,
    /// Its own target group, of type `alb`.
    pub target_group: FrontendTargetGroup,
}

/// A target group of type `alb`, whose one target is the group's ALB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontendTargetGroup {
    /// Birth-only: ≤ 32 characters, hashes the group, the port and what is checked. Never compared.
    pub name: String,
    /// Birth-only: the NLB's port.
    pub port: u16,
    /// The ALB's port that is registered. Observed ones are in [`ObservedFrontendTargetGroup::targets`](super::ObservedFrontendTargetGroup::targets).
    pub target_port: u16,
    /// Health checks of the ALB.
    pub health_check: HealthCheck,
    /// Tags, tracking ones included.
    pub tags: Tags,
}
