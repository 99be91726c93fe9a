//! The stack's types as AWS's types for requests.

use std::collections::BTreeMap;

use albedo_engine::stack::{Attributes, HealthCheck, ProtocolVersion, Tags, Target};
use aws_sdk_elasticloadbalancingv2::types as sdk;

/// Sorted by key; `None` without any, since AWS refuses an empty list.
pub(in crate::cloud) fn tags(tags: &Tags) -> Option<Vec<sdk::Tag>> {
    let tag = |(key, value): (&String, &String)| sdk::Tag::builder().key(key).value(value).build();
    some(tags.iter().map(tag).collect())
}

/// `None` when empty: AWS refuses an empty list and accepts an absent one.
pub(in crate::cloud) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

pub(in crate::cloud) fn targets(targets: &[Target]) -> Vec<sdk::TargetDescription> {
    let target = |target: &Target| {
        sdk::TargetDescription::builder()
            .id(&target.id)
            .port(target.port.into())
            .set_availability_zone(target.availability_zone.clone())
            .build()
    };
    targets.iter().map(target).collect()
}

/// In parts of no more than `most` where AWS takes no more in one call. What is said of one thing (`access_logs.s3.…`) stays together,
/// because AWS looks at it together.
pub(in crate::cloud) fn at_most(attributes: &Attributes, most: usize) -> Vec<Attributes> {
    let family = |key: &str| key.rsplit_once('.').map_or(key, |(family, _)| family).to_owned();
    let mut families: BTreeMap<String, Attributes> = BTreeMap::new();
    for (key, value) in attributes {
        families.entry(family(key)).or_default().insert(key.clone(), value.clone());
    }
    let mut parts: Vec<Attributes> = Vec::new();
    for family in families.into_values() {
        match parts.last_mut().filter(|part| part.len() + family.len() <= most) {
            Some(part) => part.extend(family),
            None => parts.push(family),
        }
    }
    parts
}

/// HTTP codes, or gRPC codes for a target group that speaks it.
pub(in crate::cloud) fn matcher(version: ProtocolVersion, check: &HealthCheck) -> sdk::Matcher {
    let codes = &check.success_codes;
    match version {
        ProtocolVersion::Grpc => sdk::Matcher::builder().grpc_code(codes).build(),
        ProtocolVersion::Http1 | ProtocolVersion::Http2 => sdk::Matcher::builder().http_code(codes).build(),
    }
}

pub(in crate::cloud) fn subnets(
    subnets: &[String],
    allocation_ids: &BTreeMap<String, String>,
) -> Vec<sdk::SubnetMapping> {
    let mapping = |id: &String| {
        sdk::SubnetMapping::builder().subnet_id(id).set_allocation_id(allocation_ids.get(id).cloned()).build()
    };
    subnets.iter().map(mapping).collect()
}

pub(in crate::cloud) fn certificate(arn: &str) -> sdk::Certificate {
    sdk::Certificate::builder().certificate_arn(arn).build()
}

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $type:ident,)+) => {
        $($(#[$doc])*
        pub(in crate::cloud) fn $name(attributes: &Attributes) -> Option<Vec<sdk::$type>> {
            let pair = |(key, value): (&String, &String)| sdk::$type::builder().key(key).value(value).build();
            some(attributes.iter().map(pair).collect())
        })+
    };
}

attributes! {
    /// Sorted by key.
    load_balancer_attributes: LoadBalancerAttribute,
    /// Sorted by key.
    listener_attributes: ListenerAttribute,
    /// Sorted by key.
    target_group_attributes: TargetGroupAttribute,
}
