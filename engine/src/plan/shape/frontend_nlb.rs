//! The frontend NLB in the words of the AWS API.

use serde_json::{Value, json};

use super::{attributes, health_check, members, reference, tags};
use crate::stack::{FrontendListener, FrontendNlb, FrontendTargetGroup, ProtocolVersion, ResourceId, SubnetMapping};

pub(super) fn frontend_nlb(from: &FrontendNlb) -> Value {
    let FrontendNlb {
        name,
        scheme,
        ip_address_type,
        subnets,
        security_groups,
        attributes: of,
        tags: tagged,
        listeners,
    } = from;
    let mapping = |SubnetMapping { subnet, allocation_id }: &SubnetMapping| {
        members([("SubnetId", json!(subnet)), ("AllocationId", json!(allocation_id))])
    };
    members([
        ("Name", json!(name)),
        ("Type", json!("network")),
        ("Scheme", json!(scheme.as_str())),
        ("IpAddressType", json!(ip_address_type.as_str())),
        ("SubnetMappings", subnets.iter().map(mapping).collect()),
        ("SecurityGroups", security_groups.iter().map(reference).collect()),
        ("Attributes", attributes(of)),
        ("Listeners", listeners.iter().map(listener).collect()),
        ("Tags", tags(tagged)),
    ])
}

fn listener((port, from): (&u16, &FrontendListener)) -> Value {
    let forward = json!({"TargetGroups": [{"TargetGroupArn": ResourceId::frontend_target_group(*port)}]});
    members([
        ("Port", json!(port)),
        ("Protocol", json!("TCP")),
        ("DefaultActions", json!([{"Type": "forward", "Order": 1, "ForwardConfig": forward}])),
        ("Tags", tags(&from.tags)),
    ])
}

/// Its one target is the load balancer, by its resource id.
pub(super) fn target_group((port, from): (&u16, &FrontendListener)) -> Value {
    let FrontendTargetGroup { name, port: own, target_port, health_check: check, tags: tagged } = &from.target_group;
    let mut all = members([
        ("ResourceId", json!(ResourceId::frontend_target_group(*port))),
        ("Name", json!(name)),
        ("TargetType", json!("alb")),
        ("Protocol", json!("TCP")),
        ("Port", json!(own)),
        ("IpAddressType", json!("ipv4")),
        ("Targets", json!([{"Id": ResourceId::load_balancer(), "Port": target_port}])),
        ("Tags", tags(tagged)),
    ]);
    if let Value::Object(all) = &mut all {
        all.extend(health_check(check, ProtocolVersion::Http1));
    }
    all
}
