//! Readiness gates: LBC adds them to Pods and keeps their conditions, and so does Albedo, for bindings that it serves.

use k8s_openapi::api::core::v1::Pod;

use super::{Input, Lines, count};
use crate::admit::registration::GATES;
use crate::kinds::{Key, TARGET_HEALTH};
use crate::targets::held_by_itself;
use crate::world::Kind;

/// So many Pods are named in a line.
const NAMED: usize = 5;

/// A Pod with gates of LBC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedPod {
    /// Namespace and name.
    pub key: Key,
    /// Names of the bindings whose gates it has, each with whether the condition is true.
    pub gates: Vec<(String, bool)>,
}

/// The Pod, if it has a gate of LBC.
#[must_use]
pub fn gated(pod: &Pod) -> Option<GatedPod> {
    let gates = pod.spec.as_ref()?.readiness_gates.as_ref()?;
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let is_true = |gate: &str| conditions.iter().any(|condition| condition.type_ == gate && condition.status == "True");
    let gates: Vec<(String, bool)> = gates
        .iter()
        .map(|gate| gate.condition_type.as_str())
        .filter_map(|gate| Some((gate.strip_prefix(TARGET_HEALTH)?.to_owned(), is_true(gate))))
        .collect();
    (!gates.is_empty()).then(|| GatedPod { key: Key::of(&pod.metadata), gates })
}

/// The lines about them.
pub(super) fn lines(input: &Input<'_>, lines: &mut Lines<'_>) {
    if input.beside {
        return lines.fine("", "LBC continues to serve them");
    }
    let world = &input.manifests.world;
    let is_labelled = |namespace: &Key| {
        let labels = world.namespace_labels(&namespace.name);
        labels.and_then(|labels| labels.get(GATES.0)).is_some_and(|value| value == GATES.1)
    };
    let labelled = world.keys(Kind::Namespace).iter().filter(|key| is_labelled(key)).count();
    let left = |pod: &&GatedPod, is_open: bool| {
        let is_served = |name: &str| {
            let binding = world.binding(&Key::new(&pod.key.namespace, name));
            binding.is_some_and(|binding| held_by_itself(binding).is_none())
        };
        pod.gates.iter().any(|(name, open)| *open == is_open && !is_served(name))
    };
    let pods = &input.found.pods;
    let closed: Vec<&GatedPod> = pods.iter().filter(|pod| left(pod, false)).collect();
    let open: Vec<&GatedPod> = pods.iter().filter(|pod| left(pod, true) && !left(pod, false)).collect();
    if !closed.is_empty() {
        let message = format!(
            "{} with a gate whose condition is not true, of a binding that does not exist or that Albedo does not serve: nothing sets the \
             condition after the switch, and they never become Ready",
            count(closed.len(), "Pod")
        );
        lines.blocks(named(&closed), message, "wait until they are Ready before the switch, or delete them after it");
    }
    if !open.is_empty() {
        let message = format!(
            "{} with a gate whose condition is true, of a binding that does not exist or that Albedo does not serve: it stays true, whatever \
             the health of the target",
            count(open.len(), "Pod")
        );
        lines.warns(
            named(&open),
            message,
            "restart their Deployments after the switch, so that new Pods do not have the gate",
        );
    }
    let kept = pods.len().saturating_sub(closed.len()).saturating_sub(open.len());
    let (pods, namespaces) = (count(kept, "Pod"), count(labelled, "namespace"));
    lines.fine("", format!("{pods} and {namespaces} whose gates Albedo takes over"));
}

fn named(pods: &[&GatedPod]) -> String {
    let mut names: Vec<String> = pods.iter().take(NAMED).map(|pod| format!("Pod {}", pod.key)).collect();
    names.extend((pods.len() > NAMED).then(|| format!("{} more", pods.len() - NAMED)));
    names.join(", ")
}
