//! What fails of bindings, kept for the groups that they belong to: a group is not ready while its targets cannot be registered or reached.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use albedo_engine::kinds::Key;
use albedo_engine::link::Linked;
use albedo_engine::stack::ResourceId;
use albedo_engine::world::{Unit, View};

use super::binding::TOGETHER;
use super::queue::Lane;
use super::{Next, PassError, Reconciler};

/// Reasons of a binding's events that say that its targets are not as they should be.
const REASONS: [&str; 2] = ["FailedReconcile", "BackendNotFound"];

/// What failed the last time, by binding. It holds no more than there are bindings.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Of a binding's own pass, the last one that is over.
    bindings: BTreeMap<Key, String>,
    /// Of the pass that runs.
    heard: BTreeMap<Key, String>,
    /// Of the rules that let its load balancer in.
    rules: BTreeMap<Key, String>,
}

impl Troubles {
    /// A binding hears something.
    pub(super) fn hears(&self, key: &Key, reason: &str, text: &str) {
        if REASONS.contains(&reason) {
            self.lock().heard.insert(key.clone(), text.to_owned());
        }
    }

    /// A binding's own pass is over; `undecided`: it was cut short and tells nothing. Whether it begins to fail, or fails no more. What
    /// the pass before said counts until then: a group's pass may look meanwhile.
    fn passed(&self, key: &Key, undecided: bool) -> bool {
        let mut inner = self.lock();
        let before = inner.bindings.contains_key(key);
        match inner.heard.remove(key) {
            Some(text) => drop(inner.bindings.insert(key.clone(), text)),
            None if undecided => {}
            None => drop(inner.bindings.remove(key)),
        }
        before != inner.bindings.contains_key(key)
    }

    /// What is wrong with the rules of all bindings. Returns those for whom that is new, or over.
    fn set_rules(&self, rules: BTreeMap<Key, String>) -> Vec<Key> {
        let mut inner = self.lock();
        let before = std::mem::replace(&mut inner.rules, rules);
        let keys: BTreeSet<&Key> = before.keys().chain(inner.rules.keys()).collect();
        keys.into_iter().filter(|key| before.contains_key(*key) != inner.rules.contains_key(*key)).cloned().collect()
    }

    fn of(&self, key: &Key) -> Option<String> {
        let inner = self.lock();
        let found = inner.bindings.get(key).or_else(|| inner.rules.get(key));
        found.map(|text| format!("TargetGroupBinding {key}: {text}"))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reconciler {
    /// A binding's pass; the group that it belongs to hears when it begins to fail and when it does not fail any more, and looks at AWS
    /// itself when what the binding is about is not there.
    pub(super) async fn binding_and_its_group(&self, key: &Key) -> Result<Next, PassError> {
        let binding = self.shared.cluster.read(|world| world.binding(key).cloned());
        let pass = self.binding(key).await;
        // Whatever touched the binding may have changed whom its targets have to let in, and no more. Access is closed after targets went;
        // it is opened before they come (`let_in_first`).
        self.add(Unit::NodeRules, Lane::Change, TOGETHER);
        if let Err(error) = &pass {
            self.explain_binding(key, error);
        }
        let changed = self.shared.troubles.passed(key, pass.as_ref().is_err_and(PassError::is_passing));
        let is_gone = pass.as_ref().is_err_and(PassError::is_not_found);
        if is_gone {
            // A target group that is gone may be there again under another ARN.
            self.shared.bindings.forget_target_groups();
        }
        if is_gone || changed {
            let group = binding.and_then(|binding| self.shared.cluster.read(|world| world.owner_of(&binding)));
            if let Some(group) = group {
                self.wake(Unit::Group(group), is_gone);
            }
        }
        pass
    }

    /// What the rules of nodes and pods fail at, by binding. `gone`: those for which something was not there that AWS was asked about.
    pub(super) fn rules_fail(&self, said: &BTreeSet<(Key, String)>, gone: &BTreeSet<Key>) {
        let changed = self.shared.troubles.set_rules(said.iter().cloned().collect());
        let concerned: BTreeSet<&Key> = changed.iter().chain(gone).collect();
        let owner = |key: &&Key| {
            let owner = self.shared.cluster.read(|world| world.owner_of(world.binding(key)?))?;
            Some((owner, gone.contains(*key)))
        };
        for (group, is_gone) in concerned.iter().filter_map(owner) {
            self.wake(Unit::Group(group), is_gone);
        }
    }

    pub(super) fn wake(&self, unit: Unit, doubted: bool) {
        if doubted {
            self.shared.observations.doubt(unit.clone());
        }
        self.add(unit, Lane::Change, Duration::ZERO);
    }

    /// What fails of the bindings that a group wants.
    pub(super) fn troubles_of(
        &self,
        view: &View,
        linked: &Linked,
        arn: impl Fn(&ResourceId) -> Option<String>,
    ) -> Vec<String> {
        let Some(desired) = &linked.desired else { return Vec::new() };
        let wanted: BTreeSet<(&str, String)> =
            desired.bindings.iter().filter_map(|(id, binding)| Some((binding.namespace.as_str(), arn(id)?))).collect();
        let is_own = |key: &Key, target_group: Option<&String>| {
            target_group.is_some_and(|arn| wanted.contains(&(key.namespace.as_str(), arn.clone())))
        };
        let bindings = view.bindings.iter().map(|binding| (Key::of(&binding.metadata), binding));
        let own = bindings.filter(|(key, binding)| is_own(key, binding.spec.target_group_arn.as_ref()));
        own.filter_map(|(key, _)| self.shared.troubles.of(&key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_is_told_of_when_its_trouble_begins_and_ends() {
        let troubles = Troubles::default();
        let key = Key::new("ns", "web");
        troubles.hears(&key, "KindDeleted", "nothing is wrong");
        assert!(!troubles.passed(&key, false));
        troubles.hears(&key, "FailedReconcile", "not found");
        assert!(troubles.passed(&key, false));
        assert_eq!(troubles.of(&key).as_deref(), Some("TargetGroupBinding ns/web: not found"));
        assert!(!troubles.passed(&key, true), "a pass that was cut short tells nothing");
        troubles.hears(&key, "FailedReconcile", "not found");
        assert!(troubles.of(&key).is_some(), "what the last pass said counts while another one runs");
        assert!(!troubles.passed(&key, false), "nothing new");
        assert!(troubles.passed(&key, false), "it works again");
        let rules = || BTreeMap::from([(key.clone(), "refused".to_owned())]);
        assert_eq!(troubles.set_rules(rules()), std::slice::from_ref(&key));
        assert!(troubles.set_rules(rules()).is_empty(), "nothing new");
        assert_eq!(troubles.of(&key).as_deref(), Some("TargetGroupBinding ns/web: refused"));
        assert_eq!(troubles.set_rules(BTreeMap::new()), [key]);
    }
}
