//! Which groups an Ingress counts in: the one it belongs to, and those that it leaves. A finalizer is a claim, and no proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;

use super::{Class, ClassError, Unit, World};
use crate::kinds::Key;
use crate::stack::GroupId;

const GROUP_NAME: &str = "alb.ingress.kubernetes.io/group.name";
/// So many groups of which nothing is recorded an Ingress can count in by its finalizers at a time. One that moves holds two.
const UNPROVEN: usize = 8;

/// Where an Ingress belongs.
#[derive(Debug, Clone, PartialEq)]
pub enum Membership {
    /// To a group.
    Member(GroupId, Class),
    /// To none: another controller's, or being deleted.
    None,
    /// Ours by its class, but its group's name is none.
    InvalidGroup(String),
    /// It cannot be told. It stays where its finalizers say, for absence never deletes.
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

    /// The groups that an Ingress counts in: where it is a member, and those that it leaves. A finalizer is what its author wrote: of a
    /// group that others are in it counts only if the group's ledger knows the Ingress.
    pub(super) fn groups_for(&self, ingress: &Ingress) -> BTreeSet<GroupId> {
        let key = Key::of(&ingress.metadata);
        let own = match self.membership(ingress) {
            Membership::Member(group, _) => Some(group),
            _ => None,
        };
        let mut unproven = 0;
        let mut groups: BTreeSet<GroupId> = claims(ingress)
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

    /// Whether a group's ledger knows an Ingress as a member, `None` without a ledger: only AWS can tell then.
    #[must_use]
    pub fn is_known_in(&self, group: &GroupId, key: &Key) -> Option<bool> {
        let status = self.group_object(group)?.status.as_ref()?;
        Some(status.known_members().any(|member| member == (key.namespace.as_str(), key.name.as_str())))
    }

    /// Whether nobody is in a group but Ingresses that claim it by their finalizers, and nothing is recorded of it: who waits for
    /// something goes before it.
    #[must_use]
    pub fn is_only_claimed(&self, group: &GroupId) -> bool {
        let mut members = self.members.get(group).into_iter().flatten();
        let is_member =
            |key: &Key| matches!(self.memberships.get(key), Some(Membership::Member(own, _)) if own == group);
        group.is_explicit() && self.group_object(group).is_none() && !members.any(is_member)
    }

    /// Ingresses on their way out that hold a group's finalizer although its ledger does not know them: those that were about to join
    /// when the process ended, and those whose author wrote it there. At most so many at a time.
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

/// The groups whose finalizers an Ingress holds.
pub(super) fn claims(ingress: &Ingress) -> BTreeSet<GroupId> {
    let key = Key::of(&ingress.metadata);
    let finalizers = ingress.metadata.finalizers.iter().flatten();
    finalizers.filter_map(|one| GroupId::of_finalizer(one, &key.namespace, &key.name)).collect()
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
