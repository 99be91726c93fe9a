//! Conditions of readiness gates: a pod with the gate of a binding becomes Ready only when its target is healthy. Status, reason and message are LBC's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::endpoints::{Origin, Resolved};
use crate::kinds::{GateCondition, Key, Pod};
use crate::stack::{Target, TargetHealth};

const HEALTHY: &str = "healthy";
const TRUE: &str = "True";
/// What LBC says on pods whose target was registered a moment ago; AWS says the same of a target that is `initial`:
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetHealth.html>.
const REGISTERING: (&str, &str) = ("Elb.RegistrationInProgress", "Target registration is in progress");
/// What LBC says on pods whose binding is deleted.
const RELEASED: &str = "Target Group Binding is deleted";

/// What a condition says of the health of a target.
fn said(health: &TargetHealth) -> GateCondition {
    GateCondition {
        status: if health.state == HEALTHY { TRUE } else { "False" }.to_owned(),
        reason: health.reason.clone().unwrap_or_default(),
        message: health.description.clone().unwrap_or_default(),
        since_ms: 0,
    }
}

fn registering() -> GateCondition {
    let [status, reason, message] = ["False", REGISTERING.0, REGISTERING.1].map(str::to_owned);
    GateCondition { status, reason, message, since_ms: 0 }
}

/// What the condition says when the binding is deleted: nobody will look at the health of the target any more.
#[must_use]
pub fn released() -> GateCondition {
    GateCondition { status: TRUE.to_owned(), message: RELEASED.to_owned(), ..GateCondition::default() }
}

/// A pod that waits for the health of its targets, or has waited for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gated {
    /// The pod.
    pub pod: Arc<Pod>,
    /// Its targets; mostly one.
    pub targets: Vec<Target>,
}

impl Gated {
    /// Whether the condition of the gate is true already.
    #[must_use]
    pub fn is_open(&self, gate: &str) -> bool {
        self.pod.condition(gate).is_some_and(GateCondition::is_true)
    }
}

/// The pods behind the targets of a binding that have its gate.
#[must_use]
pub fn gated(gate: &str, resolved: &Resolved, pods: impl Fn(&Key) -> Option<Arc<Pod>>) -> Vec<Gated> {
    let mut found: BTreeMap<&Key, Gated> = BTreeMap::new();
    for (target, origin) in &resolved.origins {
        let Origin::Pod(key) = origin else { continue };
        let Some(pod) = pods(key).filter(|pod| pod.gate(gate).is_some()) else { continue };
        let gated = found.entry(key).or_insert_with(|| Gated { pod, targets: Vec::new() });
        gated.targets.push(target.clone());
    }
    found.into_values().collect()
}

/// What the condition of each pod should say, from the health of targets as it was read and what was registered since. A target that was not registered
/// before counts as registered now, as with LBC, also if the limit of targets keeps it out. Pods of targets that AWS refused are left out: nothing is
/// known of these. A pod with several targets waits for all of them.
#[must_use]
pub fn states<'g>(
    gated: &'g [Gated],
    observed: &[TargetHealth],
    refused: &BTreeSet<Target>,
) -> Vec<(&'g Gated, GateCondition)> {
    let known: BTreeMap<(&str, u16), &TargetHealth> = observed
        .iter()
        .filter(|health| !health.is_draining())
        .map(|health| ((health.target.id.as_str(), health.target.port), health))
        .collect();
    let of =
        |target: &Target| known.get(&(target.id.as_str(), target.port)).map_or_else(registering, |health| said(health));
    let is_known = |one: &&Gated| !one.targets.iter().any(|target| refused.contains(target));
    let state = |one: &'g Gated| {
        let mut states = one.targets.iter().map(of);
        let first = states.next()?;
        Some((one, if first.is_true() { states.find(|state| !state.is_true()).unwrap_or(first) } else { first }))
    };
    gated.iter().filter(is_known).filter_map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{TargetHealthGate, readiness_gate};

    fn target(id: &str) -> Target {
        Target { id: id.to_owned(), port: 80, availability_zone: None }
    }

    fn health(id: &str, state: &str, reason: Option<&str>, description: Option<&str>) -> TargetHealth {
        let (reason, description) = (reason.map(str::to_owned), description.map(str::to_owned));
        TargetHealth { target: target(id), state: state.to_owned(), reason, description }
    }

    fn one(ids: &[&str]) -> Gated {
        Gated { pod: Arc::new(Pod::default()), targets: ids.iter().map(|id| target(id)).collect() }
    }

    #[test]
    fn a_condition_says_what_aws_says() {
        type Row<'r> = (&'r str, &'r [&'r str], &'r [TargetHealth], &'r str, &'r str, &'r str);
        let (checking, failed) = ("Elb.InitialHealthChecking", "Target.Timeout");
        let rows: [Row<'_>; 8] = [
            ("healthy", &["a"], &[health("a", "healthy", None, None)], "True", "", ""),
            ("initial", &["a"], &[health("a", "initial", Some(checking), Some("m"))], "False", checking, "m"),
            ("unhealthy", &["a"], &[health("a", "unhealthy", Some(failed), None)], "False", failed, ""),
            ("unused", &["a"], &[health("a", "unused", Some("Target.NotInUse"), None)], "False", "Target.NotInUse", ""),
            ("new", &["a"], &[health("b", "healthy", None, None)], "False", REGISTERING.0, REGISTERING.1),
            ("was draining", &["a"], &[health("a", "draining", None, None)], "False", REGISTERING.0, REGISTERING.1),
            (
                "the worst of two",
                &["a", "b"],
                &[health("a", "healthy", None, None), health("b", "unhealthy", Some(failed), None)],
                "False",
                failed,
                "",
            ),
            (
                "both",
                &["a", "b"],
                &[health("a", "healthy", None, None), health("b", "healthy", None, None)],
                "True",
                "",
                "",
            ),
        ];
        for (name, ids, observed, status, reason, message) in rows {
            let gated = [one(ids)];
            let states = states(&gated, observed, &BTreeSet::new());
            let state = &states[0].1;
            assert_eq!(
                (state.status.as_str(), state.reason.as_str(), state.message.as_str()),
                (status, reason, message),
                "{name}"
            );
        }
    }

    #[test]
    fn of_what_was_refused_nothing_is_said() {
        let gated = [one(&["a"]), one(&["b"])];
        let states = states(&gated, &[], &BTreeSet::from([target("a")]));
        assert_eq!(states.iter().map(|(gated, _)| gated.targets[0].id.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn only_pods_with_the_gate_of_the_binding_count() {
        let pod = |name: &str, gate: &str| Pod {
            key: Key::new("ns", name),
            target_health_gates: vec![TargetHealthGate { condition_type: readiness_gate(gate), condition: None }],
            ..Pod::default()
        };
        let pods = [pod("a", "tgb"), pod("b", "other"), pod("c", "tgb")];
        let origins = ["a", "b", "c", "gone"].map(|name| (target(name), Origin::Pod(Key::new("ns", name))));
        let node = (target("i-1"), Origin::Node("a".to_owned()));
        let resolved = Resolved { origins: origins.into_iter().chain([node]).collect(), ..Resolved::default() };
        let find = |key: &Key| pods.iter().find(|pod| pod.key == *key).cloned().map(Arc::new);
        let found = gated(&readiness_gate("tgb"), &resolved, find);
        assert_eq!(found.iter().map(|one| one.pod.key.name.as_str()).collect::<Vec<_>>(), ["a", "c"]);
        assert!(found.iter().all(|one| !one.is_open(&readiness_gate("tgb"))));
    }
}
