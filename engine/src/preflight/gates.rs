//! Readiness gates: LBC adds them to Pods and keeps their conditions; Albedo does neither.

use k8s_openapi::api::core::v1::Pod;

use super::{Input, Lines, count};
use crate::kinds::Key;
use crate::world::Kind;

/// LBC's label of a namespace whose Pods get gates, with its value:
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/pod_readiness_gate/>.
const LABEL: (&str, &str) = ("elbv2.k8s.aws/pod-readiness-gate-inject", "enabled");
/// What the condition types of the gates begin with.
const GATE: &str = "target-health.elbv2.k8s.aws/";
/// So many Pods are named in a line.
const NAMED: usize = 5;

/// A Pod with gates of LBC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedPod {
    /// Namespace and name.
    pub key: Key,
    /// Whether the conditions of all its gates are true.
    pub is_open: bool,
}

/// The Pod, if it has a gate of LBC.
#[must_use]
pub fn gated(pod: &Pod) -> Option<GatedPod> {
    let gates = pod.spec.as_ref()?.readiness_gates.as_ref()?;
    let mut gates =
        gates.iter().map(|gate| gate.condition_type.as_str()).filter(|gate| gate.starts_with(GATE)).peekable();
    gates.peek()?;
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_true = |gate: &str| conditions.iter().any(|condition| condition.type_ == gate && condition.status == "True");
    Some(GatedPod { key: Key::of(&pod.metadata), is_open: gates.all(is_true) })
}

/// The lines about them.
pub(super) fn lines(input: &Input<'_>, lines: &mut Lines<'_>) {
    if input.beside {
        return lines.fine("", "LBC continues to serve them");
    }
    let world = &input.manifests.world;
    let is_labelled = |namespace: &Key| {
        let labels = world.namespace_labels(&namespace.name);
        labels.and_then(|labels| labels.get(LABEL.0)).is_some_and(|value| value == LABEL.1)
    };
    let labelled: Vec<Key> = world.keys(Kind::Namespace).into_iter().filter(is_labelled).collect();
    for namespace in &labelled {
        let message = format!(
            "label {}={}: new Pods get no gate, so a rollout does not wait until a target is healthy",
            LABEL.0, LABEL.1
        );
        let fix = "give Deployments minReadySeconds, and Pods a preStop sleep as long as the deregistration delay";
        lines.warns(format!("Namespace {}", namespace.name), message, fix);
    }
    let (open, closed): (Vec<_>, Vec<_>) = input.found.pods.iter().partition(|pod| pod.is_open);
    if !closed.is_empty() {
        let message = format!(
            "{} with a gate whose condition is not true: nothing sets it after the switch, and they never become Ready",
            count(closed.len(), "Pod")
        );
        lines.blocks(named(&closed), message, "wait until they are Ready before the switch, or delete them after it");
    }
    if !open.is_empty() {
        let message = format!(
            "{} with a gate whose condition is true: it stays true, whatever the health of the target",
            count(open.len(), "Pod")
        );
        lines.warns(named(&open), message, "restart their Deployments after the switch, so that new Pods have no gate");
    }
    if labelled.is_empty() && input.found.pods.is_empty() {
        lines.fine("", "none");
    }
}

fn named(pods: &[&GatedPod]) -> String {
    let mut names: Vec<String> = pods.iter().take(NAMED).map(|pod| format!("Pod {}", pod.key)).collect();
    names.extend((pods.len() > NAMED).then(|| format!("{} more", pods.len() - NAMED)));
    names.join(", ")
}
