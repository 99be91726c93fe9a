//! Names and tags as the predecessor gives them, worked out here once more: byte for byte, or an installation loses its ALBs.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// `k8s-NAMESPACE-NAME-HASH` of a group of one.
pub fn load_balancer(cluster: &str, namespace: &str, ingress: &str, scheme: &str) -> String {
    let group = format!("{namespace}/{ingress}");
    format!("k8s-{}-{}-{}", short(namespace, 8), short(ingress, 8), digest(&[cluster, &group, scheme]))
}

/// `k8s-GROUP-HASH`.
pub fn shared_load_balancer(cluster: &str, group: &str, scheme: &str) -> String {
    format!("k8s-{}-{}", short(group, 17), digest(&[cluster, group, scheme]))
}

/// The managed security group of a group of one.
pub fn security_group(cluster: &str, namespace: &str, ingress: &str) -> String {
    let group = format!("{namespace}/{ingress}");
    format!("k8s-{}-{}-{}", short(namespace, 8), short(ingress, 8), digest(&[cluster, &group]))
}

/// The security group that all load balancers of a cluster share.
pub fn backend_security_group(cluster: &str) -> String {
    format!("k8s-traffic-{}-{}", short(cluster, 232), digest(&[cluster]))
}

/// What is in a target group's name.
pub struct TargetGroup<'a> {
    pub cluster: &'a str,
    pub group: &'a str,
    pub namespace: &'a str,
    pub ingress: &'a str,
    pub service: &'a str,
    pub uid: &'a str,
    pub port: &'a str,
    pub target_port: &'a str,
    pub target_type: &'a str,
}

impl TargetGroup<'_> {
    pub fn name(&self) -> String {
        let hash = digest(&[
            self.cluster,
            self.group,
            self.namespace,
            self.ingress,
            self.uid,
            self.port,
            self.target_port,
            self.target_type,
            "HTTP",
            "HTTP1",
        ]);
        format!("k8s-{}-{}-{hash}", short(self.namespace, 8), short(self.service, 8))
    }
}

/// The tags of a group's resource.
pub fn tags(cluster: &str, group: &str, resource: &str) -> BTreeMap<String, String> {
    let pairs =
        [("elbv2.k8s.aws/cluster", cluster), ("ingress.k8s.aws/stack", group), ("ingress.k8s.aws/resource", resource)];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn short(text: &str, limit: usize) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(limit).collect()
}

fn digest(parts: &[&str]) -> String {
    Sha256::digest(parts.concat()).iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}
