//! Tags by which resources are found again: cluster, stack, resource.

use std::collections::BTreeMap;

use super::{GroupId, ResourceId};

/// Tags of an AWS resource.
pub type Tags = BTreeMap<String, String>;

/// The cluster that owns a resource.
pub const CLUSTER_TAG: &str = "elbv2.k8s.aws/cluster";
/// The group that owns a resource.
pub const STACK_TAG: &str = "ingress.k8s.aws/stack";
/// Which resource of its group it is.
pub const RESOURCE_TAG: &str = "ingress.k8s.aws/resource";
/// Which shared resource of its cluster it is (`backend-sg`).
pub const SHARED_RESOURCE_TAG: &str = "elbv2.k8s.aws/resource";

/// Keys that users cannot set: they are overridden in silence.
pub const TRACKING_TAGS: [&str; 4] = [CLUSTER_TAG, STACK_TAG, RESOURCE_TAG, SHARED_RESOURCE_TAG];

/// The tracking tags of a resource of a group.
#[must_use]
pub fn tracking(cluster: &str, group: &GroupId, resource: &ResourceId) -> Tags {
    Tags::from([
        (CLUSTER_TAG.to_owned(), cluster.to_owned()),
        (STACK_TAG.to_owned(), group.to_string()),
        (RESOURCE_TAG.to_owned(), resource.to_string()),
    ])
}
