//! Readiness gates for new Pods: one for each binding whose targets they will be. A rollout then waits until the new targets are healthy.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::{Context, Operation, PatchOp, Request, ReviewAnswer, binding};
use crate::kinds::{Key, TargetGroupBinding, readiness_gate};
use crate::targets::held_by_itself;

/// Gates of version 1 of LBC begin with this. Nobody sets their conditions any more.
const LEGACY: &str = "target-health.alb.ingress.k8s.aws";
const PATH: &str = "/spec/readinessGates";

/// The patch that adds absent gates. It is empty if the Pod has all of them.
pub(super) fn mutate(request: &Request, pod: &Value, context: Context<'_>) -> ReviewAnswer {
    let mut answer = ReviewAnswer::allow();
    let injects = context.settings.inject_readiness_gates && !context.settings.beside_lbc;
    if request.operation != Operation::Create || !injects || !pod.get("spec").is_some_and(Value::is_object) {
        return answer;
    }
    let wanted = gates_for(&request.namespace, pod.pointer("/metadata/labels"), context);
    let given = pod.pointer(PATH).and_then(Value::as_array);
    let mut gates: Vec<Value> = given.cloned().unwrap_or_default();
    if !wanted.is_empty() {
        gates.retain(|gate| !type_of(gate).starts_with(LEGACY));
    }
    for gate in wanted {
        if !gates.iter().any(|one| type_of(one) == gate) {
            gates.push(json!({"conditionType": gate}));
        }
    }
    if given.map_or(!gates.is_empty(), |given| *given != gates) {
        let op = if given.is_some() { "replace" } else { "add" };
        answer.patch.push(PatchOp { op, path: PATH.to_owned(), value: Some(Value::Array(gates)) });
    }
    answer
}

/// The gates of a Pod with these labels, in the order of the names of the bindings.
fn gates_for(namespace: &str, labels: Option<&Value>, context: Context<'_>) -> Vec<String> {
    let bindings = context.world.bindings_in(namespace).map(|(_, binding)| binding.as_ref());
    let counts = |binding: &&TargetGroupBinding| {
        let service = Key::new(namespace, &binding.spec.service_ref.name);
        binding::target_type_of(binding, context) == Some("ip")
            && is_served(binding)
            && context.world.service(&service).is_some_and(|service| selects(service, labels))
    };
    let names = bindings.filter(counts).filter_map(|binding| binding.metadata.name.as_deref());
    names.map(readiness_gate).collect()
}

/// Whether Albedo registers the targets of a binding. If it does not, nobody would set the condition, and the Pod would never become Ready.
fn is_served(binding: &TargetGroupBinding) -> bool {
    let conditions = binding.status.iter().flat_map(|status| &status.conditions);
    let mut held = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "False");
    binding.metadata.deletion_timestamp.is_none() && held_by_itself(binding).is_none() && held.next().is_none()
}

/// Whether a Service selects Pods with these labels. One without a selector selects none.
pub(super) fn selects(service: &Service, labels: Option<&Value>) -> bool {
    let label = |key: &str| labels?.get(key)?.as_str();
    let none = BTreeMap::new();
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).unwrap_or(&none);
    !selector.is_empty() && selector.iter().all(|(key, value)| label(key) == Some(value))
}

fn type_of(gate: &Value) -> &str {
    gate.get("conditionType").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
