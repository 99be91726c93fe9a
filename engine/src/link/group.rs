//! A group as the phases after the first ones read it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Input;
use crate::compile::{Fragment, ListenerSpec};
use crate::settings::Gate;
use crate::stack::{GroupId, Protocol, ResourceId, Tags, tracking};

/// What a group is linked from, and what is linked of its members. Nothing of it changes.
#[derive(Clone, Copy)]
pub(super) struct Group<'a> {
    pub input: Input<'a>,
    /// What is linked, in group order.
    pub fragments: &'a [Arc<Fragment>],
}

impl<'a> Group<'a> {
    pub(super) fn id(self) -> &'a GroupId {
        &self.input.view.group
    }

    /// What is linked, in group order.
    pub(super) fn fragments(self) -> impl DoubleEndedIterator<Item = &'a Fragment> {
        self.fragments.iter().map(|fragment| &**fragment)
    }

    /// What is linked on a port.
    pub(super) fn on(self, port: u16) -> impl Iterator<Item = (&'a Fragment, &'a ListenerSpec)> {
        self.fragments().filter_map(move |fragment| Some((fragment, fragment.listeners.get(&port)?)))
    }

    /// The fragments on a port.
    pub(super) fn fragments_on(self, port: u16) -> impl Iterator<Item = &'a Fragment> {
        self.on(port).map(|(fragment, _)| fragment)
    }

    /// Ports that members open, each with its protocol.
    pub(super) fn ports(self) -> BTreeMap<u16, Protocol> {
        let listeners = self.fragments().flat_map(|fragment| &fragment.listeners);
        listeners.map(|(port, spec)| (*port, spec.protocol)).collect()
    }

    /// The tags of a resource: those of the fragments that it comes from and the default ones, under the tracking tags.
    pub(super) fn tags<'f>(self, id: &ResourceId, fragments: impl Iterator<Item = &'f Fragment>) -> Tags {
        let mut own = Tags::new();
        // Members of a group mostly say the same.
        for (key, value) in fragments.flat_map(|fragment| &fragment.tags) {
            if own.get(key) != Some(value) {
                own.insert(key.clone(), value.clone());
            }
        }
        self.tracked(id, self.input.settings.with_default_tags(own))
    }

    /// Tags under the tracking tags of a resource.
    pub(super) fn tracked(self, id: &ResourceId, mut tags: Tags) -> Tags {
        tags.extend(tracking(&self.input.settings.cluster_name, self.id(), id));
        tags
    }

    /// Whether listeners and rules get tags, which a gate can switch off.
    pub(super) fn tags_listeners(self) -> bool {
        self.input.settings.gate(Gate::ListenerRulesTagging)
    }
}
