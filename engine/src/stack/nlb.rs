//! The Network Load Balancer in front of a group's Application Load Balancer, which gives it fixed addresses:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/application-load-balancer-target.html>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attributes, HealthCheck, LoadBalancer, Tags};

/// The NLB in front of a load balancer, with its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nlb {
    /// The NLB itself.
    pub is: LoadBalancer,
    /// TCP listeners by port.
    pub listeners: BTreeMap<u16, NlbListener>,
}

/// A TCP listener and the target group that it forwards to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NlbListener {
    /// Those that are asked for.
    pub attributes: Attributes,
    /// Tags, tracking ones included.
    pub tags: Tags,
    /// Its own target group, of type `alb`.
    pub target_group: NlbTargetGroup,
}

/// A target group of type `alb`, whose one target is the group's ALB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NlbTargetGroup {
    /// Birth-only: ≤ 32 characters, hashes the group, the port and what is checked. Never compared.
    pub name: String,
    /// Birth-only: the NLB's port.
    pub port: u16,
    /// The ALB's port that is registered. Observed ones are in [`ObservedNlbTargetGroup::targets`](super::ObservedNlbTargetGroup::targets).
    pub target_port: u16,
    /// Health checks of the ALB.
    pub health_check: HealthCheck,
    /// Tags, tracking ones included.
    pub tags: Tags,
}
