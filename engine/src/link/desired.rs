//! Last phase: what should exist, put together of what the phases before made.

use std::collections::BTreeMap;

use super::base_config::BaseConfig;
use super::findings::Findings;
use super::group::Group;
use super::members::Members;
use super::target_groups::TargetGroups;
use super::{Input, addons, frontend_nlb, protection};
use crate::annotation::catalogue::{
    CUSTOMER_OWNED_IPV4_POOL, FRONTEND_NLB_ATTRIBUTES, IPAM_IPV4_POOL_ID, LOAD_BALANCER_ATTRIBUTES, LOAD_BALANCER_NAME,
};
use crate::stack::{Desired, Listener, LoadBalancer, ResourceId, Scheme, load_balancer_name};

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
        name: group
            .merged(&LOAD_BALANCER_NAME)
            .unwrap_or_else(|| load_balancer_name(&group.input.settings.cluster_name, group.id(), placement.scheme)),
        scheme: placement.scheme,
        ip_address_type: placement.ip_address_type,
        subnets: placement.subnets,
        security_groups: groups.of_load_balancer,
        customer_owned_ipv4_pool: group.merged(&CUSTOMER_OWNED_IPV4_POOL),
        ipv4_ipam_pool_id: group.merged(&IPAM_IPV4_POOL_ID).filter(|_| placement.scheme == Scheme::InternetFacing),
        attributes: group.united(&LOAD_BALANCER_ATTRIBUTES),
        tags: group.tags(&ResourceId::load_balancer(), group.fragments()),
    };
    let keep_frontend_nlb = frontend.is_kept() || frontend_nlb::is_kept_for_others(group);
    let attributes = std::slice::from_ref(&load_balancer.attributes);
    Desired {
        group: group.id().clone(),
        frontend_nlb: frontend_nlb::frontend_nlb(group, frontend, &load_balancer, findings),
        keep_frontend_nlb,
        lift_frontend_deletion_protection: frontend_nlb::is_unprotected(group, members),
        lift_deletion_protection: protection::members_lift(members, attributes, &LOAD_BALANCER_ATTRIBUTES),
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
    Desired {
        lift_deletion_protection: protection::leavers_lift(input, &LOAD_BALANCER_ATTRIBUTES),
        lift_frontend_deletion_protection: protection::leavers_lift(input, &FRONTEND_NLB_ATTRIBUTES),
        ..Desired::empty(input.view.group.clone())
    }
}
