//! Nodes as targets, by instance id: every node that forwards traffic of a `NodePort`, including cordoned ones.

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{Origin, Resolved, SkipReason, Sources, TargetsError};
use crate::kinds::{Key, Node, TargetGroupBinding};
use crate::stack::Target;

/// Types of a Service that has a `NodePort`.
const TYPES: [&str; 2] = ["NodePort", "LoadBalancer"];

/// Labels that exclude a node; `None`: with any value. A control plane node without the old label `master` is included.
const EXCLUDING_LABELS: [(&str, Option<&str>); 4] = [
    ("node-role.kubernetes.io/master", None),
    ("node.kubernetes.io/exclude-from-external-load-balancers", None),
    ("alpha.service-controller.kubernetes.io/exclude-balancer", None),
    ("eks.amazonaws.com/compute-type", Some("fargate")),
];

/// Taints by which an autoscaler announces that it removes a node; `None`: with any effect.
const REMOVING_TAINTS: [(&str, Option<&str>); 2] =
    [("ToBeDeletedByClusterAutoscaler", None), ("karpenter.sh/disrupted", Some("NoSchedule"))];

pub(super) fn resolve(
    binding: &TargetGroupBinding,
    key: &Key,
    service: &Service,
    port: &ServicePort,
    sources: Sources<'_>,
) -> Result<Resolved, TargetsError> {
    let kind = service.spec.as_ref().and_then(|spec| spec.type_.as_deref()).unwrap_or("ClusterIP");
    if !TYPES.contains(&kind) {
        return Err(TargetsError::ServiceType(key.clone()));
    }
    let number = port.node_port.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
    let number = number.ok_or_else(|| TargetsError::NoNodePort { service: key.clone(), port: port.port })?;
    let mut resolved = Resolved::default();
    let mut candidates = Vec::new();
    for node in sources.nodes {
        match unfit(node, binding.spec.node_selector.as_ref())? {
            Some(reason) => resolved.skip(Origin::Node(node.name.clone()), reason),
            None => candidates.push(node.as_ref()),
        }
    }
    let any = |ready: &str| candidates.iter().any(|node: &&Node| node.ready == ready && node.instance_id().is_some());
    resolved.failed_open = sources.fail_open && !any("True") && any("Unknown");
    let wanted = if resolved.failed_open { "Unknown" } else { "True" };
    for node in candidates {
        let origin = Origin::Node(node.name.clone());
        if node.ready != wanted {
            resolved.skip(origin, SkipReason::NodeNotReady);
            continue;
        }
        match node.instance_id() {
            Some(id) => resolved.add(Target { id: id.to_owned(), port: number, availability_zone: None }, origin),
            // LBC fails the whole binding here: one hybrid node would block all targets of type instance.
            None => resolved.skip(origin, SkipReason::NotAnInstance),
        }
    }
    Ok(resolved)
}

/// Why a node is never a target, whatever its state; `None` if it can be one.
fn unfit(node: &Node, selector: Option<&LabelSelector>) -> Result<Option<SkipReason>, TargetsError> {
    let labelled = |(key, value): &(&str, Option<&str>)| {
        node.labels.get(*key).is_some_and(|there| value.is_none_or(|value| there == value))
    };
    let tainted = |(key, effect): &(&str, Option<&str>)| {
        node.taints.iter().any(|(there, its)| there == key && effect.is_none_or(|effect| its == effect))
    };
    Ok(if EXCLUDING_LABELS.iter().any(labelled) {
        Some(SkipReason::ExcludedByLabel)
    } else if !selected(node, selector)? {
        Some(SkipReason::NotSelected)
    } else if REMOVING_TAINTS.iter().any(tainted) {
        Some(SkipReason::BeingRemoved)
    } else {
        None
    })
}

/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>; no selector selects all.
fn selected(node: &Node, selector: Option<&LabelSelector>) -> Result<bool, TargetsError> {
    let Some(selector) = selector else { return Ok(true) };
    let mut all = selector.match_labels.iter().flatten().all(|(key, value)| node.labels.get(key) == Some(value));
    // Every expression is evaluated, so that an invalid operator is found for any node.
    for requirement in selector.match_expressions.iter().flatten() {
        all &= meets(node, requirement)?;
    }
    Ok(all)
}

fn meets(node: &Node, requirement: &LabelSelectorRequirement) -> Result<bool, TargetsError> {
    let there = node.labels.get(&requirement.key);
    let among = there.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
    match requirement.operator.as_str() {
        "In" => Ok(among),
        "NotIn" => Ok(!among),
        "Exists" => Ok(there.is_some()),
        "DoesNotExist" => Ok(there.is_none()),
        other => Err(TargetsError::Selector(other.to_owned())),
    }
}
