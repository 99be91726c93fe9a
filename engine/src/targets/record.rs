//! What a binding itself registered and where, as one line in an annotation of it, so that a restart does not forget it: when its target
//! group is another one later, these targets leave the former one, and no others do.

use std::collections::BTreeSet;

use crate::kinds::TargetGroupBinding;
use crate::stack::{Target, TargetHealth};

/// The annotation with the line.
pub const REGISTERED: &str = "albedo.dev/registered";
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

    /// What a binding's annotation says; `None` if there is none, or none that can be read.
    #[must_use]
    pub fn of(binding: &TargetGroupBinding) -> Option<Self> {
        let line = binding.metadata.annotations.as_ref()?.get(REGISTERED)?;
        let (target_group, list) = line.split_once(' ').unwrap_or((line, ""));
        let read = |one: &str| {
            let (id, port) = one.rsplit_once(':')?;
            Some((id.to_owned(), port.parse().ok()?))
        };
        let targets = list.split(',').filter(|one| !one.is_empty()).map(read).collect::<Option<_>>()?;
        Some(Self { target_group: target_group.to_owned(), targets })
    }

    /// `ARN id:port,id:port`. What does not fit is left out: it stays registered rather than that others are deregistered.
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

    /// With the targets of another record of the same target group.
    #[must_use]
    pub fn and(mut self, other: Option<Self>) -> Self {
        if let Some(other) = other.filter(|other| other.target_group == self.target_group) {
            self.targets.extend(other.targets);
        }
        self
    }

    /// Whether the binding registered this target.
    #[must_use]
    pub fn has(&self, target: &Target) -> bool {
        self.targets.contains(&(target.id.clone(), target.port))
    }

    /// Of what a target group holds, what the binding registered and what does not drain already.
    #[must_use]
    pub fn among(&self, observed: &[TargetHealth]) -> Vec<Target> {
        let held = observed.iter().filter(|health| !health.is_draining()).map(|health| &health.target);
        held.filter(|target| self.has(target)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn target(id: &str, port: u16) -> Target {
        Target { id: id.to_owned(), port, availability_zone: None }
    }

    fn annotated(line: &str) -> TargetGroupBinding {
        let object = json!({"apiVersion": "elbv2.k8s.aws/v1beta1", "kind": "TargetGroupBinding",
            "metadata": {"name": "b", "annotations": {REGISTERED: line}}, "spec": {"serviceRef": {"name": "a", "port": 80}}});
        serde_json::from_value(object).unwrap()
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
