//! Which groups an Ingress counts in: the one it belongs to, and those whose finalizers it still holds.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::Ingress;

use super::{Class, ClassError, World};
use crate::kinds::Key;
use crate::stack::GroupId;

const GROUP_NAME: &str = "alb.ingress.kubernetes.io/group.name";

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

    /// The groups that an Ingress counts in: where it is a member, and where it holds the finalizer.
    pub(super) fn groups_for(&self, ingress: &Ingress) -> BTreeSet<GroupId> {
        let key = Key::of(&ingress.metadata);
        let mut groups: BTreeSet<GroupId> = ingress
            .metadata
            .finalizers
            .iter()
            .flatten()
            .filter_map(|finalizer| GroupId::of_finalizer(finalizer, &key.namespace, &key.name))
            .collect();
        if let Membership::Member(group, _) = self.membership(ingress) {
            groups.insert(group);
        }
        groups
    }
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
