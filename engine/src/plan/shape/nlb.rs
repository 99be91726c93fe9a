//! The NLB in front in the words of the AWS API.

use serde_json::{Value, json};

use super::{attributes, health_check, members, reference, tags};
use crate::stack::{LoadBalancer, Nlb, NlbListener, NlbTargetGroup, ProtocolVersion, ResourceId};

pub(super) fn nlb(from: &Nlb) -> Value {
    let LoadBalancer { subnets, allocation_ids, attributes: of, tags: tagged, .. } = &from.is;
    let mapping =
        |subnet: &String| members([("SubnetId", json!(subnet)), ("AllocationId", json!(allocation_ids.get(subnet)))]);
    members([
        ("Name", json!(from.is.name)),
        ("Type", json!(from.is.kind.as_str())),
        ("Scheme", json!(from.is.scheme.as_str())),
        ("IpAddressType", json!(from.is.ip_address_type.as_str())),
        ("SubnetMappings", subnets.iter().map(mapping).collect()),
        ("SecurityGroups", from.is.security_groups.iter().map(reference).collect()),
        ("Attributes", attributes(of)),
        ("Listeners", from.listeners.iter().map(listener).collect()),
        ("Tags", tags(tagged)),
    ])
}

fn listener((port, from): (&u16, &NlbListener)) -> Value {
    let forward = json!({"TargetGroups": [{"TargetGroupArn": ResourceId::nlb_target_group(*port)}]});
    members([
        ("Port", json!(port)),
        ("Protocol", json!("TCP")),
        ("DefaultActions", json!([{"Type": "forward", "Order": 1, "ForwardConfig": forward}])),
        ("Attributes", attributes(&from.attributes)),
        ("Tags", tags(&from.tags)),
    ])
}

/// Its one target is the load balancer, by its resource id.
pub(super) fn target_group((port, from): (&u16, &NlbListener)) -> Value {
    let NlbTargetGroup { name, port: own, target_port, health_check: check, tags: tagged } = &from.target_group;
    let mut all = members([
        ("ResourceId", json!(ResourceId::nlb_target_group(*port))),
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
