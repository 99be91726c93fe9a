//! The parts of a Pod that targets need.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as core;

use super::Key;

/// What is kept of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: Key,
    /// Address.
    pub ip: String,
    /// Node.
    pub node: String,
    /// Ports by container port name.
    pub ports: BTreeMap<String, i32>,
    /// Whether all containers are ready, without regard to readiness gates.
    pub containers_ready: bool,
    /// Readiness gates that wait for the health of a target.
    pub target_health_gates: Vec<String>,
    /// Its own network interface, from the annotation `vpc.amazonaws.com/pod-eni`.
    pub pod_eni: Option<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Unix time of creation in milliseconds.
    pub created_ms: i64,
}

impl From<core::Pod> for Pod {
    fn from(pod: core::Pod) -> Self {
        let key = Key::of(&pod.metadata);
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let ports = spec.containers.into_iter().flat_map(|container| container.ports.unwrap_or_default());
        let gates = spec.readiness_gates.unwrap_or_default().into_iter().map(|gate| gate.condition_type);
        Self {
            key,
            ip: status.pod_ip.unwrap_or_default(),
            node: spec.node_name.unwrap_or_default(),
            ports: ports.filter_map(|port| Some((port.name?, port.container_port))).collect(),
            containers_ready: status
                .conditions
                .unwrap_or_default()
                .iter()
                .any(|condition| condition.type_ == "ContainersReady" && condition.status == "True"),
            target_health_gates: gates.filter(|gate| gate.starts_with("target-health.elbv2.k8s.aws/")).collect(),
            pod_eni: pod.metadata.annotations.and_then(|mut map| map.remove("vpc.amazonaws.com/pod-eni")),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            created_ms: pod.metadata.creation_timestamp.map_or(0, |time| time.0.as_millisecond()),
        }
    }
}
