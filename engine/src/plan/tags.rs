//! Which tags have to be set and which removed; tags of AWS, of the predecessors and of others stay.

use super::difference::Input;
use super::operation::AwsOperation;
use crate::stack::{Ref, Tags};

/// Keys that older controllers set and that are never touched.
const LEGACY: [&str; 6] = [
    "kubernetes.io/cluster-name",
    "kubernetes.io/namespace",
    "kubernetes.io/ingress-name",
    "kubernetes.io/service-name",
    "kubernetes.io/service-port",
    "ingress.k8s.aws/cluster",
];

/// What changes between two sets of tags.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TagChange {
    pub set: Tags,
    pub remove: Vec<String>,
}

/// The change from `observed` to `desired`. `external` are keys that somebody else manages.
pub(super) fn change(desired: &Tags, observed: &Tags, cluster: &str, external: &[String]) -> TagChange {
    let foreign = |key: &str| {
        key.starts_with("aws:")
            || external.iter().any(|managed| managed == key)
            || LEGACY.contains(&key)
            || key.strip_prefix("kubernetes.io/cluster/").is_some_and(|name| name == cluster)
    };
    TagChange {
        set: desired
            .iter()
            .filter(|(key, value)| !foreign(key) && observed.get(*key) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        remove: observed.keys().filter(|key| !foreign(key) && !desired.contains_key(*key)).cloned().collect(),
    }
}

/// The calls that bring the tags of a resource of Elastic Load Balancing to what they should be.
pub(super) fn retag(arn: &str, desired: &Tags, observed: &Tags, input: Input<'_>) -> Vec<AwsOperation> {
    let change = change(desired, observed, input.cluster, input.external_tags);
    let mut operations = Vec::new();
    if !change.set.is_empty() {
        operations.push(AwsOperation::AddTags { resource: Ref::Known(arn.to_owned()), tags: change.set });
    }
    if !change.remove.is_empty() {
        operations.push(AwsOperation::RemoveTags { resource: arn.to_owned(), keys: change.remove });
    }
    operations
}
