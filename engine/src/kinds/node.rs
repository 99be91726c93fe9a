//! The parts of a Node that targets need.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

/// What is kept of a Node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `aws:///eu-central-1a/i-0123`.
    pub provider_id: String,
    /// Taints: key and effect.
    pub taints: Vec<(String, String)>,
    /// Condition Ready: `True`, `False`, `Unknown`.
    pub ready: String,
    /// Unix time of creation in milliseconds.
    pub created_ms: i64,
}

impl Node {
    /// The EC2 instance id, if the provider id ends in one.
    #[must_use]
    pub fn instance_id(&self) -> Option<&str> {
        self.provider_id.rsplit('/').next().filter(|id| id.starts_with("i-"))
    }

    /// The availability zone in the provider id.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.provider_id.strip_prefix("aws:///")?.split('/').next().filter(|zone| !zone.is_empty())
    }
}

impl From<core::Node> for Node {
    fn from(node: core::Node) -> Self {
        let spec = node.spec.unwrap_or_default();
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        Self {
            name: node.metadata.name.unwrap_or_default(),
            labels: node.metadata.labels.unwrap_or_default(),
            provider_id: spec.provider_id.unwrap_or_default(),
            taints: spec.taints.unwrap_or_default().into_iter().map(|taint| (taint.key, taint.effect)).collect(),
            ready: conditions.into_iter().find(|c| c.type_ == "Ready").map(|c| c.status).unwrap_or_default(),
            created_ms: node.metadata.creation_timestamp.map_or(0, |time| time.0.as_millisecond()),
        }
    }
}
