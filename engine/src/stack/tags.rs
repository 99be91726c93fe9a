//! Tags by which resources are found again: cluster, stack, resource.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{GroupId, ResourceId};

/// Tags of an AWS resource.
pub type Tags = BTreeMap<String, String>;

/// The cluster that owns a resource.
pub const CLUSTER_TAG: &str = "elbv2.k8s.aws/cluster";
/// The key that version 1 of the predecessor put in place of [`CLUSTER_TAG`]; found for adoption, never written.
pub const LEGACY_CLUSTER_TAG: &str = "ingress.k8s.aws/cluster";
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
    let mut tags = tracking_group(cluster, group);
    tags.insert(RESOURCE_TAG.to_owned(), resource.to_string());
    tags
}

/// Those of them that all resources of a group have.
#[must_use]
pub fn tracking_group(cluster: &str, group: &GroupId) -> Tags {
    Tags::from([(CLUSTER_TAG.to_owned(), cluster.to_owned()), (STACK_TAG.to_owned(), group.to_string())])
}

/// Which resource of its group these are the tags of.
#[must_use]
pub fn resource_of(tags: &Tags) -> Option<&str> {
    tags.get(RESOURCE_TAG).map(String::as_str)
}

/// Tags of a rule. A load balancer has hundreds of rules, and those of one member differ in which rule each is alone: the
/// rest is shared between them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Tags", into = "Tags")]
pub struct RuleTags {
    /// Without the resource tag.
    shared: Arc<Tags>,
    /// The resource tag.
    resource: Option<ResourceId>,
}

impl RuleTags {
    /// Tags that are shared, and which rule it is. The shared ones name no resource.
    #[must_use]
    pub fn new(shared: Arc<Tags>, resource: ResourceId) -> Self {
        Self { shared, resource: Some(resource) }
    }

    /// Says which rule it is in place of what they say of it, if they do.
    pub fn renumber(&mut self, resource: ResourceId) {
        if self.resource.is_some() {
            self.resource = Some(resource);
        }
    }

    /// All of them, as AWS holds them.
    #[must_use]
    pub fn all(&self) -> Tags {
        let mut tags = Tags::clone(&self.shared);
        tags.extend(self.resource.iter().map(|resource| (RESOURCE_TAG.to_owned(), resource.to_string())));
        tags
    }
}

impl From<Tags> for RuleTags {
    fn from(mut tags: Tags) -> Self {
        let resource = tags.remove(RESOURCE_TAG).map(ResourceId::from);
        Self { shared: Arc::new(tags), resource }
    }
}

impl From<RuleTags> for Tags {
    fn from(tags: RuleTags) -> Self {
        tags.all()
    }
}
