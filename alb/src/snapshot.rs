//! What AWS holds of a region's load balancers at one time. Never changed: a later one takes its place.

use std::collections::BTreeMap;
use std::net::IpAddr;

use albedo_engine::stack::{Listener, LoadBalancer, LoadBalancerState, Target, TargetGroup};

/// A region.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The number of changes that the endpoint told of before this was read; without such numbers, how often was read.
    pub(crate) version: u64,
    /// Application Load Balancers by ARN.
    pub(crate) balancers: BTreeMap<String, Balancer>,
    /// Target groups by ARN.
    pub(crate) groups: BTreeMap<String, Group>,
    /// Private addresses of the instances that are targets.
    pub(crate) instances: BTreeMap<String, IpAddr>,
    /// Domains of ACM certificates by ARN.
    pub(crate) certificates: BTreeMap<String, Vec<String>>,
}

/// A load balancer.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) is: LoadBalancer,
    pub(crate) dns_name: String,
    pub(crate) state: LoadBalancerState,
    pub(crate) listeners: BTreeMap<u16, Listener>,
}

/// A target group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) is: TargetGroup,
    /// Whether a load balancer uses it: otherwise nobody checks its targets.
    pub(crate) used: bool,
    /// Those that are registered and do not drain.
    pub(crate) targets: Vec<Target>,
}

impl Snapshot {
    /// Whether something of it changes by the passing of time alone, without a call that would be told of.
    pub(crate) fn is_settling(&self) -> bool {
        self.balancers.values().any(|balancer| balancer.state == LoadBalancerState::Provisioning)
    }
}

impl Balancer {
    /// Whether it takes requests.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, LoadBalancerState::Active | LoadBalancerState::ActiveImpaired)
    }
}

impl Group {
    /// A number of its attributes.
    pub(crate) fn number(&self, key: &str, default: u64) -> u64 {
        self.is.attributes.get(key).and_then(|text| text.parse().ok()).unwrap_or(default)
    }

    /// A text of its attributes.
    pub(crate) fn text(&self, key: &str, default: &'static str) -> &str {
        self.is.attributes.get(key).map_or(default, String::as_str)
    }
}
