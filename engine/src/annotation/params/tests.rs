//! Each field of the parameters, right and wrong.

use serde_json::json;

use super::*;

fn spec(value: serde_json::Value) -> IngressClassParamsSpec {
    serde_json::from_value(value).unwrap()
}

#[test]
fn every_field() {
    let good = spec(json!({
        "loadBalancerName": "shop", "group": {"name": "shop"}, "scheme": "internal", "ipAddressType": "ipv4",
        "targetType": "ip", "inboundCIDRs": ["10.0.0.0/8", "2001:db8::/32"], "sslRedirectPort": "443",
        "sslPolicy": "ELBSecurityPolicy-2016-08", "prefixListsIDs": ["pl-0a"], "tags": [{"key": "a", "value": "b"}],
        "subnets": {"tags": {"role": ["a", "b"]}}, "minimumLoadBalancerCapacity": {"capacityUnits": 0},
        "loadBalancerAttributes": [{"key": "routing.http2.enabled", "value": "true"}],
        "listeners": [{"protocol": "HTTP", "port": 80, "listenerAttributes": [
            {"key": "routing.http.response.server.enabled", "value": "false"}]}],
        "ipamConfiguration": {"ipv4IPAMPoolId": "ipam-pool-0a"}, "wafv2AclName": "web"
    }));
    assert_eq!(check(&good, &[]), []);
    for (bad, path, grave, doubt) in [
        (json!({"loadBalancerName": "x".repeat(33)}), "spec.loadBalancerName", true, false),
        (json!({"loadBalancerName": "a_b"}), "spec.loadBalancerName", false, false),
        (json!({"group": {"name": "A"}}), "spec.group.name", true, false),
        (json!({"certificateArn": ["x"]}), "spec.certificateArn[0]", false, false),
        (json!({"inboundCIDRs": ["::/0", "10.0.0.1"]}), "spec.inboundCIDRs[1]", true, false),
        (json!({"inboundCIDRs": ["10.0.0.1/8"]}), "spec.inboundCIDRs[0]", false, true),
        (
            json!({"inboundCIDRs": ["10.0.0.0/08", "2001:DB8::/32", "2001:db8::1/32"]}),
            "spec.inboundCIDRs[2]",
            false,
            true,
        ),
        (json!({"sslPolicy": "x"}), "spec.sslPolicy", false, false),
        (json!({"sslRedirectPort": "yes"}), "spec.sslRedirectPort", false, true),
        (json!({"sslRedirectPort": "0"}), "spec.sslRedirectPort", true, false),
        (json!({"subnets": {}}), "spec.subnets", true, false),
        (json!({"subnets": {"ids": ["subnet-x"]}}), "spec.subnets.ids[0]", false, false),
        (json!({"subnets": {"ids": ["subnet-1", "subnet-1"]}}), "spec.subnets.ids[1]", false, false),
        (json!({"subnets": {"tags": {}}}), "spec.subnets.tags", false, false),
        (json!({"subnets": {"tags": {"a": ["b", "b"]}}}), "spec.subnets.tags[a][1]", false, true),
        (json!({"tags": [{"key": "aws:a", "value": "b"}]}), "spec.tags[0]", false, false),
        (
            json!({"loadBalancerAttributes": [{"key": "idle_timeout.timeout_seconds", "value": "0"}]}),
            "spec.loadBalancerAttributes[0]",
            false,
            false,
        ),
        (json!({"listeners": [{"protocol": "TCP", "port": 80}]}), "spec.listeners[0].protocol", false, true),
        (json!({"listeners": [{"protocol": "HTTP", "port": 0}]}), "spec.listeners[0].port", false, true),
        (
            json!({"minimumLoadBalancerCapacity": {"capacityUnits": -1}}),
            "spec.minimumLoadBalancerCapacity.capacityUnits",
            false,
            false,
        ),
        (json!({"ipamConfiguration": {"ipv4IPAMPoolId": "x"}}), "spec.ipamConfiguration.ipv4IPAMPoolId", false, true),
        (json!({"prefixListsIDs": ["x"]}), "spec.prefixListsIDs[0]", false, false),
        (json!({"PrefixListsIDs": ["pl-0a"], "prefixListsIDs": ["pl-0b"]}), "spec.PrefixListsIDs", false, false),
        (json!({"wafv2AclArn": "x"}), "spec.wafv2AclArn", false, false),
        (json!({"wafv2AclName": "a b"}), "spec.wafv2AclName", false, false),
        (json!({"wafv2AclName": "a\u{1b}"}), "spec.wafv2AclName", true, false),
        (json!({"tags": [{"key": "a", "value": "b\nc"}]}), "spec.tags[0].value", true, false),
    ] {
        let found = check(&spec(bad.clone()), &[]);
        let [fault] = found.as_slice() else { panic!("{bad}: {found:?}") };
        assert_eq!((fault.path.as_str(), fault.grave, fault.error.unfamiliar), (path, grave, doubt), "{bad}");
    }
}

#[test]
fn every_parameter_is_read_by_its_row() {
    let key_and_value = json!([{"key": "a", "value": "b"}]);
    let all = spec(json!({
        "loadBalancerName": "a", "group": {"name": "a"}, "scheme": "internal", "ipAddressType": "ipv4", "targetType": "ip",
        "certificateArn": ["a"], "inboundCIDRs": ["a"], "prefixListsIDs": ["a"], "sslPolicy": "a", "sslRedirectPort": "1",
        "subnets": {}, "minimumLoadBalancerCapacity": {"capacityUnits": 1}, "wafv2AclArn": "a", "wafv2AclName": "a",
        "ipamConfiguration": {"ipv4IPAMPoolId": "a"}, "tags": key_and_value, "loadBalancerAttributes": key_and_value,
        "listeners": [{"protocol": "HTTP", "port": 80, "listenerAttributes": key_and_value}]
    }));
    for row in rows().filter(|row| row.parameter.is_some()) {
        let suffix = if row.family { format!("{}HTTP-80", row.key) } else { row.key.to_owned() };
        assert!(row.of_class(&all, &suffix).is_some(), "{suffix}");
        assert!(row.of_class(&IngressClassParamsSpec::default(), &suffix).is_none(), "{suffix}");
    }
}
