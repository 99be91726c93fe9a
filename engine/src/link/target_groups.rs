//! Target groups of all members and the binding of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Linker;
use super::security_groups::SecurityGroups;
use crate::stack::{Binding, Ref, ResourceId, TargetGroup};

impl Linker<'_> {
    pub(super) fn target_groups(
        &self,
        groups: &SecurityGroups,
        redirect: Option<u16>,
    ) -> (BTreeMap<ResourceId, Arc<TargetGroup>>, BTreeMap<ResourceId, Binding>) {
        let (mut target_groups, mut bindings) = (BTreeMap::new(), BTreeMap::new());
        // A member whose every listener only redirects to TLS routes nowhere.
        for fragment in self.fragments().filter(|fragment| fragment.routes(redirect.is_some())) {
            for (id, ask) in &fragment.target_groups {
                let target_group = &ask.target_group;
                let networking = groups.source.clone().map(|source| (source, ask.networking_ports.clone()));
                let binding = Binding {
                    name: target_group.name.clone(),
                    namespace: fragment.key.namespace.clone(),
                    labels: self.group().binding_labels(),
                    target_group: Ref::Of(id.clone()),
                    target_type: target_group.target_type,
                    target_group_protocol: target_group.protocol,
                    service: ask.service.clone(),
                    service_port: ask.service_port.clone(),
                    networking,
                    node_labels: ask.node_labels.clone(),
                    ipv6: target_group.ipv6,
                    vpc_id: self.input.facts.vpc_id.clone().unwrap_or_default(),
                    multi_cluster: ask.multi_cluster,
                };
                bindings.insert(id.clone(), binding);
                target_groups.insert(id.clone(), target_group.clone());
            }
        }
        (target_groups, bindings)
    }
}
