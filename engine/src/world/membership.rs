//! Which groups an Ingress is in: the one that it belongs to, and those that it leaves. A finalizer is a claim, not a proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;

use super::{Class, ClassError, Unit, World};
use crate::kinds::Key;
use crate::settings::Settings;
use crate::stack::{GroupId, Holder};

const GROUP_NAME: &str = "alb.ingress.kubernetes.io/group.name";
/// The most groups without a ledger that an Ingress can be in by its finalizers. An Ingress that moves has two finalizers.
const UNPROVEN: usize = 8;

/// Where an Ingress belongs.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// It belongs to a group.
    Member(GroupId, Class),
    /// It belongs to no group: it is another controller's, or is being deleted.
    None,
    /// It is ours by its class, but the name of its group is invalid.
    InvalidGroup(String),
    /// Unknown. It stays in the groups of its finalizers, because a missing class must never delete anything.
    Unknown(ClassError),
}

impl World {
    /// Where an Ingress belongs.
    #[must_use]
    pub fn membership(&self, ingress: &Ingress) -> Membership {
        if ingress.metadata.deletion_timestamp.is_some() {
            return Membership::None;
        }
        match self.classify(ingress) {
            Err(error) => Membership::Unknown(error),
            Ok(None) => Membership::None,
            Ok(Some(class)) => match group_of(ingress, &class) {
                Ok(group) => Membership::Member(group, class),
                Err(name) => Membership::InvalidGroup(name),
            },
        }
    }

    /// The groups that an Ingress is in: where it is a member, and those that it leaves. Its author can write any finalizer: for a
    /// group with other members it counts only if the ledger of the group knows the Ingress.
    pub(super) fn groups_for(&self, ingress: &Ingress) -> BTreeSet<GroupId> {
        let key = Key::of(&ingress.metadata);
        let own = match self.membership(ingress) {
            Membership::Member(group, _) => Some(group),
            _ => None,
        };
        let mut unproven = 0;
        let mut groups: BTreeSet<GroupId> = claims(ingress, self.holders())
            .into_iter()
            .filter(|group| match self.is_known_in(group, &key) {
                _ if !group.is_explicit() || own.as_ref() == Some(group) => true,
                Some(known) => known,
                None => {
                    unproven += 1;
                    unproven <= UNPROVEN
                }
            })
            .collect();
        groups.extend(own);
        groups
    }

    /// Whose finalizers count as claims.
    pub(super) fn holders(&self) -> &'static [Holder] {
        self.settings.as_ref().map_or(&Holder::ALL, Settings::holders)
    }

    /// Whether the ledger of a group knows an Ingress as a member. `None` without a ledger: then only AWS knows.
    #[must_use]
    pub fn is_known_in(&self, group: &GroupId, key: &Key) -> Option<bool> {
        let status = self.group_object(group)?.status.as_ref()?;
        Some(status.known_members().any(|member| member == (key.namespace.as_str(), key.name.as_str())))
    }

    /// Whether a group has no members and no ledger, only Ingresses that claim it by their finalizers: who waits for
    /// something has precedence over it.
    #[must_use]
    pub fn is_only_claimed(&self, group: &GroupId) -> bool {
        let mut members = self.members.get(group).into_iter().flatten();
        let is_member =
            |key: &Key| matches!(self.memberships.get(key), Some(Membership::Member(own, _)) if own == group);
        group.is_explicit() && self.group_object(group).is_none() && !members.any(is_member)
    }

    /// Leaving Ingresses that have the finalizer of a group although its ledger does not know them: those that were about to join
    /// when the process ended, and those whose author wrote the finalizer. The number at one time is limited.
    #[must_use]
    pub fn strays(&self, group: &GroupId, at_most: usize) -> Vec<Arc<Ingress>> {
        let members = self.members.get(group);
        let strays = self.claims.get(group).into_iter().flatten();
        let strays = strays.filter(|key| !members.is_some_and(|members| members.contains(*key)));
        let gone = |key: &&Key| matches!(self.memberships.get(*key), Some(Membership::None | Membership::Member(..)));
        strays.filter(gone).filter_map(|key| self.ingresses.get(key).cloned()).take(at_most).collect()
    }

    /// The namespace that a unit of work is for: of a group that of its oldest member, so that nobody who joins it later changes it. Empty for what is
    /// for all.
    #[must_use]
    pub fn tenant(&self, unit: &Unit) -> String {
        match unit {
            Unit::Binding(key) => key.namespace.clone(),
            Unit::Group(GroupId::Implicit { namespace, .. }) => namespace.clone(),
            Unit::Group(group @ GroupId::Explicit(_)) => {
                let members = self.members.get(group).into_iter().flatten();
                let known =
                    members.filter_map(|key| Some((&self.ingresses.get(key)?.metadata.creation_timestamp, key)));
                known.min().map(|(_, key)| key.namespace.clone()).unwrap_or_default()
            }
            Unit::BackendGroup | Unit::NodeRules => String::new(),
        }
    }
}

/// The groups whose finalizers, of these holders, an Ingress has.
pub(super) fn claims(ingress: &Ingress, holders: &[Holder]) -> BTreeSet<GroupId> {
    let key = Key::of(&ingress.metadata);
    let finalizers = ingress.metadata.finalizers.iter().flatten();
    let of =
        |one: &String| holders.iter().find_map(|holder| GroupId::of_finalizer(one, &key.namespace, &key.name, *holder));
    finalizers.filter_map(of).collect()
}

/// The group of an Ingress that is ours, or the name that cannot be one.
fn group_of(ingress: &Ingress, class: &Class) -> Result<GroupId, String> {
    let enforced = class.params.as_ref().and_then(|params| params.spec.group.as_ref()).map(|group| &group.name);
    let annotated = ingress.metadata.annotations.as_ref().and_then(|map| map.get(GROUP_NAME));
    match enforced.or(annotated) {
        Some(name) if is_group_name(name) => Ok(GroupId::Explicit(name.clone())),
        Some(name) => Err(name.clone()),
        None => {
            let key = Key::of(&ingress.metadata);
            Ok(GroupId::Implicit { namespace: key.namespace, name: key.name })
        }
    }
}

/// Lower case alphanumeric characters, `-` and `.`, alphanumeric at both ends, at most 63.
#[must_use]
pub fn is_group_name(name: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-' || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::{ALBEDO_CONTROLLER, CONTROLLER};
    use crate::world::{Leaving, Object, Overlay};

    /// A world with a class of each controller.
    fn world(beside_lbc: bool) -> World {
        let mut world = World::new(Settings { beside_lbc, ..Settings::new("c") });
        for (name, controller) in [("lbc", CONTROLLER), ("albedo", ALBEDO_CONTROLLER)] {
            let class = json!({"metadata": {"name": name}, "spec": {"controller": controller}});
            world.apply(Object::IngressClass(Box::new(serde_json::from_value(class).unwrap())));
        }
        world
    }

    fn ingress(class: &str, meta: &Value) -> Ingress {
        let mut made = json!({"metadata": {"namespace": "n", "name": "web"}, "spec": {"ingressClassName": class}});
        for (key, value) in meta.as_object().unwrap() {
            made["metadata"][key] = value.clone();
        }
        serde_json::from_value(made).unwrap()
    }

    fn is_member(world: &World, ingress: &Ingress) -> bool {
        matches!(world.membership(ingress), Membership::Member(..))
    }

    #[test]
    fn beside_lbc_an_ingress_is_ours_by_our_own_controller_alone() {
        let (alone, beside) = (world(false), world(true));
        let legacy = json!({"annotations": {"kubernetes.io/ingress.class": "alb"}});
        for (class, meta, when_alone, when_beside) in
            [("lbc", json!({}), true, false), ("albedo", json!({}), true, true), ("albedo", legacy, true, false)]
        {
            let ingress = ingress(class, &meta);
            assert_eq!(is_member(&alone, &ingress), when_alone, "{class} {meta}");
            assert_eq!(is_member(&beside, &ingress), when_beside, "{class} {meta}");
        }
        assert_eq!((alone.own_classes().len(), beside.own_classes()), (2, vec!["albedo".to_owned()]));
    }

    #[test]
    fn lbcs_finalizer_claims_nothing_beside_it() {
        let group = GroupId::Implicit { namespace: "n".to_owned(), name: "web".to_owned() };
        for (finalizer, when_alone, when_beside) in
            [("ingress.k8s.aws/resources", true, false), ("ingress.albedo.dev/resources", true, true)]
        {
            for (beside_lbc, leaves) in [(false, when_alone), (true, when_beside)] {
                let mut world = world(beside_lbc);
                let meta = json!({"finalizers": [finalizer], "deletionTimestamp": "2026-01-02T03:04:05Z"});
                world.apply(Object::Ingress(Box::new(ingress("lbc", &meta))));
                let view = world.view(&group, &Overlay::None);
                let left = matches!(view.leaving.as_slice(), [Leaving::Left(_)]);
                assert_eq!(left, leaves, "{finalizer}, beside: {beside_lbc}");
            }
        }
    }

    #[test]
    fn one_finalizer_is_written() {
        let group = GroupId::Explicit("shop".to_owned());
        let written = |beside: bool| world(beside).view(&group, &Overlay::None).finalizers.first().cloned();
        assert_eq!(written(false).as_deref(), Some("group.ingress.k8s.aws/shop"));
        assert_eq!(written(true).as_deref(), Some("group.ingress.albedo.dev/shop"));
    }
}
