//! Groups whose target groups exist, but not their bindings. This happens when the CRD was deleted and created again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Changes, Membership, Unit, World};
use crate::kinds::{IngressGroup, Key};
use crate::stack::{GroupId, ResourceId};

impl World {
    /// If the ledger names fewer target groups, the wait for their bindings ends.
    pub(super) fn apply_ledger(&mut self, ledger: IngressGroup, changes: &mut Changes) {
        let ledger = Arc::new(ledger);
        let name = ledger.metadata.name.clone().unwrap_or_default();
        let before = self.groups.insert(name.clone(), ledger.clone());
        if before.as_deref().is_none_or(|before| members(before) != members(&ledger)) {
            self.reindex_claims(&name, changes);
        }
        if before.as_deref().is_some_and(needs_backend_group) && !needs_backend_group(&ledger) {
            changes.insert(Unit::BackendGroup);
        }
        let now: BTreeSet<&str> = target_groups(&ledger).collect();
        if before.is_some_and(|before| target_groups(&before).any(|arn| !now.contains(arn))) {
            changes.insert(Unit::NodeRules);
        }
    }

    /// Whether a binding that a group needs does not exist: according to its ledger or, without a ledger, because a group with finalizers
    /// has no binding at all. The next pass creates them again. Until then it is unknown which rules their targets need.
    #[must_use]
    pub fn lacks_bindings(&self) -> bool {
        let bound: BTreeSet<&str> =
            self.bindings.values().filter_map(|binding| binding.spec.target_group_arn.as_deref()).collect();
        self.members.iter().any(|(group, members)| {
            let begun = members.iter().any(|key| self.has_begun(group, key));
            let lacks = || match self.group_object(group) {
                Some(ledger) => target_groups(ledger).any(|arn| !bound.contains(arn)),
                None => self.group_bindings.get(group).is_none_or(BTreeSet::is_empty),
            };
            begun && lacks()
        })
    }

    /// Whether some group may need the shared backend security group: its ledger names it, or there is no ledger yet.
    #[must_use]
    pub fn may_need_backend_group(&self) -> bool {
        let shared = ResourceId::backend_security_group();
        let may = |group: &GroupId| {
            let status = self.group_object(group).and_then(|ledger| ledger.status.as_ref());
            status.is_none_or(|status| status.applied.is_none() || status.resources.contains_key(shared.as_str()))
        };
        let stays = |group: &GroupId, key: &Key| match self.memberships.get(key) {
            Some(Membership::Member(own, _)) => own == group,
            Some(Membership::Unknown(_)) => !self.is_only_claimed(group),
            _ => false,
        };
        let leaves_nothing = |group: &GroupId| self.group_object(group).is_none();
        self.members.iter().any(|(group, members)| {
            may(group) && (members.iter().any(|key| stays(group, key)) || !leaves_nothing(group))
        })
    }

    /// Whether an Ingress has the finalizer of the group and is not leaving.
    fn has_begun(&self, group: &GroupId, key: &Key) -> bool {
        let finalizers: Vec<String> = self.holders().iter().map(|holder| group.finalizer(*holder)).collect();
        let holds = self
            .ingresses
            .get(key)
            .is_some_and(|ingress| ingress.metadata.finalizers.iter().flatten().any(|held| finalizers.contains(held)));
        holds
            && match self.memberships.get(key) {
                Some(Membership::Member(own, _)) => own == group,
                Some(Membership::Unknown(_)) => true,
                _ => false,
            }
    }
}

/// Whether the ledger names the shared backend security group.
fn needs_backend_group(ledger: &IngressGroup) -> bool {
    let shared = ResourceId::backend_security_group();
    ledger.status.as_ref().is_some_and(|status| status.resources.contains_key(shared.as_str()))
}

/// The members that the ledger knows, present and recent ones.
fn members(ledger: &IngressGroup) -> Option<BTreeSet<(&str, &str)>> {
    Some(ledger.status.as_ref()?.known_members().collect())
}

/// ARNs of the target groups that existed at the end of the last pass, except those of an NLB in front, which need no binding.
fn target_groups(ledger: &IngressGroup) -> impl Iterator<Item = &str> {
    let resources = ledger.status.iter().flat_map(|status| &status.resources);
    let bound = resources.filter(|(id, arn)| arn.contains(":targetgroup/") && !ResourceId::is_of_nlb(id));
    bound.map(|(_, arn)| arn.as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::{CONTROLLER, Settings};
    use crate::world::{Kind, Object};

    const ARN: &str = "arn:aws:elasticloadbalancing:eu-test-1:123456789012:targetgroup/web/0123456789abcdef";

    fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
    }

    fn ingress(deleted: bool) -> Object {
        let mut meta = json!({"namespace": "n", "name": "shop", "finalizers": ["ingress.k8s.aws/resources"]});
        if deleted {
            meta["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        Object::Ingress(read(json!({"metadata": meta, "spec": {"ingressClassName": "alb"}})))
    }

    fn binding(arn: &str) -> Object {
        let labels = json!({"ingress.k8s.aws/stack-namespace": "n", "ingress.k8s.aws/stack-name": "shop"});
        Object::Binding(read(json!({"metadata": {"namespace": "n", "name": "web", "labels": labels},
            "spec": {"targetGroupARN": arn, "serviceRef": {"name": "web", "port": 80}}})))
    }

    fn ledger(resources: &Value) -> Object {
        let name = GroupId::Implicit { namespace: "n".to_owned(), name: "shop".to_owned() }.object_name();
        let mut object = json!({"metadata": {"name": name}, "spec": {"stack": "n/shop"}});
        object["status"] = json!({"resources": resources});
        Object::Group(read(object))
    }

    fn world() -> World {
        let mut world = World::new(Settings::new("demo"));
        world.apply(Object::IngressClass(read(
            json!({"metadata": {"name": "alb"}, "spec": {"controller": CONTROLLER}}),
        )));
        world.apply(ingress(false));
        world
    }

    #[test]
    fn a_group_lacks_what_its_ledger_names() {
        let mut world = world();
        world.apply(ledger(&json!({"n/shop-web:80": ARN, "FrontendNlb-tg-TCP-80": ARN.replace("web", "front")})));
        assert!(world.lacks_bindings());
        world.apply(binding(&ARN.replace("web", "other")));
        assert!(world.lacks_bindings());
        world.apply(binding(ARN));
        assert!(!world.lacks_bindings());
        world.delete(Kind::Binding, &Key::new("n", "web"));
        assert!(world.lacks_bindings());
        let fewer = ledger(&json!({"LoadBalancer": ARN.replace("targetgroup", "loadbalancer")}));
        assert_eq!(world.apply(fewer), Changes::from([Unit::NodeRules]));
        assert!(!world.lacks_bindings(), "answers of its own need no binding");
    }

    #[test]
    fn without_a_ledger_a_group_that_has_begun_lacks_bindings() {
        let mut world = world();
        assert!(world.lacks_bindings());
        world.apply(binding(ARN));
        assert!(!world.lacks_bindings());
    }

    #[test]
    fn what_leaves_lacks_nothing() {
        let mut world = world();
        world.apply(ledger(&json!({"n/shop-web:80": ARN})));
        world.apply(ingress(true));
        assert!(!world.lacks_bindings());
    }

    #[test]
    fn a_class_that_is_gone_changes_nothing() {
        let mut world = world();
        world.apply(ledger(&json!({"n/shop-web:80": ARN})));
        world.delete(Kind::IngressClass, &Key::new("", "alb"));
        assert!(world.lacks_bindings());
    }
}
