//! What was registered last for a binding, as one line in an annotation of the binding: if it is unchanged, AWS need not be read.
//!
//! LBC writes the same line and trusts it, so each takes over from the other without reading every target
//! group. `DescribeTargetHealth` takes one target group for each call; there is no other way to save those calls.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::endpoints::{Origin, Resolved};
use crate::kinds::TargetGroupBinding;

/// The annotation with the line.
pub const CHECKPOINT: &str = "elbv2.k8s.aws/checkpoint";
/// The annotation with the Unix time in seconds at which it was written.
pub const CHECKPOINT_TIMESTAMP: &str = "elbv2.k8s.aws/checkpoint-timestamp";

/// `HASH/HASH`: SHA-256 in unpadded URL-safe base64 of the targets and of the binding's spec. `created` gives the Unix time
/// in milliseconds at which a pod or node was created: a new one with the same address is another target.
#[must_use]
pub fn checkpoint(binding: &TargetGroupBinding, resolved: &Resolved, created: impl Fn(&Origin) -> i64) -> String {
    let mut endpoints: Vec<String> = resolved
        .origins
        .iter()
        .map(|(target, origin)| format!("{}:{}:{}", target.id, target.port, created(origin)))
        .collect();
    endpoints.sort_unstable();
    // A struct of plain maps and lists always has a JSON form.
    let spec = serde_json::to_string(&binding.spec).unwrap_or_default();
    format!("{}/{}", hash(&endpoints.join(",")), hash(&escaped(&spec)))
}

/// The line in the annotation of a binding.
#[must_use]
pub fn checkpoint_of(binding: &TargetGroupBinding) -> Option<&str> {
    let line = binding.metadata.annotations.as_ref()?.get(CHECKPOINT)?;
    Some(line.as_str()).filter(|line| !line.is_empty())
}

/// Go's JSON escapes these characters of HTML. Only the values of a selector can contain them.
fn escaped(json: &str) -> String {
    json.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Key;
    use crate::stack::Target;

    fn binding(spec: &serde_json::Value) -> TargetGroupBinding {
        let object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
            "metadata": {"name": "b", "namespace": "ns"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    /// Recorded from LBC.
    #[test]
    fn the_line_is_the_predecessors() {
        let spec = json!({"ipAddressType": "ipv4", "serviceRef": {"name": "webhook-receiver", "port": 80},
            "targetGroupARN": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/k8s-254fluxr-webhookr-439f40a724/d9c11beee3bd8195",
            "targetGroupProtocol": "HTTP", "targetType": "ip", "vpcID": "vpc-0a1b2c3d4e5f60001"});
        let pods = [("10.77.65.20", "webhook-receiver-1"), ("10.77.33.20", "webhook-receiver-0")];
        let origins = pods.map(|(id, pod)| {
            let target = Target { id: id.to_owned(), port: 8080, availability_zone: None };
            (target, Origin::Pod(Key::new("254-flux-receiver-dns-ttl", pod)))
        });
        let resolved = Resolved { origins: origins.into(), ..Resolved::default() };
        assert_eq!(
            checkpoint(&binding(&spec), &resolved, |_| 1_795_393_618_000),
            "UCzERrRliTVIXuUezSYFemCr9jUH9g23wKIpOFF1Iqo/4KS4hAcKRmMKLlZ8zGNdWQ0MEqnALwc1CF113ctD0GM"
        );
    }

    #[test]
    fn the_hash_of_a_spec_with_networking_is_the_predecessors() {
        let spec = json!({"ipAddressType": "ipv4", "networking": {"ingress": [{
                "from": [{"securityGroup": {"groupID": "sg-002ffce5d1598002e"}}], "ports": [{"port": 31905, "protocol": "TCP"}]}]},
            "serviceRef": {"name": "app", "port": 80},
            "targetGroupARN": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/k8s-f005dual-app-5b14c63918/3945ddfdb4b0fece",
            "targetGroupProtocol": "HTTP", "targetType": "instance", "vpcID": "vpc-0a1b2c3d4e5f60001"});
        let line = checkpoint(&binding(&spec), &Resolved::default(), |_| 0);
        assert!(line.ends_with("/RX1020iYxjgHfxzGWE56GsXHZ6x-0qTjrcHtVp1b9ek"), "{line}");
    }

    #[test]
    fn another_pod_of_the_same_address_is_another_line() {
        let binding = binding(&json!({"serviceRef": {"name": "a", "port": 80}}));
        let target = Target { id: "10.0.0.1".to_owned(), port: 80, availability_zone: None };
        let resolved = Resolved { origins: [(target, Origin::Pod(Key::new("ns", "a")))].into(), ..Resolved::default() };
        assert_ne!(checkpoint(&binding, &resolved, |_| 1), checkpoint(&binding, &resolved, |_| 2));
        assert_eq!(checkpoint_of(&binding), None);
    }
}
