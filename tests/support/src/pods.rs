//! What a kubelet would say of a pod: pure functions from a pod to the status it should have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::kubelet::NodeSpec;

/// A pod with this annotation is left alone: neither scheduled nor started nor removed.
pub const HOLD: &str = "testenv.albedo.dev/hold";
/// A pod with this annotation set to `false` runs and is not ready.
pub const READY: &str = "testenv.albedo.dev/ready";

pub(crate) fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn is_true(pod: &Pod, condition: &str) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == condition && c.status == "True")
}

/// The status patch that a pod on a node needs; None when it is as it should be. `probed`: what its readiness probes say.
pub(crate) fn wanted(pod: &Pod, node: &NodeSpec, ip: Ipv4Addr, probed: bool, now: &str) -> Option<Value> {
    let containers = probed && annotation(pod, READY) != Some("false");
    let mut gates = pod.spec.iter().flat_map(|s| s.readiness_gates.iter().flatten());
    // As a kubelet has it: ready when the containers are and every gate is open.
    let ready = containers && gates.all(|gate| is_true(pod, &gate.condition_type));
    let status = pod.status.as_ref();
    let address = status.and_then(|s| s.pod_ip.as_deref()).map_or_else(|| ip.to_string(), ToOwned::to_owned);
    let running = status.and_then(|s| s.phase.as_deref()) == Some("Running");
    if running
        && status.is_some_and(|s| s.pod_ip.is_some())
        && is_true(pod, "Ready") == ready
        && is_true(pod, "ContainersReady") == containers
    {
        return None;
    }
    let condition = |kind: &str, yes: bool| json!({"type": kind, "status": if yes { "True" } else { "False" }, "lastTransitionTime": now});
    let container = |name: &str, image: Option<&str>| {
        json!({"name": name, "image": image.unwrap_or_default(), "imageID": "none", "ready": containers, "started": true,
               "restartCount": 0, "state": {"running": {"startedAt": now}}})
    };
    let statuses: Vec<Value> =
        pod.spec.iter().flat_map(|s| &s.containers).map(|c| container(&c.name, c.image.as_deref())).collect();
    Some(json!({"status": {
        "phase": "Running", "hostIP": node.ip, "podIP": address, "podIPs": [{"ip": address}],
        "startTime": status.and_then(|s| s.start_time.as_ref()).map_or_else(|| json!(now), |t| json!(t)),
        "containerStatuses": statuses,
        "conditions": [condition("PodScheduled", true), condition("Initialized", true),
                       condition("ContainersReady", containers), condition("Ready", ready)],
    }}))
}

/// Addresses of a node's pods, given out in turn so that a freed one is used again as late as possible.
#[derive(Debug)]
pub(crate) struct Addresses {
    first: u32,
    next: u32,
    used: BTreeMap<String, u32>,
}

/// What a /24 has to give; past it come the addresses after, up to this many.
const MOST: u32 = 7_000;
const IN_PREFIX: u32 = 254;

impl Addresses {
    pub(crate) fn new(cidr: &str) -> Result<Self> {
        let base = cidr.split('/').next().unwrap_or_default();
        let base: Ipv4Addr = base.parse().with_context(|| format!("{cidr} is no range of pod addresses"))?;
        Ok(Self { first: u32::from(base) + 1, next: 0, used: BTreeMap::new() })
    }

    pub(crate) fn len(&self) -> usize {
        self.used.len()
    }

    /// The pod's address, the same for as long as it lives.
    pub(crate) fn of(&mut self, pod: &str) -> Option<Ipv4Addr> {
        if let Some(offset) = self.used.get(pod) {
            return Some(Ipv4Addr::from(self.first + offset));
        }
        let used: BTreeSet<u32> = self.used.values().copied().collect();
        // First those that the node's network interface holds prefixes for.
        let inside = (0..IN_PREFIX).map(|i| (self.next + i) % IN_PREFIX);
        let offset = inside.chain(IN_PREFIX..MOST).find(|offset| !used.contains(offset))?;
        self.next = (offset + 1) % IN_PREFIX;
        self.used.insert(pod.to_owned(), offset);
        Some(Ipv4Addr::from(self.first + offset))
    }

    /// Keeps an address that the pod has already.
    pub(crate) fn keep(&mut self, pod: &str, ip: Ipv4Addr) {
        if let Some(offset) = u32::from(ip).checked_sub(self.first).filter(|o| *o < MOST) {
            self.used.insert(pod.to_owned(), offset);
        }
    }

    pub(crate) fn free(&mut self, pod: &str) {
        self.used.remove(pod);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> NodeSpec {
        NodeSpec {
            name: "n".into(),
            provider_id: "aws:///eu-test-1a/i-1".into(),
            zone: "eu-test-1a".into(),
            ip: "10.0.0.4".into(),
            pod_cidr: "10.0.1.0/24".into(),
            labels: BTreeMap::new(),
        }
    }

    fn ready_of(pod: &Value) -> Option<Value> {
        let pod: Pod = serde_json::from_value(pod.clone()).expect("a pod");
        let patch = wanted(&pod, &node(), Ipv4Addr::new(10, 0, 1, 1), true, "2026-01-01T00:00:00Z")?;
        let conditions = patch["status"]["conditions"].as_array()?;
        conditions.iter().find(|c| c["type"] == "Ready").map(|c| c["status"].clone())
    }

    #[test]
    fn a_pod_is_ready_when_its_containers_and_gates_are() {
        let mut pod = json!({"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "c"}], "readinessGates": [{"conditionType": "a/b"}]}});
        assert_eq!(ready_of(&pod), Some(json!("False")));
        pod["status"] = json!({"conditions": [{"type": "a/b", "status": "True"}]});
        assert_eq!(ready_of(&pod), Some(json!("True")));
        pod["metadata"]["annotations"] = json!({READY: "false"});
        assert_eq!(ready_of(&pod), Some(json!("False")));
    }

    #[test]
    fn a_pod_that_is_as_it_should_be_is_left_alone() {
        let condition = |kind: &str| json!({"type": kind, "status": "True"});
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c"}]}, "status": {
            "phase": "Running", "podIP": "10.0.1.9", "conditions": [condition("Ready"), condition("ContainersReady")]}});
        assert_eq!(ready_of(&pod), None);
    }

    #[test]
    fn an_address_is_kept_while_its_pod_lives_and_used_again_late() {
        let mut addresses = Addresses::new("10.0.1.0/24").expect("a range");
        let first = addresses.of("a");
        assert_eq!(first, Some(Ipv4Addr::new(10, 0, 1, 1)));
        assert_eq!(addresses.of("a"), first);
        addresses.free("a");
        assert_eq!(addresses.of("b"), Some(Ipv4Addr::new(10, 0, 1, 2)));
        for n in 0..300 {
            assert!(addresses.of(&format!("more-{n}")).is_some());
        }
        assert_eq!(addresses.len(), 301);
    }
}
