//! Last phase: what should exist, put together of what the phases before made.

use std::collections::BTreeMap;

use super::base_config::BaseConfig;
use super::findings::Findings;
use super::group::Group;
use super::members::Members;
use super::target_groups::TargetGroups;
use super::{Input, addons, nlb, protection};
use crate::annotation::catalogue::{
    CUSTOMER_OWNED_IPV4_POOL, IPAM_IPV4_POOL_ID, LOAD_BALANCER_ATTRIBUTES, LOAD_BALANCER_NAME,
};
use crate::stack::{
    AddressPools, Desired, Listener, LoadBalancer, LoadBalancerKind, ResourceId, Scheme, load_balancer_name,
};

/// What should exist of a group.
pub(super) fn desired(
    group: Group<'_>,
    members: &Members<'_>,
    base_config: BaseConfig,
    listeners: BTreeMap<u16, Listener>,
    target_groups: TargetGroups,
    findings: &mut Findings,
) -> Desired {
    let BaseConfig { placement, groups, redirect: _, frontend } = base_config;
    let load_balancer = LoadBalancer {
        kind: LoadBalancerKind::Application,
        name: group
            .merged(&LOAD_BALANCER_NAME)
            .unwrap_or_else(|| load_balancer_name(&group.input.settings.cluster_name, group.id(), placement.scheme)),
        scheme: placement.scheme,
        ip_address_type: placement.ip_address_type,
        subnets: placement.subnets,
        allocation_ids: BTreeMap::new(),
        security_groups: groups.of_load_balancer,
        pools: AddressPools {
            customer_owned: group.merged(&CUSTOMER_OWNED_IPV4_POOL),
            public: group.merged(&IPAM_IPV4_POOL_ID).filter(|_| placement.scheme == Scheme::InternetFacing),
        },
        attributes: group.united(&LOAD_BALANCER_ATTRIBUTES),
        tags: group.tags(&ResourceId::load_balancer(), group.fragments()),
    };
    let keep_nlb = frontend.is_kept() || nlb::is_kept_for_others(group);
    Desired {
        group: group.id().clone(),
        nlb: nlb::nlb(group, frontend, &load_balancer, findings),
        keep_nlb,
        lift_deletion_protection: protection::members_lift(group, members, &load_balancer),
        addons: addons::addons(group),
        security_group: groups.managed,
        listeners,
        target_groups: target_groups.by_id,
        bindings: target_groups.bindings,
        backend_security_group: groups.backend,
        load_balancer: Some(load_balancer),
    }
}

/// What should exist of a group without members: nothing.
pub(super) fn nothing(input: Input<'_>) -> Desired {
    Desired { lift_deletion_protection: protection::leavers_lift(input), ..Desired::empty(input.view.group.clone()) }
}
