//! The parts of a Pod that targets need.

use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;

use super::Key;

/// What the types of conditions about the health of a target begin with; the name of a binding follows:
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/pod_readiness_gate/>.
pub const TARGET_HEALTH: &str = "target-health.elbv2.k8s.aws/";

/// The readiness gate with which a pod waits for the health of its target in a binding: the type of a condition.
#[must_use]
pub fn readiness_gate(binding: &str) -> String {
    format!("{TARGET_HEALTH}{binding}")
}

/// A readiness gate that waits for the health of a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetHealthGate {
    /// The type of its condition, see [`readiness_gate`].
    pub condition_type: String,
    /// The condition; `None` while there is none.
    pub condition: Option<GateCondition>,
}

/// The condition of a readiness gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateCondition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, as one word; may be empty.
    pub reason: String,
    /// The message; may be empty.
    pub message: String,
    /// Unix time in milliseconds since when it has this status; 0 if it is not said.
    pub since_ms: i64,
}

/// What is kept of a Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Namespace and name.
    pub key: Key,
    /// Address.
    pub ip: String,
    /// Node.
    pub node: Arc<str>,
    /// Names and numbers of container ports.
    pub ports: Box<[(String, i32)]>,
    /// Whether all containers are ready, without regard to readiness gates.
    pub containers_ready: bool,
    /// Readiness gates that wait for the health of a target.
    pub target_health_gates: Vec<TargetHealthGate>,
    /// Its uid; empty if no gate waits for the health of a target.
    pub uid: String,
    /// Its own network interface, from the annotation `vpc.amazonaws.com/pod-eni`.
    pub pod_eni: Option<String>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Unix time of creation in milliseconds.
    pub created_ms: i64,
}

impl Pod {
    /// The gate whose condition has this type.
    #[must_use]
    pub fn gate(&self, condition_type: &str) -> Option<&TargetHealthGate> {
        self.target_health_gates.iter().find(|gate| gate.condition_type == condition_type)
    }

    /// The number of the container port with this name; of several the last.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<i32> {
        self.ports.iter().rev().find(|(named, _)| named == name).map(|(_, number)| *number)
    }

    /// The condition of a gate, if there are both.
    #[must_use]
    pub fn condition(&self, condition_type: &str) -> Option<&GateCondition> {
        self.gate(condition_type)?.condition.as_ref()
    }
}

impl GateCondition {
    /// Whether the gate is open.
    #[must_use]
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Whether both say the same, whenever that was.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        (&self.status, &self.reason, &self.message) == (&other.status, &other.reason, &other.message)
    }
}

impl From<core::Pod> for Pod {
    fn from(pod: core::Pod) -> Self {
        let key = Key::of(&pod.metadata);
        let spec = pod.spec.unwrap_or_default();
        let status = pod.status.unwrap_or_default();
        let ports = spec.containers.into_iter().flat_map(|container| container.ports.unwrap_or_default());
        let conditions = status.conditions.unwrap_or_default();
        let gates = spec.readiness_gates.unwrap_or_default().into_iter().map(|gate| gate.condition_type);
        let gates = gates.filter(|gate| gate.starts_with(TARGET_HEALTH)).map(|gate| TargetHealthGate {
            condition: conditions.iter().find(|condition| condition.type_ == gate).map(condition),
            condition_type: gate,
        });
        let target_health_gates: Vec<TargetHealthGate> = gates.collect();
        let uid = pod.metadata.uid.filter(|_| !target_health_gates.is_empty()).unwrap_or_default();
        Self {
            key,
            ip: status.pod_ip.unwrap_or_default(),
            node: spec.node_name.unwrap_or_default().into(),
            ports: ports.filter_map(|port| Some((port.name?, port.container_port))).collect(),
            containers_ready: conditions
                .iter()
                .any(|condition| condition.type_ == "ContainersReady" && condition.status == "True"),
            target_health_gates,
            uid,
            pod_eni: pod.metadata.annotations.and_then(|mut map| map.remove("vpc.amazonaws.com/pod-eni")),
            terminating: pod.metadata.deletion_timestamp.is_some(),
            created_ms: pod.metadata.creation_timestamp.map_or(0, |time| time.0.as_millisecond()),
        }
    }
}

fn condition(from: &core::PodCondition) -> GateCondition {
    GateCondition {
        status: from.status.clone(),
        reason: from.reason.clone().unwrap_or_default(),
        message: from.message.clone().unwrap_or_default(),
        since_ms: from.last_transition_time.as_ref().map_or(0, |time| time.0.as_millisecond()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn gates_and_their_conditions_are_kept() {
        let gate = readiness_gate("tgb");
        let of = |gates: &[&str], status: serde_json::Value| -> Pod {
            let gates: Vec<_> = gates.iter().map(|gate| json!({"conditionType": gate})).collect();
            let pod = json!({"metadata": {"name": "a", "namespace": "shop", "uid": "u"},
                "spec": {"containers": [], "readinessGates": gates}, "status": {"conditions": [status]}});
            serde_json::from_value::<core::Pod>(pod).unwrap().into()
        };
        let since = "2026-01-01T00:00:01Z";
        let said = json!({"type": gate, "status": "False", "reason": "r", "message": "m", "lastTransitionTime": since});
        let pod = of(&["own/x", &gate], said.clone());
        assert_eq!((pod.uid.as_str(), pod.target_health_gates.len(), pod.gate("own/x")), ("u", 1, None));
        let condition = pod.gate(&gate).and_then(|gate| gate.condition.clone()).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "r"));
        assert_eq!((condition.message.as_str(), condition.since_ms), ("m", 1_767_225_601_000));
        assert_eq!(of(&[&gate], json!({"type": "Ready", "status": "True"})).gate(&gate).unwrap().condition, None);
        let plain = of(&["own/x"], said);
        assert!(plain.uid.is_empty() && plain.target_health_gates.is_empty());
    }
}
