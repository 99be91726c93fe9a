//! Which tags have to be set and which removed; tags of AWS, of the predecessors and of others stay.

use crate::stack::Tags;

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
