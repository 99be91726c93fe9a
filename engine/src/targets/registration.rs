//! Which targets to register and which to deregister, so that the target group has the desired ones:
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html>.

use std::collections::{BTreeMap, BTreeSet};

use crate::stack::{Target, TargetHealth};

/// The changes of one target group, each list sorted by target. The caller decides how many go into one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// To be registered.
    pub register: Vec<Target>,
    /// To be deregistered; AWS drains them.
    pub deregister: Vec<Target>,
    /// How many more targets the limit keeps out.
    pub held_back: usize,
}

impl Registration {
    /// Whether the target group holds what it should.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.register.is_empty() && self.deregister.is_empty()
    }
}

/// What leads from the observed targets to the desired ones. Two targets are the same by id and port; the zone is how a
/// target is found, not which it is. One that is draining is as good as gone: it is not deregistered again, and if it is
/// wanted it is registered, which ends the draining.
///
/// `limit` (`--max-targets-per-target-group`, `None` or 0: none) is kept by registering fewer: those that stay count, those
/// that leave do not.
#[must_use]
pub fn diff(desired: &BTreeSet<Target>, observed: &[TargetHealth], limit: Option<u32>) -> Registration {
    let there: BTreeMap<Identity<'_>, &Target> = observed
        .iter()
        .filter(|health| !health.is_draining())
        .map(|health| (identity(&health.target), &health.target))
        .collect();
    let wanted: BTreeMap<Identity<'_>, &Target> = desired.iter().map(|target| (identity(target), target)).collect();
    let deregister: Vec<Target> = missing(&there, &wanted);
    let mut register: Vec<Target> = missing(&wanted, &there);
    let staying = there.len().saturating_sub(deregister.len());
    let room = match limit {
        None | Some(0) => usize::MAX,
        Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(staying),
    };
    let held_back = register.len().saturating_sub(room);
    register.truncate(room);
    Registration { register, deregister, held_back }
}

type Identity<'t> = (&'t str, u16);

fn identity(target: &Target) -> Identity<'_> {
    (&target.id, target.port)
}

/// Those of the first that the second has not.
fn missing(of: &BTreeMap<Identity<'_>, &Target>, from: &BTreeMap<Identity<'_>, &Target>) -> Vec<Target> {
    of.iter().filter(|(identity, _)| !from.contains_key(*identity)).map(|(_, target)| (*target).clone()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(id: &str, port: u16) -> Target {
        Target { id: id.to_owned(), port, availability_zone: None }
    }

    fn health(id: &str, port: u16, state: &str) -> TargetHealth {
        TargetHealth { target: target(id, port), state: state.to_owned(), reason: None, description: None }
    }

    fn ids(targets: &[Target]) -> Vec<String> {
        targets.iter().map(|target| format!("{}:{}", target.id, target.port)).collect()
    }

    #[test]
    fn table() {
        type Row<'r> =
            (&'r str, &'r [&'r str], &'r [(&'r str, &'r str)], Option<u32>, &'r [&'r str], &'r [&'r str], usize);
        let rows: [Row<'_>; 9] = [
            ("nothing at all", &[], &[], None, &[], &[], 0),
            ("first registration", &["a", "b"], &[], None, &["a:80", "b:80"], &[], 0),
            ("steady", &["a"], &[("a", "healthy")], None, &[], &[], 0),
            ("any state but draining counts", &["a", "b"], &[("a", "unused"), ("b", "unavailable")], None, &[], &[], 0),
            ("one replaced", &["b"], &[("a", "healthy")], None, &["b:80"], &["a:80"], 0),
            ("draining is left alone", &[], &[("a", "draining"), ("b", "unhealthy.draining")], None, &[], &[], 0),
            ("draining and wanted again", &["a"], &[("a", "draining")], None, &["a:80"], &[], 0),
            ("limited", &["a", "b", "c"], &[("a", "initial"), ("z", "healthy")], Some(2), &["b:80"], &["z:80"], 1),
            ("over the limit already", &["a", "b", "c"], &[("a", "healthy"), ("b", "healthy")], Some(1), &[], &[], 1),
        ];
        for (name, desired, observed, limit, register, deregister, held_back) in rows {
            let desired = desired.iter().map(|id| target(id, 80)).collect();
            let observed: Vec<_> = observed.iter().map(|(id, state)| health(id, 80, state)).collect();
            let change = diff(&desired, &observed, limit);
            assert_eq!(ids(&change.register), register, "{name}");
            assert_eq!(ids(&change.deregister), deregister, "{name}");
            assert_eq!(change.held_back, held_back, "{name}");
        }
    }

    #[test]
    fn the_port_is_part_of_the_identity_and_the_zone_is_not() {
        let desired = BTreeSet::from([
            Target { availability_zone: Some("all".to_owned()), ..target("10.0.0.1", 80) },
            target("10.0.0.1", 81),
        ]);
        let change = diff(&desired, &[health("10.0.0.1", 80, "healthy")], None);
        assert_eq!(ids(&change.register), ["10.0.0.1:81"]);
        assert!(change.deregister.is_empty());
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let desired = BTreeSet::from([target("a", 80), target("b", 80)]);
        assert_eq!(diff(&desired, &[], Some(0)).register.len(), 2);
    }

    fn targets() -> impl Strategy<Value = BTreeSet<Target>> {
        prop::collection::btree_set(("[a-e]", 80u16..82).prop_map(|(id, port)| target(&id, port)), 0..10)
    }

    fn observed() -> impl Strategy<Value = Vec<TargetHealth>> {
        let state =
            prop::sample::select(vec!["initial", "healthy", "unhealthy", "unused", "draining", "unhealthy.draining"]);
        prop::collection::btree_map(("[a-e]", 80u16..82), state, 0..10)
            .prop_map(|map| map.into_iter().map(|((id, port), state)| health(&id, port, state)).collect())
    }

    /// What AWS holds after a change, those that drain aside.
    fn apply(observed: &[TargetHealth], change: &Registration) -> BTreeSet<Target> {
        let mut left: BTreeSet<Target> =
            observed.iter().filter(|health| !health.is_draining()).map(|health| health.target.clone()).collect();
        left.retain(|target| !change.deregister.contains(target));
        left.extend(change.register.iter().cloned());
        left
    }

    proptest! {
        #[test]
        fn applied_it_is_what_was_wanted(desired in targets(), observed in observed()) {
            let change = diff(&desired, &observed, None);
            prop_assert_eq!(apply(&observed, &change), desired.clone());
            prop_assert!(change.register.iter().all(|target| desired.contains(target)));
            prop_assert!(change.deregister.iter().all(|target| !desired.contains(target)));
        }

        #[test]
        fn a_limit_is_never_passed_by_registering(desired in targets(), observed in observed(), limit in 1u32..6) {
            let change = diff(&desired, &observed, Some(limit));
            let after = apply(&observed, &change);
            prop_assert!(change.register.is_empty() || after.len() <= limit as usize);
            prop_assert!(after.is_subset(&desired));
            prop_assert_eq!(after.len() + change.held_back, desired.len());
        }
    }
}
