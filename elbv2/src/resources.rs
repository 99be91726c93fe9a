//! Load balancers, listeners, target groups and targets, from AWS's types to the stack's.

use albedo_engine::stack::{
    AddressPools, Attributes, HealthCheck, IpAddressType, Listener, LoadBalancer, LoadBalancerKind, LoadBalancerState,
    MutualAuthentication, Protocol, ProtocolVersion, Ref, Scheme, Tags, Target, TargetGroup, TargetGroupTraits,
    TargetHealth, TargetType,
};
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::action;
use crate::incomplete::{Incomplete, need};

const LOAD_BALANCERS: &str = "DescribeLoadBalancers";
const TARGET_GROUPS: &str = "DescribeTargetGroups";
const LISTENERS: &str = "DescribeListeners";
const HEALTH: &str = "DescribeTargetHealth";

///
/// # Errors
/// If AWS left out something that is always there.
pub fn load_balancer(from: &sdk::LoadBalancer, tags: Tags, attributes: Attributes) -> Result<LoadBalancer, Incomplete> {
    let mut subnets: Vec<_> =
        from.availability_zones().iter().filter_map(|zone| zone.subnet_id().map(str::to_owned)).collect();
    subnets.sort_unstable();
    let ip_address_type =
        from.ip_address_type().map_or(Some(IpAddressType::Ipv4), |t| IpAddressType::parse(t.as_str()));
    let kind = match from.r#type() {
        Some(sdk::LoadBalancerTypeEnum::Network) => LoadBalancerKind::Network,
        _ => LoadBalancerKind::Application,
    };
    let allocations = from.availability_zones().iter().filter_map(|zone| {
        let id = zone.load_balancer_addresses().iter().find_map(|address| address.allocation_id.clone());
        zone.subnet_id.clone().zip(id)
    });
    Ok(LoadBalancer {
        kind,
        name: need(LOAD_BALANCERS, "LoadBalancerName", from.load_balancer_name.clone())?,
        scheme: need(LOAD_BALANCERS, "Scheme", from.scheme().and_then(|scheme| Scheme::parse(scheme.as_str())))?,
        ip_address_type: need(LOAD_BALANCERS, "IpAddressType", ip_address_type)?,
        subnets,
        allocation_ids: allocations.collect(),
        security_groups: from.security_groups().iter().cloned().map(Ref::Known).collect(),
        pools: AddressPools {
            customer_owned: from.customer_owned_ipv4_pool.clone(),
            public: from.ipam_pools().and_then(|pools| pools.ipv4_ipam_pool_id.clone()),
        },
        attributes,
        tags,
    })
}

const STATES: [(&str, LoadBalancerState); 4] = [
    ("provisioning", LoadBalancerState::Provisioning),
    ("active", LoadBalancerState::Active),
    ("active_impaired", LoadBalancerState::ActiveImpaired),
    ("failed", LoadBalancerState::Failed),
];

///
/// # Errors
/// If AWS left out something that is always there.
pub fn state(from: &sdk::LoadBalancer) -> Result<LoadBalancerState, Incomplete> {
    let code = from.state().and_then(|state| state.code()).map(sdk::LoadBalancerStateEnum::as_str);
    let known = STATES.iter().find(|(word, _)| Some(*word) == code).map(|(_, state)| *state);
    need(LOAD_BALANCERS, "State", known)
}

/// With the default certificate only: AWS returns the others in another call. Rules are empty.
///
/// # Errors
/// If AWS left out something that is always there.
pub fn listener(from: &sdk::Listener, tags: Tags, attributes: Attributes) -> Result<Listener, Incomplete> {
    Ok(Listener {
        port: need(LISTENERS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?,
        protocol: need(LISTENERS, "Protocol", from.protocol().and_then(|p| Protocol::parse(p.as_str())))?,
        default_actions: action::actions(from.default_actions()),
        certificates: from.certificates().iter().filter_map(|cert| cert.certificate_arn.clone()).take(1).collect(),
        ssl_policy: from.ssl_policy.clone(),
        mutual_authentication: from.mutual_authentication().and_then(mutual_authentication),
        attributes,
        tags,
        rules: Vec::new(),
    })
}

fn mutual_authentication(from: &sdk::MutualAuthenticationAttributes) -> Option<MutualAuthentication> {
    Some(MutualAuthentication {
        mode: from.mode.clone()?,
        // Empty when the mode has none.
        trust_store_arn: from.trust_store_arn.clone().filter(|arn| !arn.is_empty()),
        ignore_client_certificate_expiry: from.ignore_client_certificate_expiry,
        advertise_trust_store_ca_names: from.advertise_trust_store_ca_names().map(|on| on.as_str().to_owned()),
    })
}

///
/// # Errors
/// If AWS left out something that is always there.
pub fn target_group(from: &sdk::TargetGroup, tags: Tags, attributes: Attributes) -> Result<TargetGroup, Incomplete> {
    let protocol_version = from.protocol_version().map_or(Some(ProtocolVersion::Http1), ProtocolVersion::parse);
    Ok(TargetGroup {
        name: need(TARGET_GROUPS, "TargetGroupName", from.target_group_name.clone())?,
        target_type: need(TARGET_GROUPS, "TargetType", from.target_type().and_then(|t| TargetType::parse(t.as_str())))?,
        protocol: need(TARGET_GROUPS, "Protocol", from.protocol().and_then(|p| Protocol::parse(p.as_str())))?,
        protocol_version: need(TARGET_GROUPS, "ProtocolVersion", protocol_version)?,
        target_control_port: from.target_control_port().and_then(|port| u16::try_from(port).ok()),
        port: need(TARGET_GROUPS, "Port", from.port().and_then(|port| u16::try_from(port).ok()))?,
        ipv6: from.ip_address_type() == Some(&sdk::TargetGroupIpAddressTypeEnum::Ipv6),
        health_check: health_check(from)?,
        attributes,
        tags,
    })
}

/// Members that AWS leaves out where they are what it does anyway become those defaults.
///
/// # Errors
/// If AWS left out something that is always there.
pub fn health_check(from: &sdk::TargetGroup) -> Result<HealthCheck, Incomplete> {
    let protocol = from.health_check_protocol().map_or(Some(Protocol::Http), |p| Protocol::parse(p.as_str()));
    let codes = from.matcher().and_then(|matcher| matcher.grpc_code().or(matcher.http_code()));
    Ok(HealthCheck {
        port: from.health_check_port().unwrap_or("traffic-port").to_owned(),
        protocol: need(TARGET_GROUPS, "HealthCheckProtocol", protocol)?,
        path: from.health_check_path().unwrap_or("/").to_owned(),
        interval_seconds: need(TARGET_GROUPS, "HealthCheckIntervalSeconds", from.health_check_interval_seconds)?,
        timeout_seconds: need(TARGET_GROUPS, "HealthCheckTimeoutSeconds", from.health_check_timeout_seconds)?,
        healthy_threshold: need(TARGET_GROUPS, "HealthyThresholdCount", from.healthy_threshold_count)?,
        unhealthy_threshold: need(TARGET_GROUPS, "UnhealthyThresholdCount", from.unhealthy_threshold_count)?,
        success_codes: codes.unwrap_or_default().to_owned(),
    })
}

///
/// # Errors
/// If AWS left out something that is always there.
pub fn target_health(from: &sdk::TargetHealthDescription) -> Result<TargetHealth, Incomplete> {
    let target = need(HEALTH, "Target", from.target())?;
    let health = need(HEALTH, "TargetHealth", from.target_health())?;
    Ok(TargetHealth {
        target: Target {
            id: need(HEALTH, "Target.Id", target.id.clone())?,
            port: need(HEALTH, "Target.Port", target.port().and_then(|port| u16::try_from(port).ok()))?,
            availability_zone: target.availability_zone.clone(),
        },
        state: need(HEALTH, "TargetHealth.State", health.state().map(|state| state.as_str().to_owned()))?,
        reason: health.reason().map(|reason| reason.as_str().to_owned()),
        description: health.description.clone(),
    })
}

#[must_use]
pub fn traits(from: &sdk::TargetGroup) -> TargetGroupTraits {
    TargetGroupTraits {
        target_type: from.target_type.as_ref().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        protocol: from.protocol.as_ref().map(|protocol| protocol.as_str().to_owned()).unwrap_or_default(),
        ip_address_type: from.ip_address_type.as_ref().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        vpc_id: from.vpc_id.clone().unwrap_or_default(),
    }
}

#[must_use]
pub fn tags(from: &[sdk::Tag]) -> Tags {
    let pair = |tag: &sdk::Tag| Some((tag.key.clone()?, tag.value.clone().unwrap_or_default()));
    from.iter().filter_map(pair).collect()
}
