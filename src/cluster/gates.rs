//! Writes to Pods: the condition of a readiness gate, and nothing else.

use albedo_engine::kinds::{GateCondition, Pod};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::change::check;
use super::error::write;
use super::{Cluster, FIELD_MANAGER, LeaseProof, WriteError};

impl Cluster {
    /// Writes the condition of a readiness gate to the status of a pod; other conditions stay as they are. `since`: the status changes now.
    ///
    /// # Errors
    /// If it was not written. It is a conflict if another pod has this name now.
    pub async fn tell_gate(
        &self,
        lease_proof: &LeaseProof,
        pod: &Pod,
        gate: &str,
        state: &GateCondition,
        since: Option<Timestamp>,
    ) -> Result<(), WriteError> {
        let what = format!("write the condition {gate} of the Pod {}", pod.key);
        let api: Api<core::Pod> = Api::namespaced(self.client(), &pod.key.namespace);
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        check(lease_proof, &what)?;
        let patch = patch(pod, gate, state, since);
        // Kubernetes merges conditions by their type.
        write(&what, api.patch_status(&pod.key.name, &params, &Patch::Strategic(&patch))).await.map(drop)
    }
}

/// The uid is a precondition. What is empty is removed.
fn patch(pod: &Pod, gate: &str, state: &GateCondition, since: Option<Timestamp>) -> Value {
    let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
    let mut condition =
        json!({"type": gate, "status": state.status, "reason": text(&state.reason), "message": text(&state.message)});
    if let (Some(since), Some(fields)) = (since, condition.as_object_mut()) {
        fields.insert("lastTransitionTime".to_owned(), json!(since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()));
    }
    json!({"metadata": {"uid": pod.uid}, "status": {"conditions": [condition]}})
}

#[cfg(test)]
mod tests {
    use albedo_engine::kinds::Key;

    use super::*;

    #[test]
    fn a_patch_has_the_condition_alone() {
        let pod = Pod { key: Key::new("shop", "web"), uid: "u".to_owned(), ..Pod::default() };
        let gate = "target-health.elbv2.k8s.aws/tgb";
        let open = GateCondition { status: "True".to_owned(), ..GateCondition::default() };
        let condition = json!({"type": gate, "status": "True", "reason": null, "message": null, "lastTransitionTime": "1970-01-01T00:00:00Z"});
        assert_eq!(
            patch(&pod, gate, &open, Some(Timestamp::UNIX_EPOCH)),
            json!({"metadata": {"uid": "u"}, "status": {"conditions": [condition]}})
        );
        let closed =
            GateCondition { status: "False".to_owned(), reason: "r".to_owned(), message: "m".to_owned(), since_ms: 0 };
        let conditions = json!([{"type": gate, "status": "False", "reason": "r", "message": "m"}]);
        assert_eq!(patch(&pod, gate, &closed, None)["status"]["conditions"], conditions);
    }
}
