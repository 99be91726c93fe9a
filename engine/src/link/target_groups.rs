//! Target groups of all members and the binding of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::group::Group;
use super::security_groups::SecurityGroups;
use crate::stack::{Binding, Ref, ResourceId, TargetGroup};

/// The target groups of a group.
#[derive(Default)]
pub(super) struct TargetGroups {
    pub by_id: BTreeMap<ResourceId, Arc<TargetGroup>>,
    /// The binding of each.
    pub bindings: BTreeMap<ResourceId, Binding>,
}

/// The target groups of the members that route somewhere; `redirected`: HTTP listeners redirect everything to HTTPS.
pub(super) fn target_groups(group: Group<'_>, groups: &SecurityGroups, redirected: bool) -> TargetGroups {
    let mut target_groups = TargetGroups::default();
    for fragment in group.fragments().filter(|fragment| fragment.routes(redirected)) {
        for (id, spec) in &fragment.target_groups {
            let target_group = &spec.target_group;
            let networking = groups.source.clone().map(|source| (source, spec.networking_ports.clone()));
            let binding = Binding {
                name: target_group.name.clone(),
                namespace: fragment.key.namespace.clone(),
                labels: group.id().binding_labels(),
                target_group: Ref::Of(id.clone()),
                target_type: target_group.target_type,
                target_group_protocol: target_group.protocol,
                service: spec.service.clone(),
                service_port: spec.service_port.clone(),
                networking,
                node_labels: spec.node_labels.clone(),
                ipv6: target_group.ipv6,
                vpc_id: group.input.facts.vpc_id.clone().unwrap_or_default(),
                multi_cluster: spec.multi_cluster,
            };
            target_groups.bindings.insert(id.clone(), binding);
            target_groups.by_id.insert(id.clone(), target_group.clone());
        }
    }
    target_groups
}
