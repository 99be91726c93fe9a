//! The frontend NLB, its listeners and target groups as AWS tells of them, in the stack's types.

use std::collections::BTreeMap;

use albedo_engine::stack::{
    Attributes, FrontendNlb, FrontendTargetGroup, IpAddressType, ObservedFrontendListener, Ref, Scheme, SubnetMapping,
    Tags,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::cloud::error::{CloudError, need};

const LOAD_BALANCERS: &str = "DescribeLoadBalancers";
const TARGET_GROUPS: &str = "DescribeTargetGroups";
const LISTENERS: &str = "DescribeListeners";

/// Without its listeners.
pub(in crate::cloud) fn nlb(
    from: &sdk::LoadBalancer,
    tags: Tags,
    attributes: Attributes,
) -> Result<FrontendNlb, CloudError> {
    let mapping = |zone: &sdk::AvailabilityZone| {
        let allocation = zone.load_balancer_addresses().iter().find_map(|address| address.allocation_id.clone());
        Some(SubnetMapping { subnet: zone.subnet_id.clone()?, allocation_id: allocation })
    };
    let mut subnets: Vec<_> = from.availability_zones().iter().filter_map(mapping).collect();
    subnets.sort_unstable();
    let ip_address_type =
        from.ip_address_type().map_or(Some(IpAddressType::Ipv4), |t| IpAddressType::parse(t.as_str()));
    Ok(FrontendNlb {
        name: need(LOAD_BALANCERS, "LoadBalancerName", from.load_balancer_name.clone())?,
        scheme: need(LOAD_BALANCERS, "Scheme", from.scheme().and_then(|scheme| Scheme::parse(scheme.as_str())))?,
        ip_address_type: need(LOAD_BALANCERS, "IpAddressType", ip_address_type)?,
        subnets,
        security_groups: from.security_groups().iter().cloned().map(Ref::Known).collect(),
        attributes,
        tags,
        listeners: BTreeMap::new(),
    })
}

pub(in crate::cloud) fn listener(from: &sdk::Listener, tags: Tags) -> Result<ObservedFrontendListener, CloudError> {
    // AWS tells of a lone target group twice: in the action itself and in its forward configuration.
    let of_action = |action: &sdk::Action| {
        let tuples = action.forward_config().map(sdk::ForwardActionConfig::target_groups).unwrap_or_default();
        let arns: Vec<String> = tuples.iter().filter_map(|tuple| tuple.target_group_arn.clone()).collect();
        if arns.is_empty() { action.target_group_arn.clone().into_iter().collect() } else { arns }
    };
    Ok(ObservedFrontendListener {
        arn: need(LISTENERS, "ListenerArn", from.listener_arn.clone())?,
        port: need(LISTENERS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?,
        forwards_to: from.default_actions().iter().flat_map(of_action).collect(),
        tags,
    })
}

pub(in crate::cloud) fn target_group(from: &sdk::TargetGroup, tags: Tags) -> Result<FrontendTargetGroup, CloudError> {
    let port = need(TARGET_GROUPS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?;
    Ok(FrontendTargetGroup {
        name: need(TARGET_GROUPS, "TargetGroupName", from.target_group_name.clone())?,
        port,
        target_port: port,
        health_check: albedo_elbv2::health_check(from)?,
        tags,
    })
}
