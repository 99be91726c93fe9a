//! What a binding itself registered, and in which target group, as one line in an annotation of the binding, so that it survives a restart: if its target
//! group changes later, exactly these targets leave the former target group.
//!
//! Everybody who may write the binding can write the annotation, with any target group and any targets in it. It is valid only while the
//! status of the binding has its seal: the permission to write bindings does not include their status.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::kinds::{TargetGroupBinding, target_group_name};
use crate::stack::{Target, TargetHealth};

/// The annotation with the line.
pub const REGISTERED: &str = "albedo.dev/registered";
/// The type of the condition whose message is the seal.
pub const SEALED: &str = "TargetsRecorded";
/// Longest line in bytes; an object's annotations may take 256 KiB together.
const LONGEST: usize = 64 * 1024;

/// What a binding registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// ARN of the target group.
    pub target_group: String,
    /// Targets by id and port.
    targets: BTreeSet<(String, u16)>,
}

impl Record {
    /// A record of these targets.
    pub fn new<'t>(target_group: &str, targets: impl IntoIterator<Item = &'t Target>) -> Self {
        let targets = targets.into_iter().map(|target| (target.id.clone(), target.port)).collect();
        Self { target_group: target_group.to_owned(), targets }
    }

    /// The record in the annotation of a binding; `None` if there is none, if it cannot be read, or if the status does not have its seal.
    #[must_use]
    pub fn of(binding: &TargetGroupBinding) -> Option<Self> {
        let line = binding.metadata.annotations.as_ref()?.get(REGISTERED)?;
        let sealed = binding.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == SEALED)?;
        if sealed.message != seal(line, binding.metadata.uid.as_deref().unwrap_or_default()) {
            return None;
        }
        let (target_group, list) = line.split_once(' ').unwrap_or((line, ""));
        Self::listed(target_group, list)
    }

    /// A record from a list as LBC has it in the `ConfigMap` of a binding, `id:port,id:port`; `None` if it cannot be read.
    #[must_use]
    pub fn listed(target_group: &str, list: &str) -> Option<Self> {
        let read = |one: &str| {
            let (id, port) = one.rsplit_once(':')?;
            Some((id.to_owned(), port.parse().ok()?))
        };
        let targets = list.split(',').filter(|one| !one.is_empty()).map(read).collect::<Option<_>>()?;
        Some(Self { target_group: target_group.to_owned(), targets })
    }

    /// The list of [`Record::listed`].
    #[must_use]
    pub fn list(&self) -> String {
        self.targets.iter().map(|(id, port)| format!("{id}:{port}")).collect::<Vec<_>>().join(",")
    }

    /// `ARN id:port,id:port`. Targets that do not fit are left out: they stay registered, and no other target is deregistered.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = self.target_group.clone();
        for (place, (id, port)) in self.targets.iter().enumerate() {
            let one = format!("{}{id}:{port}", if place == 0 { ' ' } else { ',' });
            if line.len() + one.len() > LONGEST {
                break;
            }
            line.push_str(&one);
        }
        line
    }

    /// Adds the targets of another record of the same target group.
    #[must_use]
    pub fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other.filter(|other| other.target_group == self.target_group) {
            self.targets.extend(other.targets);
        }
        self
    }

    /// Whether the binding now names another target group than the record, by ARN or by name.
    #[must_use]
    pub fn is_of_another_than_named(&self, binding: &TargetGroupBinding) -> bool {
        if self.target_group.is_empty() {
            return false;
        }
        match (binding.given_arn(), binding.given_name()) {
            (Some(arn), _) => arn != self.target_group,
            (None, name) => name != target_group_name(&self.target_group),
        }
    }

    /// How many targets the binding registered.
    #[must_use]
    pub fn count(&self) -> usize {
        self.targets.len()
    }

    /// Whether the binding registered this target.
    #[must_use]
    pub fn has(&self, target: &Target) -> bool {
        self.targets.contains(&(target.id.clone(), target.port))
    }

    /// The targets of a target group that the binding registered and that are not draining.
    #[must_use]
    pub fn among(&self, observed: &[TargetHealth]) -> Vec<Target> {
        let held = observed.iter().filter(|health| !health.is_draining()).map(|health| &health.target);
        held.filter(|target| self.has(target)).cloned().collect()
    }
}

/// Whether a `ConfigMap` of LBC says what a binding registered. Everybody who may write `ConfigMap`s can write it, so it counts only once: when a binding of
/// LBC, which shows in its status, has no record of its own yet.
#[must_use]
pub fn trusts_config_map(binding: &TargetGroupBinding) -> bool {
    let status = binding.status.as_ref();
    let was_lbcs = status.is_some_and(|status| status.observed_generation.is_some());
    let recorded = status.is_some_and(|status| status.conditions.iter().any(|condition| condition.type_ == SEALED));
    binding.is_multi_cluster() && was_lbcs && !recorded
}

/// The seal of a line in a binding of that uid.
#[must_use]
pub fn seal(line: &str, uid: &str) -> String {
    let mut hash = Sha256::new();
    for part in [uid, line] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(id: &str, port: u16) -> Target {
        Target { id: id.to_owned(), port, availability_zone: None }
    }

    fn sealed(line: &str, seal: &str) -> TargetGroupBinding {
        let condition = json!({"type": SEALED, "status": "True", "reason": "Registered", "message": seal,
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
            "metadata": {"name": "b", "uid": "u", "annotations": {REGISTERED: line}},
            "spec": {"serviceRef": {"name": "a", "port": 80}}, "status": {"conditions": [condition]}});
        serde_json::from_value(object).unwrap()
    }

    fn annotated(line: &str) -> TargetGroupBinding {
        sealed(line, &seal(line, "u"))
    }

    #[test]
    fn whether_it_is_of_another_target_group() {
        let arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1";
        let record = Record::new(arn, &[target("a", 80)]);
        for (given, name, expected) in [
            (Some(arn), None, false),
            (Some("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/2"), None, true),
            (None, Some("web"), false),
            (None, Some("api"), true),
            (None, None, true),
        ] {
            let mut binding = annotated("");
            binding.spec.target_group_arn = given.map(str::to_owned);
            binding.spec.target_group_name = name.map(str::to_owned);
            assert_eq!(record.is_of_another_than_named(&binding), expected, "{given:?} {name:?}");
            assert!(!Record::default().is_of_another_than_named(&binding));
        }
    }

    #[test]
    fn an_author_cannot_write_it() {
        let (own, theirs) = ("arn:own a:80", "arn:theirs b:80");
        assert!(Record::of(&sealed(own, &seal(own, "u"))).is_some());
        for (line, seal) in [(theirs, seal(own, "u")), (own, seal(own, "another")), (theirs, String::new())] {
            assert_eq!(Record::of(&sealed(line, &seal)), None, "{line} {seal}");
        }
        let mut bare = annotated(own);
        bare.status = None;
        assert_eq!(Record::of(&bare), None, "no status at all");
    }

    #[test]
    fn lbcs_list_counts_once() {
        let lbcs = |status: serde_json::Value| {
            let mut binding = annotated("");
            binding.spec.multi_cluster_target_group = Some(true);
            binding.status = serde_json::from_value(status).unwrap();
            trusts_config_map(&binding)
        };
        assert!(lbcs(json!({"observedGeneration": 1})));
        assert!(!lbcs(json!(null)) && !lbcs(json!({})), "LBC had nothing to do with it");
        let condition = json!({"type": SEALED, "status": "True", "reason": "Registered", "message": "x",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        assert!(!lbcs(json!({"observedGeneration": 1, "conditions": [condition]})), "there is a record, or was");
        assert!(!trusts_config_map(&annotated("")), "no cluster shares it");
        let record = Record::listed("arn", "10.0.0.2:80,10.0.0.1:8080,").unwrap();
        assert_eq!(record.list(), "10.0.0.1:8080,10.0.0.2:80");
        assert_eq!(Record::listed("arn", "10.0.0.2"), None);
    }

    #[test]
    fn it_comes_back() {
        let targets = [target("10.0.0.1", 80), target("2001:db8::1", 8080), target("i-1", 30080)];
        for targets in [&targets[..], &[]] {
            let record = Record::new("arn", targets);
            assert_eq!(Record::of(&annotated(&record.line())), Some(record));
        }
        assert_eq!(Record::of(&annotated("arn 10.0.0.1")), None);
        assert_eq!(Record::of(&annotated("arn 10.0.0.1:x")), None);
    }

    #[test]
    fn only_what_was_registered_leaves() {
        let health = |id: &str, state: &str| TargetHealth {
            target: Target { availability_zone: Some("all".to_owned()), ..target(id, 80) },
            state: state.to_owned(),
            reason: None,
            description: None,
        };
        let record = Record::new("arn", &[target("a", 80), target("b", 80), target("c", 81)]);
        let among = record.among(&[
            health("a", "healthy"),
            health("b", "draining"),
            health("c", "healthy"),
            health("d", "healthy"),
        ]);
        assert_eq!(among.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_long_one_is_cut_between_two_targets() {
        let targets: Vec<Target> =
            (0..5000).map(|n| target(&format!("10.100.{}.{}", n / 250, n % 250), 30080)).collect();
        let line = Record::new("arn", &targets).line();
        assert!(line.len() <= LONGEST);
        assert!(Record::of(&annotated(&line)).is_some_and(|record| record.targets.len() > 2000));
    }
}
